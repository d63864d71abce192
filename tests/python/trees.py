"""The other side of the engine's tests of its trees: Python's XGBoost and LightGBM.

`check DIR`: XGBoost reads the engine's trees.json and gives the same log-odds and Shapley values for the same rows,
and trained on the same folds it ranks no better than noise allows.
`foreign DIR`: writes models of both libraries, and what they say of the rows, for the engine to import.

A folder holds `table.json` (names and cardinalities of the columns, 0 for a number), `rows.f32` and `targets.f32`.
"""

import json
import sys
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import xgboost

SEED = 7


class Table:
    def __init__(self, folder: Path):
        described = json.loads((folder / "table.json").read_text())
        self.names = described["names"]
        self.cardinalities = described["cardinalities"]
        self.rows = np.fromfile(folder / "rows.f32", "<f4").reshape(-1, len(self.names))
        self.targets = np.fromfile(folder / "targets.f32", "<f4")
        self.described = described

    def matrix(self, chosen=slice(None), labelled=True, named=False):
        types = ["c" if cardinality else "float" for cardinality in self.cardinalities]
        return xgboost.DMatrix(
            self.rows[chosen],
            label=self.targets[chosen] if labelled else None,
            feature_types=types,
            feature_names=self.names if named else None,
            enable_categorical=True,
        )

    def frame(self, texts: bool):
        """A data frame whose categories are codes, or the texts behind them where the table tells them."""
        frame = pd.DataFrame(self.rows, columns=self.names)
        for name, cardinality in zip(self.names, self.cardinalities):
            if cardinality:
                codes = frame[name].astype("Int64")
                if texts and name in self.described["texts"]:
                    known = {code: text for text, code in self.described["texts"][name].items()}
                    codes = codes.map(known, na_action="ignore")
                    frame[name] = pd.Categorical(codes, categories=sorted(known.values(), reverse=True))
                else:
                    frame[name] = pd.Categorical(codes.astype("float"), categories=sorted(codes.dropna().unique()))
        return frame


def auc(targets, scores):
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    for value in np.unique(scores):
        tied = scores == value
        ranks[tied] = ranks[tied].mean()
    won = targets > 0.5
    return (ranks[won].sum() - won.sum() * (won.sum() + 1) / 2) / (won.sum() * (~won).sum())


def largest(what: str, ours, theirs, bound: float):
    difference = float(np.abs(ours - theirs).max())
    print(f"{what}: largest difference {difference:.2e} of at most {bound:.0e}")
    if not difference <= bound:
        sys.exit(f"error: {what} differ by {difference}")


def check(folder: Path):
    table = Table(folder)
    booster = xgboost.Booster(model_file=folder / "trees.json")
    data = table.matrix(labelled=False)
    ours = np.fromfile(folder / "log_odds.f64", "<f8")
    largest("log-odds", ours, booster.predict(data, output_margin=True), 1e-5)
    # The last one of a row is the bias.
    shares = np.fromfile(folder / "shares.f64", "<f8").reshape(len(ours), -1)
    largest("Shapley values", shares, booster.predict(data, pred_contribs=True), 1e-4)

    folds = np.fromfile(folder / "folds.f32", "<f4").astype(int)
    held_out = np.fromfile(folder / "held_out.f64", "<f8")
    gains = []
    for fold in range(folds.max() + 1):
        booster = xgboost.train(
            json.loads((folder / "parameters.json").read_text())
            | {"objective": "binary:logistic", "grow_policy": "lossguide", "tree_method": "hist", "seed": SEED},
            table.matrix(folds != fold),
            table.described["rounds"],
        )
        theirs = auc(table.targets[folds == fold], booster.predict(table.matrix(folds == fold)))
        gains.append(auc(table.targets[folds == fold], held_out[folds == fold]) - theirs)
    noise = 2 * np.std(gains, ddof=1) / np.sqrt(len(gains))
    print(f"AUC on rows not seen: ours less theirs {np.mean(gains):+.4f}, noise {noise:.4f}")
    if np.mean(gains) < -max(noise, 0.003):
        sys.exit("error: the same training gives worse trees")


