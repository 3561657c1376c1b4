#!@bash@/bin/bash
# unshare: with a single id, owners are kept by fakeroot's daemon, which is spoken to through System V messages; a new
# IPC namespace would cut them off.
if [ "${TSNIX_VM:-range}" != single ]; then exec @utillinux@/bin/unshare "$@"; fi
args=()
while [ $# -gt 0 ]; do
  case "$1" in
  --ipc) ;;
  --* | -) args+=("$1") ;;
  -*)
    flags=${1//i/}
    if [ "$flags" != - ]; then args+=("$flags"); fi
    ;;
  # Here begins the command.
  *) break ;;
  esac
  shift
done
exec @utillinux@/bin/unshare "${args[@]}" "$@"
