/**
 * What the shells are told. Small: they hand the words to the hidden `__complete`, the last one being
 * what is typed at the moment, and show what it prints, one proposal a line: the word, a tab, a brief.
 * The line ":files" stands for the names of files.
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
    if [[ $line == :files ]]; then
      compopt -o default 2>/dev/null
      return
    fi
    line=\${line%%$'\\t'*}
    [[ $line == *[!A-Za-z0-9_.,:/=@%+-]* ]] && printf -v line %q "$line"
    COMPREPLY+=("$line")
  done < <("\${words[0]}" __complete "\${words[@]:1}" 2>/dev/null)
  # What bash takes for a word of its own begins after the last colon or equals sign.
  local breaks=\${COMP_WORDBREAKS//[^:=]/}
  if [[ -n $breaks && $cword == *[$breaks]* ]]; then
    local before=\${cword%"\${cword##*[$breaks]}"}
    COMPREPLY=("\${COMPREPLY[@]#"$before"}")
  fi
}
complete -o nosort -F _raftkv raftkv 2>/dev/null || complete -F _raftkv raftkv
`;

const ZSH = `#compdef raftkv
# Completion of raftkv for zsh: source <(raftkv completion zsh)
_raftkv() {
  local line word
  local -a proposals
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      _files
      return
    fi
    word=\${line%%$'\\t'*}
    # A colon ends the word for _describe.
    proposals+=("\${word//:/\\\\:}:\${line#*$'\\t'}")
  done < <("\${(Q)words[1]}" __complete "\${(Q@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#proposals} )) && _describe -V raftkv proposals
}
compdef _raftkv raftkv
`;

const FISH = `# Completion of raftkv for fish: raftkv completion fish | source
function __raftkv_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l proposals ($words[1] __complete $words[2..-1] "$current" 2>/dev/null)
    if test "$proposals" = ":files"
        __fish_complete_path "$current"
    else
        printf '%s\\n' $proposals
    end
end
complete -c raftkv -f -a '(__raftkv_complete)'
`;

export const STUBS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
