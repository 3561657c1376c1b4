# Derivations whose output paths are not known before building, and what depends on them. Needs features of Nix.
{ mk, ... }:
let
  ca = attrs: mk ({ __contentAddressed = true; } // attrs);
  impure = attrs: mk ({ __impure = true; } // attrs);
  one = ca { name = "ca"; };
  multi = ca { name = "ca-multi"; outputs = [ "out" "dev" ]; };
in
{
  plain = one;
  inherit multi;
  explicit = ca { outputHashMode = "recursive"; outputHashAlgo = "sha256"; };
  flat = ca { outputHashMode = "flat"; };
  sha512 = ca { outputHashAlgo = "sha512"; };
  used = mk { dep = one; };
  usedDev = mk { dep = multi.dev; };
  usedAll = mk { deps = multi.all; };
  usedTwice = mk { dep = mk { name = "middle"; dep = one; }; };
  deferredOutputs = mk { dep = one; outputs = [ "out" "dev" ]; };
  usesDeferred = mk { dep = (mk { name = "deferred"; dep = one; outputs = [ "out" "dev" ]; }).dev; };
  fixedAbove = mk { dep = one; outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; };
  aboveFixed = mk { src = mk { name = "f"; dep = one; outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; }; };
  caOfCa = ca { dep = one; };
  structured = ca { __structuredAttrs = true; dep = one; };
  drvDeep = mk { drv = one.drvPath; };
  fixedIgnores = ca { outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; };
  impure = impure { name = "impure"; };
  impureMulti = impure { outputs = [ "out" "x" ]; };
  usesImpure = impure { dep = impure { name = "impure"; }; };
  usesImpureFixed = mk { dep = impure { name = "impure"; }; outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; };
}
