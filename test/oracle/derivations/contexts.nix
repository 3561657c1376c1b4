# Contexts of every kind, what keeps them and what drops them.
{ mk, fixtures, ... }:
let
  a = mk { name = "a"; };
  b = mk { name = "b"; inherit a; };
  multi = mk { name = "multi"; outputs = [ "out" "dev" ]; };
  file = builtins.toFile "file" "text";
  file2 = builtins.toFile "file2" "refers to ${file}";
  discard = builtins.unsafeDiscardStringContext;
in
{
  built = mk { inherit a; };
  builtTwice = mk { inherit a; again = "${a} ${a}"; };
  opaqueFile = mk { inherit file; };
  opaqueWithReference = mk { file = file2; };
  fileChain = mk {
    file = builtins.foldl' (acc: i: builtins.toFile "f${toString i}" "${acc} ${toString i}") "start" (builtins.genList (i: i) 10);
  };
  fileManyReferences = mk {
    file = builtins.toFile "many" (toString (builtins.genList (i: builtins.toFile "r${toString i}" "r") 20));
  };
  fileBytes = mk { file = builtins.toFile "bytes" "ünï\n\t\"\\"; };
  fileEmpty = mk { file = builtins.toFile "empty" ""; };
  drvDeep = mk { drv = a.drvPath; };
  drvDeepChain = mk { drv = b.drvPath; };
  drvDeepMulti = mk { drv = multi.drvPath; };
  drvDeepWithFile = mk { drv = (mk { name = "withFile"; inherit file2; }).drvPath; };
  drvDeepAndBuilt = mk { drv = b.drvPath; inherit b; dev = multi.dev; };
  drvDeepOfFixed = mk {
    drv = (mk { name = "fixed"; dep = b; outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; }).drvPath;
  };
  drvDeepInArgs = mk { args = [ b.drvPath ]; };
  drvDeepTwice = mk { drv = (mk { name = "outer"; drv = b.drvPath; }).drvPath; };
  drvAsSource = mk { drv = builtins.unsafeDiscardOutputDependency b.drvPath; };
  drvAsSourceAndBuilt = mk { drv = builtins.unsafeDiscardOutputDependency a.drvPath; inherit a; };
  drvAsSourceOfUser = mk { user = mk { name = "user"; drv = builtins.unsafeDiscardOutputDependency b.drvPath; }; };
  drvDeepOfSource = mk {
    drv = (mk { name = "user"; drv = builtins.unsafeDiscardOutputDependency b.drvPath; }).drvPath;
  };
  discarded = mk { a = discard "${a}"; drv = discard a.drvPath; };
  exportReferencesGraph = mk { exportReferencesGraph = [ "graph-a" a "graph-b" b.drvPath ]; };
  exportReferencesGraphFile = mk { exportReferencesGraph = [ "graph" file2 ]; };
  exportReferencesGraphDiscarded = mk {
    exportReferencesGraph = [ "graph" (builtins.unsafeDiscardOutputDependency a.drvPath) ];
  };

  keptBySubstring = mk { x = builtins.substring 0 3 "${a}"; empty = builtins.substring 0 0 "${b}"; };
  keptByReplace = mk {
    used = builtins.replaceStrings [ "X" ] [ "${a}" ] "aXb";
    unused = builtins.replaceStrings [ "Y" ] [ "${b}" ] "aXb";
  };
  keptByConcatSep = mk { x = builtins.concatStringsSep "${a}" [ "one" "two" ]; };
  keptByConcatSepOne = mk { x = builtins.concatStringsSep "${a}" [ "one" ]; };
  keptByJSON = mk { x = builtins.toJSON { inherit a; list = [ file 1 null ]; }; };
  keptByXML = mk { x = builtins.toXML [ "${file}" ]; };
  keptByBaseName = mk { x = baseNameOf "${a}"; y = dirOf "${b}"; };
  keptByToString = mk { x = toString [ a b ]; };
  droppedByMatch = mk { x = builtins.elemAt (builtins.match "(.*)" "${a}") 0; };
  keptBySplitUnmatched = mk { x = builtins.elemAt (builtins.split "NOTHING" "${a}") 0; };
  droppedByHash = mk { x = builtins.hashString "sha256" "${a}"; };
  droppedByLength = mk { x = builtins.stringLength "${a}"; };
  appended = mk {
    x = builtins.appendContext "text" (builtins.getContext "${a} ${multi.dev} ${file}");
  };
  contextAsJSON = mk { x = builtins.toJSON (builtins.getContext "${a}${b.drvPath}${multi.dev}${multi}${file}"); };
  hasContext = mk { yes = builtins.hasContext "${a}"; no = builtins.hasContext "a"; };
  inBuilder = mk { builder = "${a}/bin/sh"; };
  inSystem = mk { system = "sys-${discard "x"}"; };
  inAttrOfOutPathSet = mk { x = { outPath = "${a}/bin"; }; };
  inToString = mk { x = { __toString = _: "${b}"; }; };
  pathInContext = mk { x = "${fixtures + "/file.txt"} and ${a}"; };
  literalStorePath = mk { x = "/nix/store/00000000000000000000000000000000-nothing"; };
}
