# Images of many layers: one per store path as far as they go, most popular first, and on top one of the contents'
# symlinks and what commands make. As one archive, or as a script that writes the archive without storing it.
{
  common,
  coreutils,
  findutils,
  lib,
  native,
  referencesByPopularity,
  self,
  symlinkJoin,
  writeScript,
  writeText,
}:
let
  inherit (common) afterCommands archiveEnding configJson epoch goarch nixDatabase runAlone toList unless;

  # NAME:NUMBER, as tar has it; without the name for who has none.
  owner = name: id: if name == "root" then toString id else "${name}:${toString id}";

  # What the top layer's commands make: a recorded tree, or null where there are none.
  customised = { name, contents, trees, extraCommands, fakeRootCommands, enableFakechroot, uid, gid }:
    let
      byUser = afterCommands { inherit name trees; directory = contents; commands = extraCommands; };
      recorded = native "docker-recorded-tree" {
        name = "${name}-recorded";
        tree = byUser;
        uid = toString uid;
        gid = toString gid;
      };
    in
    if fakeRootCommands != "" then
      runAlone {
        name = "${name}-as-root";
        tree = recorded;
        script = self.shellScript "fake-root-commands.sh" fakeRootCommands;
        chroot = enableFakechroot;
      }
    else if extraCommands != "" then byUser
    else null;

  # What the builders of the archive and of the script are given; `tag` and `ending` aside.
  layeredImage =
    caller:
    { name
    , tag ? null
    , fromImage ? null
    , contents ? [ ]
    , config ? { }
    , architecture ? goarch
    , created ? epoch
    # Of all files.
    , mtime ? epoch
    # Who owns the top layer; with names, the store paths too.
    , uid ? 0
    , gid ? 0
    , uname ? "root"
    , gname ? "root"
    , maxLayers
    , extraCommands ? ""
    # As root on the top layer; inside the image with enableFakechroot.
    , fakeRootCommands ? ""
    , enableFakechroot ? false
    , includeStorePaths ? true
    , includeNixDB ? false
    # How store paths become layers, instead of by popularity; or a file of JSON that says it.
    , layeringPipeline ? null
    # nixpkgs' shows what a pipeline does; ours has nothing to show.
    , debug ? false
    , meta ? { }
    , passthru ? { }
    , trees ? [ ]
    }:
    let
      baseName = baseNameOf name;
      contentsEnv = symlinkJoin { name = "bulk-layers"; paths = toList contents; };
      json = configJson {
        name = "${baseName}-config.json";
        dynamicName = "${baseName}-standard-dynamic-date.json";
        inherit created config architecture;
      };
      top = {
        name = "${baseName}-customisation-layer";
        contents = contentsEnv;
        trees = lib.optional includeNixDB (nixDatabase contents) ++ trees;
        inherit uid gid extraCommands fakeRootCommands enableFakechroot;
      };
      ownsStore = uname != "root" || gname != "root";
    in
    if maxLayers < 2 then throw "${caller}: maxLayers must be at least 2, not ${toString maxLayers}"
    else {
      imageName = lib.toLower name;
      imageTag = tag;
      baseJson = json;
      mtime = unless epoch mtime;
      inherit fromImage meta;
      customisationLayer = self.mkCustomisationLayer {
        name = baseName;
        inherit contents mtime;
        baseJson = json;
        uid = owner uname uid;
        gid = owner gname gid;
        made = { tree = customised top; asRoot = fakeRootCommands != ""; inherit (top) contents trees; };
      };
      passthru = passthru // { imageName = lib.toLower name; };
    } // lib.optionalAttrs includeStorePaths (storePathLayers {
      name = baseName;
      closure = writeText "closure" "${contentsEnv} ${json}";
      # The top layer takes one.
      maxLayers = maxLayers - 1;
      uid = if ownsStore then owner uname uid else null;
      gid = if ownsStore then owner gname gid else null;
      also = customised top;
      inherit layeringPipeline;
    });

  # Which store paths of `closure` make which layer, for builders of layers or of images.
  storePathLayers = { name, closure, maxLayers, layeringPipeline, uid, gid, also }: {
    inherit also gid maxLayers uid;
    paths = if layeringPipeline == null then referencesByPopularity closure else null;
    layers =
      if layeringPipeline == null then null
      else native "docker-layering" {
        name = "${name}-layers.json";
        exportReferencesGraph = [ "graph" closure ];
        # The list of what the image holds is no part of it.
        exclude = [ closure ];
        pipeline = if builtins.isList layeringPipeline then builtins.toJSON layeringPipeline else null;
        pipelineFile = if builtins.isList layeringPipeline then null else layeringPipeline;
      };
  };

  hashOf = path: lib.head (lib.splitString "-" (baseNameOf path));
