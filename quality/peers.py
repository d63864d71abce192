"""Accuracy on real data beside LightGBM and XGBoost: the same rows, columns and folds, in the same run.

Imports every data set of datasets.toml with the release binary, evaluates each split, trains the peers on what the
binary's predictions say were the training and test rows, prints a table and writes target/reports/quality.json.
Exit code 1 where a bar does not hold, 2 where the run is not possible.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import tomllib

import lightgbm
import pandas as pd
import xgboost
from figures import figures
from source import read, row_names

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAPPINGS = ROOT / "examples" / "mappings"
REPORT = ROOT / "target" / "reports" / "quality.json"
AUC_MARGIN = 0.01
TREES, LEARNING_RATE, LEAVES = 120, 0.07, 15
HORIZON = pd.Timedelta(days=30)
OURS = "leadscore"
ALL_ROWS = "kfold:5"


def stop(problem):
    """Says why the run is not possible."""
    print(f"error: {problem}", file=sys.stderr)
    raise SystemExit(2)


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


def evaluate(data, split, mapping):
    """Our predictions for a split by the rows' names, the report of its parts, and the seconds it took."""
    predictions = pathlib.Path(data) / "predictions.csv"
    start = time.perf_counter()
    answer = leadscore(
        data, "evaluate", "--split", split, "--predictions", predictions, "--report", pathlib.Path(data) / "report"
    )
    seconds = time.perf_counter() - start
    rows = pd.read_csv(predictions, dtype={"external_id": str}, parse_dates=["instant"])
    rows["name"] = row_names(rows["external_id"], mapping)
    report = json.loads(pathlib.Path(answer["report"]["json"]).read_text())
    return rows, parts_of(report), seconds


def parts_of(report):
    """The list `parts` of a report, wherever it stands."""
    if isinstance(report, dict):
        if isinstance(report.get("parts"), list):
            return report["parts"]
        return next((found for value in report.values() if (found := parts_of(value))), None)
    return None


def folds(known, tested, parts):
    """Training and test rows of each part, as positions in `known`, checked against the report."""
    for fold, part in enumerate(parts):
        names = tested.loc[tested["fold"] == fold, "name"]
        test = known["name"].isin(names)
        train = ~test
        if part["gap"]:
            train &= known["instant"] + HORIZON <= known.loc[test, "instant"].min()
        if (train.sum(), test.sum()) != (part["train"], part["test"]):
            stop(f"part {fold}: {train.sum()} + {test.sum()} rows here, {part['train']} + {part['test']} in the report")
        yield train.to_numpy(), test.to_numpy()


def peers():
    """New models of the same size and pace."""
    threads = os.cpu_count()
    return {
        "LightGBM": lightgbm.LGBMClassifier(
            n_estimators=TREES, learning_rate=LEARNING_RATE, num_leaves=LEAVES, n_jobs=threads, random_state=1, verbose=-1
        ),
        "XGBoost": xgboost.XGBClassifier(
            n_estimators=TREES, learning_rate=LEARNING_RATE, grow_policy="lossguide", max_leaves=LEAVES, max_depth=0,
            tree_method="hist", enable_categorical=True, n_jobs=threads, random_state=1,
        ),
    }  # fmt: skip


def run_peers(known, columns, tested, parts):
    """Each peer's probabilities for the tested rows, by name of the row, and its seconds."""
    found = {name: pd.Series(0.0, index=known["name"]) for name in peers()}
    seconds = dict.fromkeys(found, 0.0)
    features = columns.loc[known["name"]].reset_index(drop=True)
    # LightGBM takes no JSON signs in names.
    features.columns = [f"c{n}" for n in range(features.shape[1])]
    for train, test in folds(known, tested, parts):
        for name, model in peers().items():
            start = time.perf_counter()
            model.fit(features[train], known.loc[train, "label"])
            found[name].iloc[test.nonzero()[0]] = model.predict_proba(features[test])[:, 1]
            seconds[name] += time.perf_counter() - start
    return {name: series.loc[tested["name"]].to_numpy() for name, series in found.items()}, seconds


