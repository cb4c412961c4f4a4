<?php
// phpredis's sessions with locking as a program that counts: one session for all, a hundred times.
//
// Its handler knows one server: where that does not lead or is gone, the program takes another. A session that
// could not be written is of unknown outcome.
ini_set('session.save_handler', 'redis');
ini_set('session.use_cookies', '0');
ini_set('session.cache_limiter', '');
ini_set('session.gc_probability', '0');
ini_set('redis.session.locking_enabled', '1');
ini_set('redis.session.lock_expire', '10');
ini_set('redis.session.lock_wait_time', '5000');
ini_set('redis.session.lock_retries', '2000');

function succeeds(callable $work): bool {
    try {
        return @$work();
    } catch (RedisException) {
        return false;
    }
}

$ports = array_slice($argv, 1);
$at = 0;
$acknowledged = $unknown = 0;
$end = microtime(true) + 120;
ob_start();
while ($acknowledged < 100 && microtime(true) < $end) {
    $port = $ports[$at % count($ports)];
    ini_set('session.save_path', "tcp://127.0.0.1:$port?timeout=2&read_timeout=5");
    session_id('shared');
    if (!succeeds('session_start')) {
        @session_abort();
        $at++;
        usleep(50000);
        continue;
    }
    $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
    if (succeeds('session_write_close')) {
        $acknowledged++;
    } else {
        $unknown++;
        $at++;
    }
}
ob_end_clean();
echo json_encode(['acknowledged' => $acknowledged, 'unknown' => $unknown]), "\n";
