"""Compares the package with the server's figures for the examples; fails where they differ by more than 1e-6."""

import json
import pathlib
import sys
from datetime import datetime

import numpy as np

from leadscore_model import Model

TOLERANCE = 1e-6


def main():
    written = json.loads((pathlib.Path(__file__).parent / "examples.json").read_text())
    model = Model()
    assert model.columns == written["columns"]
    examples = written["examples"]
    rows = np.array([[np.nan if v is None else v for v in one["row"]] for one in examples], np.float32)
    encoded = np.stack([model.encode(raw(one["values"]), at=time(one["at"])) for one in examples])
    np.testing.assert_array_equal(encoded, rows)
    found = model.predict(rows)
    worst = {}
    for name in ("log_odds", "probability", "lower", "upper"):
        expected = np.array([one[name] for one in examples])
        worst[name] = float(np.abs(found[name] - expected).max())
    assert found["score"].tolist() == [one["score"] for one in examples]
    print(json.dumps({"examples": len(examples), "largest_difference": worst}))
    if not max(worst.values()) < TOLERANCE:
        sys.exit(f"differs by more than {TOLERANCE}")


def raw(values):
    return {name: time(value["time"]) if isinstance(value, dict) else value for name, value in values.items()}


def time(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


if __name__ == "__main__":
    main()
