#!/usr/bin/env bash
# Line coverage of the whole test suite, processes that end-to-end tests start included.
# Prints a table and writes target/reports/coverage.json; fails below the bar of 90 % of all lines.
set -euo pipefail
cd "$(dirname "$0")/.."

# rustup's llvm-tools where they are installed; else Debian's LLVM 19, which reads what rustc 1.95 writes
# (LLVM 14, Debian 12's default, does not).
bin=$(rustc --print target-libdir)/../bin
if [[ ! -x $bin/llvm-cov ]]; then
  bin=/usr/lib/llvm-19/bin
  [[ -x $bin/llvm-cov ]] || scripts/install-build-deps.sh llvm-19
fi
export LLVM_COV=$bin/llvm-cov LLVM_PROFDATA=$bin/llvm-profdata

tool=$(scripts/cargo-tool cargo-llvm-cov 0.9.1)
mkdir -p target/reports
scripts/servers run "$tool" llvm-cov --workspace --locked --json --summary-only --output-path target/reports/coverage.llvm.json
python3 scripts/coverage_report.py target/reports/coverage.llvm.json target/reports/coverage.json
