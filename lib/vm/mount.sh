#!@bash@/bin/bash
# mount: /dev/@hd@ is a file system in memory of the disk's size; an overlay gets the options that it needs in a user
# namespace. The rest is the real one's.
type= options= device=
args=()
words=()
while [ $# -gt 0 ]; do
  case "$1" in
  -t | --types) type=$2; shift ;;
  -t*) type=${1#-t} ;;
  --types=*) type=${1#--types=} ;;
  -o | --options) options+="${options:+,}$2"; shift ;;
  -o*) options+="${options:+,}${1#-o}" ;;
  --options=*) options+="${options:+,}${1#--options=}" ;;
  -*) args+=("$1") ;;
  *) words+=("$1") ;;
  esac
  shift
done
real=@utillinux@/bin/mount

if [ "${words[0]:-}" = /dev/@hd@ ] && [ "${#words[@]}" -eq 2 ]; then
  target=${words[1]}
  read -r _ _ release _ </proc/version
  IFS=.- read -r major minor _ <<<"$release"
  if [ "$major" -gt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -ge 6 ]; }; then
    exec "$real" -t tmpfs -o "size=${diskSize:-1024}m,mode=755" tmpfs "$target"
  fi
  # Before Linux 6.6 a tmpfs keeps no user attributes, without which an overlay can't remember replaced directories.
  disk="$NIX_BUILD_TOP/.disk"
  @coreutils@/bin/mkdir -p "$disk"
  exec "$real" --bind "$disk" "$target"
fi

if [ "$type" = overlay ]; then
  if [ "${TSNIX_VM:-range}" = single ]; then exec @overlay@ mount "$options" "${words[1]}"; fi
  exec "$real" -t overlay -o "$options,userxattr" "${args[@]}" "${words[@]}"
fi

exec "$real" ${type:+-t "$type"} ${options:+-o "$options"} "${args[@]}" "${words[@]}"
