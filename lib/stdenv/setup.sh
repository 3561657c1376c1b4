# The standard environment for shell builds: search paths from the inputs, phases with hooks, and the helpers that
# package expressions expect. Names and meanings are those of nixpkgs' stdenv; the code is tsnix's own.
# `shell` and `initialPath` are set by the lines before this file's text.

set -e -o pipefail

# --- Hooks ------------------------------------------------------------------------------------------------------

# runHook NAME ARGS…: everything in the array NAMEHooks, then the function or the variable NAME.
runHook() {
  local hook="$1" entry
  shift
  local -n hookEntries="${hook%Hook}Hooks"
  for entry in "${hookEntries[@]}"; do _runEntry "$entry" "$@"; done
  _runImplicit 0 "$hook" "$@"
}

# Like runHook, but stops at the first entry that succeeds.
runOneHook() {
  local hook="$1" entry
  shift
  local -n hookEntries="${hook%Hook}Hooks"
  for entry in "${hookEntries[@]}"; do
    if _runEntry "$entry" "$@"; then return 0; fi
  done
  _runImplicit 1 "$hook" "$@"
}

_runImplicit() {
  local default="$1" hook="$2"
  shift 2
  if declare -F "$hook" >/dev/null; then
    "$hook" "$@"
  elif [ -n "${!hook:-}" ]; then
    eval "${!hook}"
  else
    return "$default"
  fi
}

_runEntry() {
  local entry="$1"
  shift
  if [ "$(type -t "$entry")" = function ]; then "$entry" "$@"; else eval "$entry"; fi
}

# --- Messages and logging ---------------------------------------------------------------------------------------

header() { echo "$1"; }
stopNest() { :; }
nixLog() { echo "$@" >&2; }
nixWarnLog() { echo "warning: $*" >&2; }
nixErrorLog() { echo "error: $*" >&2; }
echoCmd() {
  printf '%s:' "$1"
  shift
  printf ' %q' "$@"
  echo
}

exitHandler() {
  local status=$?
  set +e
  if [ "$status" -ne 0 ]; then
    runHook failureHook
    if [ -n "${succeedOnFailure:-}" ]; then
      echo "build failed with exit code $status (ignored)"
      mkdir -p "$out/nix-support"
      printf '%s' "$status" >"$out/nix-support/failed"
      exit 0
    fi
  else
    runHook exitHook
  fi
  exit "$status"
}

# --- Variables --------------------------------------------------------------------------------------------------

addToSearchPathWithCustomDelimiter() {
  local delimiter="$1" name="$2" dir="$3"
  if [ -d "$dir" ]; then export "$name=${!name:+${!name}$delimiter}$dir"; fi
}
addToSearchPath() { addToSearchPathWithCustomDelimiter ":" "$@"; }

# _words NAME: the value of NAME, an array or a string of words, into the array `words`.
_words() {
  words=()
  if [[ "$(declare -p "$1" 2>/dev/null)" == "declare -"[aA]* ]]; then
    local -n list="$1"
    words=("${list[@]}")
  elif [ -n "${!1:-}" ]; then
    # shellcheck disable=SC2206 # words are meant to be split
    words=(${!1})
  fi
}

appendToVar() {
  local name="$1"
  shift
  if [[ "$(declare -p "$name" 2>/dev/null)" == "declare -a"* || -n "${__structuredAttrs:-}" ]]; then
    local -n target="$name"
    target+=("$@")
  else
    declare -g "$name=${!name:+${!name} }$*"
  fi
}
prependToVar() {
  local name="$1"
  shift
  if [[ "$(declare -p "$name" 2>/dev/null)" == "declare -a"* || -n "${__structuredAttrs:-}" ]]; then
    local -n target="$name"
    target=("$@" "${target[@]}")
  else
    declare -g "$name=$*${!name:+ ${!name}}"
  fi
}
# concatTo TARGET NAME…: appends all words of the variables to the array TARGET; NAME=DEFAULT where NAME is unset.
concatTo() {
  local -n targetRef="$1"
  shift
  local arg words
  for arg in "$@"; do
    _words "${arg%%=*}"
    if [ "${#words[@]}" -eq 0 ] && [[ "$arg" == *=* ]]; then targetRef+=("${arg#*=}"); else targetRef+=("${words[@]}"); fi
  done
}
concatStringsSep() {
  local words IFS="$1"
  _words "$2"
  printf '%s' "${words[*]}"
}

