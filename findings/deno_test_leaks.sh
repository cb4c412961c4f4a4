#!/usr/bin/env bash
# Guess: "deno test" fails a test that leaves a timer or a connection behind, as it has always done.
#
# What is so: up to 2.7 it does; from 2.8 on only where it is asked to (--sanitize-ops,
# --sanitize-resources, which older versions refuse, or the test's own options). A suite that relied on
# it is green after the upgrade, and looks for nothing any more.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need npx "Node.js"

cat >"$work/leak_test.ts" <<'TS'
Deno.test("leaves a listener open", () => {
  Deno.listen({ hostname: "127.0.0.1", port: 0 });
});
TS
export NO_COLOR=1
# verdict VERSION [FLAG...]: what "deno test" says of the test above.
verdict() {
  local version=$1 out
  shift
  out=$(timeout 120 npx -y "deno@$version" test --allow-net --no-config "$@" \
    "$work/leak_test.ts" 2>&1 || true)
  grep -oE '^(ok|FAILED) \|' <<<"$out" | cut -d ' ' -f 1 || cannot_run "deno $version: $out"
}
seen "deno 2.4.2" "$(verdict 2.4.2)" FAILED
seen "deno 2.9.6" "$(verdict 2.9.6)" ok
seen "deno 2.9.6, asked to" "$(verdict 2.9.6 --sanitize-ops --sanitize-resources)" FAILED
