#!/usr/bin/env bash
# Guess: Ctrl-C on "deno task" reaches the program that it runs once.
#
# What is so: two or three times, within milliseconds. The terminal sends SIGINT to every process of the
# group, and the task runner forwards the one that it gets itself (how many the program sees depends on
# how quickly it takes them). A program in which the second Ctrl-C means
# "at once" is ended at once by the first.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need npx "Node.js"
need setsid "Debian: util-linux"

cat >"$work/program.ts" <<'TS'
let count = 0;
Deno.addSignalListener("SIGINT", () => count++);
setTimeout(() => {
  console.log(`SIGINT came ${count} times`);
  Deno.exit();
}, 1500);
console.log("ready");
TS
echo '{ "tasks": { "go": "deno run program.ts" } }' >"$work/deno.json"
deno=$(npx -y deno@2.9.6 eval 'console.log(Deno.execPath())')
export PATH="$(dirname "$deno"):$PATH"
cd "$work"

# interrupted COMMAND...: what the program says after one SIGINT to its process group, as a terminal
# sends it.
interrupted() {
  setsid "$@" >"$work/out" 2>/dev/null &
  local pid=$!
  started+=("$pid")
  until_true grep -q ready "$work/out"
  sleep 0.3
  kill -INT -- "-$pid"
  wait "$pid" || true
  grep SIGINT "$work/out"
}
# most COMMAND...: the most of ten tries.
most() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do interrupted "$@"; done | sort | tail -n 1
}
echo "deno 2.9.6"
seen "deno run, ten tries" "$(most "$deno" run program.ts)" "SIGINT came 1 times"
seen "deno task, ten tries" "$(most "$deno" task go)" "SIGINT came [23] times"
