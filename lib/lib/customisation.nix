{ lib }:
rec {
  overrideDerivation = drv: f:
    let
      new = derivation (drv.drvAttrs // f drv);
    in
    lib.flip (extendDerivation true) new (
      { meta = drv.meta or { }; passthru = drv.passthru or { }; }
      // (drv.passthru or { })
      // lib.optionalAttrs (drv ? __spliced) { __spliced = { }; }
    );

  makeOverridable = f: origArgs:
    let
      result = f origArgs;
      overrideWith = new: origArgs // (if lib.isFunction new then new origArgs else new);
      copyArgs = g: lib.setFunctionArgs g (lib.functionArgs f);
      override = copyArgs (new: makeOverridable f (overrideWith new));
      overrideResult = g: makeOverridable (copyArgs (args: g (f args))) origArgs;
    in
    if builtins.isAttrs result then
      result
      // {
        inherit override;
        overrideDerivation = g: overrideResult (x: overrideDerivation x g);
      }
      // lib.optionalAttrs (result ? overrideAttrs) {
        overrideAttrs = g: overrideResult (x: x.overrideAttrs g);
      }
    else if lib.isFunction result then
      lib.setFunctionArgs result (lib.functionArgs result) // { inherit override; }
    else result;

  callPackageWith = autoArgs: fn: args:
    let
      f = if lib.isFunction fn then fn else import fn;
      wanted = lib.functionArgs f;
      allArgs = builtins.intersectAttrs wanted autoArgs // args;
      missing = builtins.filter (name: !(wanted.${name} || allArgs ? ${name})) (builtins.attrNames wanted);
      pos = builtins.unsafeGetAttrPos (builtins.head missing) wanted;
    in
    if missing == [ ] then makeOverridable f allArgs
    else
      throw "Function called without required argument \"${builtins.head missing}\"${
        lib.optionalString (pos != null) " at ${pos.file}:${toString pos.line}"
      }";

  callPackagesWith = autoArgs: fn: args:
    let
      f = if lib.isFunction fn then fn else import fn;
      auto = builtins.intersectAttrs (lib.functionArgs f) autoArgs;
      origArgs = auto // args;
      pkgs = f origArgs;
      make = name: _: makeOverridable (newArgs: (f newArgs).${name}) origArgs;
    in
    if lib.isDerivation pkgs then throw "function `callPackages` was called on a *single* derivation; did you mean to use `callPackage` instead?"
    else builtins.mapAttrs make pkgs;

  extendDerivation = condition: passthru: drv:
    let
      outputs = drv.outputs or [ "out" ];
      commonAttrs = drv // builtins.listToAttrs outputsList // { all = map (output: output.value) outputsList; } // passthru;
      outputsList = map (name: {
        inherit name;
        value = commonAttrs // {
          inherit (drv.${name}) type outputName;
          outputSpecified = true;
          drvPath = assert condition; drv.${name}.drvPath;
          outPath = assert condition; drv.${name}.outPath;
        };
      }) outputs;
    in
    commonAttrs // {
      drvPath = assert condition; drv.drvPath;
      outPath = assert condition; drv.outPath;
    };

  hydraJob = drv: drv;

  makeScope = newScope: f:
    let
      self = f self // {
        newScope = scope: newScope (self // scope);
        callPackage = self.newScope { };
        overrideScope = g: makeScope newScope (lib.extends g f);
        packages = f;
      };
    in
    self;
}