getAllOutputNames() {
  if [ -n "${__structuredAttrs:-}" ]; then echo "${!outputs[*]}"; else echo "$outputs"; fi
}

# --- Inputs -----------------------------------------------------------------------------------------------------

declare -a envHooks preHooks postHooks exitHooks failureHooks
declare -A _seenInputs
declare -a _allInputs

addEnvHooks() {
  # nixpkgs passes the offset of the platform first; there is one platform here.
  shift
  envHooks+=("$@")
}

# Depth first, so that a package's propagated inputs come right after it.
_findInput() {
  local pkg="$1" file line dependency
  [ -n "${_seenInputs[$pkg]:-}" ] && return 0
  _seenInputs[$pkg]=1
  if [ ! -e "$pkg" ]; then
    echo "build input $pkg does not exist" >&2
    exit 1
  fi
  _allInputs+=("$pkg")
  for file in propagated-build-inputs propagated-native-build-inputs; do
    if [ -f "$pkg/nix-support/$file" ]; then
      while IFS= read -r line || [ -n "$line" ]; do
        # shellcheck disable=SC2086 # paths never hold blanks
        for dependency in $line; do _findInput "$dependency"; done
      done <"$pkg/nix-support/$file"
    fi
  done
}

_addInput() {
  local pkg="$1"
  if [ -f "$pkg" ]; then
    # A file among the inputs is a setup hook.
    source "$pkg"
    return
  fi
  addToSearchPath _PATH "$pkg/bin"
  addToSearchPath _XDG_DATA_DIRS "$pkg/share"
  if [ -f "$pkg/nix-support/setup-hook" ]; then
    # Hooks know where they lie by this name.
    local hostOffset=0 targetOffset=1
    source "$pkg/nix-support/setup-hook"
  fi
}

_setUpInputs() {
  local name words pkg hook
  # `depsBuild…` lists are those of cross builds: all of them are for this machine.
  for name in depsBuildBuild nativeBuildInputs depsBuildTarget depsHostHost buildInputs depsTargetTarget \
    propagatedNativeBuildInputs propagatedBuildInputs defaultNativeBuildInputs defaultBuildInputs; do
    _words "$name"
    for pkg in "${words[@]}"; do _findInput "$pkg"; done
  done
  for pkg in "${_allInputs[@]}"; do _addInput "$pkg"; done
  for hook in "${envHooks[@]}"; do
    for pkg in "${_allInputs[@]}"; do "$hook" "$pkg"; done
  done
}

# --- Files ------------------------------------------------------------------------------------------------------

# Store path's name without the hash.
stripHash() {
  local name casematch=0
  name="$(basename -- "$1")"
  if [[ "$name" =~ ^[a-z0-9]{32}- ]]; then echo "${name:33}"; else echo "$name"; fi
}

isELF() {
  local magic
  LANG=C IFS= read -r -n 4 -d '' magic <"$1" || true
  [[ "$magic" == $'\177ELF' ]]
}
isScript() {
  local magic
  LANG=C IFS= read -r -n 2 -d '' magic <"$1" || true
  [ "$magic" = '#!' ]
}
isExecutable() { [ -f "$1" ] && [ -x "$1" ]; }

# substituteStream VARIABLE DESCRIPTION OPTIONS…: rewrites the text in VARIABLE.
substituteStream() {
  local var="$1" description="$2" pattern replacement name
  shift 2
  while [ $# -gt 0 ]; do
    case "$1" in
    --replace | --replace-warn | --replace-fail | --replace-quiet)
      pattern="$2" replacement="$3"
      if [[ "${!var}" != *"$pattern"* ]]; then
        case "$1" in
        --replace-fail)
          echo "substituteStream(): ERROR: pattern $pattern doesn't match anything in $description" >&2
          return 1
          ;;
        --replace | --replace-warn)
          echo "substituteStream(): WARNING: pattern '$pattern' doesn't match anything in $description" >&2
          ;;
        esac
      fi
      eval "$var"'="${'"$var"'//"$pattern"/"$replacement"}"'
      shift 3
      ;;
    --subst-var)
      name="$2"
      _checkVarName "$name"
      if [ -z "${!name+x}" ]; then
        echo "substituteStream(): ERROR: variable '$name' is unset" >&2
        return 1
      fi
      pattern="@$name@" replacement="${!name}"
      eval "$var"'="${'"$var"'//"$pattern"/"$replacement"}"'
      shift 2
      ;;
    --subst-var-by)
      pattern="@$2@" replacement="$3"
      eval "$var"'="${'"$var"'//"$pattern"/"$replacement"}"'
      shift 3
      ;;
    *)
      echo "substituteStream(): ERROR: Invalid command line argument: $1" >&2
      return 1
      ;;
    esac
  done
  printf '%s' "${!var}"
}

