"""How long Python's gradient boosting and neural net take to train: the yardstick of our own training's speed.

XGBoost and scikit-learn's perceptron are trained on a table with early stopping on a held-out fifth, as the members of
our ensemble are, and the seconds are printed as JSON: {"xgboost_s", "mlp_s", "xgboost_log_loss", "mlp_log_loss"}. The
table is what `make bench` writes: little-endian float32, row by row, NaN where missing, the label (0 or 1) as the last
column.
"""

import argparse
import json
import os
import time

import numpy as np
import xgboost
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SEED = 50
HELD_OUT = 0.2
# The size, pace and patience of our own trees and net.
TREES = {
    "n_estimators": 1_000,
    "learning_rate": 0.1,
    "grow_policy": "lossguide",
    "max_leaves": 16,
    "max_depth": 6,
    "min_child_weight": 10,
    "reg_lambda": 5,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
    "early_stopping_rounds": 24,
}
NET = {
    "hidden_layer_sizes": (96, 96),
    "learning_rate_init": 8e-3,
    "batch_size": 512,
    "max_iter": 60,
    "early_stopping": True,
    "n_iter_no_change": 2,
}


def read(path, columns):
    """The table and its labels."""
    values = np.fromfile(path, dtype="<f4").reshape(-1, columns + 1)
    return values[:, :-1], values[:, -1]


def train_xgboost(table, labels, threads):
    """Seconds, and the log-loss on the rows held out."""
    fitted, held_out, fitted_labels, held_out_labels = divide(table, labels)
    start = time.perf_counter()
    model = xgboost.XGBClassifier(tree_method="hist", n_jobs=threads, random_state=SEED, **TREES)
    model.fit(fitted, fitted_labels, eval_set=[(held_out, held_out_labels)], verbose=False)
    return time.perf_counter() - start, log_loss(held_out_labels, model.predict_proba(held_out)[:, 1])


def train_mlp(table, labels):
    """Seconds, and the log-loss on the rows held out; imputing and scaling count, as they do in ours."""
    fitted, held_out, fitted_labels, held_out_labels = divide(table, labels)
    start = time.perf_counter()
    model = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True),
        StandardScaler(),
        MLPClassifier(validation_fraction=HELD_OUT, random_state=SEED, **NET),
    )
    model.fit(fitted, fitted_labels)
    return time.perf_counter() - start, log_loss(held_out_labels, model.predict_proba(held_out)[:, 1])


def divide(table, labels):
    """Rows that fit, and rows that are held out."""
    return train_test_split(table, labels, test_size=HELD_OUT, stratify=labels, random_state=SEED)


def main():
    """Trains both, one after the other."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("table", help="file of the table")
    options.add_argument("columns", type=int, help="its columns but for the label")
    options.add_argument("--threads", type=int, default=os.cpu_count())
    wanted = options.parse_args()
    table, labels = read(wanted.table, wanted.columns)
    xgboost_s, xgboost_loss = train_xgboost(table, labels, wanted.threads)
    mlp_s, mlp_loss = train_mlp(table, labels)
    found = {"xgboost_s": xgboost_s, "mlp_s": mlp_s, "xgboost_log_loss": xgboost_loss, "mlp_log_loss": mlp_loss}
    print(json.dumps({name: round(value, 4) for name, value in found.items()}))


if __name__ == "__main__":
    main()
