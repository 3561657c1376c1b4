#!@bash@/bin/bash
# umount: an overlay in user space is written back; the rest is the real one's. `-R` becomes a lazy unmount of the
# whole tree: the mounts that the sandbox itself made are locked to the tree that they came with, one by one they stay.
if [ "${TSNIX_VM:-range}" = single ] && [ $# -eq 1 ] && @overlay@ is-mounted "$1"; then
  exec @overlay@ umount "$1"
fi
args=()
for argument; do
  case "$argument" in
  -R | --recursive) args+=(--lazy) ;;
  *) args+=("$argument") ;;
  esac
done
exec @utillinux@/bin/umount "${args[@]}"
