"""Finds the peers' parameters, once: `make quality-tune` writes quality/parameters.json, which is committed.

Of every split only as many rows are looked at as one part trains on. A fifth of them is held out, the latest where the
split is by time and a random one otherwise. A peer is tried with its library's defaults, and with 30 draws of
parameters: all of them on a sample of the rows, the best three of those on all rows. The lowest log-loss on the rows
held out wins. Boosted trees and the perceptron find their number of rounds there, too.
"""

import argparse
import json
import pathlib
import time
import warnings

import numpy as np
from models import PEERS, ROUNDS, TUNED, draw
from sets import divisions
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

PARAMETERS = pathlib.Path(__file__).with_name("parameters.json")
TRIALS = 30
# Rows that fit a draw at first, and how many draws are then tried on all rows.
SAMPLE, FINALISTS = 3_000, 3
HELD_OUT = 0.2
SEED = 20
CLIP = 1e-12


def inner_split(division):
    """Positions that fit, and positions that are held out."""
    labels = division.labels
    if division.by_time:
        train, _ = division.parts[0]
        order = train[np.argsort(division.instants[train], kind="stable")]
        cut = len(order) - round(len(order) * HELD_OUT)
        return order[:cut], order[cut:]
    # Folds are drawn anew by every import: four fifths of the rows, drawn here, stand for the training part of one.
    train, _ = train_test_split(np.arange(len(labels)), test_size=0.2, stratify=labels, random_state=SEED)
    return train_test_split(train, test_size=HELD_OUT, stratify=labels[train], random_state=SEED)


def attempt(peer, parameters, division, inner, threads):
    """The log-loss on the rows held out, and the parameters with the number of rounds that was found."""
    fitted, held_out = (division.features.iloc[rows] for rows in inner)
    labels, truth = (division.labels[rows] for rows in inner)
    model = PEERS[peer](parameters, threads)
    found = dict(parameters)
    if peer in ROUNDS and parameters:
        found[ROUNDS[peer]] = model.fit_watched(fitted, labels, held_out, truth)
    else:
        model.fit(fitted, labels)
    probabilities = np.clip(model.predict_proba(held_out)[:, 1], CLIP, 1 - CLIP)
    return log_loss(truth, probabilities), found


def tune(peer, division, trials, threads):
    """What is committed of one peer on one split."""
    inner = inner_split(division)
    # The same draws on every split, in an order of their own for each peer.
    random = np.random.default_rng([SEED, sorted(PEERS).index(peer)])
    start = time.process_time()
    default, _ = attempt(peer, {}, division, inner, threads)
    drawn = [draw(peer, random) for _ in range(trials)]
    if len(inner[0]) > SAMPLE:
        sampled = np.random.default_rng(SEED).choice(inner[0], SAMPLE, replace=False)
        tried = [attempt(peer, parameters, division, (sampled, inner[1]), threads)[0] for parameters in drawn]
        drawn = [drawn[place] for place in np.argsort(tried)[:FINALISTS]]
    found = [attempt(peer, parameters, division, inner, threads) for parameters in drawn]
    best, parameters = min(found, key=lambda one: one[0])
    chosen = "tuned" if best < default else "defaults"
    print(f"  {peer:<16} defaults {default:.4f}  tuned {best:.4f}  {time.process_time() - start:.0f} CPU s", flush=True)
    return {
        "chosen": chosen,
        "inner_log_loss": {"defaults": round(default, 5), "tuned": round(best, 5)},
        "trials": trials,
        "parameters": parameters if chosen == "tuned" else {},
    }


def load():
    """The committed parameters by set and split."""
    return json.loads(PARAMETERS.read_text()) if PARAMETERS.exists() else {}


def main():
    """Tunes the peers that are asked for on the sets that are asked for, and writes down each as it is found."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("sets", nargs="*", help="only the sets whose names begin so")
    options.add_argument("--trials", type=int, default=TRIALS)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--peers", nargs="+", choices=TUNED, default=TUNED)
    options.add_argument("--keep", action="store_true", help="keep what is known already")
    wanted = options.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    for division in divisions(wanted.sets):
        name = f"{division.set_name}, {division.split}"
        print(name, flush=True)
        for peer in wanted.peers:
            known = load()
            entry = known.get(name, {})
            if not (wanted.keep and peer in entry):
                entry[peer] = tune(peer, division, wanted.trials, wanted.threads)
            known[name] = entry
            PARAMETERS.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
