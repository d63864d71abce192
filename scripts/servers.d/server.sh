# shellcheck shell=bash
# shellcheck disable=SC2154  # $folder is set by scripts/servers, which sources this.
# One server, whichever it is: how it is started, waited for, stopped and killed. Each NAME.sh beside this file has
#   NAME_packages       prints Debian's packages that this machine lacks for it
#   NAME_prepare PORT   makes its data where there is none, writes its configuration, sets `command`
#   NAME_ready PORT     whether it answers a real request, and is ours
#   NAME_stop_signal    prints the signal that stops it in good order
#   NAME_env PORT       prints its line of FOLDER/env
#
# Invariant: a server's processes hold a lock on FOLDER/NAME/running as long as one of them lives. That says whether it
# runs; a process number alone could be another's by now, and PostgreSQL's processes can outlive their first.

start_timeout_s=60
stop_timeout_s=10
port_attempts=5

die() {
  echo "error: $1" >&2
  exit "${2:-1}"
}

# For root: the user who runs the servers. PostgreSQL refuses root, and the others have no use for it.
choose_user() {
  user=
  drop=()
  [[ $(id -u) == 0 ]] || return 0
  for user in postgres nobody; do
    ! id "$user" >/dev/null 2>&1 || break
  done
  drop=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups --no-new-privs)
}

give() { [[ -z ${user:-} ]] || chown -R "$user:" "$@"; }

random() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# Shared, so that two that ask at once do not take each other for the server.
running() { [[ -e $folder/$1/running ]] && ! flock --nonblock --shared "$folder/$1/running" true; }

# One start, stop or kill of a server at a time.
lock() {
  mkdir -p "$folder/$1"
  exec 7>"$folder/$1/lock"
  flock 7
}

# Below the ports that the system gives out by itself, so that nobody has it by chance at a restart, and even: Kafka's
# controller has the next one.
free_port() {
  local port
  for _ in {1..100}; do
    port=$((2 * $(shuf -i 10000-15999 -n 1)))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# In a session of its own: what interrupts the caller does not reach it.
launch() {
  local server=$1 port=$2 command=()
  "${server}_prepare" "$port"
  give "$folder/$server"
  exec 8>"$folder/$server/running"
  flock --timeout 5 8
  (
    cd "$folder/$server" || exit
    echo "$BASHPID" >pid
    exec setsid "${drop[@]}" env LC_ALL=C "${command[@]}" >>log 2>&1 </dev/null 7>&-
  ) &
  exec 8>&-
}

# Fails where the server has ended or time has run out.
answers() {
  local deadline=$((SECONDS + start_timeout_s))
  while running "$1"; do
    if "${1}_ready" "$2" >/dev/null 2>&1; then return 0; fi
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
  return 1
}

# What the log says since log_bytes.
log_news() { tail -c "+$((log_bytes + 1))" "$folder/$1/log"; }

# On the port that it had, else on a free one, and on another where somebody was faster; with "same" on that one only.
# For a subshell of its own, as are all that end in _one: whatever goes wrong, its last word is the server's log.
start_one() {
  local server=$1 same=${2:-} dir=$folder/$1 port attempt
  umask 077
  lock "$server"
  if running "$server"; then return; fi
  touch "$dir/log"
  log_bytes=$(stat -c %s "$dir/log")
  # shellcheck disable=SC2064
  trap "complain $server" EXIT
  trap 'trap - EXIT; exit 143' TERM
  port=$(cat "$dir/port" 2>/dev/null || free_port)
  for ((attempt = 1; attempt <= port_attempts; attempt++)); do
    log_bytes=$(stat -c %s "$dir/log")
    launch "$server" "$port"
    if answers "$server" "$port"; then
      echo "$port" >"$dir/port"
      trap - EXIT TERM
      return
    fi
    kill_one "$server"
    if [[ $same ]] || ! log_news "$server" | grep -q 'Address already in use'; then break; fi
    port=$(free_port)
  done
  exit 1
}

complain() {
  echo "error: $1 does not start; its log, $folder/$1/log, ends with:" >&2
  log_news "$1" | tail -n 20 >&2
}

restart_one() {
  stop_one "$1"
  start_one "$1" same
}

gone_within() {
  local deadline=$((SECONDS + $2))
  while running "$1"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.05
  done
}

stop_one() {
  [[ -d $folder/$1 ]] || return 0
  lock "$1"
  if running "$1"; then
    kill -s "$("${1}_stop_signal")" "$(cat "$folder/$1/pid")" 2>/dev/null || true
  fi
  gone_within "$1" "$stop_timeout_s" || kill_one "$1"
}

crash_one() {
  lock "$1"
  kill_one "$1"
}

# With the processes that it has started: PostgreSQL does so for each connection.
kill_one() {
  local pid children
  if running "$1"; then
    pid=$(cat "$folder/$1/pid")
    read -ra children < <(cat "/proc/$pid/task/$pid/children" 2>/dev/null; echo)
    kill -KILL "$pid" "${children[@]}" 2>/dev/null || true
  fi
  gone_within "$1" "$stop_timeout_s" || die "$1 survives SIGKILL; see the processes that hold $folder/$1/running"
}

status_one() {
  if running "$1"; then
    echo "$1: 127.0.0.1:$(cat "$folder/$1/port" 2>/dev/null || echo '?'), process $(cat "$folder/$1/pid")"
  else
    echo "$1: stopped"
  fi
}
