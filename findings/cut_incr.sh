#!/usr/bin/env bash
# Guess: a client library does not repeat an INCR whose connection broke, since it can't know whether
# the server has done it; its user is told.
#
# What is so: it depends on the library, and twice on whether its client is the one for clusters. By
# default ioredis, redis-rb and redis-py's RedisCluster send it again: the counter grows by two, and
# the user, who asked once, gets 2 and no error. node-redis, redis-py's Redis and phpredis tell.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
packages ioredis@6.0.0 redis@6.3.1

cat >"$work/client.mjs" <<'JS'
import { Cluster, Redis } from "ioredis";
import { createClient, createCluster } from "redis";
const [kind, port] = process.argv.slice(2);
const address = { host: "127.0.0.1", port: Number(port) };
const url = `redis://127.0.0.1:${port}`;
const make = {
  "ioredis": () => new Redis(address),
  "ioredis-cluster": () => new Cluster([address]),
  "node-redis": () => createClient({ url }),
  "node-redis-cluster": () => createCluster({ rootNodes: [{ url }] }),
};
const client = make[kind]();
client.on("error", () => {});
if (kind.startsWith("node-redis")) await client.connect();
console.log(await client.incr("n").then((n) => `answered ${n}`, () => "an error"));
process.exit();
JS
cat >"$work/client.py" <<'PY'
import sys, redis
make = redis.RedisCluster if sys.argv[1] == "redis-py-cluster" else redis.Redis
try:
    print("answered", make(host="127.0.0.1", port=int(sys.argv[2])).incr("n"))
except redis.exceptions.RedisError:
    print("an error")
PY
cat >"$work/client.php" <<'PHP'
<?php
try {
    if ($argv[1] === 'phpredis-cluster') {
        $client = new RedisCluster(null, ["127.0.0.1:$argv[2]"]);
    } else {
        $client = new Redis();
        $client->connect('127.0.0.1', $argv[2]);
    }
    $value = $client->incr('n');
    echo "answered $value";
} catch (Exception $error) {
    echo 'an error';
}
PHP
cat >"$work/client.rb" <<'RB'
require 'redis'
url = "redis://127.0.0.1:#{ARGV[1]}"
begin
  client = ARGV[0] == 'redis-rb-cluster' ? Redis.new(cluster: [url]) : Redis.new(url: url)
  puts "answered #{client.incr('n')}"
rescue Redis::BaseError
  puts 'an error'
end
RB

# cut_one KIND WANTED PROGRAM...: one INCR through a proxy that cuts it, against a Redis of its own. Its
# cluster mode does for clients of both kinds; it gives the proxy's port as its own.
cut_one() {
  local kind=$1 wanted=$2 server proxy told
  shift 2
  server=$(free_port) proxy=$(free_port)
  start_redis "$server" --cluster-announce-ip 127.0.0.1 --cluster-announce-port "$proxy"
  redis-cli -p "$server" cluster addslotsrange 0 16383 >/dev/null
  until_true redis-cli -e -p "$server" set probe 1
  start_cutting "$proxy" "$server"
  told=$(timeout 30 "$@" "$kind" "$proxy" 2>/dev/null)
  seen "$kind" "$told, the counter is $(redis-cli -p "$server" get n)" "$wanted"
}

once="an error, the counter is 1"
twice="answered 2, the counter is 2"
echo "ioredis 6.0.0, node-redis 6.3.1, $(redis-server --version | cut -d ' ' -f 1-3)"
cut_one ioredis "$twice" node "$work/client.mjs"
cut_one ioredis-cluster "$twice" node "$work/client.mjs"
cut_one node-redis "$once" node "$work/client.mjs"
cut_one node-redis-cluster "$once" node "$work/client.mjs"
if python=$(the_python); then
  echo "redis-py $("$python" -c 'import redis; print(redis.__version__)')"
  cut_one redis-py "$once" "$python" "$work/client.py"
  cut_one redis-py-cluster "$twice" "$python" "$work/client.py"
fi
if php -r 'exit(extension_loaded("redis") ? 0 : 1);' 2>/dev/null; then
  echo "phpredis $(php -r 'echo phpversion("redis");')"
  cut_one phpredis "$once" php "$work/client.php"
  cut_one phpredis-cluster "$once" php "$work/client.php"
fi
if ruby -e 'require "redis"' 2>/dev/null; then
  echo "redis-rb $(ruby -e 'require "redis"; print Redis::VERSION')"
  cut_one redis-rb "$twice" ruby "$work/client.rb"
  cut_one redis-rb-cluster "$twice" ruby "$work/client.rb"
fi
