"""Reads an exported training set as others would: pyarrow for the whole folder, and XGBoost on its columns.

usage: training_set.py FOLDER   (fails with what is wrong)
"""

import json
import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import xgboost as xgb


def main(folder):
    described = json.loads((folder / "_examples.json").read_text())
    counts = described["examples"]
    dataset = ds.dataset(folder, format="parquet", partitioning="hive")
    table = dataset.to_table()

    # Every file has the same columns, those that are described, and nothing was guessed.
    schemas = {fragment.physical_schema.to_string() for fragment in dataset.get_fragments()}
    assert len(schemas) == 1, schemas
    names = [column["name"] for column in described["columns"]]
    assert table.column_names == names + ["month"], set(table.column_names) ^ set(names)
    kinds = {"number": pa.float32(), "category": pa.string()}
    for column in described["columns"]:
        if column["input"]:
            assert table.schema.field(column["name"]).type == kinds[column["kind"]], column
    assert table.schema.field("instant").type == pa.timestamp("us", tz="UTC")

    # The counts are right, partitions hold their months, and labels stand where the horizon is over.
    assert table.num_rows == counts["examples"] > 0
    assert len(table["lead"].unique()) == counts["leads"]
    by_month = {row["values"]: row["counts"] for row in table["month"].value_counts().to_pylist()}
    assert by_month == counts["months"], by_month
    months = [instant.strftime("%Y-%m") for instant in table["instant"].to_pylist()]
    assert months == table["month"].to_pylist()
    followed = table["followed_seconds"].to_numpy()
    label = table["label"].to_pylist()
    assert all((value is None) == (seconds < described["horizon_seconds"]) for value, seconds in zip(label, followed))
    assert sum(value is None for value in label) == counts["unfinished"]
    assert sum(value is True for value in label) == counts["positives"]

    # It can be learned from as it stands, categories by the codes that are described.
    known = np.array([value is not None for value in label])
    inputs = [column for column in described["columns"] if column["input"]]
    matrix = np.column_stack([encode(table[column["name"]], column) for column in inputs])
    target = np.array([bool(value) for value in label])
    data = xgb.DMatrix(
        matrix[known],
        target[known],
        feature_names=[column["name"] for column in inputs],
        feature_types=["c" if column["kind"] == "category" else "float" for column in inputs],
        enable_categorical=True,
    )
    booster = xgb.train({"objective": "binary:logistic", "max_depth": 3, "nthread": 1}, data, 20)
    order = np.argsort(booster.predict(data))
    ranks = np.empty(len(order))
    ranks[order] = np.arange(1, len(order) + 1)
    won = target[known]
    auc = (ranks[won].sum() - won.sum() * (won.sum() + 1) / 2) / (won.sum() * (~won).sum())
    assert auc > 0.6, auc
    print(f"{table.num_rows} examples in {len(by_month)} files, {len(inputs)} inputs; fitted AUC {auc:.3f}")


def encode(column, described):
    """A column as numbers: NaN where it is missing, categories by their places in the description."""
    if described["kind"] == "category":
        codes = {category: code for code, category in enumerate(described["categories"])}
        return np.array([np.nan if value is None else codes[value] for value in column.to_pylist()], np.float32)
    return column.to_numpy()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
