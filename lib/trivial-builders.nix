# Builders of single files and small directories: nixpkgs' names. Where no shell command is needed, tsnix's own
# builders do the work, in this process (src/build/builtin).
{
  lib,
  system,
  # Thunks: writeTextFile itself must work before there is a stdenv.
  stdenv,
  runtimeShell,
  bash,
}:
rec {
  # A derivation of one of tsnix's builders.
  native = builder: attrs:
    let
      drv = derivation (removeAttrs attrs [ "meta" "passthru" ] // {
        inherit system;
        builder = "builtin:tsnix-${builder}";
        preferLocalBuild = true;
        __ignoreNulls = true;
      });
    in
    lib.extendDerivation true ({
      meta = attrs.meta or { };
      passthru = attrs.passthru or { };
      overrideAttrs = f: native builder (attrs // (if lib.isFunction f then f attrs else f));
    } // (attrs.passthru or { })) drv;

  runCommand = runCommandNoCC;
  runCommandCC = runCommandNoCC;
  runCommandNoCC = name: env: buildCommand:
    stdenv.mkDerivation ({
      inherit name buildCommand;
      passAsFile = [ "buildCommand" ] ++ (env.passAsFile or [ ]);
    } // removeAttrs env [ "passAsFile" ]);
  runCommandLocal = name: env: runCommandNoCC name ({ preferLocalBuild = true; allowSubstitutes = false; } // env);
  runCommandNoCCLocal = runCommandLocal;

  writeTextFile = { name, text, executable ? false, destination ? "", checkPhase ? "", meta ? { }, passthru ? { }, derivationArgs ? { }, ... }:
    if checkPhase == "" then
      native "write-text" ({
        inherit name text destination meta passthru;
        executable = if executable then "1" else "";
      } // derivationArgs)
    else
      runCommandLocal name ({
        inherit text executable checkPhase meta passthru;
        passAsFile = [ "text" ];
      } // derivationArgs) ''
        target=$out${destination}
        mkdir -p "$(dirname "$target")"
        if [ -e "$textPath" ]; then mv "$textPath" "$target"; else echo -n "$text" > "$target"; fi
        if [ -n "$executable" ]; then chmod +x "$target"; fi
        eval "$checkPhase"
      '';
  writeText = name: text: writeTextFile { inherit name text; };
  writeTextDir = path: text: writeTextFile { name = baseNameOf path; inherit text; destination = "/${path}"; };
  writeScript = name: text: writeTextFile { inherit name text; executable = true; };
  writeScriptBin = name: text: writeTextFile { inherit name text; executable = true; destination = "/bin/${name}"; };
  writeShellScript = name: text: writeTextFile {
    inherit name;
    executable = true;
    text = ''
      #!${runtimeShell}
      ${text}
    '';
    checkPhase = "";
  };
  writeShellScriptBin = name: text: writeTextFile {
    inherit name;
    executable = true;
    destination = "/bin/${name}";
    text = ''
      #!${runtimeShell}
      ${text}
    '';
    meta.mainProgram = name;
  };
  writeShellApplication = { name, text, runtimeInputs ? [ ], runtimeEnv ? null, checkPhase ? null, bashOptions ? [ "errexit" "nounset" "pipefail" ], ... }@args:
    writeTextFile {
      inherit name;
      executable = true;
      destination = "/bin/${name}";
      meta = { mainProgram = name; } // (args.meta or { });
      text = ''
        #!${runtimeShell}
        ${lib.concatMapStringsSep "\n" (option: "set -o ${option}") bashOptions}
      ''
      + lib.optionalString (runtimeEnv != null) (lib.concatStrings (lib.mapAttrsToList (n: v: "${lib.toShellVar n v}\nexport ${n}\n") runtimeEnv))
      + lib.optionalString (runtimeInputs != [ ]) ''

        export PATH="${lib.makeBinPath runtimeInputs}:$PATH"
      ''
      + ''

        ${text}
      '';
      checkPhase = if checkPhase == null then "" else checkPhase;
    };
  writeReferencesToFile = path: native "references" {
    name = "runtime-deps";
    exportReferencesGraph = [ "graph" path ];
  };
  writeDirectReferencesToFile = path: native "references" {
    name = "runtime-references";
    exportReferencesGraph = [ "graph" path ];
    direct = "1";
  };
  writeClosure = paths: native "references" {
    name = "runtime-deps";
    exportReferencesGraph = lib.concatLists (lib.imap0 (i: path: [ "graph${toString i}" path ]) (lib.toList paths));
  };
  # One line per store path of the closure, the most used first (dockerTools' layers).
  referencesByPopularity = path: native "popularity" {
    name = "closure-paths";
    exportReferencesGraph = [ "graph" path ];
  };
  closureInfo = { rootPaths }: native "closure-info" {
    name = "closure-info";
    exportReferencesGraph = lib.concatLists (lib.imap0 (i: path: [ "closure${toString i}" path ]) (lib.flatten [ rootPaths ]));
  };

  symlinkJoin = { name, paths, preferLocalBuild ? true, allowSubstitutes ? false, postBuild ? "", meta ? { }, passthru ? { }, ... }@args:
    let
      rest = removeAttrs args [ "name" "paths" "postBuild" "meta" "passthru" "preferLocalBuild" "allowSubstitutes" ];
      joined = native "symlink-join" ({ inherit name paths meta passthru allowSubstitutes; } // rest);
    in
    if postBuild == "" then joined
    else
      runCommandLocal name (rest // {
        inherit meta passthru paths preferLocalBuild allowSubstitutes;
        joined = native "symlink-join" { inherit name paths; };
      }) ''
        # Links are copied as they are: they point at the paths themselves, not at the join.
        cp -a "$joined" "$out"
        chmod -R u+w "$out"
        cd "$NIX_BUILD_TOP"
        ${postBuild}
      '';

  linkFarm = name: entries:
    native "link-farm" {
      inherit name;
      entries = builtins.toJSON (
        if builtins.isAttrs entries then entries
        else builtins.listToAttrs (map (entry: { inherit (entry) name; value = entry.path; }) entries)
      );
    };
  linkFarmFromDrvs = name: drvs: linkFarm name (map (drv: { inherit (drv) name; path = drv; }) drvs);

  # The arguments of nixpkgs' buildEnv that make sense without its Perl hooks, on Nix's own builder.
  buildEnv = { name, paths, pathsToLink ? [ "/" ], extraPrefix ? "", ignoreCollisions ? false, postBuild ? "", meta ? { }, passthru ? { }, ... }:
    let
      env = native "build-env" {
        inherit name meta passthru extraPrefix;
        pathsToLink = pathsToLink;
        ignoreCollisions = if ignoreCollisions then "1" else "";
        chosenPaths = builtins.toJSON (map (path: {
          paths = if path ? outputs then map (output: lib.getOutput output path) (path.meta.outputsToInstall or [ "out" ]) else [ path ];
          priority = path.meta.priority or 5;
        }) (builtins.filter (path: path != null) paths));
      };
    in
    if postBuild == "" then env
    else symlinkJoin { inherit name postBuild meta passthru; paths = [ env ]; };

  # Of the result of substitute: that of its source; a derivation's file name would carry its hash.
  sourceName = args: args.name or (args.src.name or (baseNameOf (toString args.src)));
  substituteAll = args:
    native "substitute" ({
      name = sourceName args;
      # Upper case: only variables that begin with a small letter are substituted.
      ALL = "1";
    } // args // {
      isExecutable = if args.isExecutable or false then "1" else "";
    });
  # `replacements` as given to substitute: [ "--replace" "a" "b" … ] or their string.
  substitute = args:
    native "substitute" ({ name = sourceName args; } // args // {
      substitutions = builtins.toJSON (lib.flatten (args.substitutions or (if builtins.isString (args.replacements or [ ]) then lib.splitString " " args.replacements else args.replacements or [ ])));
      isExecutable = if args.isExecutable or false then "1" else "";
    });

  concatTextFile = { name, files, executable ? false, destination ? "" }:
    runCommandLocal name { inherit files executable destination; } ''
      file=$out$destination
      mkdir -p "$(dirname "$file")"
      cat $files > "$file"
      if [ -n "$executable" ]; then chmod +x "$file"; fi
    '';
  concatText = name: files: concatTextFile { inherit name files; };
  concatScript = name: files: concatTextFile { inherit name files; executable = true; };

  emptyFile = native "write-text" { name = "empty-file"; text = ""; destination = ""; executable = ""; };
  emptyDirectory = linkFarm "empty-directory" [ ];
  applyPatches = { src, name ? (if builtins.isAttrs src then src.name else baseNameOf src) + "-patched", patches ? [ ], postPatch ? "", ... }@args:
    stdenv.mkDerivation ({
      inherit name src patches postPatch;
      phases = "unpackPhase patchPhase installPhase";
      installPhase = "cp -R ./ $out";
    } // removeAttrs args [ "name" "src" "patches" "postPatch" ]);
  makeSetupHook = { name ? "hook", propagatedBuildInputs ? [ ], substitutions ? { }, ... }: script:
    runCommandLocal name (substitutions // { inherit propagatedBuildInputs; }) ''
      mkdir -p $out/nix-support
      substituteAll ${script} $out/nix-support/setup-hook
      if [ -n "''${propagatedBuildInputs:-}" ]; then echo $propagatedBuildInputs > $out/nix-support/propagated-build-inputs; fi
    '';
}
