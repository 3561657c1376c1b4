# Structured attributes: all kinds of JSON.
{ mk, fixtures, ... }:
let
  s = attrs: mk ({ __structuredAttrs = true; } // attrs);
  a = mk { name = "a"; };
  multi = mk { name = "multi"; outputs = [ "out" "dev" ]; };
in
{
  plain = s { };
  strings = s { a = "x"; b = ""; c = "quote \" backslash \\ slash / newline \n tab \t return \r"; };
  unicode = s { a = "ü 日本 🎉"; "schlüssel" = 1; };
  controlBytes = s { a = builtins.fromJSON ''"\u0001\u001f\u007f"''; };
  numbers = s { a = 0; b = -1; c = 9223372036854775807; d = 1.5; e = -0.25; };
  bools = s { t = true; f = false; n = null; };
  lists = s { a = [ ]; b = [ 1 "two" 3.5 null true ]; c = [ [ ] [ [ 1 ] ] ]; };
  sets = s { a = { }; b = { z = 1; a = { n = null; }; M = [ { x = 1; } ]; }; };
  deep = s { v = builtins.foldl' (acc: i: { inherit acc i; }) null (builtins.genList (i: i) 50); };
  derivations = s { inherit a; both = [ a multi.dev ]; nested = { deep = { dep = multi; }; }; };
  drvPath = s { drv = a.drvPath; };
  paths = s { src = fixtures + "/file.txt"; list = [ (fixtures + "/tree") ]; };
  toStringSets = s { a = { __toString = _: "text"; }; b = { outPath = "other"; extra = 1; }; };
  outPathOfAnything = s { a = { outPath = { n = 1; }; }; };
  args = s { args = [ "-c" "echo" 1 ]; };
  outputs = s { outputs = [ "out" "dev" ]; };
  nullsIgnored = s { __ignoreNulls = true; a = null; b = { c = null; }; d = [ null ]; };
  nullsKept = s { a = null; };
  exportReferencesGraph = s { exportReferencesGraph = { graph = [ a ]; all = multi.all; }; };
  outputChecks = s { outputs = [ "out" "dev" ]; outputChecks = { out.allowedReferences = [ "dev" ]; dev.maxSize = 1000; }; };
  builderFromDrv = s { builder = "${a}/bin/sh"; };
  usedByPlain = mk { dep = s { x = 1; }; };
  usedByStructured = s { dep = s { x = [ 1 2 ]; }; };
  passAsFile = s { passAsFile = [ "x" ]; x = "y"; };
  keyOrder = s { b = 1; B = 2; a = 3; "é" = 4; "a b" = 5; "" = 6; };
  placeholders = s { prefix = placeholder "out"; };
  contextFromJSON = s { x = builtins.toJSON { inherit a; }; };
}