in
{
  # One layer per store path of the closure, the most popular first; what exceeds maxLayers shares the last one.
  mkManyPureLayers =
    { name
    , closure
    , configJson
    , maxLayers ? 100
    # Its layers count, too.
    , fromImage ? null
    , layeringPipeline ? null
    , uid ? null
    , gid ? null
    , mtime ? epoch
    # What it refers to is put into the last layer, where it is in no other.
    , also ? null
    }:
    if maxLayers < 1 then throw "mkManyPureLayers: maxLayers must be at least 1, not ${toString maxLayers}" else
    native "docker-store-layers" ({
      name = "${name}-granular-docker-layers";
      mtime = unless epoch mtime;
      inherit configJson fromImage;
    } // storePathLayers { inherit name closure maxLayers layeringPipeline uid gid also; });

  # The topmost layer of a layered image: symlinks to the contents, and what commands make.
  mkCustomisationLayer =
    { name
    , contents
    , baseJson
    , extraCommands ? ""
    , fakeRootCommands ? ""
    , enableFakechroot ? false
    , uid ? 0
    , gid ? 0
    , mtime ? epoch
    , trees ? [ ]
    # The same, where it is known already.
    , made ? {
        inherit contents trees;
        asRoot = fakeRootCommands != "";
        tree = customised {
          name = "${name}-customisation-layer";
          inherit contents trees extraCommands fakeRootCommands enableFakechroot uid gid;
        };
      }
    }:
    native "docker-customisation-layer" {
      name = "${name}-customisation-layer";
      inherit (made) contents tree;
      trees = if made.tree == null then made.trees else null;
      ownOwners = if made.asRoot then "1" else null;
      inherit baseJson;
      mtime = unless epoch mtime;
      uid = toString uid;
      gid = toString gid;
    };

  buildLayeredImage = { name, tag ? null, compressor ? "gz", maxLayers ? 24, ... }@args:
    let
      image = layeredImage "buildLayeredImage" (removeAttrs args [ "compressor" ] // { inherit maxLayers; });
      result = native "docker-layered-image" (image // {
        name = "docker-image-${baseNameOf name}${archiveEnding "buildLayeredImage" compressor}";
        compressor = unless "gz" compressor;
        passthru = image.passthru // rec {
          imageTag = if tag == null then hashOf result.outPath else tag;
          # The same as a script.
          stream = self.streamLayeredImage (removeAttrs args [ "compressor" ] // { inherit maxLayers; tag = imageTag; });
        };
      });
    in
    result;

  # A script that writes the archive, uncompressed, to its standard output. It needs sh, cat, xargs and readlink, and
  # finds the store by its own place, so that it runs wherever the store lies.
  streamLayeredImage = { name, tag ? null, maxLayers ? 100, ... }@args:
    let
      image = layeredImage "streamLayeredImage" (args // { inherit maxLayers; });
      imageTag = if tag == null then hashOf parts.outPath else tag;
      parts = native "docker-image-parts" (removeAttrs image [ "meta" ] // { name = "${baseNameOf name}-image-parts"; });
    in
    lib.extendDerivation true
      ({
        inherit (image) imageName;
        inherit imageTag;
        isExe = true;
        passthru = image.passthru // { inherit (image) imageName; inherit imageTag; isExe = true; };
      } // image.passthru // (if image.meta == { } then { } else { inherit (image) meta; }))
      (writeScript "stream-${baseNameOf name}" ''
        #!/bin/sh
        set -e
        PATH=$PATH:${coreutils}/bin:${findutils}/bin
        if [ $# -ne 0 ]; then
          echo "$0: unexpected argument '$1'; this only writes the image to standard output" >&2
          exit 1
        fi
        self=$(readlink -f -- "$0")
        cd -- "''${self%/*}"
        exec xargs -0 cat < ${baseNameOf parts}/list
      '');

  # With a Nix database of the contents, for Nix commands in the container.
  buildLayeredImageWithNixDb = args: self.buildLayeredImage (args // { includeNixDB = true; });
}
