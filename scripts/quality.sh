#!/usr/bin/env bash
# Quality on data: every part below, or the one that is named (with words for it, such as the data sets wanted).
# `tune` instead of a part finds the peers' parameters anew, which takes an hour.
# Needs LEADSCORE_DATA_DIR: a folder with the public data sets that quality/ names.
set -euo pipefail
cd "$(dirname "$0")/.."

# Each is quality/PART.py: it prints its tables, writes its part of the report (quality/report.py), and ends with 1
# where a bar does not hold.
parts=(peers conversations)

if [[ -z ${LEADSCORE_DATA_DIR:-} ]]; then
  echo "error: LEADSCORE_DATA_DIR is not set; point it at the folder of data sets that quality/ names" >&2
  exit 2
fi
if [[ ! -d $LEADSCORE_DATA_DIR ]]; then
  echo "error: LEADSCORE_DATA_DIR is $LEADSCORE_DATA_DIR, which is no folder" >&2
  exit 2
fi

: "${CARGO_TARGET_DIR:=${XDG_CACHE_HOME:-$HOME/.cache}/leadscore/target}"
export CARGO_TARGET_DIR
if [[ -z ${LEADSCORE_BIN:-} ]]; then
  cargo build --release --locked -p leadscore-server
  export LEADSCORE_BIN=$CARGO_TARGET_DIR/release/leadscore
fi
# Libraries that wait busily for their threads slow each other down.
export OMP_WAIT_POLICY=passive
python=$(scripts/python-venv quality/requirements.txt)

if [[ ${1:-} == tune ]]; then
  exec "$python" quality/tune.py "${@:2}"
fi
if (($#)); then
  [[ " ${parts[*]} " == *" $1 "* ]] || {
    echo "error: $1 is no part of the quality report; there are: ${parts[*]}" >&2
    exit 2
  }
  exec "$python" "quality/$1.py" "${@:2}"
fi

rm -rf target/reports/quality
mkdir -p target/reports/quality
failed=()
for part in "${parts[@]}"; do
  printf '\n== %s\n' "$part"
  "$python" "quality/$part.py" || failed+=("$part")
done
"$python" quality/report.py "${parts[@]}"
if ((${#failed[@]})); then
  printf '\nfailed: %s\n' "$(IFS=,; echo "${failed[*]}")"
  exit 1
fi
printf '\nall bars of quality hold: target/reports/quality.md\n'
