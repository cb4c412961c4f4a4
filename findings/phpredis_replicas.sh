#!/usr/bin/env bash
# Guess: when the master of a slot dies, phpredis's RedisCluster asks its seeds, or the replicas that
# CLUSTER SLOTS named, who the master is now.
#
# What is so, in 5.3.7: it asks the masters that it knows, and nobody else. Where the one that died was
# the only one (a cluster of one shard) each command raises "Can't communicate with any node in the
# cluster" for as long as the object lives. A new object, with the same seeds, works.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
php -r 'exit(extension_loaded("redis") ? 0 : 1);' 2>/dev/null ||
  cannot_run "phpredis is not installed (Debian: php-cli, php-redis)"
version=$(php -r 'echo phpversion("redis");')
start_shard

cat >"$work/client.php" <<'PHP'
<?php
$seeds = ["127.0.0.1:$argv[1]", "127.0.0.1:$argv[2]"];
$client = new RedisCluster(null, $seeds);
$client->set('k', 'v');
echo "ready\n";
fgets(STDIN);
$told = 0;
for ($i = 0; $i < 20; $i++) {
    try {
        $client->get('k');
    } catch (RedisClusterException $error) {
        $told += str_contains($error->getMessage(), "Can't communicate with any node") ? 1 : 0;
    }
    usleep(100000);
}
$renewed = new RedisCluster(null, $seeds);
echo "$told of 20 gets reach no node; a new client gets {$renewed->get('k')}\n";
PHP
coproc CLIENT { timeout 100 php "$work/client.php" "$master" "$replica" 2>/dev/null; }
started+=("$CLIENT_PID")
read -r -t 30 -u "${CLIENT[0]}" _
fail_over
echo >&"${CLIENT[1]}"
read -r -t 60 -u "${CLIENT[0]}" answer
echo "phpredis $version, $(redis-server --version | cut -d ' ' -f 1-3)"
seen "after a fail-over" "$answer" "[12][0-9] of 20 gets reach no node; a new client gets v"
