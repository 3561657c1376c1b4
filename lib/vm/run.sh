# The builder of runInLinuxVM: prepares the namespace, then runs the derivation's own builder in it.
buildPath=$PATH
PATH=@coreutils@/bin

if [ -n "${preVM:-}" ]; then eval "$preVM"; fi
export diskSize="${diskSize:-1024}"

# How many ids this namespace has tells how owners are kept.
read -r _ _ ids </proc/self/uid_map
if [ "$ids" -gt 1 ]; then
  export TSNIX_VM=range
else
  export TSNIX_VM=single TSNIX_VM_STATE="$NIX_BUILD_TOP/.vm"
  mkdir -p "$TSNIX_VM_STATE"
  if [ -n "@fakeroot@" ]; then
    # faked answers with KEY:PID and goes to the background; it ends with the namespace.
    key=$("@fakeroot@/bin/faked-sysv")
    export FAKEROOTKEY="${key%%:*}" FAKEROOTDONTTRYCHOWN=1
    export LD_PRELOAD="@fakeroot@/lib/libfakeroot.so"
  else
    echo "tsnix: only one user id is available here (no range in /etc/subuid and /etc/subgid), and the host had no" >&2
    echo "tsnix: fakeroot: every file will belong to root, and changing owners will fail." >&2
  fi
fi

PATH=$buildPath
status=0
# shellcheck disable=SC2086 # a list of store paths and options
"$origBuilder" $origArgs || status=$?
if [ "$status" -eq 0 ] && [ -n "${postVM:-}" ]; then
  PATH=@coreutils@/bin
  eval "$postVM"
fi
exit "$status"
