"""Accuracy on real data beside the peers of models.py: the same rows, columns and folds, in the same run.

Every data set of datasets.toml is imported and evaluated with the release binary; the peers are trained on what its
predictions say were the training and test rows, with the parameters of parameters.json. Prints tables and writes its
part of the report. Exit code 1 where a bar does not hold, 2 where the run is not possible.

The bars: on every split we are not behind the best single peer in AUC or log-loss by more than the paired noise, at
one-sided 95 %; on at least two data sets there is a split on which we are ahead in both, in one beyond that noise; our
ECE is at most 0.02. What chance would leave of it in a perfectly calibrated model stands beside it.
"""

import os
import sys
import time
import warnings

import numpy as np
from compare import FIGURES, difference
from figures import figures
from models import PEERS, TUNED
from report import markdown, row, write
from sets import divisions, stop
from sklearn.exceptions import ConvergenceWarning
from tune import load

OURS = "leadscore"
MOST_ECE = 0.02
SETS_AHEAD = 2
# Figures of our own report that must be the same here but for rounding; the ECE depends on the order of ties.
REPORTED = {
    "AUC": "auc",
    "average precision": "average_precision",
    "log-loss": "log_loss",
    "Brier": "brier",
    "lift at 10 %": "lift_at_10",
}
SAME = 1e-6


def run_peer(peer, parameters, division):
    """A peer's probabilities by position, and the seconds of training and predicting."""
    found = np.full(len(division.labels), np.nan)
    training = predicting = 0.0
    for train, test in division.parts:
        start = time.perf_counter()
        model = PEERS[peer](parameters, os.cpu_count()).fit(division.features.iloc[train], division.labels[train])
        trained = time.perf_counter()
        found[test] = model.predict_proba(division.features.iloc[test])[:, 1]
        training += trained - start
        predicting += time.perf_counter() - trained
    return found, (training, predicting)


def measure(division, committed):
    """Everybody's probabilities and figures on one split."""
    probabilities, seconds = {OURS: division.ours}, {OURS: division.our_seconds}
    for peer in PEERS:
        parameters = committed.get(peer, {}).get("parameters", {})
        probabilities[peer], seconds[peer] = run_peer(peer, parameters, division)
    tested = np.concatenate([test for _, test in division.parts])
    table = {}
    for name, found in probabilities.items():
        table[name] = figures(division.labels[tested], found[tested])
        table[name] |= dict(zip(("training s", "predicting s"), seconds[name], strict=True))
    for figure, ours in REPORTED.items():
        if abs(table[OURS][figure] - division.report[ours]) > SAME:
            stop(f"{division.split}: our {figure} is {table[OURS][figure]} here, {division.report[ours]} in the report")
    return probabilities, table


def best_peer(table, figure):
    """The peer that is best in a figure."""
    choose = max if figure == "AUC" else min
    return choose(PEERS, key=lambda peer: table[peer][figure])


def differences(division, probabilities, table):
    """Ours beside the best peer, by figure."""
    tests = [test for _, test in division.parts]
    for figure in FIGURES:
        peer = best_peer(table, figure)
        yield difference(figure, peer, division.labels, division.ours, probabilities[peer], tests)


def report_rows(division, table, found):
    """Rows of the report of one split."""
    where = f"{division.set_name}, {division.split}"
    for model, figures_of in table.items():
        for figure, value in figures_of.items():
            name, unit = f"{where}: {figure} of {model}", "s" if figure.endswith(" s") else ""
            if (model, figure) == (OURS, "ECE"):
                yield row(name, value, unit, f"<= {MOST_ECE}", value <= MOST_ECE)
            else:
                yield row(name, value, unit)
    for one in found:
        name = f"{where}: {one.figure} ahead of the best peer, {one.peer}"
        yield row(name, one.ahead, bar=f">= {-one.margin:.5f}", holds=one.holds)


def is_better(found):
    """Ahead in every figure, and in one of them beyond the noise."""
    return all(one.ahead > 0 for one in found) and any(one.verdict == "better" for one in found)


def split_table(division, table, committed):
    """The figures of one split, for people."""
    names = list(table[OURS])
    rows = []
    for model, found in table.items():
        how = "" if model == OURS else committed.get(model, {}).get("chosen", "defaults")
        cells = (
            "–" if found[name] is None else f"{found[name]:.1f}" if name.endswith(" s") else f"{found[name]:.4f}"
            for name in names
        )
        rows.append([model, how, *cells])
    positives = division.labels[np.concatenate([test for _, test in division.parts])]
    heading = f"### {division.set_name}, {division.split}\n\n{len(positives)} tested, {int(positives.sum())} converted."
    return f"{heading}\n\n{markdown(['model', 'parameters', *names], rows)}\n"


def verdict_table(verdicts):
    """Ours beside the best peer on every split, for people."""
    rows = []
    for division, found, ours in verdicts:
        rows.extend(
            [f"{division.set_name}, {division.split}", one.figure, one.peer, f"{one.ahead:+.4f}", f"{one.error:.4f}",
             f"{-one.margin:.4f}", one.verdict]
            for one in found
        )  # fmt: skip
        ece, chance = ours["ECE"], ours["ECE by chance"]
        holds = "holds" if ece <= MOST_ECE else "DOES NOT HOLD"
        rows.append(
            [f"{division.set_name}, {division.split}", "ECE", "", f"{ece:.4f}", f"{chance:.4f}", f"{MOST_ECE}", holds]
        )
    headings = ["split", "figure", "best peer", "ahead, or ECE", "standard error, or by chance", "bar", "verdict"]
    return markdown(headings, rows)


def main(wanted):
    """Measures every data set, or those whose names begin with a wanted word; the exit code says whether bars hold."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    start, rows, verdicts, better, pages = time.perf_counter(), [], [], set(), []
    known = load()
    for division in divisions(wanted):
        committed = known.get(f"{division.set_name}, {division.split}", {})
        unknown = [peer for peer in TUNED if peer not in committed]
        if unknown:
            stop(f"{division.set_name}, {division.split}: no parameters of {', '.join(unknown)}; make quality-tune")
        probabilities, table = measure(division, committed)
        found = list(differences(division, probabilities, table))
        pages.append(split_table(division, table, committed))
        print(f"\n{pages[-1]}", flush=True)
        rows.extend(report_rows(division, table, found))
        verdicts.append((division, found, table[OURS]))
        if is_better(found):
            better.add(division.data_set)
    all_sets = {division.data_set for division, *_ in verdicts}
    if not wanted:
        name = f"data sets of {len(all_sets)} on which we are better than every peer"
        rows.append(row(name, len(better), bar=f">= {SETS_AHEAD}", holds=len(better) >= SETS_AHEAD))
    minutes = (time.perf_counter() - start) / 60
    summary = (
        f"{verdict_table(verdicts)}\n\nBetter on {len(better)} of {len(all_sets)} data sets"
        f" ({', '.join(sorted(better)) or 'none'}); made in {minutes:.0f} minutes on {os.cpu_count()} processors."
    )
    print(f"\n{summary}\n")
    return write("peers", rows, "\n".join(["## Accuracy on real data", "", summary, "", *pages]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
