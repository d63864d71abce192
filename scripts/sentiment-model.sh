#!/usr/bin/env bash
# Makes the model of sentiment that is compiled in, crates/engine/assets/sentiment.bin, anew: from the sentences of UCI
# data set 331 under LEADSCORE_DATA_DIR and the turns in crates/engine/assets/turns.csv. The same input gives the same
# bytes. See crates/engine/assets/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${LEADSCORE_DATA_DIR:?point it at the folder of data sets that quality/ names}/sentiment
: "${CARGO_TARGET_DIR:=${XDG_CACHE_HOME:-$HOME/.cache}/leadscore/target}"
export CARGO_TARGET_DIR
if [[ -z ${LEADSCORE_BIN:-} ]]; then
  cargo build --release --locked -p leadscore-server
  LEADSCORE_BIN=$CARGO_TARGET_DIR/release/leadscore
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 - "$folder" > "$scratch/sentences.csv" << 'PYTHON'
import csv
import pathlib
import sys

rows = csv.writer(sys.stdout, lineterminator="\n")
rows.writerow(["text", "label"])
for name in ("amazon_cells", "imdb", "yelp"):
    text = (pathlib.Path(sys.argv[1]) / f"{name}_labelled.txt").read_text(encoding="utf-8")
    for line in text.split("\n"):
        if line.strip():
            sentence, label = line.rsplit("\t", 1)
            rows.writerow([sentence, {"0": "negative", "1": "positive"}[label.strip()]])
PYTHON
"$LEADSCORE_BIN" sentiment train --texts "$scratch/sentences.csv" crates/engine/assets/turns.csv \
  --balanced --out crates/engine/assets/sentiment.bin
