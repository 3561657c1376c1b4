{ lib }:
let
  inherit (builtins) attrNames attrValues concatMap elemAt foldl' getAttr hasAttr head isAttrs length listToAttrs mapAttrs removeAttrs tail;
in
rec {
  inherit (builtins) attrNames attrValues catAttrs getAttr hasAttr intersectAttrs isAttrs listToAttrs mapAttrs removeAttrs zipAttrsWith;

  nameValuePair = name: value: { inherit name value; };
  attrByPath = path: default: set:
    if path == [ ] then set
    else if isAttrs set && hasAttr (head path) set then attrByPath (tail path) default (getAttr (head path) set)
    else default;
  hasAttrByPath = path: set:
    path == [ ] || (isAttrs set && hasAttr (head path) set && hasAttrByPath (tail path) (getAttr (head path) set));
  getAttrFromPath = path:
    attrByPath path (throw "cannot find attribute `${lib.concatStringsSep "." path}'");
  setAttrByPath = path: value: if path == [ ] then value else { ${head path} = setAttrByPath (tail path) value; };
  attrVals = names: set: map (name: set.${name}) names;
  getAttrs = names: set: lib.genAttrs names (name: set.${name});
  genAttrs = names: f: listToAttrs (map (name: { inherit name; value = f name; }) names);
  optionalAttrs = condition: set: if condition then set else { };

  filterAttrs = p: set: removeAttrs set (builtins.filter (name: !(p name set.${name})) (attrNames set));
  filterAttrsRecursive = p: set:
    mapAttrs (_: value: if isAttrs value then filterAttrsRecursive p value else value) (filterAttrs p set);
  mapAttrs' = f: set: listToAttrs (map (name: f name set.${name}) (attrNames set));
  mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
  attrsToList = mapAttrsToList nameValuePair;
  concatMapAttrs = f: set: foldl' (a: b: a // b) { } (attrValues (mapAttrs f set));
  mapAttrsRecursive = mapAttrsRecursiveCond (_: true);
  mapAttrsRecursiveCond = condition: f: set:
    let
      recurse = path: mapAttrs (name: value:
        if isAttrs value && condition value then recurse (path ++ [ name ]) value else f (path ++ [ name ]) value);
    in
    recurse [ ] set;
  collect = p: x: if p x then [ x ] else if isAttrs x then concatMap (collect p) (attrValues x) else [ ];
  foldAttrs = op: nul: sets:
    mapAttrs (_: values: lib.foldr op nul values) (builtins.zipAttrsWith (_: values: values) sets);
  foldlAttrs = f: nul: set: foldl' (acc: name: f acc name set.${name}) nul (attrNames set);
  zipAttrs = builtins.zipAttrsWith (_: values: values);
  zipAttrsWithNames = names: f: sets: genAttrs names (name: f name (builtins.catAttrs name sets));
  mergeAttrsList = foldl' (a: b: a // b) { };
  invertAttrs = set: listToAttrs (mapAttrsToList (name: value: nameValuePair value name) set);

  recursiveUpdateUntil = stop: left: right:
    let
      merge = path: builtins.zipAttrsWith (name: values:
        if length values == 1 || stop (path ++ [ name ]) (elemAt values 1) (head values) then head values
        else merge (path ++ [ name ]) values);
    in
    merge [ ] [ right left ];
  recursiveUpdate = recursiveUpdateUntil (_: left: right: !(isAttrs left && isAttrs right));
  matchAttrs = pattern: set:
    isAttrs set
    && builtins.all
      (name: hasAttr name set
        && (if isAttrs pattern.${name} then matchAttrs pattern.${name} set.${name} else pattern.${name} == set.${name}))
      (attrNames pattern);
  overrideExisting = old: new: mapAttrs (name: value: new.${name} or value) old;

  isDerivation = value: value.type or null == "derivation";
  toDerivation = path:
    let
      storePath = builtins.storePath path;
      drv = {
        type = "derivation";
        name = builtins.unsafeDiscardStringContext (builtins.substring 33 (-1) (baseNameOf storePath));
        outPath = storePath;
        outputs = [ "out" ];
        out = drv;
        outputName = "out";
      };
    in
    drv;
  recurseIntoAttrs = set: set // { recurseForDerivations = true; };
  dontRecurseIntoAttrs = set: set // { recurseForDerivations = false; };
  showAttrPath = path: if path == [ ] then "<root attribute path>" else lib.concatMapStringsSep "." lib.strings.escapeNixIdentifier path;

  getOutput = output: pkg:
    if pkg.outputSpecified or false then pkg else pkg.${output} or pkg.out or pkg;
  getBin = getOutput "bin";
  getLib = getOutput "lib";
  getDev = getOutput "dev";
  getMan = getOutput "man";
  chooseDevOutputs = map getDev;

  cartesianProductOfSets = lib.cartesianProduct;
}
