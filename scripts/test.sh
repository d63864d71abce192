#!/usr/bin/env bash
# Runs every test of the workspace beside a PostgreSQL, a Redis and a Kafka of its own, and closes with one line that
# adds them up. Two runs at once do not meet: servers and tests use temporary folders and free ports only.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

log=$(mktemp)
trap 'rm -f "$log"' EXIT
scripts/servers run cargo test --workspace --locked --no-fail-fast "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}

awk '
  /^test result:/ { passed += $4; failed += $6; ignored += $8 }
  /^error: could not compile/ || /^error: test failed/ { broken = 1 }
  END {
    printf "\n%d passed, %d failed", passed, failed
    if (ignored) printf ", %d skipped", ignored
    printf "\n"
    if (passed == 0) { print "error: no test ran" > "/dev/stderr"; exit 1 }
  }' "$log" || status=1
exit "$status"
