# Images for docker-tools.ts, of the same inputs by the original dockerTools (its folder is `seed`) and by ours: `small` of
# 100 × 20 little store paths, `large` of 97 trees below `tree` (whose hashes its hashes.json tells). `change` alters one
# store path of each.
{ seed, tree ? null, change ? "" }:
let
  lib = import ../lib/lib;
  pkgs = import ../test/oracle/seed/host-packages.nix { inherit lib seed; };
  inherit (pkgs) runCommand;
  original = pkgs.callPackage (seed + "/default.nix") { };
  ours = pkgs.callPackage ../lib/docker/default.nix {
    # As in tsnix's own package set.
    referencesByPopularity = path: derivation {
      name = "closure-paths";
      system = builtins.currentSystem;
      builder = "builtin:tsnix-popularity";
      exportReferencesGraph = [ "graph" path ];
    };
  };

  changed = condition: lib.optionalString condition change;
  text = g: i: builtins.toFile "text-${toString g}-${toString i}" "text ${toString g} ${toString i}${changed (g + i == 0)}\n";
  group = g: builtins.toFile "group-${toString g}" (lib.concatMapStrings (i: "${text g i}\n") (lib.genList (i: i) 19));
  list = paths: runCommand "list" { inherit paths; } "mkdir $out; echo $paths > $out/list";
  hashes = builtins.fromJSON (builtins.readFile (tree + "/hashes.json"));
  part = n: builtins.path { path = /. + "${tree}/${toString n}"; name = "part-${toString n}"; sha256 = builtins.elemAt hashes n; };
  images = contents:
    let image = tools: more:
      tools.buildLayeredImage ({ name = "image"; tag = "latest"; maxLayers = 100; contents = [ contents ]; } // more);
    in {
      inherit contents;
      original = image original { };
      gzip = image ours { };
      plain = image ours { compressor = "none"; };
    };
in
{
  small = images (list (lib.genList group 100));
  large = images (list (lib.genList part 97 ++ [ (builtins.toFile "small" "small${change}") ]));
}
