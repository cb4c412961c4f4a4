#!/usr/bin/env bash
# Guess: `systemd-analyze verify` fails where a unit has an unknown key, or a value that systemd can't read,
# so its exit code can guard a build.
#
# What is so, in systemd 252: its exit code is 0 for all of these, and the lines are ignored when the unit
# runs, hardening included. It fails only where the unit could not be loaded at all, such as for a program
# that is not there. What it prints on standard error is the result, and nothing else.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need systemd-analyze "Debian: systemd"

# verify NAME LINE...: a service with these lines; prints exit code and how many lines were complained of.
verify() {
  local name=$1 code=0
  shift
  {
    printf '[Unit]\nDescription=%s\n[Service]\nExecStart=/bin/true\n' "$name"
    printf '%s\n' "$@"
  } >"$work/$name.service"
  systemd-analyze verify "$work/$name.service" 2>"$work/$name.log" >&2 || code=$?
  echo "exit code $code, $(grep -c . "$work/$name.log") complaints"
}

systemd-analyze --version | sed -n 1p
seen "a sound unit" "$(verify sound MemoryHigh=80%)" "exit code 0, 0 complaints"
seen "an unknown key" "$(verify key MemoryHihg=80%)" "exit code 0, 1 complaints"
seen "a value that is none" "$(verify value MemoryHigh=eighty)" "exit code 0, 1 complaints"
seen "an unknown way to restart" "$(verify restart Restart=on-failur)" "exit code 0, 1 complaints"
seen "hardening that is misspelt" "$(verify hardening SystemCallFilter=@system-servise)" \
  "exit code 0, 1 complaints"
seen "an unknown section" "$(verify section '[Instal]' WantedBy=multi-user.target)" \
  "exit code 0, 1 complaints"
seen "a program that is not there" "$(verify program ExecStart= ExecStart=/no/such/program)" \
  "exit code 1, 1 complaints"
