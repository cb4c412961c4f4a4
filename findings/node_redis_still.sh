#!/usr/bin/env bash
# Guess: when a cluster's master dies and its replica takes over, node-redis's cluster client finds the
# new master within the time of a reconnection: the replica is among its root nodes and answers.
#
# What is so: it looks for the layout again only 5 seconds after the first failed reconnection, and
# holds commands until then; topologyRefreshOnReconnectionAttemptStrategy: 200 makes that 0.2. Then
# the commands that were held, and never sent to anybody, are rejected ("Disconnects client"): only
# what is called after that goes to the new master.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
packages redis@6.3.1

cat >"$work/client.mjs" <<'JS'
import { createCluster } from "redis";
const [master, replica, options] = process.argv.slice(2);
const client = createCluster({
  rootNodes: [master, replica].map((port) => ({ url: `redis://127.0.0.1:${port}` })),
  ...JSON.parse(options),
});
client.on("error", () => {}).on("node-error", () => {});
await client.connect();
await client.set("k", "v");
console.log("ready");
// The replica is the master by now.
await new Promise((resolve) => process.stdin.once("data", resolve));
const start = Date.now();
const errors = [];
while (Date.now() - start < 20_000) {
  const value = await client.get("k").catch((error) => errors.push(error.message));
  if (value === "v") break;
}
const seconds = (Date.now() - start) / 1000;
const held = errors.includes("Disconnects client") ? "held ones rejected" : "nothing rejected";
const range = seconds > 4.5 && seconds < 8 ? "5 to 8" : seconds < 2 ? "under 2" : seconds;
console.log(`${range} s, ${held}`);
process.exit();
JS

# one OPTIONS WANTED
one() {
  local answer
  start_shard
  coproc CLIENT { timeout 60 node "$work/client.mjs" "$master" "$replica" "$1"; }
  started+=("$CLIENT_PID")
  read -r -t 30 -u "${CLIENT[0]}" _
  fail_over
  echo >&"${CLIENT[1]}"
  read -r -t 40 -u "${CLIENT[0]}" answer
  wait "$CLIENT_PID" || true
  seen "$1" "$answer" "$2"
}

echo "node-redis 6.3.1, $(redis-server --version | cut -d ' ' -f 1-3)"
one '{}' '5 to 8 s, held ones rejected'
one '{"topologyRefreshOnReconnectionAttemptStrategy":200}' 'under 2 s, held ones rejected'
