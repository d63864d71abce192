"""Ours beside the best single peer, on the same rows: the difference, its noise, and what the bars say of it.

A difference is ours minus the peer's, turned so that positive is better for us. Over folds its noise is the standard
error of the mean of the folds' differences (Student's t); over the one test part of a split by time it is that of the
examples: the standard error of the mean difference in log-loss, DeLong's for the AUC (E. DeLong, D. DeLong, D.
Clarke-Pearson, Biometrics 44, 1988). The best peer is the one that the test itself shows to be best, figure by figure:
that choice is to its advantage.
"""

import dataclasses

import numpy as np
from figures import losses
from scipy import stats
from sklearn.metrics import roc_auc_score

CONFIDENCE = 0.95


@dataclasses.dataclass
class Difference:
    """How far we are ahead of a peer in one figure; negative where we are behind."""

    figure: str
    peer: str
    ahead: float
    error: float
    margin: float
    """What noise alone would leave us behind by, in one of twenty cases."""

    @property
    def holds(self):
        """Not behind by more than the noise."""
        return self.ahead >= -self.margin

    @property
    def verdict(self):
        """In a word."""
        if self.ahead > self.margin:
            return "better"
        return "even" if self.holds else "worse"


def placements(labels, probabilities):
    """Share of the negatives below each positive, and of the positives above each negative; ties count as half."""
    positive, negative = (probabilities[labels == label] for label in (1, 0))
    ranks = stats.rankdata(np.concatenate([positive, negative]))
    above = (ranks[: len(positive)] - stats.rankdata(positive)) / len(negative)
    below = 1 - (ranks[len(positive) :] - stats.rankdata(negative)) / len(positive)
    return above, below


def auc_by_examples(labels, ours, theirs):
    """Difference in AUC and its standard error on one test part."""
    (above, below), (peer_above, peer_below) = placements(labels, ours), placements(labels, theirs)
    up, down = above - peer_above, below - peer_below
    return up.mean(), np.sqrt(up.var(ddof=1) / len(up) + down.var(ddof=1) / len(down))


def log_loss_by_examples(labels, ours, theirs):
    """Difference in log-loss and its standard error on one test part."""
    gains = losses(labels, theirs) - losses(labels, ours)
    return gains.mean(), gains.std(ddof=1) / np.sqrt(len(gains))


def auc_ahead(labels, ours, theirs):
    """How far ahead in AUC."""
    return roc_auc_score(labels, ours) - roc_auc_score(labels, theirs)


def log_loss_ahead(labels, ours, theirs):
    """How far ahead in log-loss."""
    return log_loss_by_examples(labels, ours, theirs)[0]


FIGURES = {"AUC": (auc_ahead, auc_by_examples), "log-loss": (log_loss_ahead, log_loss_by_examples)}


def difference(figure, peer, labels, ours, theirs, tests):
    """Ours beside one peer; `tests` are the positions of each part's test rows."""
    by_fold, by_examples = FIGURES[figure]
    if len(tests) == 1:
        (test,) = tests
        ahead, error = by_examples(labels[test], ours[test], theirs[test])
        quantile = stats.norm.ppf(CONFIDENCE)
    else:
        found = np.array([by_fold(labels[test], ours[test], theirs[test]) for test in tests])
        ahead, error = found.mean(), found.std(ddof=1) / np.sqrt(len(found))
        quantile = stats.t.ppf(CONFIDENCE, len(found) - 1)
    return Difference(figure, peer, float(ahead), float(error), float(quantile * error))
