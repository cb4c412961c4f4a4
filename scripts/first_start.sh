#!/usr/bin/env bash
# Starts the program as a new user does, with nothing in Deno's cache, and looks at what was fetched:
# the packages of deno.lock, which are the server's own, and no others.
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
deno=$("$project/scripts/find_deno.sh")
work=$(mktemp -d "${TMPDIR:-/tmp}/raftkv-first-start-XXXXXX")
trap 'rm -rf -- "$work"' EXIT

cd "$project"
if ! DENO_DIR=$work NO_COLOR=1 "$deno" task serve --help >"$work/out" 2>&1; then
  cat "$work/out" >&2
  echo "first_start: deno task serve --help failed" >&2
  exit 1
fi
wanted=$(sed -nE 's/^ *"npm:((@[^/"]+\/)?[^@"]+)@[^"]*": .*$/\1/p' deno.lock | sort)
# A package's files are in REGISTRY/NAME/VERSION/; a name may have a scope before it.
found=$(find "$work/npm" -mindepth 4 -maxdepth 5 -name package.json -printf '%P\n' |
  sed -nE 's,^[^/]+/((@[^/]+/)?[^/@]+)/[0-9][^/]*/package.json$,\1,p' | sort -u)
echo "first start: $(du -sk "$work/npm" | cut -f 1) KiB of packages: $(xargs <<<"$found")"
if [[ $found != "$wanted" ]]; then
  echo "first_start: only these should have been fetched: $(xargs <<<"$wanted")" >&2
  exit 1
fi
