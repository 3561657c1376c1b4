{ lib }:
rec {
  fix = f:
    let
      x = f x;
    in
    x;
  fix' = f:
    let
      x = f x // { __unfix__ = f; };
    in
    x;
  converge = f: x:
    let
      y = f x;
    in
    if y == x then x else converge f y;
  extends = overlay: f: final:
    let
      prev = f final;
    in
    prev // overlay final prev;
  composeExtensions = f: g: final: prev:
    let
      first = f final prev;
    in
    first // g final (prev // first);
  composeManyExtensions = lib.foldr composeExtensions (final: prev: { });
  makeExtensible = makeExtensibleWithCustomName "extend";
  makeExtensibleWithCustomName = name: f:
    fix' (self: f self // { ${name} = overlay: makeExtensibleWithCustomName name (extends overlay f); });
  toExtension = f:
    if !(lib.isFunction f) then final: prev: f
    else final: prev:
      let
        first = f prev;
      in
      if lib.isFunction first then f final prev else first;
}
