"""Figures of probabilities against labels: the same definitions for every model, and those of `leadscore evaluate`."""

import numpy as np
from sklearn import metrics

ECE_BINS = 15


def ece(labels, probabilities):
    """Expected calibration error over bins of equally many examples."""
    order = np.argsort(probabilities, kind="stable")
    n = len(order)
    bins = min(ECE_BINS, n)
    parts = [order[i * n // bins : (i + 1) * n // bins] for i in range(bins)]
    return sum(len(part) * abs(labels[part].mean() - probabilities[part].mean()) for part in parts) / n


def lift(labels, probabilities, share=0.1):
    """Share of positives among the top over their share in all; ties count in part."""
    _, ties = np.unique(-probabilities, return_inverse=True)
    expected = (np.bincount(ties, weights=labels) / np.bincount(ties))[ties][np.argsort(ties, kind="stable")]
    whole, part = divmod(share * len(labels), 1)
    found = expected[: int(whole)].sum() + (part * expected[int(whole)] if part else 0.0)
    return found / (share * len(labels)) / labels.mean()


def figures(labels, probabilities):
    """All figures of one model on one test, by name."""
    clipped = np.clip(probabilities, 1e-12, 1 - 1e-12)
    return {
        "AUC": metrics.roc_auc_score(labels, probabilities),
        "average precision": metrics.average_precision_score(labels, probabilities),
        "log-loss": metrics.log_loss(labels, clipped),
        "Brier": float(np.mean((probabilities - labels) ** 2)),
        "ECE": ece(labels, probabilities),
        "lift at 10 %": lift(labels, probabilities),
    }
