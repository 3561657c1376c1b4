#!@shell@
# tarsum: Docker's checksum, version 1, of the tar archive on standard input. For commands that ask for it; tsnix's own
# layers are summed while they are packed. Reads GNU and ustar archives, as dockerTools writes them.
set -eu -o pipefail
export LC_ALL=C
PATH=@coreutils@/bin

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
archive=$work/archive
cat >"$archive"
blocks=$(($(stat -c %s "$archive") / 512))

# bytes FIRST-BLOCK OFFSET COUNT
bytes() { dd if="$archive" iflag=skip_bytes,count_bytes skip=$(($1 * 512 + $2)) count="$3" bs=64k status=none; }
# Up to the first NUL.
text() { bytes "$@" | tr '\0' '\n' | head -n 1 || true; }
# Octal, or base 256 where the top bit of the first byte is set.
number() {
  local hex
  hex=$(bytes "$@" | od -An -v -tx1 | tr -d ' \n')
  if [[ $hex == 8* ]]; then
    echo $((16#${hex: -15}))
  else
    local digits
    digits=$(bytes "$@" | tr -cd 0-7)
    echo $((8#${digits:-0}))
  fi
}

at=0 longName= longLink=
while [ "$at" -lt "$blocks" ]; do
  type=$(bytes $at 156 1 | tr '\0' 0)
  if [ -z "$(bytes $at 0 512 | tr -d '\0' | head -c 1)" ]; then break; fi
  size=$(number $at 124 12)
  next=$((at + 1 + (size + 511) / 512))
  case "$type" in
  L) longName=$(text $((at + 1)) 0 "$size") ;;
  K) longLink=$(text $((at + 1)) 0 "$size") ;;
  *)
    name=${longName:-$(text $at 0 100)}
    if [ -z "$longName" ] && [ "$(text $at 257 6)" = ustar ]; then
      prefix=$(text $at 345 155)
      name=${prefix:+$prefix/}$name
    fi
    link=${longLink:-$(text $at 157 100)}
    case "$type" in 3 | 4) devices="devmajor$(number $at 329 8)devminor$(number $at 337 8)" ;; *) devices=devmajor0devminor0 ;; esac
    {
      printf '%s' "name${name}mode$(number $at 100 8)uid$(number $at 108 8)gid$(number $at 116 8)size$size"
      printf '%s' "typeflag${type}linkname${link}unamegname$devices"
      bytes $((at + 1)) 0 "$size"
    } | sha256sum | cut -c 1-64 >>"$work/sums"
    longName= longLink=
    ;;
  esac
  at=$next
done

: >>"$work/sums"
echo "tarsum.v1+sha256:$(sort "$work/sums" | tr -d '\n' | sha256sum | cut -c 1-64)"
