# The original dockerTools with stand-ins for what it takes from nixpkgs: every package is a small derivation, so that
# real Nix can instantiate everything. `names` and `derivations` as in the corpus of derivations.
{ seed, lib }:
let
  drv = attrs: derivation ({ system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-e" "builder" ]; } // attrs);
  package = name: drv { inherit name; } // { inherit lib; meta.description = name; };
  runCommand = name: env: buildCommand:
    drv (removeAttrs ({ inherit name buildCommand; passAsFile = [ "buildCommand" ]; } // env) [ "passthru" ])
    // (env.passthru or { });
  packages = lib.genAttrs [
    "cacert" "coreutils" "e2fsprogs" "findutils" "jq" "jshon" "moreutils" "nix" "pigz" "rsync" "shadow" "skopeo"
    "utillinux" "bash" "hello" "nginx" "redis" "git" "emacs" "vim" "nano" "curl" "python3" "gnutar" "gzip"
  ] package;
  pkgs = packages // {
    inherit lib pkgs runCommand;
    buildPackages = { inherit (pkgs) go; };
    callPackage = f: args:
      let fn = if builtins.isFunction f then f else import f;
      in fn (builtins.intersectAttrs (builtins.functionArgs fn) pkgs // args);
    go = package "go" // { GOARCH = "amd64"; };
    docker = package "docker" // { src = ./stubs.nix; };
    stdenv = package "stdenv" // { inherit lib; shell = "/bin/sh"; };
    runtimeShell = "${packages.bash}/bin/sh";
    closureInfo = { rootPaths }: runCommand "closure-info" { exportReferencesGraph = [ "closure" rootPaths ]; } "";
    referencesByPopularity = path: runCommand "popularity" { exportReferencesGraph = [ "graph" path ]; } "";
    substituteAll = args: drv ({ name = baseNameOf (toString args.src); } // args);
    symlinkJoin = { name, paths, ... }: runCommand name { inherit paths; } "join";
    writeReferencesToFile = path: runCommand "runtime-deps" { exportReferencesGraph = [ "graph" path ]; } "";
    writeText = name: text: runCommand name { inherit text; } "write";
    writeScript = name: text: runCommand name { inherit text; executable = true; } "write";
    vmTools = {
      hd = "vda";
      createEmptyImage = { size, fullName }: "create ${toString size} ${fullName}";
      runInLinuxVM = vmDrv: derivation (vmDrv.drvAttrs // { inVM = true; });
    };
  };
  tools = pkgs.callPackage (seed + "/default.nix") { };
  cases = {
    pull = tools.pullImage {
      imageName = "library/nginx";
      imageDigest = "sha256:20d9485b25ecfd89204e843a962c1bd70e9cc6858d65d7f5fadc340246e2116b";
      sha256 = "0000000000000000000000000000000000000000000000000000000000000000";
    };
    pullNamed = tools.pullImage {
      imageName = "a/b/c";
      finalImageName = "x";
      finalImageTag = "1.0";
      os = "darwin";
      arch = "arm64";
      imageDigest = "sha256:00";
      sha256 = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
    };
    image = tools.buildImage { name = "plain"; };
    imageTagged = tools.buildImage { name = "tagged"; tag = "v1"; contents = pkgs.hello; };
    imageMany = tools.buildImage {
      name = "many";
      contents = [ pkgs.hello pkgs.bash pkgs.coreutils ];
      config = { Cmd = [ "${pkgs.hello}/bin/hello" ]; Env = [ "A=1" ]; Volumes."/data" = { }; WorkingDir = null; };
      keepContentsDirlinks = true;
      extraCommands = "mkdir x";
      uid = 1000;
      gid = 100;
    };
    imageAsRoot = tools.buildImage {
      name = "root";
      fromImage = cases.image;
      fromImageName = "plain";
      fromImageTag = "latest";
      runAsRoot = ''
        #!${pkgs.runtimeShell}
        ${tools.shadowSetup}
        useradd x
      '';
      diskSize = 2048;
      created = "now";
    };
    imageWithDb = tools.buildImageWithNixDb { name = "with-db"; contents = [ pkgs.bash pkgs.nix ]; };
    layered = tools.buildLayeredImage { name = "layered"; };
    layeredMany = tools.buildLayeredImage {
      name = "layered-many";
      tag = "t";
      contents = [ pkgs.hello pkgs.bash ];
      config.Cmd = [ "${pkgs.hello}/bin/hello" ];
      created = "2019-06-01T00:00:00Z";
      extraCommands = "touch y";
      maxLayers = 7;
      uid = 5;
      gid = 6;
    };
    exported = tools.exportImage { fromImage = cases.image; };
    shell = tools.shellScript "s" "echo";
    merged = tools.mergeDrvs { derivations = [ pkgs.hello pkgs.bash ]; };
    pureLayer = tools.mkPureLayer { name = "pure"; baseJson = pkgs.writeText "base.json" "{}"; contents = pkgs.hello; };
    customisation = tools.mkCustomisationLayer { name = "c"; baseJson = pkgs.writeText "b" "{}"; contents = pkgs.hello; extraCommands = "touch z"; };
    inherit (tools) tarsum;
  };
  examples = lib.filterAttrs (_: lib.isDerivation) tools.examples;
  all = lib.mapAttrsToList (name: value: { inherit name value; }) cases
    ++ lib.mapAttrsToList (name: value: { name = "examples.${name}"; inherit value; }) examples;
in
{
  names = map (x: x.name) all;
  derivations = map (x: x.value) all;
}
