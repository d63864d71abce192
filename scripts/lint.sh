#!/usr/bin/env bash
# Everything that reads the code without running it: format, clippy, licences, unused dependencies, directions, and
# whether the tests that docs/SECURITY.md names exist.
# Runs all of them and names those that failed at the end.
set -uo pipefail
cd "$(dirname "$0")/.."

failed=()
step() {
  local name=$1
  shift
  printf '\n== %s\n' "$name"
  "$@" || failed+=("$name")
}

licences() {
  local deny
  deny=$(scripts/cargo-tool cargo-deny 0.20.2) || return 1
  # Everything that deny reads is then here, and nothing else is asked for.
  cargo fetch --quiet --locked || return 1
  "$deny" --offline check --hide-inclusion-graph bans licenses sources
}

# The advisory database is a git repository: where it cannot be reached, that is said and the rest still counts.
advisories() {
  local deny
  deny=$(scripts/cargo-tool cargo-deny 0.20.2) || return 1
  local database=https://github.com/rustsec/advisory-db
  if ! timeout 20 git ls-remote --exit-code "$database" HEAD >/dev/null 2>&1; then
    echo "not checked: $database cannot be reached from here"
    return 0
  fi
  "$deny" check --hide-inclusion-graph advisories
}

unused() {
  local machete
  machete=$(scripts/cargo-tool cargo-machete 0.9.2) || return 1
  "$machete" .
}

step "format" cargo fmt --all -- --check
step "format of the fuzz targets" cargo fmt --manifest-path fuzz/Cargo.toml -- --check
step "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings
step "licences, bans, sources" licences
step "advisories" advisories
step "unused dependencies" unused
step "dependency directions" scripts/check-directions
step "docs/SECURITY.md" scripts/check-security

if ((${#failed[@]})); then
  printf '\nfailed: %s\n' "$(IFS=,; echo "${failed[*]}")"
  exit 1
fi
printf '\nall lints pass\n'