_checkVarName() {
  if ! [[ "$1" =~ ^[a-zA-Z_][a-zA-Z0-9_]*$ ]]; then
    echo "substituteStream(): ERROR: substitution variables must be valid Bash names, \"$1\" isn't." >&2
    exit 1
  fi
}

# Reads a file whole into the named variable. Text only: bash strings hold no NUL.
consumeEntire() {
  if IFS='' read -r -d '' "$1"; then
    echo "consumeEntire(): ERROR: Input null bytes, won't process" >&2
    return 1
  fi
}

substitute() {
  local input="$1" output="$2" fileContents status=0
  shift 2
  if [ ! -f "$input" ]; then
    echo "substitute(): ERROR: file '$input' does not exist" >&2
    return 1
  fi
  consumeEntire fileContents <"$input"
  if [ -e "$output" ]; then chmod +w "$output"; fi
  substituteStream fileContents "file '$input'" "$@" >"$output.tsnix-new" || status=$?
  if [ "$status" -eq 0 ]; then cat "$output.tsnix-new" >"$output"; fi
  rm -f "$output.tsnix-new"
  return "$status"
}

substituteInPlace() {
  local -a files=()
  local file
  while [ $# -gt 0 ] && [[ "$1" != --* ]]; do
    files+=("$1")
    shift
  done
  if [ "${#files[@]}" -eq 0 ]; then
    echo "substituteInPlace called without any file names" >&2
    return 1
  fi
  for file in "${files[@]}"; do substitute "$file" "$file" "$@"; done
}

_allSubstitutions() {
  local name
  substitutions=()
  # Environment variables that begin with a lower-case letter.
  while IFS= read -r name; do
    [[ "$name" =~ ^[a-z][a-zA-Z0-9_]*$ ]] && substitutions+=(--subst-var "$name")
  done < <(compgen -e)
  return 0
}
substituteAll() {
  local input="$1" output="$2" substitutions
  _allSubstitutions
  substitute "$input" "$output" "${substitutions[@]}"
}
substituteAllInPlace() {
  local file substitutions
  _allSubstitutions
  for file in "$@"; do substitute "$file" "$file" "${substitutions[@]}"; done
}

# patchShebangs [--build|--host] FILE|DIR…: `#!` lines name programs of the inputs.
patchShebangs() {
  local file line interpreter arguments name new
  while [[ "${1:-}" == --* ]]; do shift; done
  while IFS= read -r -d '' file; do
    isScript "$file" || continue
    IFS= read -r line <"$file" || true
    read -r interpreter arguments <<<"${line#\#!}"
    [[ "$interpreter" == "$NIX_STORE"/* ]] && continue
    if [[ "$interpreter" == */env ]]; then
      [[ "$arguments" == -S\ * ]] && arguments="${arguments#-S }"
      if [[ "$arguments" == -* || "${arguments%% *}" == *=* ]]; then
        echo "$file: unsupported interpreter directive \"$line\" (set dontPatchShebangs=1 and handle shebang patching yourself)" >&2
        exit 1
      fi
      name="${arguments%% *}"
      arguments="${arguments#"$name"}"
      arguments="${arguments# }"
    else
      name="$(basename "$interpreter")"
    fi
    new="$(type -P "$name" || true)"
    [ -n "$new" ] || continue
    new="#!$new${arguments:+ $arguments}"
    [ "$new" = "$line" ] && continue
    echo "$file: interpreter directive changed from \"$line\" to \"${new#\#!}\""
    local timestamp
    timestamp="$(stat --printf '%y' "$file")"
    local writable=
    [ -w "$file" ] && writable=1
    [ -n "$writable" ] || chmod u+w "$file"
    { echo "$new"; tail -n +2 "$file"; } >"$NIX_BUILD_TOP/.shebang" && cat "$NIX_BUILD_TOP/.shebang" >"$file"
    rm -f "$NIX_BUILD_TOP/.shebang"
    [ -n "$writable" ] || chmod u-w "$file"
    touch --date "$timestamp" "$file"
  done < <(find "$@" -type f -perm -0100 -print0)
}

# --- Phases -----------------------------------------------------------------------------------------------------

unpackCmdHooks+=(_defaultUnpack)
_defaultUnpack() {
  local file="$1" target
  if [ -d "$file" ]; then
    target="$(stripHash "$file")"
    if [ -e "$target" ]; then
      echo "Cannot copy $file to $target: destination already exists!" >&2
      echo "Did you specify two \"srcs\" with the same \"name\"?" >&2
      return 1
    fi
    cp -r --preserve=mode,timestamps --reflink=auto -- "$file" "$target"
    return
  fi
  case "$file" in
  *.tar.xz | *.tar.lzma | *.txz) xz -dc "$file" | tar xf - --mode=+w --warning=no-timestamp ;;
  *.tar.zst | *.tzst) zstd -dc "$file" | tar xf - --mode=+w --warning=no-timestamp ;;
  *.tar.bz2 | *.tbz2 | *.tbz) bzip2 -dc "$file" | tar xf - --mode=+w --warning=no-timestamp ;;
  *.tar.gz | *.tgz | *.tar.Z) gzip -dc "$file" | tar xf - --mode=+w --warning=no-timestamp ;;
  *.tar) tar xf "$file" --mode=+w --warning=no-timestamp ;;
  *.zip) unzip -qq "$file" ;;
  *) return 1 ;;
  esac
}

