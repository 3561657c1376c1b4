# What images commonly need at well-known places, and images that are a derivation's environment, as nix-shell gives it.
{
  bashInteractive,
  cacert,
  common,
  coreutils,
  fakeNss,
  lib,
  native,
  self,
  storeDir,
  writeShellScriptBin,
  writeText,
}:
let
  # Symlinks in a directory, by their paths.
  links = name: entries: native "link-farm" { inherit name; entries = builtins.toJSON entries; };

  # An attribute as derivations have it in their environment: paths are copied to the store.
  asVariable = value:
    if builtins.isPath value then "${value}"
    else if builtins.isList value then toString (map asVariable value)
    else toString value;

  buildDir = "/build";

  # The arguments of a layered image that has the environment of `drv`.
  environment =
    caller:
    { drv
    , name ? "${drv.name}-env"
    , tag ? null
    # Who runs the container: many builders do not like root.
    , uid ? 1000
    , gid ? 1000
    , homeDirectory ? buildDir
    , shell ? "${bashInteractive}/bin/bash"
    # Bash in the environment: an interactive shell's first command, or all that a plain one does.
    , command ? null
    , run ? null
    }:
    let
      attrs = drv.drvAttrs;
      # What a builder finds in its environment.
      variablesOf = lib.filterAttrs (_: value: !(attrs.__ignoreNulls or false) || value != null)
        (removeAttrs attrs [ "args" "__ignoreNulls" ]);
      builder = writeShellScriptBin "buildDerivation" ''
        exec ${lib.escapeShellArg (asVariable attrs.builder)} ${lib.escapeShellArgs (map asVariable (attrs.args or [ ]))}
      '';
      path = "${dirOf shell}:${builder}/bin";

      rcFile = writeText "nix-shell-rc" ''
        unset PATH
        dontAddDisableDepTrack=1
        if [ -e "''${stdenv:-}/setup" ]; then source "$stdenv/setup"; fi
        PATH=${path}:"$PATH"
        SHELL=${lib.escapeShellArg shell}
        BASH=${lib.escapeShellArg shell}
        set +e
        if [ -n "$PS1" ] && [ -z "$NIX_SHELL_PRESERVE_PROMPT" ]; then
          PS1='\n\[\033[1;32m\][nix-shell:\w]\$\[\033[0m\] '
        fi
        if [ "$(type -t runHook)" = function ]; then runHook shellHook; fi
        unset NIX_ENFORCE_PURITY
        shopt -u nullglob
        shopt -s execfail
        ${if command != null then command else if run != null then run else ""}
        ${lib.optionalString (command != null || run != null) "exit"}
      '';

      passedAsFile = attrs.passAsFile or [ ];
      ofDerivation = lib.mapAttrs' (attr: value:
        if builtins.elem attr passedAsFile
        then lib.nameValuePair "${attr}Path" (toString (writeText "pass-as-file-${attr}" (asVariable value)))
        else lib.nameValuePair attr (asVariable value)
      ) variablesOf
      // lib.genAttrs (attrs.outputs or [ "out" ]) (output: builtins.unsafeDiscardStringContext drv.${output}.outPath);

      # In the order in which Nix sets them: some a derivation may set itself, some not.
      variables = {
        SSL_CERT_FILE = "${cacert}/etc/ssl/certs/ca-bundle.crt";
        PATH = path;
        HOME = homeDirectory;
        NIX_STORE = storeDir;
        NIX_BUILD_CORES = "1";
      } // ofDerivation // lib.genAttrs [ "NIX_BUILD_TOP" "TMPDIR" "TEMPDIR" "TMP" "TEMP" "PWD" ] (_: buildDir) // {
        TERM = "xterm-256color";
      };
    in
    if attrs.__structuredAttrs or false then
      throw "${caller}: Does not work with the derivation ${drv.name} because it uses __structuredAttrs"
    else if command != null && run != null then throw "${caller}: Can't specify both command and run"
    else {
      inherit name tag;
      maxLayers = 100;
      contents = [
        self.binSh
        self.usrBinEnv
        (fakeNss.override {
          extraPasswdLines = [ "nixbld:x:${toString uid}:${toString gid}:Build user:${homeDirectory}:/noshell" ];
          extraGroupLines = [ "nixbld:!:${toString gid}:" ];
        })
      ];
      # Builders make their outputs in the store.
      fakeRootCommands = ''
        mkdir -p .${storeDir} .${buildDir}
        chmod a+w,+t .${storeDir}
        chown -R ${toString uid}:${toString gid} .${buildDir}
      '';
      config = {
        User = "${toString uid}:${toString gid}";
        Cmd = if run == null then [ shell "--rcfile" "${rcFile}" ] else [ shell "${rcFile}" ];
        WorkingDir = buildDir;
        Env = lib.mapAttrsToList (variable: value: "${variable}=${value}") variables;
      };
    };
in
{
  # /etc/passwd and the like, with root and nobody.
  inherit fakeNss;

  # For scripts that begin with `#!/usr/bin/env`.
  usrBinEnv = links "usr-bin-env" { "usr/bin/env" = "${coreutils}/bin/env"; };

  # /bin/sh, which is bash.
  binSh = links "bin-sh" { "bin/sh" = "${bashInteractive}/bin/bash"; };

  # Certificates where programs look for them.
  caCertificates = links "ca-certificates" (lib.genAttrs [
    "etc/ssl/certs/ca-bundle.crt"
    "etc/ssl/certs/ca-certificates.crt"
    "etc/pki/tls/certs/ca-bundle.crt"
  ] (_: "${cacert}/etc/ssl/certs/ca-bundle.crt"));

  streamNixShellImage = args: self.streamLayeredImage (environment "streamNixShellImage" args);

  buildNixShellImage = { compressor ? "gz", ... }@args:
    self.buildLayeredImage (environment "buildNixShellImage" (removeAttrs args [ "compressor" ]) // { inherit compressor; });
}
