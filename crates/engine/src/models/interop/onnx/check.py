"""Compares the graph with the server's figures for the examples; fails where they differ by more than 1e-6."""

import json
import pathlib
import sys

import numpy as np
import onnxruntime

TOLERANCE = 1e-6


def main():
    folder = pathlib.Path(__file__).parent
    written = json.loads((folder / "examples.json").read_text())
    examples = written["examples"]
    rows = np.array([[np.nan if v is None else v for v in one["row"]] for one in examples], np.float32)
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    names = ["log_odds", "probability"]
    worst = {}
    for name, found in zip(names, session.run(names, {"rows": rows})):
        expected = np.array([one[name] for one in examples])
        assert found.shape == expected.shape, found.shape
        worst[name] = float(np.abs(found - expected).max())
    print(json.dumps({"examples": len(examples), "largest_difference": worst}))
    if not max(worst.values()) < TOLERANCE:
        sys.exit(f"differs by more than {TOLERANCE}")


if __name__ == "__main__":
    main()
