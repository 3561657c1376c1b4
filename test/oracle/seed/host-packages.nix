# What dockerTools takes from nixpkgs, for builders that see the machine's /usr (the option sandbox-paths): so real Nix can
# build what the original dockerTools (its folder is `seed`) says without a nixpkgs, and tsnix the same inputs.
{ lib, seed }:
let
  # On everybody's PATH.
  host = { outPath = "/usr"; out = host; };
  shell = "/bin/bash";
  setup = builtins.toFile "setup.sh" ''
    set -e
    PATH=/usr/bin:/usr/sbin
    for package in $nativeBuildInputs; do PATH=$package/bin:$PATH; done
    export PATH SOURCE_DATE_EPOCH=1 GO111MODULE=off CGO_ENABLED=0 HOME=/homeless-shelter
    source "$buildCommandPath"
  '';

  runCommand = name: env: buildCommand:
    derivation ({
      inherit name buildCommand;
      system = builtins.currentSystem;
      builder = shell;
      args = [ setup ];
      passAsFile = [ "buildCommand" "text" ];
    } // removeAttrs env [ "passthru" ]) // (env.passthru or { });
  writeText = name: text: runCommand name { inherit text; } "cp $textPath $out";
  writeScript = name: text: runCommand name { inherit text; } "cp $textPath $out; chmod +x $out";
  ofGraph = name: path: runCommand name { exportReferencesGraph = [ "graph" path ]; };
  # Something to put into images.
  programs = name: names: runCommand name { } ''
    mkdir -p $out/bin
    for program in ${toString names}; do cp /usr/bin/$program $out/bin; done
  '';

  # Only needed for what is asked of none of this.
  missing = lib.genAttrs [ "bashInteractive" "closureInfo" "fakeNss" "vmTools" "writeShellScriptBin" ]
    (name: throw "there is no ${name} here");
  hosts = lib.genAttrs [
    "cacert" "e2fsprogs" "jq" "moreutils" "nix" "pigz" "rsync" "shadow" "skopeo" "utillinux"
  ] (_: host);

  pkgs = missing // hosts // {
    inherit lib pkgs seed runCommand writeText writeScript;
    callPackage = f: args:
      let function = import f; in function (builtins.intersectAttrs (builtins.functionArgs function) pkgs // args);
    runtimeShell = shell;
    substituteAll = { src, isExecutable, shell }:
      writeScript (baseNameOf src) (builtins.replaceStrings [ "@shell@" ] [ shell ] (builtins.readFile src));
    symlinkJoin = { name, paths }: runCommand name { inherit paths; } ''
      mkdir $out
      for path in $paths; do
        cp -rsnT $path $out
        chmod -R u+w $out
      done
    '';
    referencesByPopularity = path: ofGraph "closure-paths" path "python3 ${./popularity.py} < graph > $out";
    writeReferencesToFile = path: ofGraph "runtime-deps" path ''
      while read path; do
        echo $path >> $out
        read deriver
        read count
        for ((i = 0; i < count; i++)); do read reference; done
      done < graph
    '';

    # It reads past the end of its input until a byte is zero; so all memory that it gets is zeroed here.
    jshon = runCommand "jshon" { } ''
      mkdir -p $out/bin
      cat > $out/bin/jshon <<'EOF'
      #!/bin/sh
      MALLOC_PERTURB_=255 GLIBC_TUNABLES=glibc.malloc.tcache_count=0 exec /usr/bin/jshon "$@"
      EOF
      chmod +x $out/bin/jshon
    '';
    docker.src = runCommand "docker-src" { } ''
      mkdir -p $out/components/engine/pkg
      cp -r /usr/share/gocode/src/github.com/docker/docker/pkg/tarsum $out/components/engine/pkg
    '';
    go = host // {
      GOARCH = { x86_64 = "amd64"; aarch64 = "arm64"; }.${lib.head (lib.splitString "-" builtins.currentSystem)};
    };
    buildPackages = { inherit (pkgs) go; };
    stdenv = { inherit lib; };

    bash = programs "bash" [ "bash" ];
    coreutils = programs "coreutils" [ "cat" "ls" "sort" ];
    findutils = programs "findutils" [ "find" ];
    hello = programs "hello" [ "true" ];
    dockerTools = pkgs.callPackage ../../../lib/docker/default.nix { };
  };
in
pkgs
