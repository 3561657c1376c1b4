# What dockerTools has grown since 2019: layered images in all their forms, and what images commonly need.
{ dockerTools, lib, runCommand, writeText, mkShell, stdenv, bash, coreutils, hello, jq, change ? "" }:
let
  inherit (dockerTools) buildImage buildLayeredImage streamLayeredImage;
  common = {
    name = "image";
    tag = "latest";
    contents = [ bash coreutils ];
    config = { Cmd = [ "/bin/bash" ]; Env = [ "PATH=/bin" "A=base" ]; };
  };
  texts = map (i: writeText "text-${toString i}" "${toString i}\n") [ 1 2 3 4 5 ];
  listed = runCommand "listed" { inherit texts; } "mkdir $out; echo $texts > $out/list";
in
rec {
  gz = buildLayeredImage common;
  none = buildLayeredImage (common // { compressor = "none"; });
  zstd = buildLayeredImage (common // { compressor = "zstd"; });
  # What a second build of it need not read, and what is another each time.
  bulk = runCommand "bulk" { } "mkdir $out; for i in {1..40000}; do echo line $i; done > $out/bulk";
  rebuilt = buildLayeredImage (common // {
    contents = [ bulk coreutils (runCommand "changed" { inherit change; } "mkdir $out; echo $change > $out/changed") ];
  });
  mergedRebuilt = dockerTools.mergeImages [ rebuilt (buildImage { name = "third"; tag = "x"; copyToRoot = hello; }) ];
  stream = streamLayeredImage (common // { maxLayers = 24; });
  # A script of one build is a program of another.
  streamed = runCommand "streamed" { } "${stream} | sha256sum > $out";
  streamFacts = writeText "facts" (builtins.toJSON {
    inherit (streamLayeredImage { name = "Some/Name"; tag = "T"; }) imageName imageTag isExe;
    inherit (gz) name;
    ending = zstd.name;
  });
  untaggedStream = streamLayeredImage { name = "untagged"; };
  untaggedTag = writeText "tag" untaggedStream.imageTag;

  asRoot = buildLayeredImage (common // {
    extraCommands = "mkdir data; echo by-user > data/user; id -u > data/id";
    fakeRootCommands = ''
      mkdir -p var/lib/app
      echo root > var/lib/app/file
      chown -R 12:34 var/lib/app
      chmod 4711 var/lib/app/file
      id -u >> data/id
      ln data/user data/linked
    '';
  });
  inside = buildLayeredImage (common // {
    enableFakechroot = true;
    fakeRootCommands = ''
      mkdir /data
      echo ${hello} > /data/hello
      ls / > /data/listing
      chown 12:34 /data
    '';
  });
  upon = buildLayeredImage {
    name = "upon";
    tag = "latest";
    fromImage = gz;
    contents = hello;
    config = { Cmd = [ "/bin/hello" ]; Env = [ "B=2" "A=changed" ]; };
  };
  uponTooMuch = buildLayeredImage (common // { name = "too-much"; fromImage = gz; maxLayers = 5; });
  owned = buildLayeredImage (common // { uid = 1000; gid = 100; uname = "me"; gname = "us"; mtime = "2020-01-02T03:04:05Z"; });
  # As flakes tell when they were changed.
  dated = buildLayeredImage (common // { created = "20240501"; mtime = "20240501123045"; });
  datedImage = buildImage { name = "dated"; created = "2024-05-01 12:30 +0200"; };
  wrongDate = buildImage { name = "wrong"; created = "yesterday"; };
  ofImage = gz.stream;
  untagged = buildLayeredImage { name = "untagged"; };
  ofUntagged = untagged.stream;
  facts = writeText "facts" (builtins.toJSON { inherit (ofUntagged.passthru) imageName imageTag isExe; });
  plannedInFile = buildLayeredImage (common // {
    layeringPipeline = writeText "pipeline.json" (builtins.toJSON [ [ "popularity_contest" ] [ "limit_layers" 2 ] ]);
    debug = true;
  });
  wrongFile = buildLayeredImage (common // { layeringPipeline = writeText "no-json" "[["; });
  planned = buildLayeredImage {
    name = "planned";
    tag = "latest";
    contents = listed;
    layeringPipeline = [
      [ "subcomponent_out" texts ]
      [ "over" "main" [ "split_every" 2 ] ]
    ];
  };
  wrongPlan = buildLayeredImage { name = "planned"; layeringPipeline = [ [ "no_such_step" ] ]; };
  withoutStore = buildLayeredImage (common // { includeStorePaths = false; });
  # What commands mention belongs to the image.
  mentions = buildLayeredImage { name = "mentions"; tag = "latest"; extraCommands = "echo ${hello} > hello"; };
  withNixDb = dockerTools.buildLayeredImageWithNixDb (common // { extraCommands = "echo here > nix/var/nix/marker"; });

  merged = dockerTools.mergeImages [ gz upon (buildImage { name = "third"; tag = "x"; copyToRoot = hello; }) ];
  copied = buildImage {
    name = "copied";
    tag = "latest";
    copyToRoot = [ bash coreutils ];
    architecture = "riscv64";
    compressor = "none";
    includeNixDB = true;
    mtime = "2020-01-02T03:04:05Z";
    meta.description = "an image";
  };
  bothContents = buildImage { name = "both"; contents = bash; copyToRoot = bash; };
  wrongCompressor = buildImage { name = "wrong"; compressor = "lzma"; };
  noHash = dockerTools.pullImage { imageName = "x"; imageDigest = "sha256:${lib.concatStrings (lib.genList (_: "0") 64)}"; };

  wellKnown = buildLayeredImage {
    name = "well-known";
    tag = "latest";
    contents = with dockerTools; [
      binSh
      usrBinEnv
      (fakeNss.override { extraPasswdLines = [ "app:x:12:34:app:/:/bin/sh" ]; extraGroupLines = [ "app:x:34:" ]; })
    ];
    config = { Cmd = [ "/bin/sh" "-c" "/usr/bin/env | grep ^X; . /etc/passwd 2>/dev/null; echo done" ]; Env = [ "X=1" ]; };
  };
  certificates = dockerTools.caCertificates;

  environment = dockerTools.buildNixShellImage {
    drv = mkShell { packages = [ hello ]; GREETING = "from the shell"; shellHook = "hooked=yes"; };
    run = "hello; echo $GREETING $hooked; id -u; touch /build/mine /nix/store/new && echo written";
    tag = "latest";
  };
  builds = dockerTools.buildNixShellImage {
    drv = stdenv.mkDerivation { name = "made"; buildCommand = "echo made > $out"; };
    run = "buildDerivation && cat $out";
    tag = "latest";
  };
  environmentScript = dockerTools.streamNixShellImage { drv = hello; };
  bothCommands = dockerTools.streamNixShellImage { drv = hello; run = "x"; command = "y"; };
}