def measure(evaluated, known, columns):
    """The figures of every model on one split."""
    tested, parts, our_seconds = evaluated
    probabilities, seconds = run_peers(known, columns, tested, parts)
    probabilities = {OURS: tested["probability"].to_numpy(), **probabilities, "logistic": tested["logistic"].to_numpy()}
    labels = tested["label"].to_numpy()
    table = {model: figures(labels, values) for model, values in probabilities.items()}
    for model, taken in {OURS: our_seconds, **seconds}.items():
        table[model]["seconds"] = taken
    return table


def measure_set(entry, folder):
    """The figures of every split of one data set."""
    mapping = MAPPINGS / entry["leads"]["mapping"]
    columns = read(folder / entry["leads"]["file"], mapping)
    with tempfile.TemporaryDirectory() as data:
        data = pathlib.Path(data) / "leadscore-data"
        leadscore(data, "init")
        import_file(data, "leads", folder, entry["leads"])
        if "outcomes" in entry:
            import_file(data, "outcomes", folder, entry["outcomes"])
        # Parts that together test every row: they tell the labels and instants of all.
        all_tested = evaluate(data, ALL_ROWS, mapping)
        known = all_tested[0]
        if known["name"].duplicated().any():
            stop(f"{entry['name']}: more than one example of a lead; the peers know one row each")
        for split in entry["splits"]:
            evaluated = all_tested if split == ALL_ROWS else evaluate(data, split, mapping)
            yield split, measure(evaluated, known, columns)


def show(name, split, table):
    """Prints the figures of one split."""
    names = list(table[OURS])
    print(f"\n{name}, {split}")
    print(" " * 12 + "".join(f"{figure:>18}" for figure in names))
    for model, found in table.items():
        cells = (f"{found[figure]:>18.4f}" if figure in found else f"{'-':>18}" for figure in names)
        print(f"{model:<12}" + "".join(cells), flush=True)


def report_rows(name, split, table):
    """Rows of the report: the bar is on our AUC, the rest stands beside it."""
    best = max(table["LightGBM"]["AUC"], table["XGBoost"]["AUC"])
    bar = best - AUC_MARGIN
    for model, found in table.items():
        for figure, value in found.items():
            barred = (model, figure) == (OURS, "AUC")
            yield {
                "name": f"{name}, {split}: {figure} of {model}",
                "value": round(value, 4),
                "unit": "s" if figure == "seconds" else "",
                "bar": f">= {bar:.4f}" if barred else None,
                "holds": bool(value >= bar) if barred else True,
            }


def main(wanted):
    """Measures every data set, or those whose names begin with a wanted word; the exit code says whether bars hold."""
    data_dir = os.environ.get("LEADSCORE_DATA_DIR")
    if not data_dir or not pathlib.Path(data_dir).is_dir():
        stop("LEADSCORE_DATA_DIR names no folder; point it at the data sets of quality/datasets.toml")
    rows = []
    for entry in tomllib.loads((ROOT / "quality" / "datasets.toml").read_text())["set"]:
        if wanted and not entry["name"].startswith(tuple(wanted)):
            continue
        folder = pathlib.Path(data_dir) / entry["folder"]
        if not folder.is_dir():
            stop(f"{folder} is missing")
        for split, table in measure_set(entry, folder):
            show(entry["name"], split, table)
            rows.extend(report_rows(entry["name"], split, table))
    if not rows:
        stop(f"no data set is named {' or '.join(wanted)}")
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(rows, indent=2) + "\n")
    print()
    for row in rows:
        if row["bar"]:
            verdict = "holds" if row["holds"] else "DOES NOT HOLD"
            print(f"{row['name']:<70} {row['value']:.4f}  bar {row['bar']}: {verdict}")
    return 0 if all(row["holds"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
