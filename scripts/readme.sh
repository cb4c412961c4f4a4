#!/usr/bin/env bash
# Runs every block of commands in README.md, in order, in one shell and in a copy of the tree.
#
#   ```bash    is run; a command that fails fails the run
#   ```output  right behind it is what it must have printed; "…" stands for anything within a line
#
# Blocks in any other language (text, console, json) are for people and are not run; ```sh holds
# what has a step of its own in CI (the tests). The README's
# cluster uses ports 9000 to 9005: where one of them is taken, this script says so and does nothing.
# Whatever it starts, it stops.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

for port in 9000 9001 9002 9003 9004 9005; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
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

# Cuts the README into blocks/NN.bash and blocks/NN.output.
awk -v directory="$work/blocks" '
  !inside && /^```bash$/   { inside = 1; file = sprintf("%s/%03d.bash", directory, ++count); next }
  !inside && /^```output$/ { inside = 1; file = sprintf("%s/%03d.output", directory, count); next }
  !inside && /^```/        { inside = 2; next }
  inside && /^```$/        { if (inside == 1) close(file); inside = 0; next }
  inside == 1              { print > file }
' "$root/README.md"

shopt -s nullglob
blocks=("$work"/blocks/*.bash)
if [[ ${#blocks[@]} -eq 0 ]]; then
  echo "readme.sh: README.md has no block of commands" >&2
  exit 1
fi

# One script of all blocks, so that variables and functions carry over.
script=$work/session.sh
{
  echo 'set -euo pipefail'
  for block in "${blocks[@]}"; do
    name=$(basename "$block" .bash)
    printf 'echo "--- block %s"; cat %q\n' "$name" "$block"
    printf 'echo %s > %q\n' "$name" "$work/current"
    printf '{\n'
    cat "$block"
    printf '\n} > %q 2> %q\n' "$work/$name.out" "$work/$name.err"
    printf 'cat %q %q\n' "$work/$name.out" "$work/$name.err"
    if [[ -f $work/blocks/$name.output ]]; then
      printf 'compare %q %q\n' "$work/blocks/$name.output" "$work/$name.out"
    fi
  done
} > "$script"

# compare <expected> <actual>: line by line; "…" stands for anything.
cat > "$work/compare.sh" <<'COMPARE'
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
COMPARE

cd "$copy"
if ! bash -c ". $(printf '%q' "$work/compare.sh"); . $(printf '%q' "$script")" < /dev/null; then
  current=$(cat "$work/current" 2>/dev/null || echo "none")
  echo "readme.sh: block $current failed; it printed:" >&2
  cat "$work/$current.out" "$work/$current.err" >&2 2>/dev/null || true
  exit 1
fi
echo "readme.sh: all ${#blocks[@]} blocks of README.md work"