unpackFile() {
  curSrc="$1"
  echo "unpacking source archive $curSrc"
  if ! runOneHook unpackCmd "$curSrc"; then
    echo "do not know how to unpack source archive $curSrc" >&2
    exit 1
  fi
}

unpackPhase() {
  runHook preUnpack
  local words source dir before after
  _words srcs
  if [ "${#words[@]}" -eq 0 ]; then
    if [ -z "${src:-}" ]; then
      echo "variable \$src or \$srcs should point to the source" >&2
      exit 1
    fi
    words=("$src")
  fi
  declare -A known=()
  for dir in *; do [ -d "$dir" ] && known[$dir]=1; done
  for source in "${words[@]}"; do unpackFile "$source"; done

  : "${sourceRoot=}"
  if [ -n "${setSourceRoot:-}" ]; then
    runOneHook setSourceRoot
  elif [ -z "$sourceRoot" ]; then
    for dir in *; do
      if [ -d "$dir" ] && [ -z "${known[$dir]:-}" ]; then
        if [ -n "$sourceRoot" ]; then
          echo "unpacker produced multiple directories" >&2
          exit 1
        fi
        sourceRoot="$dir"
      fi
    done
  fi
  if [ -z "$sourceRoot" ]; then
    echo "unpacker appears to have produced no directories" >&2
    exit 1
  fi
  echo "source root is $sourceRoot"
  if [ -z "${dontMakeSourcesWritable:-}" ]; then chmod -R u+w -- "$sourceRoot"; fi
  runHook postUnpack
}

patchPhase() {
  runHook prePatch
  local words file
  local -a flags=()
  concatTo flags patchFlags=-p1
  _words patches
  for file in "${words[@]}"; do
    echo "applying patch $file"
    case "$file" in
    *.gz) gzip -dc "$file" ;;
    *.bz2) bzip2 -dc "$file" ;;
    *.xz | *.lzma) xz -dc "$file" ;;
    *) cat "$file" ;;
    esac | patch "${flags[@]}"
  done
  runHook postPatch
}

configurePhase() {
  runHook preConfigure
  : "${configureScript=}"
  if [ -z "$configureScript" ] && [ -x ./configure ]; then configureScript=./configure; fi
  if [ -n "$configureScript" ]; then
    local -a flags=()
    concatTo flags configureFlags configureFlagsArray
    [ -n "${dontAddPrefix:-}" ] || flags=("--prefix=${prefix:-$out}" "${flags[@]}")
    if [ -z "${dontDisableStatic:-}" ] && [ -f "$configureScript" ] && grep -q enable-static "$configureScript"; then
      flags=(--disable-static "${flags[@]}")
    fi
    echoCmd 'configure flags' "${flags[@]}"
    # shellcheck disable=SC2086
    $configureScript "${flags[@]}"
  else
    echo "no configure script, doing nothing"
  fi
  runHook postConfigure
}

