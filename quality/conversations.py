"""Conversations: sentiment of texts beside scikit-learn's TF-IDF and logistic regression on the same folds, and what the
first half of a persuasive dialogue says of its outcome beside its length alone.

A part of `make quality`: needs LEADSCORE_DATA_DIR and LEADSCORE_BIN. Exit code 1 where a bar does not hold, 2 where the
run is not possible.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import pandas as pd
from report import markdown, row, write
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

PEER = "TF-IDF + logistic"
FOLDS, SEED = 5, 1
SENTENCES = ("amazon_cells_labelled.txt", "imdb_labelled.txt", "yelp_labelled.txt")
BARS = {"UCI sentences": ("accuracy", 0.80), "airline tweets": ("macro_f1", 0.70)}
SHUFFLES = 5


def stop(problem):
    """Says why the run is not possible."""
    print(f"error: {problem}", file=sys.stderr)
    raise SystemExit(2)


def leadscore(*words):
    """Runs the binary; what it prints."""
    binary = os.environ.get("LEADSCORE_BIN", "leadscore")
    done = subprocess.run([binary, "--quiet", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        stop(f"{' '.join(map(str, words))} ended with {done.returncode}: {(done.stdout + done.stderr).strip()}")
    return done.stdout


def sentences(folder):
    """Sentences of reviews with their label; tab-separated without header and without quotes."""
    rows = []
    for name in SENTENCES:
        # Some sentences hold characters at which Python, but not the file's makers, would end a line.
        lines = (folder / name).read_text(encoding="utf-8").split("\n")
        rows += [line.rsplit("\t", 1) for line in lines if line.strip()]
    table = pd.DataFrame(rows, columns=["text", "label"])
    table["label"] = table["label"].map({"0": "negative", "1": "positive"})
    return table


def tweets(folder):
    """Tweets to airlines with their label."""
    table = pd.read_csv(folder / "airline_tweets.csv.gz", encoding="latin-1", dtype=str)
    return table.rename(columns={"airline_sentiment": "label"})[["text", "label"]]


def ours(table, scratch):
    """Our judgements with the folds they were made in, and the seconds it took."""
    texts, judged = scratch / "texts.csv", scratch / "judged.csv"
    table.to_csv(texts, index=False)
    start = time.perf_counter()
    leadscore("sentiment", "evaluate", "--texts", texts, "--folds", FOLDS, "--seed", SEED, "--out", judged)
    return pd.read_csv(judged), time.perf_counter() - start


def peer(table, folds):
    """The peer's judgements in the same folds."""
    predicted = np.empty(len(table), dtype=object)
    for fold in range(FOLDS):
        test = (folds == fold).to_numpy()
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        model = make_pipeline(words, LogisticRegression(max_iter=1_000, C=10.0))
        model.fit(table["text"][~test], table["label"][~test])
        predicted[test] = model.predict(table["text"][test])
    return predicted


def figures(labels, predicted, folds):
    """Accuracy and macro-F1 over all, with the standard error of their mean over the folds."""
    found = {}
    for name, figure in (
        ("accuracy", accuracy_score),
        ("macro_f1", lambda y, p: f1_score(y, p, average="macro")),
    ):
        each = [figure(labels[folds == fold], predicted[folds == fold]) for fold in range(FOLDS)]
        found[name] = float(figure(labels, predicted))
        found[f"{name}_noise"] = float(np.std(each, ddof=1) / np.sqrt(FOLDS))
    return found


def sentiment(table):
    """One set of texts: our figures and the peer's."""
    table = table.reset_index(drop=True)
    with tempfile.TemporaryDirectory() as scratch:
        judged, seconds = ours(table, pathlib.Path(scratch))
    labels, folds = table["label"].to_numpy(), judged["fold"]
    found = {
        "texts": len(table),
        "leadscore": figures(labels, judged["predicted"].to_numpy(), folds) | {"seconds": seconds},
        PEER: figures(labels, peer(table, folds), folds),
    }
    return found


