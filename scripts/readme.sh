#!/usr/bin/env bash
# Runs every block of README.md, or of the page named by the first argument, in the order in which
# they stand, in one shell and in a copy of the tree: who reads from the top and types what stands
# there gets what stands there.
#
#   ```bash     is run; a command that fails fails the run
#   ```js       is a program: run by Deno, with the import map of deno.json
#   ```console  is a session: what a person types after "$ redis-cli …" or "$ nc …" is sent, and what
#               comes back must be what stands there (readme_session.sh)
#   ```output   right after one of bash or js is what that must have printed
#   ```json     must be a cluster file that the server accepts
#   ```sh       holds what has steps of its own in CI (the tests): its tasks must be there
#   ```text     is a picture
#
# Any other kind fails the run. In what is expected, "…" stands for anything within a line. The
# README's cluster uses ports 9000 to 9005: where one of them is taken, this script says so and does
# nothing. Whatever it starts, it stops.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
page=$(realpath -- "${1:-$root/README.md}")

for port in 9000 9001 9002 9003 9004 9005; do
  if grep -qw 9000 "$page" && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "readme.sh: port $port is in use: stop what listens there and run this again" >&2
    exit 1
  fi
done

work=$(mktemp -d "${TMPDIR:-/tmp}/raftkv-readme-XXXXXX")
copy=$work/raftkv
mkdir "$copy" "$work/blocks"

# Ends what the blocks left running in the copy, and nothing else: its servers were started with the
# copy as their working directory.
clean_up() {
  local status=$? directory pid
  trap - EXIT INT TERM
  for directory in /proc/[0-9]*; do
    pid=${directory#/proc/}
    [[ $pid != "$$" && $pid != "$BASHPID" ]] || continue
    if [[ $(readlink "$directory/cwd" 2>/dev/null) == "$copy"* ]]; then
      kill -KILL "$pid" 2>/dev/null || true
    fi
  done
  rm -rf "$work"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# The tree as it is, without what git ignores.
(cd "$root" && git ls-files -z --cached --others --exclude-standard |
  while IFS= read -r -d '' file; do [[ -f $file ]] && printf '%s\0' "$file"; done |
  tar --null -T - -cf -) | tar -xf - -C "$copy"

deno=$("$root/scripts/find_deno.sh")

# Cuts the README into blocks/NNN.LANGUAGE.
awk -v directory="$work/blocks" '
  !inside && /^```/ {
    inside = 1
    language = substr($0, 4)
    file = sprintf("%s/%03d.%s", directory, ++count, language == "" ? "nothing" : language)
    printf "" > file
    next
  }
  inside && /^```$/ { close(file); inside = 0; next }
  inside            { print > file }
' "$page"

shopt -s nullglob
blocks=("$work"/blocks/*)
if [[ ${#blocks[@]} -eq 0 ]]; then
  echo "readme.sh: $page has no blocks" >&2
  exit 1
fi

# The commands that run block $1, whose path without the language is $2. What they print goes to
# $2.out; for a session, to $2.wanted what it should have been.
commands_for() {
  local block=$1 base=$2
  case ${block##*.} in
    bash) cat "$block" ;;
    js)
      printf 'cp %q %q.js\n' "$block" "$copy/readme-block"
      printf '%q run --quiet --allow-all --config deno.json readme-block.js\n' "$deno"
      ;;
    console) printf 'replay %q %q.wanted\n' "$block" "$base" ;;
    json)
      printf '%q eval --quiet --config deno.json %q %q\n' "$deno" \
        'import { parseConfig } from "./lib/config.ts";
         parseConfig(Deno.readTextFileSync(Deno.args[0]), "the README");' "$block"
      ;;
    sh) printf 'tasks_exist %q\n' "$block" ;;
    text) echo : ;;
    *)
      echo "readme.sh: no rule for a block of ${block##*.}" >&2
      return 1
      ;;
  esac
}

# One script of all blocks, so that variables and functions carry over.
script=$work/session.sh
{
  echo 'set -euo pipefail'
  before=
  for block in "${blocks[@]}"; do
    base=${block%.*}
    name=$(basename "$block")
    if [[ $name == *.output ]]; then
      if [[ $before != *.bash && $before != *.js ]]; then
        echo "readme.sh: block $name is the output of nothing" >&2
        exit 1
      fi
      printf 'compare %q %q.out\n' "$block" "${before%.*}"
      before=$block
      continue
    fi
    printf 'echo "--- block %s"; cat %q\n' "$name" "$block"
    printf 'echo %q > %q\n' "$base" "$work/current"
    printf '{\n'
    commands_for "$block" "$base"
    printf '\n} > %q.out 2> %q.err\n' "$base" "$base"
    printf 'cat %q.out %q.err\n' "$base" "$base"
    [[ $name != *.console ]] || printf 'compare %q.wanted %q.out\n' "$base" "$base"
    before=$block
  done
} > "$script"

# compare <expected> <actual>: line by line; "…" stands for anything.
cat > "$work/functions.sh" <<'FUNCTIONS'
compare() {
  local wanted found line=0
  exec 8< "$1" 9< "$2"
  while true; do
    line=$((line + 1))
    local more_wanted=1 more_found=1
    IFS= read -r wanted <&8 || more_wanted=0
    IFS= read -r found <&9 || more_found=0
    if [[ $more_wanted == 0 && $more_found == 0 ]]; then break; fi
    local pattern="" rest=$wanted
    while [[ $rest == *…* ]]; do
      pattern+="$(printf '%q' "${rest%%…*}")*"
      rest=${rest#*…}
    done
    [[ -n $rest ]] && pattern+=$(printf '%q' "$rest")
    # shellcheck disable=SC2053  # a pattern is meant
    if [[ $more_wanted != "$more_found" || $found != $pattern ]]; then
      echo "readme.sh: line $line should be: $wanted" >&2
      echo "readme.sh: line $line is:        $found" >&2
      exit 1
    fi
  done
  exec 8<&- 9<&-
}

# Every "task NAME" that the block names is a task of deno.json.
tasks_exist() {
  local name
  for name in $(grep -oE 'task [a-z:-]+' "$1" | cut -d ' ' -f 2); do
    grep -qF "\"$name\": " deno.json || { echo "deno.json has no task $name" >&2; return 1; }
  done
}
FUNCTIONS
cat "$root/scripts/readme_session.sh" >> "$work/functions.sh"

cd "$copy"
if ! bash -c ". $(printf '%q' "$work/functions.sh"); . $(printf '%q' "$script")" < /dev/null; then
  current=$(cat "$work/current" 2>/dev/null || echo "none")
  echo "readme.sh: block $(basename "$current") failed; it printed:" >&2
  cat "$current.out" "$current.err" >&2 2>/dev/null || true
  exit 1
fi
echo "readme.sh: all ${#blocks[@]} blocks of $(basename "$page") work"
