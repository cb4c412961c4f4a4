#!/usr/bin/env bash
# Prints the path of the Deno executable to use: $DENO, else the one on the PATH, else npm's. It is
# the real executable: what npx offers is a wrapper, and killing a wrapper leaves its child alive.
set -euo pipefail
if [[ -n ${DENO:-} ]]; then
  deno=("$DENO")
elif command -v deno >/dev/null; then
  deno=(deno)
elif command -v npx >/dev/null; then
  deno=(npx -y deno@2.9.6)
else
  echo "find_deno: neither deno nor npx is on the PATH" >&2
  exit 1
fi
"${deno[@]}" eval 'console.log(Deno.execPath())'