def foreign(folder: Path):
    table = Table(folder)
    parameters = {"objective": "binary:logistic", "max_depth": 4, "eta": 0.3, "seed": SEED}

    def say(name, log_odds):
        np.asarray(log_odds, "<f8").tofile(folder / f"{name}.f64")

    data = table.matrix(named=True)
    booster = xgboost.train(parameters, data, 20)
    booster.save_model(folder / "codes.json")
    booster.save_model(folder / "codes.ubj")
    say("codes", booster.predict(data, output_margin=True))
    deep = xgboost.train(parameters | {"max_depth": 12, "min_child_weight": 0}, data, 5)
    deep.save_model(folder / "deep.json")
    say("deep", deep.predict(data, output_margin=True))
    # The shares of long paths are calculated in another way than those of short ones.
    deep.predict(data, pred_contribs=True).astype("<f8").tofile(folder / "deep_shares.f64")

    frame = table.frame(texts=True)
    data = xgboost.DMatrix(frame, label=table.targets, enable_categorical=True)
    booster = xgboost.train(parameters, data, 20)
    booster.save_model(folder / "texts.ubj")
    say("texts", booster.predict(data, output_margin=True))

    accents = table.frame(texts=True)
    accents["attributes.own kind"] = accents["attributes.own kind"].cat.rename_categories(lambda text: text + "é")
    data = xgboost.DMatrix(accents, label=table.targets, enable_categorical=True)
    xgboost.train(parameters, data, 2).save_model(folder / "accents.ubj")

    quiet = {"objective": "binary", "verbose": -1, "seed": SEED, "min_data_per_group": 20}
    for name, frame in [("light_texts", table.frame(texts=True)), ("light_codes", table.frame(texts=False))]:
        booster = lightgbm.train(quiet, lightgbm.Dataset(frame, table.targets), 20)
        booster.save_model(folder / f"{name}.txt")
        say(name, booster.predict(frame, raw_score=True))

    data = table.matrix(named=True)
    numbers = xgboost.DMatrix(np.nan_to_num(table.rows), label=table.targets, feature_names=table.names)
    classes = xgboost.DMatrix(data.get_data(), label=np.arange(data.num_row()) % 3, feature_names=table.names)
    xgboost.train(parameters | {"booster": "dart", "rate_drop": 0.5}, data, 8).save_model(folder / "dart.json")
    xgboost.train({"objective": parameters["objective"], "booster": "gblinear"}, numbers, 2).save_model(folder / "slopes.json")
    xgboost.train({"objective": "reg:squarederror"}, data, 2).save_model(folder / "squares.json")
    xgboost.train({"objective": "multi:softprob", "num_class": 3}, classes, 2).save_model(folder / "classes.ubj")
    xgboost.train(parameters | {"num_parallel_tree": 3}, data, 2).save_model(folder / "parallel.json")
    xgboost.train(parameters, table.matrix(), 2).save_model(folder / "unnamed.json")
    strange = xgboost.DMatrix(data.get_data(), label=table.targets, feature_names=["strange", *table.names[1:]])
    xgboost.train(parameters, strange, 2).save_model(folder / "strange.json")
    types = ["c", *["float"] * (len(table.names) - 1)]
    swapped = np.nan_to_num(np.abs(table.rows)).astype(int)
    swapped = xgboost.DMatrix(
        swapped, label=table.targets, feature_names=table.names, feature_types=types, enable_categorical=True
    )
    xgboost.train(parameters, swapped, 20).save_model(folder / "swapped.json")
    linear = {"objective": "binary", "verbose": -1, "linear_tree": True}
    light = lightgbm.Dataset(table.rows, table.targets, feature_name=[n.replace(" ", "_") for n in table.names])
    lightgbm.train(linear, light, 2).save_model(folder / "linear.txt")
    anonymous = lightgbm.Dataset(table.rows, table.targets)
    lightgbm.train({"objective": "binary", "verbose": -1}, anonymous, 2).save_model(folder / "unnamed.txt")


if __name__ == "__main__":
    {"check": check, "foreign": foreign}[sys.argv[1]](Path(sys.argv[2]))
