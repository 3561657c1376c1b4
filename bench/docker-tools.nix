# Images for docker-tools.ts: `small` of 100 × 20 little store paths, by the original dockerTools (its folder is `seed`)
# and by ours; `large` of 99 trees below `tree`. `change` alters one store path of each.
{ lib, callPackage, dockerTools, runCommand, seed ? null, tree ? null, change ? "" }:
let
  changed = condition: lib.optionalString condition change;
  text = g: i: builtins.toFile "text-${toString g}-${toString i}" "text ${toString g} ${toString i}${changed (g + i == 0)}\n";
  group = g: builtins.toFile "group-${toString g}" (lib.concatMapStrings (i: "${text g i}\n") (lib.genList (i: i) 19));
  list = paths: runCommand "list" { inherit paths; } "mkdir $out; echo $paths > $out/list";
  part = n: builtins.path { path = /. + "${tree}/${toString n}"; name = "part-${toString n}"; };
  image = tools: contents: more:
    tools.buildLayeredImage ({ name = "image"; tag = "latest"; maxLayers = 100; contents = [ contents ]; } // more);
in
rec {
  smallPaths = list (lib.genList group 100);
  small = {
    ours = image dockerTools smallPaths { };
    original = image (callPackage (seed + "/default.nix") { }) smallPaths { };
  };
  largePaths = list (lib.genList part 97 ++ [ (builtins.toFile "small" "small${change}") ]);
  large = {
    plain = image dockerTools largePaths { compressor = "none"; };
    gzip = image dockerTools largePaths { };
    original = image (callPackage (seed + "/default.nix") { }) largePaths { };
  };
}
