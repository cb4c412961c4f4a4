#!/usr/bin/env bash
# Runs a cluster on this machine, each server a process of its own in the background.
#
#   scripts/cluster.sh start [N]    N servers (3 unless said), returns once a leader serves
#   scripts/cluster.sh status       id, pid, client port and role of each
#   scripts/cluster.sh leader       host and client port of the one that leads, once there is one
#   scripts/cluster.sh kill ID      ends one at once (SIGKILL)
#   scripts/cluster.sh restart ID   stops one where it runs, and starts it
#   scripts/cluster.sh stop         stops all (SIGTERM)
#   scripts/cluster.sh clean        stops all and removes what they stored
#
# Environment: RAFTKV_CONFIG (the cluster file), RAFTKV_DATA (the data directory), RAFTKV_EXECUTABLE
# (what to run; ./raftkv of the project where it was built, else Deno). Logs and pid files are in the
# data directory. Only processes that this script started are ever stopped: a pid file counts only
# while that process is a raftkv server of that id and directory.
set -euo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$project/scripts/permissions.sh"
start_seconds=30
stop_seconds=5

fail() {
  echo "cluster: $*" >&2
  exit 1
}

usage() {
  sed -n '2,16s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}

# --- the cluster file -----------------------------------------------------------------------------

# Sets ids, hosts, client_ports, log_ports, admin_ports from the cluster file $1; from the defaults
# where it is "".
read_servers() {
  ids=() hosts=() client_ports=() log_ports=() admin_ports=()
  local text id
  if [[ -z $1 ]]; then
    for id in 1 2 3; do
      add_server "$id" 127.0.0.1 $((8998 + 2 * id)) $((8999 + 2 * id)) ""
    done
    return
  fi
  [[ -r $1 ]] || fail "cannot read the cluster file $1"
  while IFS= read -r text; do
    add_server "$(number id "$text")" "$(word hostname "$text")" \
      "$(number clientPort "$text")" "$(number logPort "$text")" "$(number adminPort "$text")"
  done < <(tr -d '\n\r' <"$1" | grep -oE '\{[^{}]*"clientPort"[^{}]*\}' || true)
  [[ ${#ids[@]} -gt 0 ]] || fail "$1 lists no servers"
}

add_server() {
  ids+=("$1") hosts+=("$2") client_ports+=("$3") log_ports+=("$4")
  admin_ports+=("${5:-$(($3 + 100))}")
}

# The number, or the string, that stands behind the key $1 in the text $2.
number() {
  sed -nE "s/.*\"$1\"[[:space:]]*:[[:space:]]*([0-9]+).*/\1/p" <<<"$2"
}

word() {
  sed -nE "s/.*\"$1\"[[:space:]]*:[[:space:]]*\"([^\"]*)\".*/\1/p" <<<"$2"
}

# The position of server $1 in the lists.
position() {
  local at
  for at in "${!ids[@]}"; do
    [[ ${ids[at]} == "$1" ]] && echo "$at" && return
  done
  fail "there is no server $1: the cluster has ${ids[*]}"
}

# A cluster file for $1 servers.
write_config() {
  local id separator=
  echo '{'
  echo '  "path": "data",'
  echo '  "servers": ['
  for ((id = 1; id <= $1; id++)); do
    printf '%s    { "id": %d, "hostname": "127.0.0.1", "clientPort": %d, "logPort": %d }' \
      "$separator" "$id" $((8998 + 2 * id)) $((8999 + 2 * id))
    separator=$',\n'
  done
  printf '\n  ]\n}\n'
}

# Sets config (a file, or "" for the defaults) and data.
find_cluster() {
  config=${RAFTKV_CONFIG:-}
  [[ -n $config || ! -e cluster.json ]] || config=cluster.json
  data=${RAFTKV_DATA:-}
  if [[ -z $data && -n $config && -r $config ]]; then
    data=$(word path "$(tr -d '\n\r' <"$config")")
  fi
  data=${data:-data}
  # A cluster of another size than the default brought its own file.
  if [[ -z ${RAFTKV_CONFIG:-} && -e $data/cluster.json ]]; then config=$data/cluster.json; fi
  read_servers "$config"
}

# --- processes ------------------------------------------------------------------------------------

pid_file() { echo "$data/server-$1.pid"; }
log_file() { echo "$data/server-$1.log"; }

# The pid of server $1; fails where it does not run, or the pid is another program's by now.
running_pid() {
  local pid arguments
  [[ -r $(pid_file "$1") ]] && read -r pid <"$(pid_file "$1")" || return 1
  [[ $pid =~ ^[0-9]+$ ]] && arguments=$(ps -o args= -p "$pid" 2>/dev/null) || return 1
  [[ " $arguments " == *" serve --id $1 --data $data "* ]] || return 1
  echo "$pid"
}

# Sets the array program: what runs a server.
find_program() {
  local deno
  if [[ -n ${RAFTKV_EXECUTABLE:-} ]]; then
    [[ -x $RAFTKV_EXECUTABLE ]] || fail "RAFTKV_EXECUTABLE: cannot run $RAFTKV_EXECUTABLE"
    program=("$RAFTKV_EXECUTABLE")
  elif [[ -x $project/raftkv ]]; then
    program=("$project/raftkv")
  else
    deno=$("$project/scripts/find_deno.sh") || exit 1
    program=("$deno" run --quiet --config "$project/deno.json" --lock "$project/deno.lock" --frozen)
    program+=("${raftkv_permissions[@]}" "${raftkv_engine[@]}" "$project/main.ts")
  fi
}

launch() {
  local id=$1 arguments=(serve --id "$1" --data "$data")
  [[ -z $config ]] || arguments+=(--config "$config")
  nohup "${program[@]}" "${arguments[@]}" </dev/null >>"$(log_file "$id")" 2>&1 &
  echo $! >"$(pid_file "$id")"
}

# Waits until server $1 has ended, for $2 seconds at the most.
wait_gone() {
  local tries=$((${2} * 10))
  while running_pid "$1" >/dev/null; do
    ((tries-- > 0)) || return 1
    sleep 0.1
  done
}

# Stops server $1 where it runs.
stop_server() {
  local pid
  pid=$(running_pid "$1") || { rm -f "$(pid_file "$1")"; return 0; }
  kill "$pid" 2>/dev/null || true
  if ! wait_gone "$1" "$stop_seconds"; then
    echo "Server $1 (pid $pid) took longer than $stop_seconds s: killed"
    kill -9 "$pid" 2>/dev/null || true
    wait_gone "$1" "$stop_seconds" || fail "server $1 (pid $pid) does not end"
  fi
  rm -f "$(pid_file "$1")"
}

# --- the servers, as their clients see them -------------------------------------------------------

can_connect() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

# The first line of a server's answer to a read, or to $3; nothing where it does not answer.
ask() {
  (
    exec 3<>"/dev/tcp/$1/$2"
    printf "${3:-get cluster-probe\r\n}" >&3
    IFS= read -r -t 3 line <&3
    printf '%s' "${line%$'\r'}"
  ) 2>/dev/null || true
}

# leads, follows, waits (no leader is known), starts (it does not listen yet), frozen (it stands still:
# stopped by a signal, or it listens and says nothing), users (it tells that to users alone, and has no
# admin port that tells it to everybody), down
role() {
  local at=$1 pid
  pid=$(running_pid "${ids[at]}") || { echo down; return; }
  [[ $(ps -o stat= -p "$pid" 2>/dev/null) != T* ]] || { echo frozen; return; }
  case $(ask "${hosts[at]}" "${client_ports[at]}") in
    ERR_NOT_FOUND | VALUE*) echo leads ;;
    ERR_REDIRECT*) echo follows ;;
    ERR_AUTH*) admin_role "${admin_ports[at]}" ;;
    '') silent_role "${hosts[at]}" "${client_ports[at]}" ;;
    *) echo waits ;;
  esac
}

