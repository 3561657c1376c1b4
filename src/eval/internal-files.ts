// Nix files inside tsnix: what `<nix/…>` finds, and the wrappers that some builtins are written in. They have no
// place on disk: an EvalIo shows those of `corepkgs` below a directory that cannot exist.

/** Where `<nix/NAME>` lies for evaluation. */
export const corepkgsDir = '/__corepkgs__';

// What a `<nix/fetchurl.nix>` derivation holds is part of its hash: every attribute is as in Nix.
const fetchurl = `# Fetches one file with the builder inside Nix: what bootstraps package sets that have no curl yet.
{
  url,
  # The hash, in one of these forms.
  hash ? "",
  sha512 ? "",
  sha256 ? "",
  sha1 ? "",
  md5 ? "",
  outputHashAlgo ?
    if hash != "" then "" else
    if sha512 != "" then "sha512" else
    if sha1 != "" then "sha1" else
    if md5 != "" then "md5" else "sha256",
  outputHash ?
    if hash != "" then hash else
    if sha512 != "" then sha512 else
    if sha1 != "" then sha1 else
    if md5 != "" then md5 else sha256,
  name ? baseNameOf (toString url),
  executable ? false,
  unpack ? false,
  # Any contents, fetched each time.
  impure ? false,
  # Accepted for the sake of old callers.
  system ? "",
}:

let
  content = if impure then { __impure = true; } else { inherit outputHash outputHashAlgo; };
in
derivation (content // {
  inherit executable name unpack url;
  builder = "builtin:fetchurl";
  system = "builtin";
  outputHashMode = if executable || unpack then "recursive" else "flat";
  urls = [ url ];
  # Fetching on another machine would only move the file twice.
  preferLocalBuild = true;
  # Without effect today; there because it always was.
  impureEnvVars = [ "http_proxy" "https_proxy" "ftp_proxy" "all_proxy" "no_proxy" ];
})
`;

/** Absolute path → source. */
export const internalFiles: ReadonlyMap<string, string> = new Map([[`${corepkgsDir}/fetchurl.nix`, fetchurl]]);

export function isInternalPath(path: string): boolean {
  return path === corepkgsDir || path.startsWith(`${corepkgsDir}/`);
}

/**
 * `derivation`: the lazy package around derivationStrict. Lines 36 and 48 to 50 stand where Nix's errors point to.
 */
export const derivationSource = `# derivation: a package, lazily.
#
# The attributes describe a build: name, system, builder, args, outputs, and
# whatever else the builder shall find in its environment.
#
# The result is those attributes and
#
#   outPath    the store path of the output (a string with context)
#   drvPath    the store path of the derivation
#   type       "derivation"
#   outputName which output this set stands for: the first, at first
#   OUT        for every output: the same package, seen as that output
#   all        these, as a list
#   drvAttrs   the attributes as they were given
#
# Nothing is computed before outPath or drvPath is asked for: package sets
# hold thousands of these, and mostly only their names and meta are read.
#
# derivationStrict, which does the work, gives { drvPath, OUT... }.
#
# Overriding is merging: (derivation (pkg.drvAttrs // { name = "other"; }))
# is a new package; pkg // { name = "other"; } only relabels the set, for the
# paths in it were made from drvAttrs.
#
# Equality of packages compares outPath alone (that is the language, not
# this file): two sets with type = "derivation" and outPath.
#
drvAttrs@{
  outputs ? [ "out" ],
  ...
}:
let

  # Forced by outPath and drvPath alone.

  strict = derivationStrict drvAttrs;

  withOutputs =
    drvAttrs
    // builtins.listToAttrs packages
    // { inherit drvAttrs; all = map (package: package.value) packages; };

  commonAttrs = withOutputs;

  # One output as listToAttrs wants it.
  seenAs = outputName: {
    name = outputName;
    value = commonAttrs // {
      outPath = strict.\${outputName};
      drvPath = strict.drvPath;
      type = "derivation";
      inherit outputName;
    };
  };

  packages = map seenAs outputs;

in
(builtins.head packages).value
`;

/** What `import /nix/store/….drv` gives: a package whose paths are known already. */
export const importedDerivationSource = `known@{ drvPath, name, outputs, ... }:
let
  shared = builtins.listToAttrs packages // {
    inherit drvPath name;
    type = "derivation";
    all = map (package: package.value) packages;
  };
  packages = map (outputName: {
    name = outputName;
    value = shared // { inherit outputName; outPath = known.\${outputName}; };
  }) outputs;
in
(builtins.head packages).value
`;

/**
 * What a locked flake is as a value. `known` has the trees that were fetched while locking: a mapping from names of
 * nodes to { sourceInfo, dir }; the others are fetched when something asks for them.
 */
export const callFlakeSource = `lockText: known: fetchFinal:
let
  lock = builtins.fromJSON lockText;

  # An edge is the name of a node, or a path from the root that is followed.
  target = edge: if builtins.isList edge then walk lock.root edge else edge;
  walk = builtins.foldl' (node: input: target lock.nodes.\${node}.inputs.\${input});

  below = path: dir: if dir == "" then path else path + "/" + dir;

  nodes = builtins.mapAttrs (name: node:
    let
      locked = node.locked or { };
      isKnown = known ? \${name};
      # A path within the flake that names it.
      isRelative = locked.type or null == "path" && builtins.substring 0 1 locked.path != "/";
      parent = nodes.\${walk lock.root node.parent};

      sourceInfo =
        if isKnown then known.\${name}.sourceInfo
        else if isRelative then parent.sourceInfo
        else fetchFinal (node.info or { } // removeAttrs locked [ "dir" ]);

      outPath = below
        (if isRelative && !isKnown then below parent.outPath locked.path else sourceInfo.outPath)
        (known.\${name}.dir or locked.dir or "");

      flake = import (outPath + "/flake.nix");
      inputs = builtins.mapAttrs (_: edge: nodes.\${target edge}.result) (node.inputs or { });
      outputs = flake.outputs (inputs // { self = value; });

      # Later sets shadow: the path of a flake in a folder is not that of its tree.
      value = outputs // sourceInfo // {
        inherit inputs outPath outputs sourceInfo;
        _type = "flake";
      };
    in {
      inherit outPath sourceInfo;
      result =
        if node.flake or true
        then assert builtins.isFunction flake.outputs; value
        else sourceInfo // { inherit outPath sourceInfo; };
    }) lock.nodes;
in
nodes.\${lock.root}.result
`;
