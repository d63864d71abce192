"""Writes crates/engine/tests/fixtures/venn_abers.json: what PyPI's `venn-abers` says of a few calibration sets.

`python tests/python/venn_abers_fixture.py --check` fails where the package says something else today.
"""

import json
import pathlib
import sys

import numpy as np
from venn_abers import VennAbers

FIXTURE = pathlib.Path(__file__).parents[2] / "crates/engine/tests/fixtures/venn_abers.json"


def case(name, scores, labels):
    """Pairs at every score, between neighbours, and beyond both ends."""
    scores, labels = np.asarray(scores, float), np.asarray(labels, float)
    known = np.unique(scores)
    asked = np.unique(np.concatenate([known, (known[1:] + known[:-1]) / 2, [known[0] - 0.5, known[-1] + 0.5]]))
    model = VennAbers()
    model.fit(p_cal=np.column_stack([1 - scores, scores]), y_cal=labels)
    _, pairs = model.predict_proba(p_test=np.column_stack([1 - asked, asked]))
    return {
        "name": name,
        "scores": scores.tolist(),
        "labels": labels.tolist(),
        "asked": asked.tolist(),
        "pairs": pairs.tolist(),
    }


def cases():
    random = np.random.default_rng(7)
    smooth = random.random(80).round(6)
    yield case("distinct", smooth, random.random(80) < smooth)
    tied = random.integers(0, 12, 150) / 12
    yield case("ties", tied, random.random(150) < 0.2 + 0.6 * tied)
    rare = random.random(120).round(6)
    yield case("rare", rare, random.random(120) < 0.08 * rare)
    wrong = random.random(60).round(6)
    yield case("upside down", wrong, random.random(60) < 1 - wrong)
    yield case("three", [0.2, 0.5, 0.7], [0, 1, 0])
    yield case("two", [0.4, 0.6], [1, 0])
    yield case("two that agree", [0.4, 0.6], [0, 1])
    yield case("one score", [0.5, 0.5, 0.5, 0.5], [0, 1, 1, 0])
    yield case("none converted", [0.1, 0.3, 0.3, 0.9], [0, 0, 0, 0])
    yield case("all converted", [0.1, 0.3, 0.3, 0.9], [1, 1, 1, 1])


if __name__ == "__main__":
    text = json.dumps(list(cases()), indent=1) + "\n"
    if "--check" in sys.argv:
        known, found = json.loads(FIXTURE.read_text()), json.loads(text)
        for was, now in zip(known, found, strict=True):
            assert was["scores"] == now["scores"] and was["labels"] == now["labels"], was["name"]
            difference = np.abs(np.array(was["pairs"]) - np.array(now["pairs"])).max()
            assert difference < 1e-9, f"{was['name']}: {difference}"
        print(f"venn-abers: {len(found)} cases agree")
    else:
        FIXTURE.write_text(text)
