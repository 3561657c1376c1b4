#!@bash@/bin/bash
# An overlay without the kernel's: `mount` copies the layers together and notes what is there, `umount` writes what has
# changed since into the upper layer, deleted files as whiteouts (character devices 0:0). For namespaces with a single
# id, where owners are kept by fakeroot and a kernel overlay would show files under other device numbers.
#   overlay mount OPTIONS TARGET | overlay is-mounted TARGET | overlay umount TARGET
set -eu -o pipefail
PATH=@coreutils@/bin:@findutils@/bin
export LC_ALL=C

command=$1
shift
options=
if [ "$command" = mount ]; then
  options=$1
  shift
fi
target=$(realpath -s "$1")
# One directory of notes per mounted overlay.
notes=$TSNIX_VM_STATE/overlay-$(printf '%s' "$target" | sha256sum | cut -c 1-32)

# Everything below the target but itself, one entry a NUL: path, type and whatever changes when the entry does.
list() {
  # Sorted: a directory comes before what is in it.
  (cd "$1" && find . -mindepth 1 -printf '%P\t%y %i %C@ %U %G %m\0') | sort -z
}

is_whiteout() { [ -c "$1" ] && [ "$(stat -c %t:%T "$1")" = 0:0 ]; }

# merge LAYER: its files over those of the target. Few processes: a layer has thousands of files.
merge() {
  local layer=$1 entry path
  local -A there=()
  local -a gone=() whiteouts=()
  while IFS= read -r -d '' entry; do there[${entry:2}]=${entry:0:1}; done < <(cd "$target" && find . -mindepth 1 -printf '%y\t%P\0')
  while IFS= read -r -d '' entry; do
    path=${entry:2}
    case ${entry:0:1} in
    c)
      if is_whiteout "$layer/$path"; then
        gone+=("$target/$path")
        whiteouts+=("$target/$path")
      fi
      ;;
    # A directory takes the place of what is none, and the other way round; cp would refuse.
    d) if [ "${there[$path]:-d}" != d ]; then gone+=("$target/$path"); fi ;;
    *) if [ "${there[$path]:-}" = d ]; then gone+=("$target/$path"); fi ;;
    esac
  done < <(cd "$layer" && find . -mindepth 1 -printf '%y\t%P\0')
  if [ "${#gone[@]}" -gt 0 ]; then printf '%s\0' "${gone[@]}" | xargs -0 rm -rf --; fi
  cp -a --remove-destination "$layer/." "$target/"
  if [ "${#whiteouts[@]}" -gt 0 ]; then printf '%s\0' "${whiteouts[@]}" | xargs -0 rm -f --; fi
}

case $command in
is-mounted) [ -d "$notes" ] ;;

mount)
  lower= upper=
  IFS=, read -r -a list_of_options <<<"$options"
  for option in "${list_of_options[@]}"; do
    case $option in
    lowerdir=*) lower=${option#lowerdir=} ;;
    upperdir=*) upper=${option#upperdir=} ;;
    esac
  done
  if [ -z "$upper" ]; then
    echo "overlay: upperdir is missing" >&2
    exit 1
  fi
  mkdir "$notes"
  realpath -s "$upper" >"$notes/upper"
  # The first lower layer is the top one.
  IFS=: read -r -a layers <<<"$lower"
  for ((i = ${#layers[@]} - 1; i >= 0; i--)); do merge "${layers[i]}"; done
  list "$target" >"$notes/before"
  merge "$upper"
  ;;

umount)
  upper=$(cat "$notes/upper")
  list "$target" >"$notes/after"
  declare -A before=() after=()
  # A name may hold anything, tabs too: the last one ends it.
  while IFS= read -r -d '' entry; do before[${entry%$'\t'*}]=${entry##*$'\t'}; done <"$notes/before"
  while IFS= read -r -d '' entry; do after[${entry%$'\t'*}]=${entry##*$'\t'}; done <"$notes/after"

  # A directory above a changed entry is in the upper layer too, with the attributes that it has in the merged tree.
  declare -A made=()
  make_parents() {
    [[ "$1" == */* ]] || return 0
    local dir=${1%/*}
    [ -z "${made[$dir]:-}" ] || return 0
    made[$dir]=1
    make_parents "$dir"
    if [ ! -d "$upper/$dir" ] || [ -L "$upper/$dir" ]; then
      rm -rf "${upper:?}/$dir"
      mkdir "$upper/$dir"
    fi
    chown --reference="$target/$dir" "$upper/$dir"
    chmod --reference="$target/$dir" "$upper/$dir"
  }

  # What was made in the upper layer before, or since, and is gone.
  while IFS= read -r -d '' path; do
    if [ -z "${after[$path]:-}" ]; then rm -rf "${upper:?}/$path"; fi
  done < <(cd "$upper" && find . -mindepth 1 -printf '%P\0')

  # Directories that were copied with all that they hold.
  declare -A copied=()
  while IFS= read -r -d '' entry; do
    path=${entry%$'\t'*}
    state=${entry##*$'\t'}
    old=${before[$path]:-}
    if [ "$old" = "$state" ]; then continue; fi
    parent=
    if [[ "$path" == */* ]]; then parent=${path%/*}; fi
    if [ -n "$parent" ] && [ -n "${copied[$parent]:-}" ]; then
      if [ "${state%% *}" = d ]; then copied[$path]=1; fi
      continue
    fi
    if [ "${state%% *}" = d ] && [ "${old%% *}" = d ]; then
      # A directory whose entries changed has another time; only what it is itself counts.
      if [ "${old#* * * }" != "${state#* * * }" ]; then make_parents "$path/."; fi
      continue
    fi
    make_parents "$path"
    rm -rf "${upper:?}/$path"
    cp -a "$target/$path" "$upper/$path"
    if [ "${state%% *}" = d ]; then copied[$path]=1; fi
  done <"$notes/after"

  while IFS= read -r -d '' entry; do
    path=${entry%$'\t'*}
    state=${entry##*$'\t'}
    if [ -n "${after[$path]:-}" ]; then continue; fi
    # A whiteout of the directory, or what took its place, covers what was below it.
    if [[ "$path" == */* ]] && [[ "${after[${path%/*}]:-}" != d* ]]; then continue; fi
    make_parents "$path"
    @mknod@ "$upper/$path" c 0 0
  done <"$notes/before"

  chown --reference="$target" "$upper"
  chmod --reference="$target" "$upper"
  find "$target" -mindepth 1 -delete
  rm -r "$notes"
  ;;

*)
  echo "overlay: unknown command '$command'" >&2
  exit 1
  ;;
esac
