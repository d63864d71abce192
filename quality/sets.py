"""The data sets of datasets.toml, imported and divided by the release binary: what the peers get to see.

The rows of a training part and of a test part are what the binary's own predictions say they were.
"""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import tomllib

import numpy as np
import pandas as pd
from source import read, row_names

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAPPINGS = ROOT / "examples" / "mappings"
HORIZON = pd.Timedelta(days=30)
ALL_ROWS = "kfold:5"
# Steps of an evaluation by the names that the binary tells; what follows "done" belongs to the test.
PREDICTING = "predicting"
NOT_TRAINING = {"reading leads", "done", PREDICTING}


def stop(problem):
    """Says why the run is not possible."""
    print(f"error: {problem}", file=sys.stderr)
    raise SystemExit(2)


@dataclasses.dataclass
class Division:
    """One split of one data set."""

    set_name: str
    data_set: str
    """Folder of the data: two sets of the same folder are one data set."""
    split: str
    features: pd.DataFrame
    """Columns of every row with a known outcome, by position."""
    labels: np.ndarray
    instants: np.ndarray
    parts: list
    """Positions of the training and of the test rows of each part."""
    ours: np.ndarray
    """Our probability by position, NaN where a row is not tested."""
    report: dict
    """Our own report of the split."""
    our_seconds: tuple
    """Of our training and of our predicting; None where it is not told apart."""

    @property
    def by_time(self):
        """Whether the test comes after the training."""
        return self.split.startswith("time:")


def leadscore(data, *words):
    """Runs the binary on the data folder; its JSON document."""
    binary = os.environ.get("LEADSCORE_BIN", "leadscore")
    command = [binary, "--data", str(data), "--json", "--quiet", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        stop(f"{' '.join(command)} ended with {done.returncode}: {(done.stdout + done.stderr).strip()}")
    return json.loads(done.stdout)


def import_file(data, kind, folder, entry):
    """Imports one file, and tells of rows that were rejected: the peers do without them, too."""
    rejects = pathlib.Path(data) / f"{kind}.rejects.csv"
    summary = leadscore(
        data, "import", kind, folder / entry["file"], "--mapping", MAPPINGS / entry["mapping"], "--rejects", rejects
    )
    if summary["rejected"]:
        first = rejects.read_text().splitlines()[1]
        print(f"{entry['file']}: {summary['rejected']} rows were rejected, the first: {first}")


@dataclasses.dataclass
class Evaluated:
    """What `leadscore evaluate` found for a split."""

    rows: pd.DataFrame
    report: dict
    parts: list
    seconds: tuple


def evaluate(data, split, mapping):
    """Our predictions for a split by the rows' names, its figures and parts, and the seconds it took."""
    predictions = pathlib.Path(data) / "predictions.csv"
    answer = leadscore(
        data, "evaluate", "--split", split, "--predictions", predictions, "--report", pathlib.Path(data) / "report"
    )
    rows = pd.read_csv(predictions, dtype={"external_id": str}, parse_dates=["instant"])
    rows["name"] = row_names(rows["external_id"], mapping)
    parts = parts_of(json.loads(pathlib.Path(answer["report"]["json"]).read_text()))
    taken = answer["seconds"]
    training = sum(seconds for step, seconds in taken.items() if step not in NOT_TRAINING)
    return Evaluated(rows, answer["model"], parts, (training, taken.get(PREDICTING)))


def parts_of(report):
    """The list `parts` of a report, wherever it stands."""
    if isinstance(report, dict):
        if isinstance(report.get("parts"), list):
            return report["parts"]
        return next((found for value in report.values() if (found := parts_of(value))), None)
    return None


def folds(known, tested, parts):
    """Positions in `known` of the training and test rows of each part, checked against the report."""
    for fold, part in enumerate(parts):
        names = tested.loc[tested["fold"] == fold, "name"]
        test = known["name"].isin(names)
        train = ~test
        if part["gap"]:
            train &= known["instant"] + HORIZON <= known.loc[test, "instant"].min()
        if (train.sum(), test.sum()) != (part["train"], part["test"]):
            stop(f"part {fold}: {train.sum()} + {test.sum()} rows here, {part['train']} + {part['test']} in the report")
        yield train.to_numpy().nonzero()[0], test.to_numpy().nonzero()[0]


def divisions(wanted):
    """Every split of every data set, or of those whose names begin with a wanted word."""
    data_dir = os.environ.get("LEADSCORE_DATA_DIR")
    if not data_dir or not pathlib.Path(data_dir).is_dir():
        stop("LEADSCORE_DATA_DIR names no folder; point it at the data sets of quality/datasets.toml")
    chosen = [
        entry
        for entry in tomllib.loads((ROOT / "quality" / "datasets.toml").read_text())["set"]
        if not wanted or entry["name"].startswith(tuple(wanted))
    ]
    if not chosen:
        stop(f"no data set is named {' or '.join(wanted)}")
    for entry in chosen:
        folder = pathlib.Path(data_dir) / entry["folder"]
        if not folder.is_dir():
            stop(f"{folder} is missing")
        yield from divide(entry, folder)


def divide(entry, folder):
    """Every split of one data set."""
    mapping = MAPPINGS / entry["leads"]["mapping"]
    columns = read(folder / entry["leads"]["file"], mapping)
    with tempfile.TemporaryDirectory() as data:
        data = pathlib.Path(data) / "leadscore-data"
        leadscore(data, "init")
        import_file(data, "leads", folder, entry["leads"])
        if "outcomes" in entry:
            import_file(data, "outcomes", folder, entry["outcomes"])
        # Parts that together test every row: they tell the labels and instants of all.
        all_rows = evaluate(data, ALL_ROWS, mapping)
        known = all_rows.rows
        if known["name"].duplicated().any():
            stop(f"{entry['name']}: more than one example of a lead; the peers know one row each")
        # In the order of the file: that of the predictions changes with the leads' ids, which every import draws anew.
        known = known.iloc[columns.index.get_indexer(known["name"]).argsort()].reset_index(drop=True)
        features = columns.loc[known["name"]].reset_index(drop=True)
        # LightGBM takes no JSON signs in names.
        features.columns = [f"c{n}" for n in range(features.shape[1])]
        for split in entry["splits"]:
            found = all_rows if split == ALL_ROWS else evaluate(data, split, mapping)
            tested = found.rows.set_index("name")["probability"]
            yield Division(
                set_name=entry["name"],
                data_set=entry["folder"],
                split=split,
                features=features,
                labels=known["label"].to_numpy(),
                instants=known["instant"].to_numpy(),
                parts=list(folds(known, found.rows, found.parts)),
                ours=known["name"].map(tested).to_numpy(dtype=float),
                report=found.report,
                our_seconds=found.seconds,
            )
