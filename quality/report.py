"""The report that the parts of `make quality` write together: target/reports/quality.json and quality.md.

Each part writes its rows and its page with :func:`write`; scripts/quality.sh joins those that ran. A row is what
`make bench` writes, too: name, value, unit, bar (a text, or None) and whether it holds.
"""

import json
import pathlib
import sys

REPORTS = pathlib.Path(__file__).resolve().parent.parent / "target" / "reports"
PARTS = REPORTS / "quality"


def row(name, value, unit="", bar=None, holds=True):
    """A row of the report; `value` is a number, or None where there is none."""
    value = None if value is None else round(float(value), 5)
    return {"name": name, "value": value, "unit": unit, "bar": bar, "holds": bool(holds)}


def markdown(headings, rows):
    """A table that is readable as it is."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = [headings, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def write(part, rows, page):
    """Writes a part's rows and its page (Markdown, headings from ## on), says which bars fail; the exit code."""
    PARTS.mkdir(parents=True, exist_ok=True)
    (PARTS / f"{part}.json").write_text(json.dumps(rows, indent=2) + "\n")
    (PARTS / f"{part}.md").write_text(page.rstrip() + "\n")
    failed = [one for one in rows if not one["holds"]]
    for one in failed:
        print(f"does not hold: {one['name']} is {one['value']}, bar {one['bar']}")
    return 1 if failed else 0


def join(parts):
    """Puts the parts that ran together; one that could not run has no rows."""
    ran = [part for part in parts if (PARTS / f"{part}.json").exists()]
    rows = [one for part in ran for one in json.loads((PARTS / f"{part}.json").read_text())]
    (REPORTS / "quality.json").write_text(json.dumps(rows, indent=2) + "\n")
    pages = [(PARTS / f"{part}.md").read_text() for part in ran]
    (REPORTS / "quality.md").write_text("\n".join(["# Quality", "", *pages]))


if __name__ == "__main__":
    join(sys.argv[1:])
