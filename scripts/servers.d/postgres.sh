# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034  # $folder, $drop, $command: scripts/servers' and server.sh's.
# PostgreSQL 15 or later, as durable as in production: fsync and synchronous_commit stay on.
# The tests' role, leadscore, may log in and create databases and is no superuser, as in production. The superuser
# postgres has a password of its own, in FOLDER/postgres/superuser.

# Debian keeps the server's programs off the PATH, in a folder per version.
postgres_bin() {
  local initdb
  initdb=$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1)
  initdb=${initdb:-$(command -v initdb)} || return 1
  (($("$initdb" --version | grep -oE '[0-9]+' | head -n 1) >= 15)) || return 1
  dirname "$(realpath "$initdb")"
}

postgres_packages() { postgres_bin >/dev/null || echo postgresql; }

postgres_prepare() {
  local dir=$folder/postgres bin
  bin=$(postgres_bin) || die "PostgreSQL 15 or later is missing; scripts/servers install"
  [[ -d $dir/data ]] || postgres_create "$dir" "$bin"
  # None of its processes lives: the lock on FOLDER/postgres/running was free. But after a SIGKILL these files are there,
  # and the process that they name looks alive to PostgreSQL until init has reaped it.
  rm -f "$dir"/data/postmaster.pid "$dir"/.s.PGSQL.*
  command=("$bin/postgres" -D "$dir/data" -p "$1")
}

# Under another name until it is whole: a first start that is interrupted begins anew.
postgres_create() {
  local dir=$1 bin=$2
  rm -rf "$dir/new"
  mkdir "$dir/new"
  random >"$dir/password"
  random >"$dir/superuser"
  give "$dir"
  "${drop[@]}" "$bin/initdb" --pgdata="$dir/new" --username=postgres --pwfile="$dir/superuser" --auth=scram-sha-256 \
    --encoding=UTF8 --locale=C.UTF-8 >>"$dir/log" 2>&1
  # The socket's folder is the data's parent, named from there: a path to a socket has 107 bytes at most.
  cat >>"$dir/new/postgresql.conf" <<CONF

listen_addresses = '127.0.0.1'
unix_socket_directories = '..'
max_connections = 200
shared_buffers = 128MB
CONF
  "${drop[@]}" "$bin/postgres" --single -D "$dir/new" postgres >>"$dir/log" 2>&1 \
    <<<"CREATE ROLE leadscore LOGIN CREATEDB CREATEROLE PASSWORD '$(cat "$dir/password")'"
  mv "$dir/new" "$dir/data"
}

postgres_ready() {
  PGPASSWORD=$(cat "$folder/postgres/password") "$(postgres_bin)/psql" --no-psqlrc -qAt -c 'SELECT 1' \
    "host=127.0.0.1 port=$1 user=leadscore dbname=postgres sslmode=disable connect_timeout=5"
}

# Fast: connections are ended, what was committed is kept.
postgres_stop_signal() { echo INT; }

postgres_env() {
  echo "LEADSCORE_TEST_POSTGRES=postgres://leadscore:$(cat "$folder/postgres/password")@127.0.0.1:$1/postgres"
}
