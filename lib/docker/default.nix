# dockerTools on tsnix's own builders (src/docker): the functions and arguments of nixpkgs' dockerTools of 2019, and the
# same images byte for byte, without jq, jshon, rsync, tar, go, pigz or a VM; and what dockerTools has grown since. A
# shell runs only where commands are given (extraCommands, fakeRootCommands, runAsRoot, the steps of runWithOverlay).
# docs/docker-tools.md tells what came when, where images differ, and why.
{
  lib,
  system ? builtins.currentSystem,
  # BUILDER: ATTRS: a derivation of `builtin:tsnix-BUILDER`.
  native ? builder: attrs: (derivation (removeAttrs attrs [ "meta" "passthru" ] // {
    inherit system;
    builder = "builtin:tsnix-${builder}";
    __ignoreNulls = true;
  })) // (attrs.passthru or { }) // (if attrs ? meta then { inherit (attrs) meta; } else { }),
  bashInteractive,
  cacert,
  callPackage,
  closureInfo,
  coreutils,
  fakeNss,
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
  writeShellScriptBin,
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
  # The arguments' defaults, which builders need not be told.
  unless = default: value: if value == default then null else value;
  epoch = "1970-01-01T00:00:01Z";

  # How archives of images are compressed, and how their names end.
  compressors = {
    gz = ".tar.gz";
    none = ".tar";
    zstd = ".tar.zst";
  };
  archiveEnding = caller: compressor:
    compressors.${compressor} or (throw "${caller}: compressor must be one of ${
      lib.concatStringsSep ", " (builtins.attrNames compressors)
    }, not '${toString compressor}'");

  # Configuration in JSON. The present is only known when building; of other dates, who reads images wants them in one form.
  configJson = { name, dynamicName, created, config, architecture ? goarch }:
    let
      pure = writeText name (builtins.toJSON {
        inherit created config architecture;
        os = "linux";
      });
    in
    if builtins.match "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})" created != null
    then pure
    else native "docker-created" { name = dynamicName; base = pure; inherit created; };

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

  # For the overlay's postMount: a script inside the image at mnt, in namespaces of its own, with nothing of ours but
  # the store and devices, which leave no trace.
  inside = script: ''
    mkdir -p mnt/{dev,proc,sys} mnt${storeDir}
    mount --rbind /dev mnt/dev
    mount --rbind /sys mnt/sys
    mount --rbind ${storeDir} mnt${storeDir}

    unshare -imnpuf --mount-proc chroot mnt ${script}

    umount -R mnt/dev mnt/sys mnt${storeDir}
    rmdir --ignore-fail-on-non-empty mnt/dev mnt/proc mnt/sys mnt${storeDir} mnt$(dirname ${storeDir})
  '';

  # What commands as root make of the recorded tree `tree`: a recorded tree. They run in its directory, or with `chroot`
  # inside it.
  runAlone = { name, tree, script, chroot }: runInOverlay {
    inherit name;
    fromImage = null;
    fromImageName = null;
    fromImageTag = null;
    diskSize = 1024;
    preMount = "restoreTree ${tree} layer";
    postMount = if chroot then inside script else "(cd mnt; ${script})";
    postUmount = "recordTree layer $out";
  };

  # A recorded tree: the state of a Nix store that has `contents`.
  nixDatabase = contents: native "docker-nix-db" {
    name = "docker-nix-db";
    exportReferencesGraph = lib.concatLists (lib.imap0 (i: path: [ "root${toString i}" path ]) (toList contents));
  };

  common = {
    inherit afterCommands archiveEnding configJson epoch flag goarch nixDatabase runAlone toList unless;
  };

  self = import ./layered.nix {
    inherit common coreutils findutils lib native referencesByPopularity self symlinkJoin writeScript writeText;
  }
  // import ./environments.nix {
    inherit bashInteractive cacert common coreutils fakeNss lib native self storeDir writeShellScriptBin writeText;
  }
  // {
    examples = callPackage ./examples.nix {
      inherit (self) buildImage buildLayeredImage pullImage shadowSetup buildImageWithNixDb streamLayeredImage;
    };

    pullImage =
      let
        fixName = name: builtins.replaceStrings [ "/" ":" ] [ "-" "-" ] name;
      in
      { imageName
      , imageDigest
      , sha256 ? ""
      # Any hash, instead of sha256: "sha256-…".
      , hash ? ""
      , os ? "linux"
      , arch ? goarch
      , finalImageName ? imageName
      , finalImageTag ? "latest"
      # false: plain HTTP will do, and certificates are not looked at.
      , tlsVerify ? true
      , name ? fixName "docker-image-${finalImageName}-${finalImageTag}.tar"
      }:
      native "docker-pull" {
        inherit name imageDigest os arch;
        sourceName = imageName;
        imageName = finalImageName;
        imageTag = finalImageTag;
        tlsVerify = if tlsVerify then null else "0";
        outputHashMode = "flat";
        outputHashAlgo = if hash == "" then "sha256" else null;
        outputHash =
          if sha256 != "" && hash != "" then throw "pullImage: sha256 and hash can't both be given"
          else if sha256 == "" && hash == "" then throw "pullImage: one of sha256 and hash must be given"
          else if hash == "" then sha256 else hash;
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
      , buildVMMemorySize ? 512
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

    mkPureLayer =
      { name
      , baseJson
      , contents ? null
      , copyToRoot ? contents
      , keepContentsDirlinks ? false
      , extraCommands ? ""
      , uid ? 0
      , gid ? 0
      , mtime ? epoch
      # Recorded trees (see steps.sh) to lay over the contents.
      , trees ? [ ]
      }:
      native "docker-pure-layer" ({
        name = "docker-layer-${name}";
        layerName = name;
        inherit baseJson;
        uid = toString uid;
        gid = toString gid;
        mtime = unless epoch mtime;
      } // (
        if extraCommands == "" then {
          contents = toList copyToRoot;
          keepContentsDirlinks = flag keepContentsDirlinks;
          inherit trees;
        }
        else {
          tree = afterCommands {
            name = "docker-layer-${name}";
            directory =
              if toList copyToRoot == [ ] then null
              else mergedContents { name = "docker-layer-${name}"; contents = copyToRoot; inherit keepContentsDirlinks; };
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
      , copyToRoot ? contents
      , keepContentsDirlinks ? false
      , baseJson
      , fromImage ? null
      , fromImageName ? null
      , fromImageTag ? null
      , diskSize ? 1024
      , buildVMMemorySize ? 512
      , extraCommands ? ""
      , mtime ? epoch
      , trees ? [ ]
      }:
      let
        runAsRootScript = self.shellScript "run-as-root.sh" runAsRoot;
        extraCommandsScript = self.shellScript "extra-commands.sh" extraCommands;
        tree = runInOverlay {
          name = "docker-layer-${name}-files";
          inherit fromImage fromImageName fromImageTag diskSize;

          preMount = lib.optionalString (toList copyToRoot != [ ]) ''
            echo "Adding contents..."
            addContents ${mergedContents { name = "docker-layer-${name}"; contents = copyToRoot; inherit keepContentsDirlinks; }} layer
            chmod ug+w layer
          '';

          postMount = inside runAsRootScript;

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
        mtime = unless epoch mtime;
        inherit baseJson tree;
      };

    buildImage =
      args@{ name
      , tag ? null
      , fromImage ? null
      , fromImageName ? null
      , fromImageTag ? null
      # `contents` of old.
      , copyToRoot ? null
      , contents ? null
      , keepContentsDirlinks ? false
      , config ? null
      , extraCommands ? ""
      , uid ? 0
      , gid ? 0
      , runAsRoot ? null
      , diskSize ? 1024
      # Of a virtual machine, which there is none.
      , buildVMMemorySize ? 512
      , created ? epoch
      # Of all files.
      , mtime ? epoch
      , architecture ? goarch
      , compressor ? "gz"
      , includeNixDB ? false
      , meta ? { }
      , trees ? [ ]
      }:
      let
        baseName = baseNameOf name;
        root =
          if contents == null then copyToRoot
          else if copyToRoot == null then contents
          else throw "in docker image ${name}: You can not specify both contents and copyToRoot.";
        allTrees = lib.optional includeNixDB (nixDatabase root) ++ trees;
        baseJson = configJson rec {
          name = "${baseName}-config.json";
          dynamicName = name;
          inherit created config architecture;
        };
        layer =
          if runAsRoot == null then
            self.mkPureLayer {
              name = baseName;
              contents = root;
              trees = allTrees;
              inherit baseJson keepContentsDirlinks extraCommands uid gid mtime;
            }
          else
            self.mkRootLayer {
              name = baseName;
              contents = root;
              trees = allTrees;
              inherit baseJson fromImage fromImageName fromImageTag keepContentsDirlinks runAsRoot diskSize extraCommands mtime;
            };
        result = native "docker-image" {
          name = "docker-image-${baseName}${archiveEnding "buildImage" compressor}";
          imageName = lib.toLower name;
          imageTag = if tag == null then null else lib.toLower tag;
          compressor = unless "gz" compressor;
          mtime = unless epoch mtime;
          inherit fromImage fromImageName fromImageTag baseJson layer meta;
          passthru = {
            buildArgs = args;
            inherit layer;
            imageTag = if tag == null then lib.head (lib.splitString "-" (baseNameOf result.outPath)) else lib.toLower tag;
          };
        };
      in
      result;

    # An image with a Nix database of its contents, for Nix commands in the container. Only the database of the topmost
    # layer that has one counts.
    buildImageWithNixDb = args@{ contents ? null, copyToRoot ? contents, extraCommands ? "", ... }:
      self.buildImage (args // {
        trees = [ (nixDatabase copyToRoot) ] ++ (args.trees or [ ]);
      });

    # One archive of several images, for `docker load`.
    mergeImages = images: native "docker-merge-images" {
      name = "merge-docker-images";
      inherit images;
    };
  };
in
self