# What probes are answered on the admin port $1.
admin_role() {
  local path head="HTTP/1.1\r\nHost: 127.0.0.1:$1\r\nConnection: close\r\n\r\n"
  for path in leader replica; do
    case $(ask 127.0.0.1 "$1" "GET /$path $head") in
      HTTP/1.1\ 200*) [[ $path == leader ]] && echo leads || echo follows; return ;;
      HTTP/1.1\ 503*) ;;
      *) echo users; return ;;
    esac
  done
  echo waits
}

# A read waits for a leader as long as the cluster file says; PING never does.
silent_role() {
  can_connect "$1" "$2" || { echo starts; return; }
  [[ $(ask "$1" "$2" '*1\r\n$4\r\nPING\r\n') == +PONG ]] && echo waits || echo frozen
}

# Sets leader to the position of the server that serves; fails after start_seconds, or where one of
# the servers $@ (positions) ends.
wait_for_leader() {
  local at until=$((SECONDS + start_seconds))
  while ((SECONDS < until)); do
    for at in "${!ids[@]}"; do
      if [[ $(role "$at") == leads ]]; then
        leader=$at
        return
      fi
    done
    for at in "$@"; do check_alive "$at"; done
    sleep 0.1
  done
  status
  for at in "${!ids[@]}"; do
    [[ $(role "$at") != users ]] ||
      fail "who leads is told to users alone: ask \"raftkv status\" as one"
  done
  fail "no leader within $start_seconds s: see $data/server-*.log"
}

check_alive() {
  local id=${ids[$1]}
  running_pid "$id" >/dev/null && return
  fail "server $id has ended; the end of $(log_file "$id"): $(tail -n 1 "$(log_file "$id")")"
}

check_port() {
  ! can_connect "$2" "$3" ||
    fail "port $3 on $2 is in use: server $1 needs it. Nothing was started"
}

