"""Checks folders that `leadscore export --format python` and `--format onnx` wrote.

usage: exported_model.py PYTHON_FOLDER ONNX_FOLDER   (fails with what is wrong)

The package is installed as a user would install it, and its own check and that of the graph are run. Then both are
compared with each other on further rows: values far outside, and codes of categories beyond the view's.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime

TOLERANCE = 1e-6


def main(package, graph):
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        site = scratch / "site"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
        subprocess.run([*pip, "--disable-pip-version-check", "--target", site, package], check=True)
        for name in ("check.py", "examples.json"):
            shutil.copy(package / name, scratch / name)
        print("python:", run(scratch / "check.py", {"PYTHONPATH": str(site)}))
        print("onnx:", run(graph / "check.py", {}))
        sys.path.insert(0, str(site))
        print("both:", compare(package, graph))


def run(script, environment):
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def compare(package, graph):
    from leadscore_model import Model

    model = Model()
    examples = json.loads((package / "examples.json").read_text())["examples"]
    rows = np.array([[np.nan if v is None else v for v in one["row"]] for one in examples], np.float32)
    assert np.isnan(rows).any(axis=0).all(), "every column is missing somewhere"
    assert any(value == "never seen in training" for one in examples for value in one["values"].values())
    random = np.random.default_rng(1)
    wild = rows.copy()
    codes = {index for index, name in enumerate(model.columns) if is_category(package, name)}
    assert codes, "there is a category"
    for column in range(rows.shape[1]):
        far = random.integers(0, 400, len(rows)) if column in codes else random.normal(0, 1e4, len(rows))
        wild[:, column] = np.where(random.random(len(rows)) < 0.3, far, rows[:, column])
    session = onnxruntime.InferenceSession(graph / "model.onnx", providers=["CPUExecutionProvider"])
    worst = 0.0
    for table in (rows, wild, np.full_like(rows, np.nan)[:3]):
        found = model.predict(table)
        for name, value in zip(("log_odds", "probability"), session.run(["log_odds", "probability"], {"rows": table})):
            worst = max(worst, float(np.abs(found[name] - value).max()))
        assert (found["lower"] <= found["probability"]).all() and (found["probability"] <= found["upper"]).all()
    assert worst < TOLERANCE, worst
    one = model.predict(rows[0])
    assert one["probability"].shape == (1,)
    for wrong in (rows[:, 1:], rows[0][:-1]):
        try:
            model.predict(wrong)
        except ValueError:
            continue
        raise AssertionError("a row of another width is refused")
    return json.dumps({"rows": 2 * len(rows) + 3, "largest_difference": worst})


def is_category(package, name):
    view = json.loads((package / "leadscore_model/bundle/view.json").read_text())
    known = {"attributes." + one["name"]: one["encoding"] for one in view["attributes"]}
    return isinstance(known.get(name), dict)


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:3]))
