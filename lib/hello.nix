# A package small enough to read whole: a shell script with its own interpreter in its closure.
{ stdenv, runtimeShell }:
stdenv.mkDerivation {
  pname = "hello";
  version = "1.0";
  dontUnpack = true;
  installPhase = ''
    mkdir -p "$out/bin" "$out/share/hello"
    echo 'Hello, world!' > "$out/share/hello/greeting"
    cat > "$out/bin/hello" <<END
    #!${runtimeShell}
    while IFS= read -r line; do
      printf '%s\n' "\$line"
    done < "$out/share/hello/greeting"
    END
    chmod +x "$out/bin/hello"
  '';
  meta = {
    description = "A shell script that says hello";
    mainProgram = "hello";
  };
}
