#!/usr/bin/env bash
# Builds ./raftkv (or the file named by the first argument) and ./raftkv-run beside it (that file's name with
# -run at its end): two executables, each with its own permissions baked in.
#
# `deno compile` downloads a base runtime. Where that is out of reach, DENORT_BIN can name one of the
# very same version; without it each becomes a launcher that runs its source with this machine's Deno.
# Environment: DENO (the deno to use), DENORT_BIN.
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
output=$(realpath -m -- "${1:-$project/raftkv}")
source "$project/scripts/permissions.sh"
deno=$("$project/scripts/find_deno.sh")

cd "$project"
rm -f -- "$output" "$output-run"
# Deno 2.4 overflows its usual stack where it embeds npm packages. The types are checked by the gate.
export RUST_MIN_STACK=67108864
locked=(--lock=deno.lock --frozen)
# The lock has to name all that the server imports; what runs here is in the cache afterwards.
"$deno" run --quiet "${locked[@]}" --no-check "${raftkv_permissions[@]}" \
  main.ts --version >/dev/null
npm_cache=$("$deno" info --json | sed -nE 's/^ *"npmCache": "(.*)",?$/\1/p')
exclusions=$("$deno" run --quiet --no-check --allow-read --no-prompt \
  scripts/build_exclusions.ts deno.lock "$npm_cache")
mapfile -t exclusions <<<"$exclusions"

# build FILE SOURCE FLAG...: an executable of the source, or a launcher for it.
build() {
  local file=$1 source=$2 log options
  shift 2
  # Compiled code would be kept in the system's directory of temporary files, which others may write to. The
  # program has no use for it: only one that ends without an exit writes it.
  options=("${locked[@]}" --no-check --no-code-cache --output "$file" "$@" "${exclusions[@]}")
  if log=$("$deno" compile "${options[@]}" "$source" 2>&1); then
    echo "Built $file ($(du -h -- "$file" | cut -f 1))"
  elif [[ -z ${DENORT_BIN:-} ]] && grep -qiE 'base binary|download' <<<"$log"; then
    {
      echo '#!/usr/bin/env bash'
      echo "# Written by scripts/build.sh, because Deno's base runtime could not be downloaded."
      printf 'exec %q run --quiet --frozen --no-check --config %q --lock %q' "$deno" \
        "$project/deno.json" "$project/deno.lock"
      printf ' %q' "$@" "$project/$source"
      echo ' "$@"'
    } >"$file"
    chmod +x "$file"
    echo "Deno's base runtime can't be downloaded: $file is a launcher for this machine's Deno"
  else
    echo "$log" >&2
    exit 1
  fi
  "$file" --version >/dev/null || { echo "build: $file does not run" >&2; exit 1; }
}

build "$output" main.ts "${raftkv_permissions[@]}" "${raftkv_engine[@]}"
build "$output-run" lib/cli/wrap/main.ts "${raftkv_run_permissions[@]}"
