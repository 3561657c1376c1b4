# The standard environment: a derivation with `setup`, and mkDerivation over it. For shell builds: no C compiler.
{
  lib,
  system,
  # Path of bash.
  shell,
  # Packages on every build's PATH, first wins.
  initialPath,
  writeTextFile,
}:
let
  setup = writeTextFile {
    name = "stdenv";
    destination = "/setup";
    text = ''
      shell=${shell}
      initialPath="${toString initialPath}"
    '' + builtins.readFile ./setup.sh;
  };

  platform = lib.systems.elaborate system;

  # Not for the builder.
  evaluationOnly = [ "meta" "passthru" "pos" "realBuilder" "builder" "args" ];

  mkDerivation = fnOrAttrs:
    if lib.isFunction fnOrAttrs then
      let
        finalPackage = mkFrom (fnOrAttrs (finalArgs finalPackage)) (f: mkDerivation (lib.extends (lib.toExtension f) fnOrAttrs));
      in
      finalPackage
    else
      let
        finalPackage = mkFrom fnOrAttrs (f:
          mkDerivation (fnOrAttrs // (
            let
              next = if lib.isFunction f then f fnOrAttrs else f;
            in
            # `final: prev:` overlays too.
            if lib.isFunction next then (f (finalArgs finalPackage)) fnOrAttrs else next
          )));
      in
      finalPackage;
  finalArgs = finalPackage: finalPackage.passthruArgs // { inherit finalPackage; };

  mkFrom = attrs: overrideAttrs:
    let
      name = attrs.name or "${attrs.pname}-${attrs.version}";
      inputLists = builtins.filter (list: attrs ? ${list}) [
        "buildInputs"
        "nativeBuildInputs"
        "propagatedBuildInputs"
        "propagatedNativeBuildInputs"
        "checkInputs"
        "nativeCheckInputs"
        "depsBuildBuild"
        "depsBuildTarget"
        "depsHostHost"
        "depsTargetTarget"
      ];
      # Nested lists, nulls and `.dev` outputs as in nixpkgs.
      inputs = lib.genAttrs inputLists (list:
        map (input: if builtins.isAttrs input then lib.getDev input else input)
          (builtins.filter (input: input != null) (lib.flatten attrs.${list})));
      checked = lib.optionalAttrs (attrs.doCheck or false && (inputs ? checkInputs || inputs ? nativeCheckInputs)) {
        nativeBuildInputs = (inputs.nativeBuildInputs or [ ]) ++ (inputs.nativeCheckInputs or [ ]) ++ (inputs.checkInputs or [ ]);
      };
      drv = derivation (
        removeAttrs attrs evaluationOnly
        // inputs
        // checked
        // {
          inherit name stdenv;
          system = attrs.system or system;
          builder = attrs.realBuilder or shell;
          args = attrs.args or [ "-e" (attrs.builder or ./default-builder.sh) ];
          __ignoreNulls = true;
        }
      );
    in
    lib.extendDerivation true ({
      inherit overrideAttrs;
      meta = { inherit name; available = true; broken = false; outputsToInstall = attrs.meta.outputsToInstall or [ (if builtins.elem "bin" (attrs.outputs or [ ]) then "bin" else builtins.head (attrs.outputs or [ "out" ])) ]; } // (attrs.meta or { });
      passthru = attrs.passthru or { };
      passthruArgs = attrs;
    } // (attrs.passthru or { })) drv;

  stdenv = setup // {
    name = "stdenv";
    inherit lib mkDerivation shell initialPath system;
    inherit (platform) isLinux isDarwin isx86_64 isi686 isAarch64 isAarch32 is64bit is32bit isUnix;
    hostPlatform = platform;
    buildPlatform = platform;
    targetPlatform = platform;
    cc = null;
    hasCC = false;
    allowedRequisites = null;
    # What `"${stdenv}"` and the derivation's attribute see.
    inherit (setup) outPath drvPath;
  };
in
stdenv
