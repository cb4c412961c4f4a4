<?php
// phpredis as a child of the tests: one command a line on its input, one answer a line.
//
// The first argument is JSON: {"cluster": bool, "ports": [...], "options": {...}, "renews": bool}.
// Answers are "ok VALUE" or "error TEXT"; the first one says whether the client could be made. Where
// it renews, a new client is made for the first command after an error.
$setup = json_decode($argv[1], true);

function answer(callable $work): void {
    global $client, $setup;
    try {
        $value = @$work();
        $text = $value === false ? 'error false, without an exception' : "ok $value";
    } catch (Throwable $error) {
        $text = 'error ' . get_class($error) . ': ' . $error->getMessage();
        if ($setup['renews']) {
            $client = null;
        }
    }
    echo str_replace("\n", ' ', $text), "\n";
}

$client = null;

function connected() {
    global $client, $setup;
    if ($client !== null) {
        return $client;
    }
    if ($setup['cluster']) {
        $seeds = array_map(fn($port) => "127.0.0.1:$port", $setup['ports']);
        return $client = new RedisCluster(null, $seeds, ...$setup['options']);
    }
    $client = new Redis();
    $client->connect('127.0.0.1', $setup['ports'][0]);
    return $client;
}

answer(fn() => connected() ? phpversion('redis') : false);
while (($line = fgets(STDIN)) !== false) {
    [$command, $key] = explode(' ', trim($line));
    answer(fn() => connected()->{strtolower($command)}($key));
}
