# The corpus: `names` of all cases and the derivations themselves, in the same order.
{ fixtures, files }:
let
  args = {
    inherit fixtures;
    mk = attrs: derivation ({ name = "x"; system = "x86_64-linux"; builder = "/bin/sh"; } // attrs);
  };
  casesOf =
    file:
    let cases = import (./. + "/${file}.nix") args;
    in map (name: { name = "${file}.${name}"; value = cases.${name}; }) (builtins.attrNames cases);
  all = builtins.concatLists (map casesOf files);
in
{
  names = map (x: x.name) all;
  derivations = map (x: x.value) all;
}