def dialogues(folder):
    """The first half of each dialogue, who was persuaded being the lead, and whether something was given."""
    turns = pd.read_csv(folder / "full_dialog.csv.gz", dtype={"Unit": str}).fillna({"Unit": ""})
    people = pd.read_csv(folder / "full_info.csv.gz")
    gave = people[people["B4"] == 1].set_index("B2")["B6"] > 0
    calls, given = [], []
    for name, of_dialogue in turns.groupby("B2", sort=True):
        if name not in gave.index:
            continue
        half = of_dialogue.iloc[: len(of_dialogue) // 2]
        said = [
            {"speaker": "lead" if role == 1 else "agent", "text": text}
            for role, text in zip(half["B4"], half["Unit"], strict=True)
        ]
        calls.append({"id": name, "turns": said})
        given.append(bool(gave[name]))
    return calls, np.array(given)


def read_calls(calls):
    """The calls as the binary reads them, a row each."""
    with tempfile.TemporaryDirectory() as scratch:
        file = pathlib.Path(scratch) / "calls.jsonl"
        file.write_text("".join(json.dumps(call) + "\n" for call in calls))
        rows = [json.loads(line) for line in leadscore("sentiment", "calls", file).splitlines()]
    flat = [
        {key: value for key, value in row.items() if isinstance(value, int | float)}
        | {f"topic {topic}": turns for topic, turns in row["topics"].items()}
        for row in rows
    ]
    return pd.DataFrame(flat)


def mean_auc(columns, given):
    """AUC of a logistic model by folds of dialogues, the mean over several divisions, and its deviation over them."""
    found = []
    for seed in range(SHUFFLES):
        order = np.random.default_rng(seed).permutation(len(given))
        scores = np.empty(len(given))
        for train, test in GroupKFold(FOLDS).split(order, groups=order):
            model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=1_000))
            model.fit(columns[train], given[train])
            scores[test] = model.decision_function(columns[test])
        found.append(roc_auc_score(given, scores))
    return {"auc": float(np.mean(found)), "deviation": float(np.std(found, ddof=1))}


def persuasion(folder):
    """What the first half of a dialogue says of the outcome."""
    calls, given = dialogues(folder)
    read = read_calls(calls)
    length = read[["lead_turns", "agent_turns", "lead_words", "agent_words"]].to_numpy(dtype=float)
    columns = read.drop(columns=["lead_turns", "agent_turns"])
    columns = columns.fillna({name: 0.0 for name in columns if name.startswith("topic ")})
    columns = pd.concat([columns.fillna(columns.median()), read[["lead_turns", "agent_turns"]]], axis=1)
    columns = columns.loc[:, columns.nunique() > 1].dropna(axis=1).to_numpy(dtype=float)
    return {
        "dialogues": len(given),
        "given": float(given.mean()),
        "conversation features": mean_auc(columns, given),
        "length alone": mean_auc(np.log1p(length), given),
    }


def page(judged, halves):
    """The tables, in Markdown."""
    rows = []
    for name, found in judged.items():
        for who in ("leadscore", PEER):
            cells = [f"{found[who][key]:.4f} ± {found[who][f'{key}_noise']:.4f}" for key in ("accuracy", "macro_f1")]
            rows.append([name, f"{found['texts']:,}", who, *cells])
    texts = markdown(["texts", "number", "by", "accuracy", "macro-F1"], rows)
    who = ["conversation features", "length alone"]
    aucs = markdown(["by", "AUC"], [[one, f"{halves[one]['auc']:.4f} ± {halves[one]['deviation']:.4f}"] for one in who])
    return (
        f"## Conversations\n\nSentiment of texts, {FOLDS} folds, the same for both; ± is the standard error over the "
        f"folds.\n\n{texts}\n\nFirst half of {halves['dialogues']:,} dialogues, {halves['given']:.1%} of which ended in a "
        f"donation: logistic models in {FOLDS} folds; ± is the deviation over {SHUFFLES} divisions.\n\n{aucs}\n"
    )


def main():
    """Measures, shows and writes."""
    folder = pathlib.Path(os.environ.get("LEADSCORE_DATA_DIR", ""))
    if not os.environ.get("LEADSCORE_DATA_DIR") or not (folder / "sentiment").is_dir():
        stop("LEADSCORE_DATA_DIR names no folder with `sentiment` and `persuasion`")
    judged = {
        "UCI sentences": sentiment(sentences(folder / "sentiment")),
        "airline tweets": sentiment(tweets(folder / "sentiment")),
    }
    halves = persuasion(folder / "persuasion")
    rows = []
    for name, (figure, bar) in BARS.items():
        value = judged[name]["leadscore"][figure]
        words = figure.replace("_f1", "-F1")
        rows.append(row(f"{name}: {words}", value, bar=f">= {bar}", holds=value >= bar))
        rows.append(row(f"{name}: {words} of {PEER}", judged[name][PEER][figure]))
    for who in ("conversation features", "length alone"):
        rows.append(row(f"donation from the first half: AUC, {who}", halves[who]["auc"]))
    text = page(judged, halves)
    print(text)
    raise SystemExit(write("conversations", rows, text))


if __name__ == "__main__":
    main()
