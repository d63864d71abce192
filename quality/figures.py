"""Figures of probabilities against labels: the same definitions for every model, and those of `leadscore evaluate`."""

import numpy as np
from sklearn import metrics

ECE_BINS = 15
# Simulated label sets behind the noise floor of the ECE.
NOISE_RUNS, NOISE_SEED = 200, 0xECE
CLIP = 1e-12


def bins(probabilities):
    """Positions in the order of their probability, and where each bin of equally many examples begins."""
    n = len(probabilities)
    count = min(ECE_BINS, n)
    return np.argsort(probabilities, kind="stable"), np.array([i * n // count for i in range(count)])


def ece(labels, probabilities):
    """Expected calibration error over bins of equally many examples."""
    order, starts = bins(probabilities)
    return float(np.abs(np.add.reduceat((labels - probabilities)[order], starts)).sum() / len(labels))


def ece_by_chance(probabilities):
    """The mean ECE that a perfectly calibrated model with these probabilities shows."""
    random = np.random.default_rng(NOISE_SEED)
    found = [ece(random.random(len(probabilities)) < probabilities, probabilities) for _ in range(NOISE_RUNS)]
    return float(np.mean(found))


def lift(labels, probabilities, share=0.1):
    """Share of positives among the top over their share in all; ties count in part."""
    _, ties = np.unique(-probabilities, return_inverse=True)
    expected = np.bincount(ties, weights=labels) / np.bincount(ties)
    size = int(np.ceil(share * len(labels)))
    return float(expected[np.sort(ties)[:size]].mean() / labels.mean())


def losses(labels, probabilities):
    """Log-loss of each example, in nats."""
    right = np.where(labels == 1, probabilities, 1 - probabilities)
    return -np.log(np.clip(right, CLIP, 1 - CLIP))


def figures(labels, probabilities):
    """All figures of one model on one test, by name."""
    floor = ece_by_chance(probabilities)
    return {
        "AUC": metrics.roc_auc_score(labels, probabilities),
        "average precision": metrics.average_precision_score(labels, probabilities),
        "log-loss": float(losses(labels, probabilities).mean()),
        "Brier": float(np.mean((probabilities - labels) ** 2)),
        "ECE": ece(labels, probabilities),
        "ECE by chance": floor,
        "lift at 10 %": lift(labels, probabilities),
    }
