# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034  # $folder, $drop, $command: scripts/servers' and server.sh's.
# Redis as a cache: nothing on the disk, since what Leadscore keeps in it can be computed anew. A restart begins empty.

redis_packages() { command -v redis-server >/dev/null && command -v redis-cli >/dev/null || echo redis-server; }

redis_prepare() {
  local dir=$folder/redis program
  program=$(command -v redis-server) || die "Redis is missing; scripts/servers install"
  [[ -s $dir/password ]] || random >"$dir/password"
  # When memory is full, the least recently used key goes, whether it has an expiry or not: a lost entry costs a
  # computation, where refusing to write (the default) would cost a request.
  cat >"$dir/redis.conf" <<CONF
bind 127.0.0.1
port $1
requirepass $(cat "$dir/password")
dir $dir
save ""
appendonly no
maxmemory 256mb
maxmemory-policy allkeys-lru
loglevel warning
CONF
  command=("$program" "$dir/redis.conf")
}

redis_ready() {
  [[ $(REDISCLI_AUTH=$(cat "$folder/redis/password") redis-cli -h 127.0.0.1 -p "$1" ping) == PONG ]]
}

# Nothing is saved, as with SHUTDOWN NOSAVE: no save point is configured.
redis_stop_signal() { echo TERM; }

# The user is named because redis-cli takes an absent one for the empty one.
redis_env() { echo "LEADSCORE_TEST_REDIS=redis://default:$(cat "$folder/redis/password")@127.0.0.1:$1/"; }
