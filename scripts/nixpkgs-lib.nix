# Whether every attribute of nixpkgs' library evaluates: sets are walked, functions and derivations are not called.
# Left out is what throws by design: removed names, and what needs the rest of nixpkgs.
{ lib }:
let
  walk =
    depth: value:
    let
      tried = builtins.tryEval value;
    in
    if !tried.success then
      true
    else if depth > 0 && builtins.isAttrs value && (value.type or null) != "derivation" then
      builtins.all (name: walk (depth - 1) value.${name}) (builtins.attrNames value)
    else if builtins.isList value then
      builtins.all (walk (depth - 1)) value
    else
      builtins.typeOf value != "";
in
walk 4 (removeAttrs lib [ "maintainers" "teams" ])
