# Input-addressed derivations without inputs: every kind of attribute value, and what becomes of it in the environment.
{ mk, ... }:
{
  plain = mk { };
  noArgs = mk { args = [ ]; };
  args = mk { args = [ "-c" "echo $0" "" " two  words " ]; };
  argsCoerced = mk { args = [ 1 true false null 1.5 [ "a" [ "b" ] ] "end" ]; };
  argsNested = mk { args = [ [ ] [ [ ] ] [ 1 [ 2 [ 3 ] ] ] ]; };
  otherSystem = mk { system = "aarch64-darwin"; };
  oddSystem = mk { system = "my odd system"; };
  builtinBuilder = mk { builder = "builtin:buildenv"; system = "builtin"; };
  builderWithSpaces = mk { builder = "/path with \"quotes\"/and \\ slashes"; };
  systemNumber = mk { system = 1; };
  builderNumber = mk { builder = 7; };

  ints = mk { a = 0; b = -1; c = 9223372036854775807; d = -9223372036854775807 - 1; e = 42; };
  floats = mk { a = 0.5; b = 1.0; c = -2.25; d = 1.0e300; e = 1.0e-7; f = 123456789.123456789; g = 0.1 + 0.2; };
  bools = mk { yes = true; no = false; };
  nulls = mk { nothing = null; };
  ignoredNulls = mk { nothing = null; something = 1; __ignoreNulls = true; };
  keptNulls = mk { nothing = null; __ignoreNulls = false; };
  ignoreNullsOnlyTop = mk { list = [ null 1 null ]; __ignoreNulls = true; };
  lists = mk {
    empty = [ ];
    one = [ "a" ];
    many = [ "a" "b" "c" ];
    nested = [ [ "a" "b" ] "c" [ ] [ [ "d" ] ] ];
    holes = [ "" "a" "" ];
    emptyInside = [ 1 [ ] [ [ ] ] 2 ];
    mixed = [ 1 2.5 true false null "s" ];
  };
  toStringSet = mk { value = { __toString = self: "from ${self.what}"; what = "toString"; }; };
  toStringNumber = mk { value = { __toString = self: 12; }; };
  outPathSet = mk { value = { outPath = "plain text"; }; };
  outPathNested = mk { value = { outPath = { outPath = "deep"; }; }; };
  toStringBeatsOutPath = mk { value = { __toString = self: "a"; outPath = "b"; }; };
  listOfSets = mk { value = [ { outPath = "a"; } { __toString = self: "b"; } ]; };

  escapes = mk { value = "quote \" backslash \\ newline \n return \r tab \t dollar \${x} done"; };
  onlyEscapes = mk { value = "\"\\\n\r\t"; };
  trailingBackslash = mk { value = "ends with \\"; };
  controlBytes = mk { value = builtins.fromJSON ''"\u0001\u0007\u0008\u000b\u000c\u001b\u007f"''; };
  unicode = mk { value = "größe 日本語 🎉 \u0041"; };
  combining = mk { value = builtins.fromJSON ''"e\u0301 \u00e9 \uffff \ud83d\ude00"''; };
  bytes = mk { value = builtins.substring 0 1 "é"; other = builtins.substring 1 1 "é"; };
  longValue = mk { value = builtins.concatStringsSep "," (builtins.genList toString 2000); };
  longEscaped = mk { value = builtins.concatStringsSep "\n" (builtins.genList (i: "line \"${toString i}\"\t\\") 1000); };
  indented = mk {
    buildCommand = ''
      mkdir $out
        echo "''${x}" > $out/file
      '' + "\n";
  };

  attrNames = mk {
    "with space" = 1;
    "with\"quote" = 2;
    "with\nnewline" = 3;
    "ünïcode" = 4;
    "" = "empty name";
    "a.b" = 5;
    "PATH" = "/bin";
    "_under" = 6;
    "UPPER" = 7;
    "lower" = 8;
    "~tilde" = 9;
  };
  attrOrder = mk { b = 1; B = 2; a = 3; A = 4; "é" = 5; z = 6; Z = 7; "1" = 8; aa = 9; "a b" = 10; };
  # Above the BMP sorts after U+E000 as bytes, before it as UTF-16.
  attrOrderAstral = mk { ${builtins.fromJSON ''"\ue000"''} = 1; ${builtins.fromJSON ''"\ud83d\ude00"''} = 2; };
  specialLooking = mk {
    passAsFile = [ "big" "other" ];
    big = "contents of a file";
    other = "more";
    preferLocalBuild = true;
    allowSubstitutes = false;
    requiredSystemFeatures = [ "kvm" "big-parallel" ];
    allowedReferences = [ ];
    impureEnvVars = [ "http_proxy" ];
    __noChroot = true;
    __impureHostDeps = [ "/usr/lib" ];
    meta = "not special";
  };
  passAsFileString = mk { passAsFile = "one two"; one = 1; two = 2; };
  __structuredOff = mk { __structuredAttrs = false; x = 1; };
  notContentAddressed = mk { __contentAddressed = false; x = 1; };

  nameChars = mk { name = "A-z0.9+_?=x"; };
  nameLong = mk { name = builtins.concatStringsSep "" (builtins.genList (_: "n") 200); };
  nameOne = mk { name = "x"; };
  nameDotted = mk { name = ".hidden"; };
  nameDashes = mk { name = "--"; };
  nameVersion = mk { name = "hello-2.12.1"; };
  extraNameAttr = mk { pname = "hello"; version = "1"; name = "hello-1"; };

  interpolated = mk { value = "a${"b"}c${toString 1}"; };
  fromDrvAttrs = derivation ((mk { x = 1; }).drvAttrs // { y = 2; });
  stripped = derivation (removeAttrs (mk { x = 1; y = 2; }).drvAttrs [ "y" ]);
  inherited = let x = 1; y = "two"; in mk { inherit x y; };
  unusedBroken = mk { value = "fine"; } // { other = throw "never asked for"; };
}
