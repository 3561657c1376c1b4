# Derivations that show what a builder sees and what becomes of its outputs, one attribute each. `busybox` is a folder
# with bin/busybox and links. Every script is run by real Nix and by tsnix; outputs must be the same to the byte.
{ busybox, system }:
let
  box = builtins.path { path = busybox; name = "busybox"; };
  plain = name: attrs: script: derivation ({
    inherit name system;
    builder = "${box}/bin/sh";
    args = [ "-e" "-c" script ];
    PATH = "${box}/bin";
  } // attrs);
  # The arguments of structured derivations are no attributes: the shell reads .attrs.sh.
  structured = name: attrs: script: plain name ({ __structuredAttrs = true; } // attrs) "PATH=${box}/bin; ${script}";
  dep = plain "dep" { outputs = [ "out" "dev" ]; } "echo dev > $dev; mkdir $out; ln -s $dev $out/dev; echo ${box} > $out/box";
  okay = rec {
    variables = plain "variables" { a = 1; b = true; c = null; d = [ 1 "two" dep ]; quote = "a\"b'c$d`e\\"; } ''
      env | grep -v -e ^SHLVL -e ^PWD= -e ^_= -e ^NIX_BUILD_CORES | sort > $out'';
    ids = plain "ids" { } ''
      { id -u; id -g; echo pid $$; umask; pwd; echo arg0 $0; hostname;
        cat /proc/sys/kernel/domainname; grep -e ^CapE -e ^CapP -e ^CapI -e NoNewPrivs -e ^Seccomp: /proc/self/status;
        grep core /proc/self/limits; cat /proc/self/personality; readlink /proc/self/fd/0; } > $out 2>&1'';
    files = plain "files" { } ''
      { ls -A /; ls -A /dev | grep -v -e kvm; cat /etc/passwd /etc/group /etc/hosts; ls -A /etc; ls -A /build; ls -A /tmp;
        ls -l /dev/fd /dev/stdin /dev/stderr /dev/stdout /dev/ptmx | sed 's/.* \/dev/\/dev/'; ls /nix/store; ls -A /nix;
        stat -c '%a %n' / /tmp /nix /nix/store /build /dev /dev/shm /etc/passwd; test -t 1 || echo not a terminal; ifconfig lo | grep UP; } > $out 2>&1'';
    isTerminal = plain "is-terminal" { } "if test -t 1 && test -t 2; then echo terminal; fi > $out";
    privileges = plain "privileges" { } ''
      set +e
      { touch /nix/store/*-busybox/x || echo "input is read-only"; chmod 4755 $TMP 2>&1; chmod 2755 $TMP 2>&1; mknod d c 1 3 2>&1;
        mount -t tmpfs none /tmp 2>&1; hostname x 2>&1; chown 0 $TMP 2>&1; } > $out 2>/dev/null; true'';
    outputsMany = plain "many" { outputs = [ "lib" "out" "bin" ]; } "echo $lib > $bin; echo $bin > $out; echo nothing > $lib";
    selfReference = plain "self" { } "mkdir -p $out/a; echo $out > $out/a/b";
    fileTypes = plain "types" { } ''
      mkdir -p $out/d/e $out/empty; echo x > $out/x; chmod 755 $out/x; echo y > $out/d/y; chmod 600 $out/d/y; echo z > $out/d/z; chmod 001 $out/d/z
      ln $out/x $out/hard; ln -s x $out/soft; ln -s /nowhere $out/d/broken; chmod 500 $out/d/e; touch -d '2001-01-01 00:00' $out/x; chmod 700 $out/empty'';
    executable = plain "executable" { } "echo '#!/bin/sh' > $out; chmod +x $out";
    link = plain "link" { } "ln -s ${dep} $out";
    references = plain "references" { inherit dep; inherit (dep) dev; } "echo $dep > $out; echo x >> $out";
    hiddenReference = plain "hidden" { } "ln -s ${dep}/box $out";
    passAsFile = plain "pass" { passAsFile = [ "big" "other" ]; big = "line one\nline two"; other = ""; } ''
      { ls -A /build; echo $bigPath $otherPath; cat $bigPath $otherPath; env | grep -c ^big= || :; } > $out'';
    graph = plain "graph" { exportReferencesGraph = [ "one" dep "two" box ]; } ''
      mkdir $out; cp one two $out'';
    graphDerivation = plain "graph-drv" { exportReferencesGraph = [ "drv" dep.drvPath ]; } "sort drv > $out";
    # 2.8 says no "valid" in the JSON, and NIX_ATTRS_* name the host's path.
    structuredFiles = structured "structured" {
      outputs = [ "out" "dev" ];
      string = "it's \"quoted\" $x"; int = 42; negative = -7; float = 1.5; whole = 2.0; big = 4294967297; t = true; f = false; n = null;
      list = [ 1 "two" true ]; nested = [ [ 1 ] ]; object = { b = "2"; a = 1; }; deep = { x = { y = 1; }; }; "odd-name" = 1;
      exportReferencesGraph.closure = [ dep ]; path = dep; empty = [ ]; emptyObject = { };
    } "o=$(sed -n 's/.*\"outputs\":{\"dev\":\"\\([^\"]*\\)\",\"out\":\"\\([^\"]*\\)\"}.*/\\1 \\2/p' .attrs.json); set -- $o; mkdir $2; sed 's/,\"valid\":true//g' .attrs.json > $2/json; cp .attrs.sh $2; env | grep -c -e NIX_ATTRS -e ^out= > $2/env; echo > $1";
    placeholders = plain "placeholder" { self = builtins.placeholder "out"; } "echo $self > $self; test $self = $out";
    fixedFlat = plain "fixed-flat" { outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "flat\n"; } "echo flat > $out";
    fixedRecursive = plain "fixed-recursive" { outputHashMode = "recursive"; outputHashAlgo = "sha256"; outputHash = "0x8rfwm8ahk1g7chxpm8ij2nhvzxiryknb33py3dha2qxw5fkgr9"; } "mkdir $out; echo x > $out/x";
    fixedSha1 = plain "fixed-sha1" { outputHashAlgo = "sha1"; outputHash = builtins.hashString "sha1" "one\n"; } "echo one > $out";
    fixedEnvironment = plain "fixed-env" {
      outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "1 seen \n";
      impureEnvVars = [ "TSNIX_TEST_SEEN" "TSNIX_TEST_UNSEEN" ];
    } "echo \"$NIX_OUTPUT_CHECKED $TSNIX_TEST_SEEN $TSNIX_TEST_UNSEEN\" > $out";
    fixedFiles = plain "fixed-files" { outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "ok\n"; } ''
      cat /etc/nsswitch.conf; ls /etc/resolv.conf /etc/services /etc/hosts > /dev/null; grep -q 127.0.0.1 /etc/hosts; echo ok > $out'';
    allowedGood = plain "allowed-good" { allowedReferences = [ dep "out" ]; } "echo $out ${dep} > $out";
    chain = plain "chain" { } "cat ${selfReference}/a/b ${link}/box > $out";
    spaces = plain "spaces" { } "mkdir $out; cd $out; echo x > 'a b'; echo y > 'ä\"z'; touch '~nix~case~hack~1' '-'";
  };
  # These fail, and say how.
  failures = {
    environment = derivation {
      name = "environment"; inherit system; builder = "${box}/bin/env"; args = [ ];
      Zulu = "last"; alpha = "lower"; multi = "a\nb"; empty = ""; outputHashMode2 = "x";
    };
    exit = plain "exit" { } "echo some words; exit 7";
    signal = plain "signal" { } "sh -c 'kill -9 $$'";
    noOutput = plain "no-output" { } "true";
    oneOutput = plain "one-output" { outputs = [ "out" "dev" ]; } "echo > $out";
    missingBuilder = derivation { name = "missing"; inherit system; builder = "/nix/store/nothing"; };
    cycle = plain "cycle" { outputs = [ "out" "dev" ]; } "echo $out > $dev; echo $dev > $out";
    fifo = plain "fifo" { } "mkfifo $out";
    fifoInside = plain "fifo-inside" { } "mkdir $out; mkfifo $out/x";
    writable = plain "writable" { } "echo > $out; chmod 666 $out";
    disallowed = plain "disallowed" { disallowedReferences = [ dep ]; } "echo ${dep} > $out";
    notAllowed = plain "not-allowed" { allowedReferences = [ ]; } "echo ${dep} > $out";
    requisites = plain "requisites" { allowedRequisites = [ ]; } "echo ${dep} $out > $out";
    disallowedRequisites = plain "dis-requisites" { disallowedRequisites = [ dep.dev ]; } "echo ${dep} > $out";
    wrongHash = plain "wrong-hash" { outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "a"; } "echo b > $out";
    wrongMode = plain "wrong-mode" { outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "a"; } "mkdir $out";
    fixedFails = plain "fixed-fails" { outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "a"; } "exit 1";
    dependency = plain "dependency" { } "cat ${failures.exit} > $out";
    features = plain "features" { requiredSystemFeatures = [ "warp-drive" ]; } "echo > $out";
    timeout = plain "timeout" { } "sleep 60";
    graphElsewhere = plain "graph-elsewhere" { exportReferencesGraph = [ "x" (builtins.unsafeDiscardStringContext dep.outPath) ]; } "cp x $out";
  };
in
{ inherit okay failures; }
