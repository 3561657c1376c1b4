# The library functions of the embedded package set: names and meanings as in nixpkgs' `lib`, as far as package
# expressions commonly use them. Every function can be reached both as lib.NAME and through its group (lib.lists.NAME).
let
  groups = {
    trivial = import ./trivial.nix { inherit lib; };
    lists = import ./lists.nix { inherit lib; };
    attrsets = import ./attrsets.nix { inherit lib; };
    strings = import ./strings.nix { inherit lib; };
    fixedPoints = import ./fixed-points.nix { inherit lib; };
    customisation = import ./customisation.nix { inherit lib; };
    versions = import ./versions.nix { inherit lib; };
    generators = import ./generators.nix { inherit lib; };
    asserts = import ./asserts.nix { inherit lib; };
    debug = import ./debug.nix { inherit lib; };
    meta = import ./meta.nix { inherit lib; };
    sources = import ./sources.nix { inherit lib; };
    fetchers = import ./fetchers.nix;
    licenses = import ./licenses.nix { inherit lib; };
    # Nobody maintains packages here; expressions that say `with lib.maintainers; [ x ]` ask for names.
    maintainers = { };
    platforms = import ./platforms.nix { inherit lib; };
    systems = import ./systems.nix { inherit lib; };
    cli = { inherit (lib.generators) toGNUCommandLine toGNUCommandLineShell; };
  };
  # Names must be known without looking at what the groups make of `lib`: their sets do not depend on it.
  lib = groups
  // groups.trivial
  // groups.lists
  // groups.attrsets
  // builtins.removeAttrs groups.strings [ "join" "replicate" ]
  // groups.fixedPoints
  // groups.customisation
  // groups.asserts
  // groups.debug
  // groups.meta
  // groups.sources
  // {
  inherit (groups.versions) versionOlder versionAtLeast getVersion getName;
  inherit (builtins)
    add
    addErrorContext
    attrNames
    concatLists
    deepSeq
    elem
    elemAt
    filter
    genList
    getAttr
    hasAttr
    head
    isAttrs
    isBool
    isFloat
    isInt
    isList
    isPath
    isString
    length
    lessThan
    listToAttrs
    match
    readDir
    readFile
    replaceStrings
    seq
    split
    stringLength
    sub
    substring
    tail
    toJSON
    toPath
    trace
    typeOf
    unsafeGetAttrPos
    ;
  };
in
lib
