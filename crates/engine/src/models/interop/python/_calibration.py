"""From log-odds to a probability, its 90 % interval and the score."""

import numpy as np

_COVERAGE = 0.9
_LOGISTIC_SD = np.pi / np.sqrt(3)
_LEAST_DISAGREEMENT = 0.05
_MAX_LOG_ODDS = 20.0


class Calibration:
    def __init__(self, calibration, reference):
        self._map = calibration["map"]
        self._pairs = {name: np.array(values) for name, values in calibration["venn_abers"].items()}
        self._interval = calibration["interval"]
        self._reference = np.array(reference["log_odds"])

    def predict(self, log_odds, members, heads):
        """`members` and `heads` are the standard deviations among the members and among the heads of the net."""
        basis = np.stack([-_softplus(-log_odds), _softplus(log_odds), np.ones(len(log_odds))])
        slopes = np.array([self._map["a"], self._map["b"], self._map["c"]])
        calibrated = np.clip(slopes @ basis, -_MAX_LOG_ODDS, _MAX_LOG_ODDS)
        of_map = np.maximum(np.einsum("in,ij,jn->n", basis, np.array(self._map["covariance"]), basis), 0.0)
        lower, upper = self._ends(calibrated, members, heads, of_map, *self._pair(log_odds))
        return {
            "probability": _sigmoid(calibrated),
            "lower": lower,
            "upper": upper,
            "score": self._score(calibrated),
        }

    def _pair(self, log_odds):
        """The Venn–Abers pair of uncalibrated log-odds."""
        p = self._pairs
        lower = np.append(0.0, p["lower"])[np.searchsorted(p["lower_from"], log_odds, side="right")]
        upper = np.append(p["upper"], 1.0)[np.searchsorted(p["upper_to"], log_odds, side="left")]
        return lower, np.maximum(upper, lower)

    def _ends(self, calibrated, members, heads, of_map, lower, upper):
        scale = np.sqrt(self._variance(calibrated, members, heads) + of_map) / _LOGISTIC_SD
        down, up = _reach((calibrated - _logit(lower)) / scale, (_logit(upper) - calibrated) / scale)
        probability = _sigmoid(calibrated)
        low, high = _sigmoid(calibrated - down * scale), _sigmoid(calibrated + up * scale)
        return np.minimum(np.minimum(low, probability), lower), np.maximum(np.maximum(high, probability), upper)

    def _variance(self, calibrated, members, heads):
        """Variance of the error but for that of the map, in squared log-odds."""
        relative = [
            np.log(_LEAST_DISAGREEMENT + value * value / scale) if scale > 0 else np.zeros(len(value))
            for value, scale in zip((members, heads), self._interval["scale"])
        ]
        z = calibrated / 4.0
        sampling = np.array(self._interval["terms"]) @ np.stack([np.ones(len(z)), *relative, z, z * z])
        return np.exp(np.clip(sampling, *self._interval["range"])) + self._interval["excess"]

    def _score(self, calibrated):
        below = np.searchsorted(self._reference, calibrated, side="left")
        not_above = np.searchsorted(self._reference, calibrated, side="right")
        return np.floor((below + not_above) / (2 * len(self._reference)) * 100.0 + 0.5).astype(int)


def _reach(down, up):
    """How far an interval of 90 % reaches down and up, in scales of the logistic distribution, that reaches at least
    so far: where one side must reach further than 95 %, the other gives way."""
    both = _logit((1.0 + _COVERAGE) / 2.0)
    far_down, far_up = down > both, up > both
    # What the other side still needs; asked only where a side is far.
    rest = lambda reached: -_logit(_sigmoid(np.maximum(reached, both)) - _COVERAGE)
    new_down = np.where(far_down, down, np.where(far_up, np.maximum(down, rest(up)), both))
    new_up = np.where(far_up, up, np.where(far_down, np.maximum(up, rest(down)), both))
    return new_down, new_up


def _softplus(x):
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def _sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1.0 + e)


def _logit(p):
    with np.errstate(divide="ignore"):
        return np.log(p) - np.log1p(-p)
