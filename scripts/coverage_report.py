"""Turns the summary of llvm-cov into the project's report: one row a crate and one for all, with a bar on the latter."""

import json
import pathlib
import sys

BAR_PERCENT = 90.0


def main(summary_path, report_path):
    """Prints the table, writes the report; exit code 1 where the bar does not hold."""
    files = json.loads(pathlib.Path(summary_path).read_text())["data"][0]["files"]
    crates = {}
    for file in files:
        parts = pathlib.Path(file["filename"]).parts
        crate = parts[parts.index("crates") + 1]
        lines = file["summary"]["lines"]
        count, covered = crates.get(crate, (0, 0))
        crates[crate] = (count + lines["count"], covered + lines["covered"])
    count, covered = (sum(values) for values in zip(*crates.values()))

    rows = [
        {"name": f"lines covered, {name}", "value": round(100 * c / n, 2), "unit": "%", "bar": None, "holds": True}
        for name, (n, c) in sorted(crates.items())
    ]
    share = round(100 * covered / count, 2)
    rows.append(
        {"name": "lines covered, all", "value": share, "unit": "%", "bar": f">= {BAR_PERCENT:g}", "holds": share >= BAR_PERCENT}
    )
    for row in rows:
        verdict = "" if row["bar"] is None else f"  bar {row['bar']} %: {'holds' if row['holds'] else 'DOES NOT HOLD'}"
        print(f"{row['name']:<32} {row['value']:>7.2f} %{verdict}")
    pathlib.Path(report_path).write_text(json.dumps(rows, indent=2) + "\n")
    return 0 if all(row["holds"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
