"""A trained Leadscore model, read from its own files: NumPy and the standard library, nothing else.

    from leadscore_model import Model
    model = Model()
    row = model.encode({"showings_held": 2, "attributes.channel": "referral"}, at=datetime.now(timezone.utc))
    model.predict(row)["probability"]
"""

import json
import pathlib
from datetime import datetime, timedelta, timezone

import numpy as np

from ._calibration import Calibration
from ._logistic import Logistic
from ._net import Net
from ._trees import Trees

__all__ = ["Model"]

_PREFIX = "attributes."
_DAY = timedelta(days=1)


class Model:
    """The members that count, their weights, and what makes a probability of their log-odds."""

    def __init__(self, folder=None):
        """Reads the files of a bundle; those that came with this package where no folder is named."""
        folder = pathlib.Path(folder) if folder else pathlib.Path(__file__).parent / "bundle"
        read = lambda name: json.loads((folder / name).read_text())
        self.manifest = read("manifest.json")
        view = read("view.json")
        self._features = view["features"]
        self._attributes = view["attributes"]
        stack = read("stack.json")
        self._weights = np.array(stack["weights"])
        self._intercept = stack["intercept"]
        kinds = [("logistic.json", Logistic), ("trees.json", Trees), ("net.safetensors", Net), ("imported.json", Trees)]
        self._members = [
            kind.read(folder / file) if weight > 0 else None for weight, (file, kind) in zip(self._weights, kinds)
        ]
        self._calibration = Calibration(read("calibration.json"), read("reference.json"))

    @property
    def columns(self):
        """Names of the columns of a row, in their order."""
        return self._features + [_PREFIX + attribute["name"] for attribute in self._attributes]

    def encode(self, values, at=None):
        """The row of raw values by column name; what is absent or None is missing.

        Numbers stand for themselves, yes and no for 1 and 0, texts for the categories that training knew (any other
        is "other"), and a datetime for its distance to `at` in days; one without a time zone is taken as UTC.
        """
        unknown = set(values) - set(self.columns)
        if unknown:
            raise KeyError(f"no columns of this model: {', '.join(sorted(unknown))}")
        row = [_number(values.get(name)) for name in self._features]
        row += [_encode(a["encoding"], values.get(_PREFIX + a["name"]), at) for a in self._attributes]
        return np.array(row, np.float32)

    def predict(self, rows):
        """What the model says of encoded rows (n × columns, or one): arrays by name.

        `log_odds` before calibration, the calibrated `probability` of a conversion within the horizon, `lower` and
        `upper` ends of its 90 % interval, and the `score` from 0 to 100.
        """
        rows = np.atleast_2d(np.asarray(rows, np.float32))
        if rows.shape[1] != len(self.columns):
            raise ValueError(f"{rows.shape[1]} columns where the model has {len(self.columns)}")
        votes = np.zeros((len(self._weights), len(rows)))
        heads = np.zeros(len(rows))
        for vote, member in zip(votes, self._members):
            if isinstance(member, Net):
                vote[:], heads = member.log_odds(rows)
            elif member is not None:
                vote[:] = member.log_odds(rows)
        log_odds = self._weights @ votes + self._intercept
        shares = self._weights / self._weights.sum()
        among = np.sqrt(shares @ (votes - shares @ votes) ** 2)
        return {"log_odds": log_odds, **self._calibration.predict(log_odds, among, heads)}


def _number(value):
    return np.nan if value is None else float(value)


def _encode(encoding, value, at):
    """The value of an attribute; one of another type than the attribute's is missing, or some other category."""
    if value is None:
        return np.nan
    if encoding == "number":
        return float(value) if isinstance(value, (bool, int, float, np.number)) else np.nan
    if encoding == "days":
        if not isinstance(value, datetime):
            return np.nan
        if at is None:
            raise ValueError("a time is known by its distance to `at`, which is missing")
        return (_utc(value) - _utc(at)) / _DAY
    return encoding["category"].get(value, 0) if isinstance(value, str) else 0


def _utc(instant):
    return instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)
