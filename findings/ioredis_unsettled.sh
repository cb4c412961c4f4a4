#!/usr/bin/env bash
# Guess: with autoResendUnfulfilledCommands: false ioredis rejects what was in flight when the
# connection broke, instead of sending it again.
#
# What is so: it does neither. The promise of the command that was cut never settles, while later
# commands on the same client are answered. An "await" on it stops for ever, without an error or a log
# line. maxRetriesPerRequest: 0 is what rejects it.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
packages ioredis@6.0.0

cat >"$work/client.mjs" <<'JS'
import { Redis } from "ioredis";
const [port, options] = [Number(process.argv[2]), JSON.parse(process.argv[3])];
const client = new Redis({ host: "127.0.0.1", port, ...options });
client.on("error", () => {});
let state = "unsettled";
client.incr("n").then(() => state = "answered", () => state = "rejected");
await new Promise((resolve) => client.once("reconnecting", resolve));
let later;
for (let i = 0; i < 100; i++) later = await client.incr("later");
await new Promise((resolve) => setTimeout(resolve, 3000));
console.log(`the cut one is ${state}, ${later} later ones were answered`);
process.exit();
JS

# one OPTIONS WANTED
one() {
  local server proxy
  server=$(free_port) proxy=$(free_port)
  start_redis "$server" --cluster-enabled no
  start_cutting "$proxy" "$server"
  seen "$1" "$(timeout 30 node "$work/client.mjs" "$proxy" "$1")" "$2"
}

echo "ioredis 6.0.0"
later="100 later ones were answered"
one '{"autoResendUnfulfilledCommands":false}' "the cut one is unsettled, $later"
one '{"maxRetriesPerRequest":0}' "the cut one is rejected, $later"
