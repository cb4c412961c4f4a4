#!/usr/bin/env bash
# What the findings share: each script sources this file. It works in a folder of its own under the
# system's temporary directory, and ends what it started.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/finding-XXXXXX")
started=()

clean_up() {
  local status=$?
  trap - EXIT
  {
    for pid in "${started[@]}"; do kill -KILL "$pid" || true; done
    wait
  } 2>/dev/null
  rm -rf -- "$work"
  exit "$status"
}
trap clean_up EXIT

# Ends with 2: the script can't be run here, and that says nothing about the finding.
cannot_run() {
  echo "not run: $*" >&2
  exit 2
}

# need PROGRAM PACKAGE
need() { command -v "$1" >/dev/null || cannot_run "$1 is not installed ($2)"; }

# packages NAME@VERSION...: from npm, into this folder alone.
packages() {
  need npm "Node.js"
  (cd "$work" && npm init -y && npm install --no-audit --no-fund --ignore-scripts "$@") \
    >"$work/npm.log" 2>&1 || cannot_run "npm could not install $*: $(tail -n 1 "$work/npm.log")"
}

# seen WHAT VALUE PATTERN: prints what was seen; ends with 1 where it is not what the finding says.
seen() {
  echo "$1: $2"
  # shellcheck disable=SC2053  # a pattern is meant
  [[ $2 == $3 ]] && return
  echo "CHANGED: $1 should be like: $3" >&2
  exit 1
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port: one that nobody listens on, nor on Redis's bus port, which is 10,000 above.
free_port() {
  local port
  while true; do
    port=$((12000 + RANDOM % 10000))
    if ! listens "$port" && ! listens $((port + 10000)); then
      echo "$port"
      return
    fi
  done
}

# until_true COMMAND...: tries it for 20 seconds.
until_true() {
  local tries=200
  until "$@" >/dev/null 2>&1; do
    ((tries-- > 0)) || cannot_run "this did not come true in 20 s: $*"
    sleep 0.1
  done
}

# start_redis PORT [ARGUMENTS...]: one server of a Redis Cluster; sets redis_pid.
start_redis() {
  need redis-server "Debian: redis-server"
  need redis-cli "Debian: redis-tools"
  local port=$1
  shift
  redis-server --port "$port" --bind 127.0.0.1 --save "" --cluster-enabled yes --dir "$work" \
    --cluster-config-file "$work/nodes-$port.conf" --cluster-node-timeout 60000 "$@" \
    >"$work/redis-$port.log" 2>&1 &
  redis_pid=$!
  started+=("$redis_pid")
  until_true redis-cli -p "$port" ping
}

# start_shard: a Redis Cluster of one shard. Sets master, replica (ports) and master_pid.
start_shard() {
  master=$(free_port) replica=$(free_port)
  start_redis "$master"
  master_pid=$redis_pid
  start_redis "$replica"
  redis-cli -p "$master" cluster addslotsrange 0 16383 >/dev/null
  redis-cli -p "$replica" cluster meet 127.0.0.1 "$master" >/dev/null
  local id
  id=$(redis-cli -p "$master" cluster myid)
  until_true redis-cli -e -p "$replica" cluster replicate "$id"
  until_true shard_is_whole "$master"
  until_true shard_is_whole "$replica"
}

shard_is_whole() {
  redis-cli -p "$1" info replication | grep -q "link_status:up\|state=online" &&
    redis-cli -p "$1" cluster info | grep -q cluster_state:ok
}

# fail_over: kills the master and makes the replica the master at once.
fail_over() {
  # What was written before is on the replica, too, once this is.
  printf 'set before-the-fail-over 1\nwait 1 20000\n' | redis-cli -p "$master" >/dev/null
  kill -KILL "$master_pid"
  wait "$master_pid" 2>/dev/null || true
  until_true redis-cli -e -p "$replica" cluster failover takeover
  until_true redis-cli -e -p "$replica" set after-the-fail-over 1
}

# start_cutting PORT TARGET: a proxy that cuts the connection of the first INCR after the server has
# answered it and before the client has the answer.
start_cutting() {
  need node "Node.js"
  node "$here/cutting_proxy.mjs" "$1" "$2" &
  started+=("$!")
  until_true listens "$1"
}

# start_etcd PORT: an etcd of one server; sets etcd_pid.
start_etcd() {
  need etcd "Debian: etcd-server"
  local url=http://127.0.0.1:$1
  etcd --data-dir "$work/etcd-$1" --listen-client-urls "$url" --advertise-client-urls "$url" \
    --listen-peer-urls "http://127.0.0.1:$(free_port)" >"$work/etcd-$1.log" 2>&1 &
  etcd_pid=$!
  started+=("$etcd_pid")
  until_true grep -q "ready to serve client requests" "$work/etcd-$1.log"
}

# the_python: prints the Python that has redis-py.
the_python() {
  local python
  for python in python3 /usr/bin/python3; do
    "$python" -c 'import redis' 2>/dev/null && echo "$python" && return
  done
  return 1
}