# --- commands -------------------------------------------------------------------------------------

# What the data directory says about the number of servers that stored something in it.
stored_servers() {
  { find "$data" -mindepth 1 -maxdepth 1 -type d -name '[1-9]*' 2>/dev/null || true; } | wc -l
}

choose_size() {
  local wanted=$1 stored
  [[ $wanted =~ ^[1-9][0-9]?$ ]] && ((wanted <= 15)) ||
    fail "$wanted is no number of servers (1 to 15)"
  ((wanted != ${#ids[@]})) || return 0
  [[ -z ${RAFTKV_CONFIG:-} ]] ||
    fail "RAFTKV_CONFIG=$RAFTKV_CONFIG lists ${#ids[@]} servers, not $wanted"
  stored=$(stored_servers)
  ((stored == 0)) ||
    fail "$data holds a cluster of $stored servers: clean it first, or set RAFTKV_DATA"
  mkdir -p "$data"
  write_config "$wanted" >"$data/cluster.json"
  config=$data/cluster.json
  read_servers "$config"
}

start() {
  local at id starting=()
  [[ $# -eq 0 ]] || choose_size "$1"
  mkdir -p "$data" || fail "cannot make the data directory $data"
  for at in "${!ids[@]}"; do
    id=${ids[at]}
    if running_pid "$id" >/dev/null; then
      echo "Server $id runs already"
      continue
    fi
    check_port "$id" "${hosts[at]}" "${client_ports[at]}"
    check_port "$id" "${hosts[at]}" "${log_ports[at]}"
    starting+=("$at")
  done
  if ((${#starting[@]} > 0)); then
    find_program
    for at in "${starting[@]}"; do launch "${ids[at]}"; done
  fi
  wait_for_leader "${!ids[@]}"
  print_leader
}

print_leader() {
  local host=${hosts[leader]} port=${client_ports[leader]}
  local commands='set greeting 0 5\r\nhello\r\nget greeting\r\n'
  cat <<EOF
Server ${ids[leader]} leads: clients go to $host port $port. To try it, paste one of these:

  printf '$commands' | nc -N $host $port

  exec 3<>/dev/tcp/$host/$port; printf '$commands' >&3; head -n 3 <&3; exec 3>&-

Logs: $data/server-*.log. Stop with: scripts/cluster.sh stop
EOF
}

status() {
  local at id
  printf '%-6s %-8s %-6s %s\n' id pid port role
  for at in "${!ids[@]}"; do
    id=${ids[at]}
    printf '%-6s %-8s %-6s %s\n' "$id" "$(running_pid "$id" || echo -)" \
      "${client_ports[at]}" "$(role "$at")"
  done
}

# For other programs' command lines: nc $(scripts/cluster.sh leader)
print_address() {
  wait_for_leader
  echo "${hosts[leader]} ${client_ports[leader]}"
}

stop() {
  local id pid
  # All get the signal first: they hand over and end side by side.
  for id in "${ids[@]}"; do
    if pid=$(running_pid "$id"); then kill "$pid" 2>/dev/null || true; fi
  done
  for id in "${ids[@]}"; do stop_server "$id"; done
}

kill_server() {
  local pid
  position "$1" >/dev/null
  pid=$(running_pid "$1") || fail "server $1 does not run"
  kill -9 "$pid"
  wait_gone "$1" "$stop_seconds" || fail "server $1 (pid $pid) does not end"
  rm -f "$(pid_file "$1")"
  echo "Server $1 (pid $pid) was killed"
}

restart() {
  local at until
  at=$(position "$1")
  stop_server "$1"
  check_port "$1" "${hosts[at]}" "${client_ports[at]}"
  check_port "$1" "${hosts[at]}" "${log_ports[at]}"
  find_program
  launch "$1"
  until=$((SECONDS + start_seconds))
  while [[ -z $(ask "${hosts[at]}" "${client_ports[at]}") ]]; do
    check_alive "$at"
    ((SECONDS < until)) || fail "server $1 does not answer: see $(log_file "$1")"
    sleep 0.1
  done
  echo "Server $1 runs (pid $(running_pid "$1")): it $(role "$at")"
}

clean() {
  local id
  stop
  for id in "${ids[@]}"; do
    rm -rf -- "${data:?}/${id:?}"
    rm -f -- "$(log_file "$id")" "$(pid_file "$id")"
  done
  rm -f -- "$data/cluster.json"
  rmdir -- "$data" 2>/dev/null || true
}

[[ $# -ge 1 ]] || usage
command=$1
shift
case $command:$# in
  start:[01] | status:0 | leader:0 | stop:0 | clean:0) ;;
  kill:1 | restart:1) ;;
  *) usage ;;
esac
find_cluster
case $command in
  kill) kill_server "$1" ;;
  leader) print_address ;;
  *) "$command" "$@" ;;
esac
