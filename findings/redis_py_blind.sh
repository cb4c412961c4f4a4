#!/usr/bin/env bash
# Guess: after a node of the cluster has refused its connections five times, redis-py's RedisCluster
# reads the layout from another node, as its comments say, and goes on with the new master.
#
# What is so, in 4.3.4: it can't. Reading the layout copies the client's settings deeply, and by then
# they hold a method of the client itself, with its lock, which can't be copied: "cannot pickle
# '_thread.lock' object". Every later command fails alike. Making a new client is what helps.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
python=$(the_python) || cannot_run "redis-py is not installed (Debian: python3-redis)"
version=$("$python" -c 'import redis; print(redis.__version__)')
[[ $version == 4.3.4 ]] || cannot_run "this is redis-py $version: the finding is of 4.3.4"
start_shard

cat >"$work/client.py" <<'PY'
import logging, subprocess, sys, redis
logging.disable(logging.CRITICAL)
nodes = [redis.cluster.ClusterNode("127.0.0.1", int(port)) for port in sys.argv[1:3]]
client = redis.RedisCluster(startup_nodes=nodes)
client.set("k", "v")
print("ready", flush=True)
input()
errors = []
for _ in range(5):
    try:
        client.get("k")
    except Exception as error:
        errors.append(str(error))
told = sum("cannot pickle '_thread.lock' object" in error for error in errors)
renewed = redis.RedisCluster(startup_nodes=nodes[1:]).get("k")
print(f"{told} of 5 gets can not pickle a lock; a new client gets {renewed.decode()}", flush=True)
PY
coproc CLIENT { timeout 100 "$python" "$work/client.py" "$master" "$replica" 2>/dev/null; }
started+=("$CLIENT_PID")
read -r -t 30 -u "${CLIENT[0]}" _
fail_over
echo >&"${CLIENT[1]}"
read -r -t 60 -u "${CLIENT[0]}" answer
echo "redis-py $version, $(redis-server --version | cut -d ' ' -f 1-3)"
seen "after a fail-over" "$answer" "5 of 5 gets can not pickle a lock; a new client gets v"
