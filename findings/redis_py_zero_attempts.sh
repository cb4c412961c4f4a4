#!/usr/bin/env bash
# Guess: RedisCluster(cluster_error_retry_attempts=0) of redis-py tries each command once.
#
# What is so, in 4.3.4: it tries each command zero times, and then raises the error that it does not
# have: "TypeError: exceptions must derive from BaseException", in a healthy cluster, for each command.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
python=$(the_python) || cannot_run "redis-py is not installed (Debian: python3-redis)"
version=$("$python" -c 'import redis; print(redis.__version__)')
[[ $version == 4.3.4 ]] || cannot_run "this is redis-py $version: the finding is of 4.3.4"
start_shard

cat >"$work/client.py" <<'PY'
import sys, redis
try:
    client = redis.RedisCluster(
        host="127.0.0.1", port=int(sys.argv[1]), cluster_error_retry_attempts=int(sys.argv[2]))
    print(client.set("k", "v"))
except Exception as error:
    print(f"{type(error).__name__}: {error}")
PY
echo "redis-py $version"
for attempts in 0 1; do
  answers[attempts]=$(timeout 60 "$python" "$work/client.py" "$master" "$attempts" 2>/dev/null)
done
seen "0 attempts" "${answers[0]}" "TypeError: exceptions must derive from BaseException"
seen "1 attempt" "${answers[1]}" "True"
