# dockerTools on tsnix's own builders (src/docker): the functions and arguments of nixpkgs' dockerTools of 2019, and the
# same images byte for byte, without jq, jshon, rsync, tar, go, pigz or a VM. A shell runs only where commands are given
# (extraCommands, runAsRoot and the steps of runWithOverlay). docs/docker-tools.md tells where images differ, and why.
{
  lib,
  system ? builtins.currentSystem,
  # BUILDER: ATTRS: a derivation of `builtin:tsnix-BUILDER`.
  native ? builder: attrs: (derivation (removeAttrs attrs [ "passthru" ] // {
    inherit system;
    builder = "builtin:tsnix-${builder}";
    __ignoreNulls = true;
  })) // (attrs.passthru or { }),
  callPackage,
  closureInfo,
  coreutils,
  findutils,
  referencesByPopularity,
  runCommand,
  runtimeShell,
  shadow,
  storeDir ? builtins.storeDir,
  symlinkJoin,
  utillinux,
  vmTools,
  writeScript,
  writeText,
}:
let
  # What Go and Docker call the machine.
  goarch = {
    x86_64 = "amd64";
    i686 = "386";
    aarch64 = "arm64";
    armv6l = "arm";
    armv7l = "arm";
    powerpc64le = "ppc64le";
  }.${cpu} or cpu;
  cpu = builtins.head (lib.splitString "-" system);

  toList = contents: if contents == null then [ ] else if builtins.isList contents then contents else [ contents ];
  flag = value: if value then "1" else null;

  # Configuration in JSON; `created = "now"` is only known when building.
  configJson = { name, dynamicName, created, config }:
    let
      pure = writeText name (builtins.toJSON {
        inherit created config;
        architecture = goarch;
        os = "linux";
      });
    in
    if created == "now" then native "docker-created-now" { name = dynamicName; base = pure; } else pure;

  # What `commands` make of a directory: a recorded tree. The directory holds a copy of `directory`, if any, and the
  # recorded `trees` over it.
  afterCommands = { name, directory ? null, trees ? [ ], commands }:
    runCommand "${name}-files" { extraCommands = commands; } ''
      source ${./steps.sh}
      mkdir layer
      ${lib.optionalString (directory != null) "addContents ${directory} layer"}
      chmod ug+w layer
      ${lib.concatMapStrings (tree: "restoreTree ${tree} layer\n") trees}
      (cd layer; eval "$extraCommands")
      recordTree layer $out
    '';

  # Contents of a layer as one directory.
  mergedContents = { name, contents, keepContentsDirlinks }: native "docker-contents" {
    name = "${name}-contents";
    contents = toList contents;
    keepContentsDirlinks = flag keepContentsDirlinks;
  };

  # Commands as root over the files of an image; $out is theirs to make.
  runInOverlay = { name, fromImage, fromImageName, fromImageTag, diskSize, preMount, postMount, postUmount }:
    let
      base = native "docker-base-tree" {
        name = "${name}-base";
        inherit fromImage fromImageName fromImageTag;
      };
    in
    vmTools.runInLinuxVM (runCommand name {
      preVM = vmTools.createEmptyImage {
        size = diskSize;
        fullName = "docker-run-disk";
      };
      nativeBuildInputs = [ utillinux ];
      inherit fromImage fromImageName fromImageTag;
    } ''
      source ${./steps.sh}
      mkdir disk
      mkfs /dev/${vmTools.hd}
      mount /dev/${vmTools.hd} disk
      cd disk
      mkdir work layer mnt

      ${lib.optionalString (fromImage != null) ''
        echo "Unpacking base image..."
        restoreTree ${base} lower
      ''}
      ${lib.optionalString (preMount != "") ''
        echo "Executing pre-mount steps..."
        ${preMount}
      ''}
      ${if fromImage != null then "mount -t overlay overlay -olowerdir=lower,workdir=work,upperdir=layer mnt" else "mount --bind layer mnt"}
      ${lib.optionalString (postMount != "") ''
        echo "Executing post-mount steps..."
        ${postMount}
      ''}
      ${lib.optionalString (fromImage != null) "hideReplaced lower layer mnt"}
      umount mnt
      nameWhiteouts layer
      ${postUmount}
    '');

  self = {
    examples = callPackage ./examples.nix {
      inherit (self) buildImage pullImage shadowSetup buildImageWithNixDb;
    };

    pullImage =
      let
        fixName = name: builtins.replaceStrings [ "/" ":" ] [ "-" "-" ] name;
      in
      { imageName
      , imageDigest
      , sha256
      , os ? "linux"
      , arch ? goarch
      , finalImageName ? imageName
      , finalImageTag ? "latest"
      , name ? fixName "docker-image-${finalImageName}-${finalImageTag}.tar"
      }:
      native "docker-pull" {
        inherit name imageDigest os arch;
        sourceName = imageName;
        imageName = finalImageName;
        imageTag = finalImageTag;
        outputHashMode = "flat";
        outputHashAlgo = "sha256";
        outputHash = sha256;
      };

    # Docker's checksum of the archive on standard input.
    tarsum = runCommand "tarsum" { } ''
      mkdir -p $out/bin
      substitute ${./tarsum.sh} $out/bin/tarsum --subst-var-by shell ${runtimeShell} --subst-var-by coreutils ${coreutils}
      chmod +x $out/bin/tarsum
    '';

    mergeDrvs = { derivations, onlyDeps ? false }: native "docker-merge-drvs" {
      name = "merge-drvs";
      inherit derivations;
      onlyDeps = flag onlyDeps;
    };

    # For runAsRoot: users and groups can be made after it. Files that are there stay.
    shadowSetup = ''
      export PATH=${shadow}/bin:$PATH
      mkdir -p /etc/pam.d
      if [[ ! -f /etc/passwd ]]; then
        echo "root:x:0:0::/root:${runtimeShell}" > /etc/passwd
        echo "root:!x:::::::" > /etc/shadow
      fi
      if [[ ! -f /etc/group ]]; then
        echo "root:x:0:" > /etc/group
        echo "root:x::" > /etc/gshadow
      fi
      if [[ ! -f /etc/pam.d/other ]]; then
        cat > /etc/pam.d/other <<EOF
      auth     sufficient pam_rootok.so
      auth     required   pam_unix.so
      account  required   pam_unix.so
      password required   pam_unix.so sha512
      session  required   pam_unix.so
      EOF
      fi
      [[ -f /etc/login.defs ]] || touch /etc/login.defs
    '';

    # Runs steps (bash) as root on the layers of an image: `preMount` with the new, empty `layer`; `postMount` with all
    # layers together under `mnt`; `postUmount` with what has changed in `layer`. They leave layer.tar, json and VERSION
    # in $out.
    runWithOverlay =
      { name
      , fromImage ? null
      , fromImageName ? null
      , fromImageTag ? null
      , diskSize ? 1024
      , preMount ? ""
      , postMount ? ""
      , postUmount ? ""
      }:
      let
        result = runInOverlay { inherit name fromImage fromImageName fromImageTag diskSize preMount postMount postUmount; };
      in
      runCommand name { } ''
        mkdir -p $out
        cd ${result}
        cp layer.tar json VERSION $out
      '';

    exportImage = { name ? fromImage.name, fromImage, fromImageName ? null, fromImageTag ? null, diskSize ? 1024 }:
      native "docker-export" { inherit name fromImage fromImageName fromImageTag; };

    # An executable script with coreutils on its PATH, for environments that have nothing else.
    shellScript = name: text: writeScript name ''
      #!${runtimeShell}
      set -e
      export PATH=${coreutils}/bin:/bin
      ${text}
    '';

    # One layer per store path of the closure, the most popular first; what exceeds maxLayers shares the last one.
    mkManyPureLayers = { name, closure, configJson, maxLayers ? 100 }:
      if maxLayers < 1 then throw "mkManyPureLayers: maxLayers must be at least 1, not ${toString maxLayers}" else
      native "docker-store-layers" {
        name = "${name}-granular-docker-layers";
        inherit configJson maxLayers;
        paths = referencesByPopularity closure;
      };

    # The topmost layer of a layered image: symlinks to the contents, and what extraCommands make.
    mkCustomisationLayer = { name, contents, baseJson, extraCommands, uid ? 0, gid ? 0 }:
      native "docker-customisation-layer" {
        name = "${name}-customisation-layer";
        inherit contents baseJson;
        uid = toString uid;
        gid = toString gid;
        tree =
          if extraCommands == "" then null
          else afterCommands { name = "${name}-customisation-layer"; directory = contents; commands = extraCommands; };
      };

    mkPureLayer =
      { name
      , baseJson
      , contents ? null
      , keepContentsDirlinks ? false
      , extraCommands ? ""
      , uid ? 0
      , gid ? 0
      # Recorded trees (see steps.sh) to lay over the contents.
      , trees ? [ ]
      }:
      native "docker-pure-layer" ({
        name = "docker-layer-${name}";
        layerName = name;
        inherit baseJson;
        uid = toString uid;
        gid = toString gid;
      } // (
        if extraCommands == "" then {
          contents = toList contents;
          keepContentsDirlinks = flag keepContentsDirlinks;
          inherit trees;
        }
        else {
          tree = afterCommands {
            name = "docker-layer-${name}";
            directory =
              if toList contents == [ ] then null
              else mergedContents { name = "docker-layer-${name}"; inherit contents keepContentsDirlinks; };
            inherit trees;
            commands = extraCommands;
          };
        }
      ));

    # A layer made by commands as root, upon an image.
    mkRootLayer =
      { name
      , runAsRoot
      , contents ? null
      , keepContentsDirlinks ? false
      , baseJson
      , fromImage ? null
      , fromImageName ? null
      , fromImageTag ? null
      , diskSize ? 1024
      , extraCommands ? ""
      , trees ? [ ]
      }:
      let
        runAsRootScript = self.shellScript "run-as-root.sh" runAsRoot;
        extraCommandsScript = self.shellScript "extra-commands.sh" extraCommands;
        tree = runInOverlay {
          name = "docker-layer-${name}-files";
          inherit fromImage fromImageName fromImageTag diskSize;

          preMount = lib.optionalString (toList contents != [ ]) ''
            echo "Adding contents..."
            addContents ${mergedContents { name = "docker-layer-${name}"; inherit contents keepContentsDirlinks; }} layer
            chmod ug+w layer
          '';

          postMount = ''
            mkdir -p mnt/{dev,proc,sys} mnt${storeDir}
            mount --rbind /dev mnt/dev
            mount --rbind /sys mnt/sys
            mount --rbind ${storeDir} mnt${storeDir}

            # In namespaces of its own, with nothing of ours but these mounts.
            unshare -imnpuf --mount-proc chroot mnt ${runAsRootScript}

            umount -R mnt/dev mnt/sys mnt${storeDir}
            rmdir --ignore-fail-on-non-empty mnt/dev mnt/proc mnt/sys mnt${storeDir} mnt$(dirname ${storeDir})
          '';

          postUmount = ''
            ${lib.concatMapStrings (tree: "restoreTree ${tree} layer\n") trees}
            (cd layer; ${extraCommandsScript})
            recordTree layer $out
          '';
        };
      in
      native "docker-root-layer" {
        name = "docker-layer-${name}";
        layerName = name;
        inherit baseJson tree;
      };

    buildLayeredImage =
      { name
      , tag ? null
      , contents ? [ ]
      , config ? { }
      , created ? "1970-01-01T00:00:01Z"
      , extraCommands ? ""
      , uid ? 0
      , gid ? 0
      , maxLayers ? 24
      }:
      let
        baseName = baseNameOf name;
        contentsEnv = symlinkJoin { name = "bulk-layers"; paths = if builtins.isList contents then contents else [ contents ]; };
        json = configJson {
          name = "${baseName}-config.json";
          dynamicName = "${baseName}-standard-dynamic-date.json";
          inherit created config;
        };
        bulkLayers = self.mkManyPureLayers {
          name = baseName;
          closure = writeText "closure" "${contentsEnv} ${json}";
          # The customisation layer takes one.
          maxLayers = maxLayers - 1;
          configJson = json;
        };
        customisationLayer = self.mkCustomisationLayer {
          name = baseName;
          contents = contentsEnv;
          baseJson = json;
          inherit uid gid extraCommands;
        };
        result = native "docker-layered-image" {
          name = "docker-image-${baseName}.tar.gz";
          imageName = lib.toLower name;
          imageTag = tag;
          baseJson = json;
          inherit bulkLayers customisationLayer;
          passthru.imageTag =
            if tag == null then lib.head (lib.splitString "-" (lib.last (lib.splitString "/" result.outPath))) else tag;
        };
      in
      if maxLayers < 2 then throw "buildLayeredImage: maxLayers must be at least 2, not ${toString maxLayers}" else result;

    buildImage =
      args@{ name
      , tag ? null
      , fromImage ? null
      , fromImageName ? null
      , fromImageTag ? null
      , contents ? null
      , keepContentsDirlinks ? false
      , config ? null
      , extraCommands ? ""
      , uid ? 0
      , gid ? 0
      , runAsRoot ? null
      , diskSize ? 1024
      , created ? "1970-01-01T00:00:01Z"
      , trees ? [ ]
      }:
      let
        baseName = baseNameOf name;
        baseJson = configJson rec {
          name = "${baseName}-config.json";
          dynamicName = name;
          inherit created config;
        };
        layer =
          if runAsRoot == null then
            self.mkPureLayer {
              name = baseName;
              inherit baseJson contents keepContentsDirlinks extraCommands uid gid trees;
            }
          else
            self.mkRootLayer {
              name = baseName;
              inherit baseJson fromImage fromImageName fromImageTag contents keepContentsDirlinks runAsRoot diskSize extraCommands trees;
            };
      in
      native "docker-image" {
        name = "docker-image-${baseName}.tar.gz";
        imageName = lib.toLower name;
        imageTag = if tag == null then null else lib.toLower tag;
        inherit fromImage fromImageName fromImageTag baseJson layer;
        passthru = {
          buildArgs = args;
          inherit layer;
        };
      };

    # An image with a Nix database of its contents, for Nix commands in the container. Only the database of the topmost
    # layer that has one counts.
    buildImageWithNixDb = args@{ contents ? null, extraCommands ? "", ... }:
      self.buildImage (args // {
        trees = [
          (native "docker-nix-db" {
            name = "docker-nix-db";
            exportReferencesGraph = lib.concatLists (lib.imap0 (i: path: [ "root${toString i}" path ]) (toList contents));
          })
        ] ++ (args.trees or [ ]);
      });
  };
in
self
