# Several outputs, references to them, and placeholders.
{ mk, ... }:
let
  multi = mk { name = "multi"; outputs = [ "out" "dev" "lib" ]; };
in
{
  inherit multi;
  reversed = mk { outputs = [ "lib" "dev" "out" ]; };
  noOut = mk { outputs = [ "bin" "man" ]; };
  single = mk { outputs = [ "doc" ]; };
  asString = derivation { name = "x"; system = "s"; builder = "b"; outputs = [ "out" "b" ]; };
  oddNames = mk { outputs = [ "out" "a_b" "C-d" "x.y" ]; };
  manyOutputs = mk { outputs = [ "out" ] ++ builtins.genList (i: "o${toString i}") 30; };
  secondAsRoot = multi.dev;
  usesFirst = mk { dep = multi; };
  usesOne = mk { dep = multi.dev; };
  usesTwo = mk { a = multi.lib; b = multi.out; };
  usesAll = mk { deps = multi.all; };
  usesAllNames = mk { deps = map (o: multi.${o}) multi.outputs; };
  usesNoOut = mk { dep = mk { outputs = [ "bin" "man" ]; }; };
  pathBelow = mk { file = "${multi.dev}/include/x.h"; };
  placeholders = mk { a = placeholder "out"; b = placeholder "dev"; outputs = [ "out" "dev" ]; };
  # A variable of an output's name is overwritten with the path.
  overwritten = mk { outputs = [ "out" "dev" ]; dev = "mine"; };
  fixedOfMulti = mk { src = multi.lib; outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; };
  outputNamePassed = mk { inherit (multi.dev) outputName; };
}
