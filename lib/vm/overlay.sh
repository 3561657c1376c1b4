#!@bash@/bin/bash
# An overlay without the kernel's: `mount` copies the layers together and notes what is there, `umount` writes what has
# changed since into the upper layer, deleted files as whiteouts (character devices 0:0). For namespaces with a single
# id, where owners are kept by fakeroot and a kernel overlay would show files under other device numbers.
#   overlay mount OPTIONS TARGET | overlay is-mounted TARGET | overlay umount TARGET
set -eu -o pipefail
PATH=@coreutils@/bin:@findutils@/bin

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
  (cd "$1" && find . -mindepth 1 -printf '%P\t%y %i %C@ %U %G %m\0') | sort -z
}

is_whiteout() { [ -c "$1" ] && [ "$(stat -c %t:%T "$1")" = 0:0 ]; }

# merge LAYER TARGET: files of the layer over those that are there.
merge() {
  local layer=$1 path
  while IFS= read -r -d '' path; do
    if is_whiteout "$layer/$path"; then
      rm -rf "${target:?}/$path"
    elif [ -d "$layer/$path" ] && [ ! -L "$layer/$path" ]; then
      if [ -L "$target/$path" ] || { [ -e "$target/$path" ] && [ ! -d "$target/$path" ]; }; then rm -f "$target/$path"; fi
      mkdir -p "$target/$path"
    else
      if [ -d "$target/$path" ] && [ ! -L "$target/$path" ]; then rm -rf "${target:?}/$path"; fi
      cp -a --remove-destination "$layer/$path" "$target/$path"
    fi
  done < <(cd "$layer" && find . -mindepth 1 -printf '%P\0' | sort -z)
  # Directories last: their modes may forbid what is done above, their times are those of the layer.
  while IFS= read -r -d '' path; do
    chown --reference="$layer/$path" "$target/$path"
    chmod --reference="$layer/$path" "$target/$path"
  done < <(cd "$layer" && find . -depth -type d -printf '%P\0')
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
  while IFS=$'\t' read -r -d '' path state; do before[$path]=$state; done <"$notes/before"
  while IFS=$'\t' read -r -d '' path state; do after[$path]=$state; done <"$notes/after"

  # A directory above a changed entry is in the upper layer too, as a copy of what it is in the merged tree.
  make_parents() {
    local dir
    dir=$(dirname "$1")
    [ "$dir" = . ] && return 0
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

  while IFS=$'\t' read -r -d '' path state; do
    if [ "${before[$path]:-}" = "$state" ]; then continue; fi
    if [ "${state%% *}" = d ]; then
      # A directory whose entries changed has another time; only what it is itself counts.
      old=${before[$path]:-}
      if [ "${old%% *}" = d ] && [ "${old#* * * }" = "${state#* * * }" ]; then continue; fi
      make_parents "$path/."
    else
      make_parents "$path"
      rm -rf "${upper:?}/$path"
      cp -a "$target/$path" "$upper/$path"
    fi
  done <"$notes/after"

  while IFS=$'\t' read -r -d '' path state; do
    if [ -n "${after[$path]:-}" ]; then continue; fi
    parent=$(dirname "$path")
    # A whiteout of the directory covers what was below it.
    if [ "$parent" != . ] && [ -z "${after[$parent]:-}" ]; then continue; fi
    if [ "$parent" != . ] && [ "${after[$parent]%% *}" != d ]; then continue; fi
    make_parents "$path"
    mknod "$upper/$path" c 0 0
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
