# Shell functions of the steps that run commands on a layer's files; to be sourced. Bash, coreutils and findutils only.
# A recorded tree is a directory with the files under `tree` and, as a store keeps neither modes nor owners, lists of
# what they were (src/docker/recorded-tree.ts).

# recordTree DIR OUT: DIR becomes the recorded tree OUT.
recordTree() {
  mkdir -p "$2"
  (cd "$1" && find . -print0 | xargs -0 -r stat --printf '%f %u %g %d:%i %h %t:%T %n\0') >"$2/members"
  find "$1" ! -type f ! -type d ! -type l -delete
  chmod -R u+rwX "$1"
  mv "$1" "$2/tree"
}

# restoreTree RECORDED DIR: lays a recorded tree over the directory DIR; owners only where we are root.
restoreTree() {
  local list path target kind major minor
  mkdir -p "$2"
  cp -rP --no-preserve=mode,ownership "$1/tree/." "$2/"
  while IFS= read -r -d '' target && IFS= read -r -d '' path; do ln -f "$2/$target" "$2/$path"; done <"$1/links"
  while IFS= read -r -d '' path && IFS= read -r -d '' kind && IFS= read -r -d '' major && IFS= read -r -d '' minor; do
    if [ "$kind" = p ]; then mkfifo "$2/$path"; else mknod "$2/$path" "$kind" "$major" "$minor"; fi
  done <"$1/devices"
  if [ "$(id -u)" -eq 0 ]; then
    for list in "$1"/owners/*; do
      if [ -e "$list" ]; then (cd "$2" && xargs -0 -r -a "$list" chown -h -- "${list##*/}"); fi
    done
  fi
  for list in "$1"/modes/*; do
    if [ -e "$list" ]; then (cd "$2" && xargs -0 -r -a "$list" chmod -- "${list##*/}"); fi
  done
}

# addContents DIR LAYER: copies a directory of the store into a layer, modes included.
addContents() {
  cp -rP --preserve=mode "$1/." "$2/"
}

_there() { [ -e "$1" ] || [ -L "$1" ]; }

# hideReplaced LOWER UPPER MERGED: where a directory of the lower layer was deleted and made anew, the kernel's overlay
# only marks the new one; a whiteout for each file that it hides says the same to everybody. While mounted.
hideReplaced() {
  local dir name
  while IFS= read -r -d '' dir; do
    while IFS= read -r -d '' name; do
      if ! _there "$2/$dir/$name" && ! _there "$3/$dir/$name"; then mknod "$2/$dir/$name" c 0 0; fi
    done < <(find "$1/$dir" -mindepth 1 -maxdepth 1 -printf '%f\0')
  done < <(comm -z -12 <(cd "$1" && find . -type d -print0 | LC_ALL=C sort -z) \
    <(cd "$2" && find . -type d -print0 | LC_ALL=C sort -z))
}

# nameWhiteouts LAYER: the kernel's whiteouts (character devices 0:0) become files `.wh.NAME`.
nameWhiteouts() {
  local path
  while IFS= read -r -d '' path; do
    if [ "$(stat -c %t:%T "$path")" = 0:0 ]; then
      rm "$path"
      : >"${path%/*}/.wh.${path##*/}"
    fi
  done < <(find "$1" -type c -print0)
}
