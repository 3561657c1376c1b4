{ lib }:
let
  inherit (builtins) isAttrs isBool isFloat isInt isList isString toJSON;
in
rec {
  mkValueStringDefault = { }: v:
    if isInt v then toString v
    else if lib.isDerivation v then toString v
    else if isString v then v
    else if v == true then "true"
    else if v == false then "false"
    else if v == null then "null"
    else if isFloat v then toString v
    else throw "generators.mkValueStringDefault: ${builtins.typeOf v} not supported";

  mkKeyValueDefault = { mkValueString ? mkValueStringDefault { } }: sep: k: v:
    "${lib.escape [ sep ] k}${sep}${mkValueString v}";

  toKeyValue = { mkKeyValue ? mkKeyValueDefault { } "=", listsAsDuplicateKeys ? false, indent ? "" }: set:
    let
      line = k: v: indent + mkKeyValue k v + "\n";
      lines = k: v: if listsAsDuplicateKeys then map (line k) (lib.toList v) else [ (line k v) ];
    in
    lib.concatStrings (lib.concatLists (lib.mapAttrsToList lines set));

  toINI = { mkSectionName ? name: lib.escape [ "[" "]" ] name, mkKeyValue ? mkKeyValueDefault { } "=", listsAsDuplicateKeys ? false }: sections:
    lib.concatStringsSep "\n" (lib.mapAttrsToList
      (name: values: "[${mkSectionName name}]\n" + toKeyValue { inherit mkKeyValue listsAsDuplicateKeys; } values)
      sections);

  toJSON = { }: builtins.toJSON;
  toYAML = toJSON;

  # Nix syntax again.
  toPretty = { multiline ? true, indent ? "" }@args:
    let
      go = indent: v:
        let
          inner = if multiline then "\n${indent}  " else " ";
          outer = if multiline then "\n${indent}" else " ";
          block = open: close: items: open + inner + lib.concatStringsSep inner items + outer + close;
        in
        if isInt v || isFloat v then toString v
        else if isString v then lib.escapeNixString v
        else if isBool v then lib.boolToString v
        else if v == null then "null"
        else if builtins.isPath v then toString v
        else if isList v then (if v == [ ] then "[ ]" else block "[" "]" (map (go (indent + "  ")) v))
        else if lib.isFunction v then "<function>"
        else if lib.isDerivation v then "<derivation ${v.name or "???"}>"
        else if isAttrs v then
          (if v == { } then "{ }"
          else block "{" "}" (lib.mapAttrsToList (n: x: "${lib.escapeNixIdentifier n} = ${go (indent + "  ") x};") v))
        else throw "generators.toPretty: ${builtins.typeOf v} not supported";
    in
    go indent;

  toGNUCommandLineShell = options: attrs: lib.escapeShellArgs (toGNUCommandLine options attrs);
  toGNUCommandLine =
    { mkOptionName ? k: if builtins.stringLength k == 1 then "-${k}" else "--${k}"
    , mkBool ? k: v: lib.optional v (mkOptionName k)
    , mkList ? k: v: builtins.concatMap (mkOption k) v
    , mkOption ? k: v: if v == null then [ ] else [ (mkOptionName k) (mkValueStringDefault { } v) ]
    }: options:
    let
      render = k: v: if isBool v then mkBool k v else if isList v then mkList k v else mkOption k v;
    in
    builtins.concatLists (lib.mapAttrsToList render options);
}
