# Builder of a derivation's environment: sets up what the derivation's own builder would, then writes variables and
# functions to the first output as JSON; other outputs are empty files. Sourced names begin with __dump, for the user's
# may be any.
set -e
if [ -e "$NIX_ATTRS_SH_FILE" ]; then . "$NIX_ATTRS_SH_FILE"; fi
export IN_NIX_SHELL=impure
export dontAddDisableDepTrack=1
if [ -n "$stdenv" ]; then . "$stdenv/setup"; fi

# Before there are any of ours. A bash without programmable completion has no compgen.
__dump_declared=$(declare -p)
__dump_functions=$(declare -F)

__dump_text() {
  local __dump_rest=$1 __dump_char
  __dump_rest=${__dump_rest//\\/\\\\}
  __dump_rest=${__dump_rest//\"/\\\"}
  __dump_rest=${__dump_rest//$'\n'/\\n}
  __dump_rest=${__dump_rest//$'\r'/\\r}
  __dump_rest=${__dump_rest//$'\t'/\\t}
  if [[ $__dump_rest == *[$'\x01'-$'\x1f']* ]]; then
    for __dump_char in {1..31}; do
      printf -v __dump_char '%02x' "$__dump_char"
      printf -v __dump_raw '%b' "\\x$__dump_char"
      __dump_rest=${__dump_rest//"$__dump_raw"/\\u00$__dump_char}
    done
  fi
  printf '"%s"' "$__dump_rest"
}

# Bash's own, and what says nothing of the derivation.
__dump_is_ours() {
  case $1 in
    BASH_* | COMP_* | _ | DIRSTACK | EUID | FUNCNAME | HISTCMD | HOSTNAME | GROUPS | PIPESTATUS | PWD | RANDOM | SHLVL) return 0 ;;
    SECONDS | EPOCHREALTIME | EPOCHSECONDS) return 0 ;;
    *) return 1 ;;
  esac
}

__dump_value() {
  local __dump_between=
  case $1 in
    -x | --)
      printf '{"type":"%s","value":' "$([ "$1" = -x ] && echo exported || echo var)"
      __dump_text "${!2}"
      ;;
    -a)
      local -n __dump_array=$2
      printf '{"type":"array","value":['
      for __dump_item in "${__dump_array[@]}"; do
        printf '%s' "$__dump_between"
        __dump_text "$__dump_item"
        __dump_between=,
      done
      printf ']'
      ;;
    -A)
      local -n __dump_array=$2
      printf '{"type":"associative","value":{'
      for __dump_item in "${!__dump_array[@]}"; do
        printf '%s' "$__dump_between"
        __dump_text "$__dump_item"
        printf ':'
        __dump_text "${__dump_array[$__dump_item]}"
        __dump_between=,
      done
      printf '}'
      ;;
    *) printf '{"type":"unknown"' ;;
  esac
  printf '}'
}

__dump_all() {
  local __dump_line __dump_comma= __dump_body
  printf '{"variables":{'
  while IFS= read -r __dump_line; do
    [[ $__dump_line =~ ^declare\ (-[^ ])\ ([^=]*) ]] || continue
    set -- "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
    if __dump_is_ours "$2"; then continue; fi
    printf '%s' "$__dump_comma"
    __dump_text "$2"
    printf ':'
    __dump_value "$1" "$2"
    __dump_comma=,
  done <<<"$__dump_declared"
  printf '},"bashFunctions":{'
  __dump_comma=
  while IFS= read -r __dump_line; do
    [[ $__dump_line == 'declare -f '* ]] || continue
    __dump_line=${__dump_line#declare -f }
    __dump_body=$(declare -f "$__dump_line")
    __dump_body=${__dump_body#*\{}
    printf '%s' "$__dump_comma"
    __dump_text "$__dump_line"
    printf ':'
    __dump_text "${__dump_body%\}*}"
    __dump_comma=,
  done <<<"$__dump_functions"
  printf '}'
  if [ -e "$NIX_ATTRS_SH_FILE" ]; then
    printf ',"structuredAttrs":{".attrs.sh":'
    __dump_text "$(<"$NIX_ATTRS_SH_FILE")"
    printf ',".attrs.json":'
    __dump_text "$(<"$NIX_ATTRS_JSON_FILE")"
    printf '}'
  fi
  printf '}'
}

__dump_paths=()
if [ -e "$NIX_ATTRS_SH_FILE" ]; then __dump_paths=("${outputs[@]}"); else
  for __dump_item in $outputs; do __dump_paths+=("${!__dump_item}"); done
fi
__dump_all >"${__dump_paths[0]}"
for __dump_item in "${__dump_paths[@]:1}"; do : >>"$__dump_item"; done
