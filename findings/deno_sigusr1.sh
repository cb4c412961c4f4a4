#!/usr/bin/env bash
# Guess: a program that handles SIGUSR1 itself is all that happens on SIGUSR1, as with other signals.
#
# What is so, in Deno 2.9.6: the handler runs, and the runtime opens its debugger on port 9229 all the
# same, without --inspect: whoever reaches the port can run code in the process.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
packages deno@2.9.6
# The program itself, not the script around it: signals are meant for it.
deno=$(find "$work/node_modules/@deno" -name deno -type f | sed -n 1p)
[[ -n $deno ]] || cannot_run "there is no Deno for this machine"
chmod +x "$deno"
version=$("$deno" --version 2>/dev/null | sed -n 1p) || cannot_run "deno does not run here"
listens 9229 && cannot_run "somebody listens on port 9229"

cat >"$work/program.ts" <<'TS'
Deno.addSignalListener("SIGUSR1", () => console.log("handled"));
console.log("ready");
setTimeout(() => {}, 60_000);
TS
"$deno" run --no-config --quiet "$work/program.ts" >"$work/out" 2>&1 &
pid=$!
started+=("$pid")
until_true grep -q ready "$work/out"
# In its first moments the runtime does not listen for the signal yet.
sleep 2
kill -USR1 "$pid"
until_true grep -q handled "$work/out"
sleep 1
listens 9229 && port=open || port=closed
echo "$version"
seen "the program's own handler" "$(grep -c '^handled' "$work/out") time" "1 time"
seen "port 9229" "$port" "open"
