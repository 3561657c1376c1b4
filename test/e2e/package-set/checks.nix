# Packages that try the embedded set one feature at a time; the tests read what they made.
{
  lib, stdenv, runCommand, runCommandLocal, writeText, writeTextFile, writeTextDir, writeScript, writeScriptBin,
  writeShellScript, writeShellScriptBin, writeShellApplication, writeReferencesToFile, writeClosure, symlinkJoin,
  linkFarm, buildEnv, substituteAll, closureInfo, referencesByPopularity, fetchurl, fetchzip, makeSetupHook, makeWrapper,
  emptyDirectory, concatText, applyPatches, bash, coreutils, gnutar, hello, perl, vmTools, utillinux, callPackage, pkgs,
}:
let
  source = runCommand "project-1.0.tar.gz" { nativeBuildInputs = [ gnutar ]; } ''
    mkdir project-1.0
    cat > project-1.0/configure <<'END'
    #!/bin/sh
    echo "configured with $*" > configured
    END
    chmod +x project-1.0/configure
    printf '#!/usr/bin/env bash\necho version @version@\n' > project-1.0/tool.in
    echo old > project-1.0/text
    tar -czf $out --owner=0 --group=0 --mtime=@1 project-1.0
  '';
  hook = makeSetupHook { name = "greeting-hook"; } (writeScript "hook.sh" ''
    export GREETING="from @out@"
    preInstallHooks+=(greet)
    greet() { echo "greeted" > greeted; }
  '');
  library = stdenv.mkDerivation {
    name = "library";
    dontUnpack = true;
    outputs = [ "out" "dev" ];
    propagatedBuildInputs = [ hello ];
    installPhase = "mkdir -p $out/lib $dev/include; echo lib > $out/lib/l; echo inc > $dev/include/i";
  };
in
rec {
  phases = stdenv.mkDerivation (finalAttrs: {
    pname = "project";
    version = "1.0";
    src = source;
    patches = [
      (writeText "fix.patch" ''
        --- a/text
        +++ b/text
        @@ -1 +1 @@
        -old
        +new
      '')
    ];
    nativeBuildInputs = [ pkgs.patch hook ];
    buildInputs = [ library.dev ];
    configureFlags = [ "--with-x" "--y=z" ];
    postPatch = ''
      substituteInPlace text --replace-fail new newer
      substituteAll tool.in tool
      chmod +x tool
    '';
    doCheck = true;
    checkPhase = "runHook preCheck; grep -q newer text; runHook postCheck";
    installPhase = ''
      runHook preInstall
      mkdir -p $out/bin
      cp tool $out/bin
      cp text configured greeted $out
      echo "$GREETING" > $out/greeting
      command -v hello > $out/path
      echo "$SOURCE_DATE_EPOCH ''${NIX_BUILD_CORES:+cores} $TZ $name ${finalAttrs.version}" > $out/environment
      runHook postInstall
    '';
    postInstall = "echo hook > $out/hook";
    passthru.extra = 42;
    meta.description = "x";
  });
  overridden = (phases.overrideAttrs (old: { version = "2.0"; postInstall = old.postInstall + "; echo more >> $out/hook"; }));

  structured = stdenv.mkDerivation {
    name = "structured";
    __structuredAttrs = true;
    outputs = [ "out" "doc" ];
    list = [ "a b" "c" ];
    set = { x = "1"; };
    buildCommand = ''
      printf '%s\n' "''${list[@]}" "''${set[x]}" > $out
      echo doc > $doc
    '';
  };

  texts = linkFarm "texts" {
    text = writeText "text" "plain\n";
    dir = writeTextDir "sub/file" "in a directory\n";
    script = writeScript "script" "#!${bash}/bin/bash\necho script\n";
    bin = writeScriptBin "tool" "#!${bash}/bin/bash\necho tool\n";
    shell = writeShellScript "shell" "echo shell";
    shellBin = writeShellScriptBin "shell-bin" "echo shell-bin";
    application = writeShellApplication { name = "app"; runtimeInputs = [ hello ]; text = "hello"; };
    checked = writeTextFile { name = "checked"; text = "checked\n"; checkPhase = "grep -q checked $target"; };
    both = concatText "both" [ (writeText "a" "a\n") (writeText "b" "b\n") ];
    empty = emptyDirectory;
  };
  runs = runCommandLocal "runs" { farm = texts; } ''
    for script in $farm/script $farm/shell $farm/bin/bin/tool $farm/shellBin/bin/shell-bin $farm/application/bin/app; do "$script"; done > $out
  '';

  joined = symlinkJoin { name = "joined"; paths = [ hello (writeTextDir "bin/other" "other") ]; };
  joinedAndChanged = symlinkJoin {
    name = "joined";
    paths = [ hello ];
    nativeBuildInputs = [ makeWrapper ];
    postBuild = "wrapProgram $out/bin/hello --set GREETER me --prefix PATH : /x";
  };
  environment = buildEnv { name = "environment"; paths = [ hello (writeTextDir "share/other" "other") ]; pathsToLink = [ "/share" ]; };
  substituted = substituteAll {
    src = writeText "template.sh" "#!@shell@\necho @greeting@ @out@ @Unknown@\n";
    shell = "${bash}/bin/bash";
    greeting = "hi & \\1 @shell@";
    isExecutable = true;
  };
  references = writeReferencesToFile hello;
  closures = writeClosure [ hello ];
  popular = referencesByPopularity (writeText "closure" "${hello}");
  info = closureInfo { rootPaths = [ hello ]; };
  patched = applyPatches { src = writeTextDir "x" "x\n"; name = "patched"; postPatch = "echo y > x"; };

  # The store and the build's own directories are all there is.
  sealed = runCommand "sealed" { } ''
    for path in "" /etc /bin /dev; do
      for entry in $path/*; do echo "$entry"; done
    done > $out
    ${bash}/bin/bash -c 'test ! -e /usr && test ! -e /home'
    (echo > /dev/tcp/127.0.0.1/1) 2>/dev/null && exit 1
    id -u >> $out
  '';

  machine = vmTools.runInLinuxVM (runCommand "machine" {
    preVM = vmTools.createEmptyImage { size = 32; fullName = "disk"; };
    postVM = "echo after >> $out";
    nativeBuildInputs = [ utillinux ];
  } ''
    mkdir disk
    mkfs /dev/${vmTools.hd}
    mount /dev/${vmTools.hd} disk
    df -m disk | tail -n 1 | (read -r _ size _; echo "$size") > $out
    head -c 40M /dev/zero > disk/big 2>/dev/null || echo full >> $out
    umount disk
    id -u >> $out
    mknod whiteout c 0 0
    stat -c %F whiteout >> $out
  '');

  failing = runCommand "failing" { failureHook = "echo hooked"; } "echo before; false; echo after";
  unpacked = { url, sha256 }: fetchzip { inherit url sha256; };
  fetched = { url, sha256 }: fetchurl { inherit url sha256; };
  fetchedScript = { url, sha256 }: fetchurl { inherit url sha256; executable = true; };
  extra = phases.extra;
  archive = source;
}
