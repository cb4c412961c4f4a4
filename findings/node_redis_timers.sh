#!/usr/bin/env bash
# Guess: a client that was answered and has nothing to do uses no processor.
#
# What is so: node-redis makes an AbortSignal.timeout for each command (5 s unless commandOptions says
# otherwise) and leaves it behind when the command is answered. Under Deno each goes off 5 s after its
# command, with an error and a stack that nobody sees: a program that made 200,000 gets within a second or
# two is busy once more 5 s later, for a good part of a second. Whoever measures something else in that
# process then, or beside it, measures that. commandOptions: { timeout: undefined } makes none; Node takes
# a tenth of the time for the same.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
packages deno@2.9.6 redis@6.3.1
deno=$(find "$work/node_modules/@deno" -name deno -type f | sed -n 1p)
[[ -n $deno ]] || cannot_run "there is no Deno for this machine"
chmod +x "$deno"
version=$("$deno" --version 2>/dev/null | sed -n 1p) || cannot_run "deno does not run here"
need redis-server "Debian: redis-server"

cat >"$work/client.mjs" <<'JS'
import { setTimeout as pause } from "node:timers/promises";
import process from "node:process";
import { createClient } from "redis";
const [port, isDefault] = process.argv.slice(2);
const options = isDefault === "default" ? {} : { commandOptions: { timeout: undefined } };
const client = createClient({ url: `redis://127.0.0.1:${port}`, ...options });
await client.connect();
for (let n = 0; n < 200_000; n += 100) {
  await Promise.all(Array.from({ length: 100 }, () => client.get("k")));
}
const used = () => (({ user, system }) => (user + system) / 1_000)(process.cpuUsage());
await pause(1_000);
const idleMs = used();
await pause(8_000);
const ms = used() - idleMs;
console.log(ms < 60 ? "next to nothing" : ms > 200 ? "more than 200 ms" : `${ms} ms`);
client.destroy();
JS

port=$(free_port)
redis-server --port "$port" --bind 127.0.0.1 --save "" --dir "$work" >"$work/redis.log" 2>&1 &
started+=("$!")
until_true redis-cli -p "$port" ping

run() { (cd "$work" && "$deno" run --quiet --allow-all client.mjs "$port" "$1"); }

echo "node-redis 6.3.1, $version"
seen "8 s of nothing after 200,000 gets" "$(run default)" "more than 200 ms"
seen "the same without the timers" "$(run none)" "next to nothing"
