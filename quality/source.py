"""Reads the columns of a leads file that its mapping makes attributes of: what the peers are trained on."""

import tomllib

import numpy as np
import pandas as pd

YES = {"true", "yes", "1", "y", "t", "1.0", "on"}
NO = {"false", "no", "0", "n", "f", "0.0", "off"}


def known(column, tokens):
    """The column without outer blanks; NaN where a field is empty or one of the tokens, whatever its case."""
    text = column.str.strip()
    unknown = text.eq("") | text.str.lower().isin({token.strip().lower() for token in tokens})
    return text.mask(unknown)


def values(column, attribute, mapping_format):
    """The column as the mapping types it: float, or category."""
    column = known(column, mapping_format.get("missing", ["", "NA", "N/A", "null"]) + attribute.get("missing", []))
    match attribute["type"]:
        case "number":
            if mapping_format.get("decimal", ".") == ",":
                column = column.str.replace(".", "").str.replace(",", ".")
            return pd.to_numeric(column)
        case "boolean":
            lower = column.str.lower()
            return pd.Series(np.select([lower.isin(YES), lower.isin(NO)], [1.0, 0.0], np.nan), index=column.index)
        case "category":
            return column.str.lower().astype("category")
        case other:
            raise SystemExit(f"error: the peers cannot read a column of type {other}")


def read(path, mapping_path):
    """The file's rows by the lead's CRM id, with one column per attribute, and parts of the date where there is one."""
    mapping = tomllib.loads(mapping_path.read_text())
    how = mapping.get("format", {})
    if how.get("form", "delimited") != "delimited":
        raise SystemExit(f"error: {mapping_path} reads {how['form']}; the peers read delimited files only")
    encoding = how.get("encoding", "utf-8")
    raw = pd.read_csv(path, sep=how.get("delimiter", ","), dtype=str, keep_default_na=False, encoding=encoding)
    raw.columns = raw.columns.str.strip()
    columns = {a["column"]: values(raw[a["column"]], a, how) for a in mapping.get("attributes", [])}
    lead = mapping["lead"]
    if "channel" in lead and lead["channel"] not in columns:
        columns["channel"] = values(raw[lead["channel"]], {"type": "category"}, how)
    time = mapping["occurred_at"]
    if "column" in time:
        at = pd.to_datetime(raw[time["column"]])
        # What can be known of a date on another one: a count of days since the epoch could not.
        columns |= {"month": at.dt.month, "day of month": at.dt.day, "weekday": at.dt.weekday}
    rows = pd.DataFrame(columns)
    # Without an id of its own a row is named by the file's fingerprint and its number, from 1.
    rows.index = (
        pd.RangeIndex(1, len(rows) + 1).astype(str) if lead.get("row_number") else raw[lead["crm_id"]].str.strip()
    )
    return rows


def row_names(external_ids, mapping_path):
    """The ids of `leadscore evaluate --predictions` as :func:`read` has them."""
    by_number = tomllib.loads(mapping_path.read_text())["lead"].get("row_number")
    return external_ids.str.rsplit("-", n=1).str[-1] if by_number else external_ids
