#!/usr/bin/env bash
# For readme.sh: sessions with redis-cli and netcat, as the README shows them, typed again.

# replay <session> <wanted>: sends what a person types in the session and prints what comes back;
# writes what should have come back, as the session shows it, to the file <wanted>.
replay() {
  local first
  IFS= read -r first <"$1"
  case $first in
    '$ redis-cli '*) replay_redis_cli "$1" "$2" "${first#\$ redis-cli }" ;;
    '$ nc '*) replay_lines "$1" "$2" "${first#\$ nc }" ;;
    *) echo "no rule for the program of: $first" >&2 && return 1 ;;
  esac
}

# What is typed stands after a prompt. Whether the client is redirected depends on who leads.
replay_redis_cli() {
  local line typed='' arguments
  : >"$2"
  if ! command -v redis-cli >/dev/null; then
    echo "redis-cli is not installed (Debian: redis-tools): this session was not replayed" >&2
    return 0
  fi
  while IFS= read -r line; do
    if [[ $line =~ ^[0-9.]+:[0-9]+'> ' ]]; then
      typed+=${line#*> }$'\n'
    elif [[ $line != '-> '* ]]; then
      printf '%s\n' "$line" >>"$2"
    fi
  done < <(tail -n +2 "$1")
  read -ra arguments <<<"$3"
  # Replies with their types, as on a terminal.
  printf '%s' "$typed" | redis-cli --no-raw "${arguments[@]}" | sed '/^-> /d'
}

# What is typed are the lines that begin with a command's word, and the value after a set or a cas.
# It takes no netcat: bash opens the connection.
replay_lines() {
  local line typed='' is_value=0 address
  : >"$2"
  while IFS= read -r line; do
    if ((is_value)); then
      typed+=$line$'\r\n' is_value=0
    elif [[ $line =~ ^(set|cas|get|getm|delete|help)($|' ') ]]; then
      typed+=$line$'\r\n'
      [[ $line != set* && $line != cas* ]] || is_value=1
    else
      printf '%s\n' "$line" >>"$2"
    fi
  done < <(tail -n +2 "$1")
  # A last command whose answer is known: nothing else may come before it.
  typed+=$'delete no-such-key\r\n'
  echo ERR_NOT_FOUND >>"$2"
  # The arguments are the shell's to expand, as for whoever types them.
  eval "address=($3)"
  exec 5<>"/dev/tcp/${address[0]}/${address[1]}"
  printf '%s' "$typed" >&5
  timeout 15 head -n "$(wc -l <"$2")" <&5 | tr -d '\r'
  exec 5>&-
}