_hasMakefile() {
  [[ -n "${makefile:-}" || -e Makefile || -e makefile || -e GNUmakefile ]]
}
_runMake() {
  echoCmd "${phaseName:-make} flags" "$@"
  make ${makefile:+-f "$makefile"} SHELL="$SHELL" "$@"
}

buildPhase() {
  runHook preBuild
  if [ -z "${makeFlags:-}" ] && ! _hasMakefile; then
    echo "no Makefile or custom buildPhase, doing nothing"
  else
    local -a flags=()
    [ -z "${enableParallelBuilding:-}" ] || flags+=("-j$NIX_BUILD_CORES")
    concatTo flags makeFlags makeFlagsArray buildFlags buildFlagsArray
    phaseName=build _runMake "${flags[@]}"
  fi
  runHook postBuild
}

checkPhase() {
  runHook preCheck
  if _hasMakefile; then
    local target="${checkTarget:-}"
    if [ -z "$target" ]; then
      for target in check test ''; do
        [ -z "$target" ] || ! make -n ${makefile:+-f "$makefile"} "$target" >/dev/null 2>&1 || break
      done
    fi
    if [ -n "$target" ]; then
      local -a flags=()
      concatTo flags makeFlags makeFlagsArray checkFlags=VERBOSE=y checkFlagsArray
      # shellcheck disable=SC2086
      phaseName=check _runMake "${flags[@]}" $target
    else
      echo "no check/test target, doing nothing"
    fi
  else
    echo "no Makefile or custom checkPhase, doing nothing"
  fi
  runHook postCheck
}

installPhase() {
  runHook preInstall
  if [ -z "${makeFlags:-}" ] && ! _hasMakefile; then
    echo "no Makefile or custom installPhase, doing nothing"
  else
    local -a flags=()
    [ -n "${prefix:-}" ] && mkdir -p "$prefix"
    concatTo flags makeFlags makeFlagsArray installFlags installFlagsArray installTargets=install
    phaseName=install _runMake "${flags[@]}"
  fi
  runHook postInstall
}

fixupPhase() {
  local output name words
  for name in $(getAllOutputNames); do
    output="$(_outputPath "$name")"
    if [ -d "$output" ]; then chmod -R u+w,u-s,g-s -- "$output"; fi
  done
  runHook preFixup
  for name in $(getAllOutputNames); do
    output="$(_outputPath "$name")"
    [ -e "$output" ] || continue
    prefix="$output" runHook fixupOutput
  done
  local propagated
  for propagated in propagatedBuildInputs:propagated-build-inputs \
    propagatedNativeBuildInputs:propagated-native-build-inputs propagatedUserEnvPkgs:propagated-user-env-packages; do
    _words "${propagated%%:*}"
    if [ "${#words[@]}" -gt 0 ]; then
      output="${dev:-$out}"
      [ "${propagated%%:*}" = propagatedUserEnvPkgs ] && output="${bin:-$out}"
      mkdir -p "$output/nix-support"
      echo "${words[*]}" >"$output/nix-support/${propagated##*:}"
    fi
  done
  if [ -n "${setupHook:-}" ]; then
    mkdir -p "${dev:-$out}/nix-support"
    substituteAll "$setupHook" "${dev:-$out}/nix-support/setup-hook"
  fi
  _words setupHooks
  if [ "${#words[@]}" -gt 0 ]; then
    mkdir -p "${dev:-$out}/nix-support"
    local hook content
    for hook in "${words[@]}"; do
      consumeEntire content <"$hook"
      local substitutions
      _allSubstitutions
      substituteStream content "file '$hook'" "${substitutions[@]}" >>"${dev:-$out}/nix-support/setup-hook"
    done
  fi
  runHook postFixup
}

fixupOutputHooks+=(_patchOutputShebangs)
_patchOutputShebangs() {
  if [ -z "${dontPatchShebangs:-}" ]; then
    if [ -d "$prefix" ] || [ -f "$prefix" ]; then patchShebangs "$prefix"; fi
  fi
}

installCheckPhase() {
  runHook preInstallCheck
  if _hasMakefile && make -n ${makefile:+-f "$makefile"} "${installCheckTarget:-installcheck}" >/dev/null 2>&1; then
    local -a flags=()
    concatTo flags makeFlags makeFlagsArray installCheckFlags installCheckFlagsArray installCheckTarget=installcheck
    phaseName=installcheck _runMake "${flags[@]}"
  else
    echo "no Makefile or installcheck target, doing nothing"
  fi
  runHook postInstallCheck
}

