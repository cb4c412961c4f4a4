#!/usr/bin/env bash
# Guess: a master of a Redis Cluster whose replica was killed no longer lists it: its own INFO says
# connected_slaves:0 at once, so CLUSTER SLOTS leaves it out, too.
#
# What is so, in Redis 7.0.15: SLOTS goes on listing it until the cluster's bus has declared it failed,
# which takes cluster-node-timeout (15 s by default; here 60): clients that read from replicas are sent
# to a dead one all that time.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
start_shard
redis-cli -p "$master" set key value >/dev/null
# The bus tells how far the replica is, about once a second; one that is nowhere is never listed.
sleep 3
version=$(redis-server --version | grep -oE 'v=[0-9.]+')
replica_pid=$redis_pid
kill -KILL "$replica_pid"
wait "$replica_pid" 2>/dev/null || true
gone() { redis-cli -p "$master" info replication | grep -q connected_slaves:0; }
until_true gone
sleep 3
redis-cli -p "$master" cluster slots | grep -qx "$replica" && listed=listed || listed="not listed"
echo "Redis $version"
connected=$(redis-cli -p "$master" info replication | grep -oE 'connected_slaves:[0-9]')
seen "INFO" "$connected" "connected_slaves:0"
seen "the killed replica in CLUSTER SLOTS, 3 s after that" "$listed" "listed"
