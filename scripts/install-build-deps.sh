#!/usr/bin/env bash
# Installs what the build needs and this machine lacks: a C compiler and linker (SQLite, zstd and mimalloc are built
# from source), and pkg-config. Does nothing, and needs no root, where they work already.
# Further Debian packages can be named as arguments: each is installed unless dpkg knows it. A server among them is there
# to be started by hand: no service of it runs, now or at boot.
set -euo pipefail

missing=()

compiles() {
  local dir
  dir=$(mktemp -d)
  printf '#include <pthread.h>\n#include <stdio.h>\nint main(void) { return puts("") < 0; }\n' >"$dir/probe.c"
  local status=0
  cc -pthread "$dir/probe.c" -o "$dir/probe" >/dev/null 2>&1 || status=1
  rm -rf "$dir"
  return "$status"
}

compiles || missing+=(build-essential)
command -v pkg-config >/dev/null || missing+=(pkg-config)
for package in "$@"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done

if ((${#missing[@]})); then
  command -v apt-get >/dev/null || {
    echo "error: missing: ${missing[*]}; install them with this system's package manager" >&2
    exit 1
  }
  as_root=()
  if [[ $(id -u) != 0 ]]; then
    command -v sudo >/dev/null || {
      echo "error: missing: ${missing[*]}; run as root: apt-get install -y ${missing[*]}" >&2
      exit 1
    }
    as_root=(sudo)
  fi
  echo "installing: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # Only while apt runs: a policy by which Debian starts nothing, and a word to PostgreSQL's package to make no cluster.
  policy=/usr/sbin/policy-rc.d
  clusters=/etc/postgresql-common/createcluster.d/none.conf
  own=("$clusters")
  [[ -e $policy ]] || own+=("$policy")
  trap '"${as_root[@]}" rm -f "${own[@]}"; "${as_root[@]}" rmdir -p --ignore-fail-on-non-empty "${clusters%/*}"' EXIT
  "${as_root[@]}" mkdir -p "${clusters%/*}"
  echo 'create_main_cluster = false' | "${as_root[@]}" tee "$clusters" >/dev/null
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
  fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  if command -v systemctl >/dev/null; then
    for package in "${missing[@]}"; do
      [[ ! -e /lib/systemd/system/$package.service ]] || "${as_root[@]}" systemctl disable --quiet "$package" || true
    done
  fi
fi

command -v cargo >/dev/null || {
  echo "error: cargo is not on the PATH; install Rust 1.95 or later (https://rustup.rs)" >&2
  exit 1
}
