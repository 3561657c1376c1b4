# makeWrapper PROGRAM WRAPPER OPTIONS…: a shell script that sets the environment and runs PROGRAM.
# Options as in nixpkgs: --set, --set-default, --unset, --prefix, --suffix, --chdir, --run, --argv0, --inherit-argv0,
# --add-flags, --append-flags.
makeWrapper() {
  local original="$1" wrapper="$2" flags="" trailing="" argv0=""
  shift 2
  if [ ! -x "$original" ]; then
    echo "Cannot wrap '$original' because it is not an executable file" >&2
    return 1
  fi
  mkdir -p "$(dirname "$wrapper")"
  echo "#!$SHELL -e" >"$wrapper"
  while [ $# -gt 0 ]; do
    case "$1" in
    --set)
      printf 'export %s=%q\n' "$2" "$3" >>"$wrapper"
      shift 3
      ;;
    --set-default)
      printf 'export %s="${%s-%s}"\n' "$2" "$2" "$3" >>"$wrapper"
      shift 3
      ;;
    --unset)
      echo "unset $2" >>"$wrapper"
      shift 2
      ;;
    --prefix)
      printf 'export %s=%q${%s:+%q$%s}\n' "$2" "$4" "$2" "$3" "$2" >>"$wrapper"
      shift 4
      ;;
    --suffix)
      printf 'export %s=${%s:+$%s%q}%q\n' "$2" "$2" "$2" "$3" "$4" >>"$wrapper"
      shift 4
      ;;
    --chdir)
      printf 'cd %q\n' "$2" >>"$wrapper"
      shift 2
      ;;
    --run)
      echo "$2" >>"$wrapper"
      shift 2
      ;;
    --argv0)
      argv0="$2"
      shift 2
      ;;
    --inherit-argv0)
      argv0='$0'
      shift
      ;;
    --add-flags)
      flags+=" $2"
      shift 2
      ;;
    --append-flags)
      trailing+=" $2"
      shift 2
      ;;
    *)
      echo "makeWrapper doesn't understand the arg $1" >&2
      return 1
      ;;
    esac
  done
  echo "exec ${argv0:+-a \"$argv0\" }\"$original\"$flags \"\$@\"$trailing" >>"$wrapper"
  chmod +x "$wrapper"
}

# wrapProgram PROGRAM OPTIONS…: the program moves aside (.NAME-wrapped), the wrapper takes its place.
wrapProgram() {
  local program="$1" hidden
  shift
  hidden="$(dirname "$program")/.$(basename "$program")-wrapped"
  while [ -e "$hidden" ]; do hidden+=_; done
  mv "$program" "$hidden"
  makeWrapper "$hidden" "$program" --inherit-argv0 "$@"
}