distPhase() {
  runHook preDist
  local -a flags=()
  concatTo flags distFlags distFlagsArray distTarget=dist
  phaseName=dist _runMake "${flags[@]}"
  mkdir -p "$out/tarballs"
  # shellcheck disable=SC2086
  cp -pvd ${tarballs:-*.tar.gz} "$out/tarballs"
  runHook postDist
}

_outputPath() {
  if [ -n "${__structuredAttrs:-}" ]; then echo "${outputs[$1]}"; else echo "${!1}"; fi
}

showPhaseHeader() {
  case "$1" in
  unpackPhase) echo "unpacking sources" ;;
  patchPhase) echo "patching sources" ;;
  configurePhase) echo "configuring" ;;
  buildPhase) echo "building" ;;
  checkPhase) echo "running tests" ;;
  installPhase) echo "installing" ;;
  fixupPhase) echo "post-installation fixup" ;;
  installCheckPhase) echo "running install tests" ;;
  *) echo "$1" ;;
  esac
}

runPhase() {
  local curPhase="$1"
  case "$curPhase" in
  unpackPhase) [ -z "${dontUnpack:-}" ] || return 0 ;;
  patchPhase) [ -z "${dontPatch:-}" ] || return 0 ;;
  configurePhase) [ -z "${dontConfigure:-}" ] || return 0 ;;
  buildPhase) [ -z "${dontBuild:-}" ] || return 0 ;;
  checkPhase) [ -n "${doCheck:-}" ] || return 0 ;;
  installPhase) [ -z "${dontInstall:-}" ] || return 0 ;;
  fixupPhase) [ -z "${dontFixup:-}" ] || return 0 ;;
  installCheckPhase) [ -n "${doInstallCheck:-}" ] || return 0 ;;
  distPhase) [ -n "${doDist:-}" ] || return 0 ;;
  esac
  showPhaseHeader "$curPhase"
  # The attribute wins over the function of the same name.
  if [ -n "${!curPhase:-}" ]; then eval "${!curPhase}"; else "$curPhase"; fi
  if [ "$curPhase" = unpackPhase ]; then cd -- "${sourceRoot:-.}"; fi
}

definePhases() {
  if [ -z "${phases[*]:-}" ]; then
    local words
    phases="${prePhases[*]:-} unpackPhase patchPhase ${preConfigurePhases[*]:-} configurePhase"
    phases+=" ${preBuildPhases[*]:-} buildPhase checkPhase ${preInstallPhases[*]:-} installPhase"
    phases+=" ${preFixupPhases[*]:-} fixupPhase installCheckPhase ${preDistPhases[*]:-} distPhase ${postPhases[*]:-}"
  fi
}

genericBuild() {
  if [ -n "${buildCommandPath:-}" ]; then
    local oldPwd="$PWD"
    source "$buildCommandPath"
    return
  fi
  if [ -n "${buildCommand:-}" ]; then
    eval "$buildCommand"
    return
  fi
  definePhases
  local phase
  for phase in ${phases[*]}; do runPhase "$phase"; done
}

# --- Start ------------------------------------------------------------------------------------------------------

trap exitHandler EXIT

# With structured attributes the outputs are an array of their own.
if [ -n "${__structuredAttrs:-}" ]; then
  for _name in "${!outputs[@]}"; do export "$_name=${outputs[$_name]}"; done
fi

PATH=
_PATH=
_XDG_DATA_DIRS=
for _dir in $initialPath; do addToSearchPath PATH "$_dir/bin"; done
export SHELL="$shell" CONFIG_SHELL="$shell" TZ=UTC
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-1}"
: "${NIX_STORE:=/nix/store}" "${NIX_BUILD_TOP:=$PWD}" "${NIX_BUILD_CORES:=1}"
export NIX_STORE NIX_BUILD_TOP NIX_BUILD_CORES
if [ -z "${__structuredAttrs:-}" ]; then : "${outputs:=out}"; fi
prefix="${prefix:-${out:-}}"

runHook preHook
_setUpInputs
PATH="$_PATH${_PATH:+${PATH:+:}}$PATH"
export PATH
if [ -n "$_XDG_DATA_DIRS" ]; then export XDG_DATA_DIRS="$_XDG_DATA_DIRS${XDG_DATA_DIRS:+:$XDG_DATA_DIRS}"; fi
unset _name _dir
runHook postHook
