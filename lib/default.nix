# The embedded package set: what `tsnix build` calls a file with where the user has no nixpkgs. Its programs are the
# host's, imported by content (host.nix); everything is lazy, so a missing program only matters to who uses it.
# The attribute names are nixpkgs'.
{
  # Internal primop (src/builtins/host.ts).
  hostTool,
  system ? builtins.currentSystem,
  config ? { },
  overlays ? [ ],
  # nixpkgs' callers pass these too.
  ...
}:
let
  lib = import ./lib;
  platform = lib.systems.elaborate system;

  # The set before overlays.
  packages = self:
    let
      host = import ./host.nix {
        inherit lib hostTool system;
        interpreters = {
          sh = "${self.bash}/bin/sh";
          bash = "${self.bash}/bin/bash";
          dash = "${self.bash}/bin/sh";
          perl = "${self.perl}/bin/perl";
          awk = "${self.gawk}/bin/awk";
          sed = "${self.gnused}/bin/sed";
        };
      };
      trivialBuilders = import ./trivial-builders.nix {
        inherit lib system;
        inherit (self) stdenv runtimeShell bash;
      };
      hostTools = import ./host-tools.nix {
        inherit lib host;
        inherit (self) bash;
        goarch = platform.goarch;
      };
      callPackage = lib.callPackageWith self;
    in
    hostTools
    // builtins.removeAttrs trivialBuilders [ "native" "sourceName" ]
    // {
      inherit lib system config callPackage;
      callPackages = lib.callPackagesWith self;
      newScope = extra: lib.callPackageWith (self // extra);
      pkgs = self;
      buildPackages = self;
      targetPackages = self;
      pkgsStatic = self;
      hostPlatform = platform;
      buildPlatform = platform;
      targetPlatform = platform;
      path = ./.;

      stdenv = import ./stdenv {
        inherit lib system;
        inherit (trivialBuilders) writeTextFile;
        shell = "${self.bash}/bin/bash";
        initialPath = with self; [ coreutils findutils diffutils gnused gnugrep gnutar gzip gawk bash ];
      };
      stdenvNoCC = self.stdenv;
      mkShell = args: self.stdenv.mkDerivation ({
        name = "nix-shell";
        buildCommand = "export > $out";
      } // removeAttrs args [ "inputsFrom" "packages" ] // {
        nativeBuildInputs = (args.packages or [ ]) ++ (args.nativeBuildInputs or [ ]);
      });
      mkShellNoCC = self.mkShell;

      runtimeShell = "${self.bash}/bin/bash";
      runtimeShellPackage = self.bash;
      bashInteractive = self.bash;
      bash_5 = self.bash;
      # Path of a POSIX shell for the build sandbox's /bin/sh.
      sandboxShell = "${self.dash}/bin/dash";

      utillinuxMinimal = self.utillinux;
      util-linux = self.utillinux;
      util-linuxMinimal = self.utillinux;
      coreutils-full = self.coreutils;
      gitMinimal = self.git;
      gitFull = self.git;
      mount = self.utillinux;
      unshare = self.utillinux;
      nixStable = self.nix;
      buildGoModule = throw "buildGoModule is not part of the embedded package set; use nixpkgs (--pkgs)";

      # The file's own path on a derivation: dockerTools asks for docker.src.
      docker = hostTools.docker // { src = hostTools.docker; };

      inherit (import ./fetchers.nix { inherit lib system; inherit (trivialBuilders) native; })
        fetchurl
        fetchzip
        fetchTarball
        fetchFromGitHub
        fetchFromGitLab
        ;

      vmTools = callPackage ./vm { };

      dockerTools = callPackage ./docker { native = trivialBuilders.native; };

      # /etc/passwd and the like for images: root, nobody and more lines.
      fakeNss = lib.makeOverridable ({ extraPasswdLines ? [ ], extraGroupLines ? [ ] }: self.linkFarm "fake-nss" (
        lib.mapAttrs (path: lines: self.writeText (baseNameOf path) (lib.concatMapStrings (line: "${line}\n") lines)) {
          "etc/passwd" = [
            "root:x:0:0:root user:/var/empty:/bin/sh"
          ] ++ extraPasswdLines ++ [
            "nobody:x:65534:65534:nobody:/var/empty:/bin/sh"
          ];
          "etc/group" = [ "root:x:0:" ] ++ extraGroupLines ++ [ "nobody:x:65534:" ];
          "etc/nsswitch.conf" = [ "hosts: files dns" ];
        } // { "var/empty" = self.emptyDirectory; }
      )) { };

      hello = callPackage ./hello.nix { };
      images = callPackage ./images.nix { };

      makeWrapper = self.makeSetupHook { name = "make-wrapper"; } ./stdenv/make-wrapper.sh;
      recurseIntoAttrs = lib.recurseIntoAttrs;
      dontRecurseIntoAttrs = lib.dontRecurseIntoAttrs;
      inherit (lib) makeOverridable;
      overridePackages = f: self.extend f;
      extend = overlay: lib.fix (lib.extends overlay final);
      appendOverlays = more: lib.fix (lib.foldl (f: overlay: lib.extends overlay f) final more);
    };

  final = lib.foldl (f: overlay: lib.extends overlay f) packages overlays;
in
lib.fix final
