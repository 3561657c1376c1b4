// `tsnix completion SHELL`: what a shell reads to complete words of `tsnix` and `nix` by asking them (completions.ts).
import { UsageError } from '../util/errors.ts';

const BASH = `_tsnix_complete() {
  local cur words cword line kind=
  if declare -F _get_comp_words_by_ref >/dev/null; then
    # Where bash would split words, at these characters, tsnix does not.
    _get_comp_words_by_ref -n ':=&' words cword cur
  else
    words=("\${COMP_WORDS[@]}") cword=$COMP_CWORD cur=\${COMP_WORDS[COMP_CWORD]}
  fi
  COMPREPLY=()
  while IFS= read -r line; do
    line=\${line%%$'\\t'*}
    if [[ -z $kind ]]; then
      kind=$line
      case $kind in
        filenames) compopt -o filenames ;;
        attrs) compopt -o nospace ;;
      esac
      continue
    fi
    # Readline replaces only what follows an equals sign.
    [[ $cur != *=* ]] || line=\${line#*=}
    COMPREPLY+=("$line")
  done < <(NIX_GET_COMPLETIONS=$cword "\${words[@]}" 2>/dev/null)
  ! declare -F __ltrim_colon_completions >/dev/null || __ltrim_colon_completions "$cur"
}
complete -F _tsnix_complete tsnix nix
`;

const ZSH = `#compdef tsnix nix
_tsnix_complete() {
  local -a answer names options
  answer=("\${(@f)$(NIX_GET_COMPLETIONS=$((CURRENT - 1)) "\${(@Q)words}" 2>/dev/null)}")
  names=("\${(@)answer[2,-1]%%$'\\t'*}")
  names=("\${(@)names:#}")
  case $answer[1] in
    filenames) options=(-f) ;;
    attrs) options=(-S '') ;;
  esac
  compadd -J tsnix "\${options[@]}" -a names
}
if [ "$funcstack[1]" = _tsnix_complete ] || [ "$funcstack[1]" = _tsnix ]; then
  _tsnix_complete "$@"
else
  compdef _tsnix_complete tsnix nix
fi
`;

const FISH = `function __tsnix_answer
    # The word at the cursor is not among the first, the name of the program is.
    set -l before (commandline --current-process --tokenize --cut-at-cursor)
    set -l at (commandline --current-token --cut-at-cursor)
    env NIX_GET_COMPLETIONS=(count $before) $before "$at" 2>/dev/null
end
function __tsnix_wants_files
    set -l answer (__tsnix_answer)
    test "$answer[1]" = filenames
end
for program in tsnix nix
    complete --command $program --condition 'not __tsnix_wants_files' --no-files
    complete --command $program --arguments '(__tsnix_answer | tail -n +2)'
end
`;

const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

/** @throws UsageError */
export function completionScript(shell: string): string {
  if (Object.hasOwn(SCRIPTS, shell)) return SCRIPTS[shell]!;
  throw new UsageError(`there is no completion for the shell '${shell}', but for bash, zsh and fish`);
}
