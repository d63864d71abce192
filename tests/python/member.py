"""Trains models on an exported training set as somebody else would, for `leadscore models import`.

usage: member.py TRAINING_SET OUT   (writes xgboost.json, xgboost.ubj and lightgbm.txt into OUT)
"""

import pathlib
import sys

import lightgbm
import pandas as pd
import pyarrow.dataset as ds
import xgboost

OWN = ["lead", "instant", "followed_seconds", "converted_after_seconds", "label", "month"]


def main(folder, out):
    table = ds.dataset(folder, format="parquet", partitioning="hive").to_table().to_pandas()
    table = table[table["label"].notna()]
    target = table["label"].astype(int)
    inputs = table.drop(columns=OWN)
    for name in inputs.columns[~inputs.dtypes.map(pd.api.types.is_numeric_dtype)]:
        inputs[name] = inputs[name].astype("category")
    # A column that never varies says nothing, and LightGBM loses track of its categories.
    inputs = inputs.loc[:, inputs.nunique() > 1]
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 4, "eta": 0.1, "nthread": 1, "seed": 1},
        xgboost.DMatrix(inputs, target, enable_categorical=True),
        60,
    )
    booster.save_model(out / "xgboost.json")
    booster.save_model(out / "xgboost.ubj")
    # Where LightGBM finds no split in a category it no longer says which columns its categories are of.
    numbers = inputs.select_dtypes("number")
    lightgbm.train(
        {"objective": "binary", "num_leaves": 12, "learning_rate": 0.1, "num_threads": 1, "seed": 1, "verbose": -1},
        lightgbm.Dataset(numbers, target),
        60,
    ).save_model(out / "lightgbm.txt")
    print(f"{len(table)} examples, {inputs.shape[1]} columns")


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:3]))
