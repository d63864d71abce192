#!/usr/bin/env bash
# Accuracy on real data beside Python's LightGBM and XGBoost, trained in the same run on the same folds.
# Needs LEADSCORE_DATA_DIR: a folder with the public data sets that quality/ names.
set -euo pipefail
cd "$(dirname "$0")/.."

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
cargo build --release --locked -p leadscore-server
export LEADSCORE_BIN=$CARGO_TARGET_DIR/release/leadscore

requirements=quality/requirements.txt
venv=${XDG_CACHE_HOME:-$HOME/.cache}/leadscore/venv-$(sha256sum "$requirements" | cut -c1-12)
if [[ ! -f $venv/complete ]]; then
  python3 -c 'import ensurepip' 2>/dev/null || scripts/install-build-deps.sh python3-venv
  # XGBoost and LightGBM are linked against GNU's OpenMP.
  ldconfig -p | grep -q libgomp.so.1 || scripts/install-build-deps.sh libgomp1
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
  touch "$venv/complete"
fi

mkdir -p target/reports
exec "$venv/bin/python" quality/peers.py "$@"
