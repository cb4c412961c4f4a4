/**
 * What the shells are told. Small: they hand the words to the hidden `__complete`, the last one being
 * what is typed at the moment, and show what it prints, one proposal a line: the word, a tab, a brief.
 */
import type { Shell } from "./shells.ts";

const BASH = `# Completion of raftkv for bash: source <(raftkv completion bash)
_raftkv() {
  local line words=() cword=0
  COMPREPLY=()
  # HOST:PORT is one word here, whatever COMP_WORDBREAKS holds; so words are taken from the line itself.
  local text=\${COMP_LINE:0:COMP_POINT}
  read -ra words <<<"$text" 2>/dev/null
  [[ $text == *[[:space:]] ]] && words+=("")
  cword=\${words[\${#words[@]} - 1]}
  while IFS= read -r line; do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <("\${words[0]}" __complete "\${words[@]:1}" 2>/dev/null)
  # What bash takes for a word of its own begins after the last colon or equals sign.
  local breaks=\${COMP_WORDBREAKS//[^:=]/}
  if [[ -n $breaks && $cword == *[$breaks]* ]]; then
    local before=\${cword%"\${cword##*[$breaks]}"}
    COMPREPLY=("\${COMPREPLY[@]#"$before"}")
  fi
}
complete -o default -o nosort -F _raftkv raftkv 2>/dev/null || complete -o default -F _raftkv raftkv
`;

const ZSH = `#compdef raftkv
# Completion of raftkv for zsh: source <(raftkv completion zsh)
_raftkv() {
  local line word
  local -a proposals
  while IFS= read -r line; do
    word=\${line%%$'\\t'*}
    # A colon ends the word for _describe.
    proposals+=("\${word//:/\\\\:}:\${line#*$'\\t'}")
  done < <("\${(Q)words[1]}" __complete "\${(Q@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#proposals} )); then
    _describe -V raftkv proposals
  else
    _files
  fi
}
compdef _raftkv raftkv
`;

const FISH = `# Completion of raftkv for fish: raftkv completion fish | source
function __raftkv_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    $words[1] __complete $words[2..-1] "$current" 2>/dev/null
end
complete -c raftkv -a '(__raftkv_complete)'
`;

export const STUBS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
