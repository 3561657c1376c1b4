# Host programs as derivations. `hostTool` (src/builtins/host.ts) describes a program by content: its files, its shared
# libraries and its loader, each with a sha256. Here every library becomes a store path of its own, so that tools and
# images share them, the loader with the C library another, and the tool the last; the builder
# (src/build/builtin/host-tool.ts) checks the hashes, and patches loader and library paths in.
{
  lib,
  hostTool,
  system,
  # Name of a script's interpreter (`bash`, `perl`) -> path of the program, or null where it has to stay.
  interpreters,
}:
let
  make = name: manifest: derivation {
    inherit name system;
    builder = "builtin:tsnix-host-tool";
    manifest = builtins.toJSON ({ files = [ ]; trees = [ ]; texts = [ ]; links = { }; } // manifest);
    preferLocalBuild = true;
  };

  # A library file's name is a store path's name but for rare characters.
  loaderPackage = loader: make (if lib.hasPrefix "ld-musl" loader.name then "musl" else "glibc") {
    files = map (file: {
      to = "lib/${file.name}";
      inherit (file) from sha256;
      executable = true;
    }) loader.files;
  };

  # -> { loader = PATH or null; rpath = keys: "DIR:DIR…"; packages = { KEY = derivation; }; }
  librariesOf = tool:
    let
      libc = loaderPackage tool.loader;
      dirs = keys: map (key: "${packages.${key}}/lib") keys ++ lib.optional (tool.loader != null) "${libc}/lib";
      rpath = keys: lib.concatStringsSep ":" (dirs keys);
      loader = if tool.loader == null then null else "${libc}/lib/${tool.loader.name}";
      packages = lib.mapAttrs (_: library: make (lib.sanitizeDerivationName library.name) {
        files = [
          {
            to = "lib/${library.name}";
            inherit (library) from sha256;
            executable = false;
            # Some libraries are programs too (libcap.so.2 prints its version).
            inherit loader;
            rpath = rpath library.needed;
          }
        ];
      }) tool.libraries;
    in
    {
      inherit packages rpath libc loader;
    };

  changeOf = libraries: file:
    if file.kind == "elf" then { inherit (libraries) loader; rpath = libraries.rpath file.needed; }
    else if file.kind == "script" && (interpreters.${file.interpreter} or null) != null then
      { interpreter = interpreters.${file.interpreter}; }
    else { };

  request = {
    package = null;
    required = true;
    programs = [ ];
    optional = [ ];
    files = [ ];
    trees = [ ];
  };
in
rec {
  /*
    A tool made of host programs:
      package   Debian package, for the message where the host lacks it (default: name)
      programs  names that must be there; they become bin/NAME
      optional  names taken along where they are there
      files     [ { to; from = [ PATH… ]; } ]: single files, the first that exists
      trees     [ { to; from = [ DIR… ]; exclude ? [ ]; optional ? false; } ]: whole directories
      texts     [ { to; text; executable ? true; } ]: written files, `@out@` stands for the output
      links     { NAME = target; }
      wrap      { PROGRAM = { VARIABLE = value; }; }: defaults for the program's environment; needs bash
      flags     { PROGRAM = [ "--x" … ]; }: first arguments of the program; needs bash
      required  false: null where the host lacks it
  */
  tool = { name, package ? name, texts ? [ ], links ? { }, wrap ? { }, flags ? { }, meta ? { }, passthru ? { }, ... }@args:
    let
      wanted = request // builtins.removeAttrs args [ "texts" "links" "wrap" "flags" "meta" "passthru" ] // {
        inherit name package;
        trees = map (tree: { exclude = [ ]; optional = false; } // tree) (args.trees or [ ]);
      };
      described = hostTool wanted;
      libraries = librariesOf described;
      # A program that is the same file as one before it becomes a link to that one.
      first = builtins.foldl' (seen: file: { ${file.sha256} = file.to; } // seen) { } described.files;
      isLink = file: first.${file.sha256} != file.to && lib.hasPrefix "bin/" file.to && lib.hasPrefix "bin/" first.${file.sha256};
      wrappers = lib.unique (builtins.attrNames (wrap // flags));
      wrapped = file: builtins.elem (lib.removePrefix "bin/" file.to) wrappers;
      wrapper = program: {
        to = "bin/${program}";
        executable = true;
        text = ''
          #!${interpreters.bash}
          ${lib.concatStrings (lib.mapAttrsToList (name: value: "export ${name}=\"\${${name}-${value}}\"\n") (wrap.${program} or { }))}exec -a "$0" @out@/libexec/${program} ${lib.concatMapStrings (flag: "${flag} ") (flags.${program} or [ ])}"$@"
        '';
      };
      drv = make name {
        files = map (file: {
          to = if wrapped file then "libexec/${lib.removePrefix "bin/" file.to}" else file.to;
          inherit (file) from sha256 executable;
        } // changeOf libraries file) (lib.filter (file: !(isLink file)) described.files);
        trees = map (tree: {
          inherit (tree) to from sha256 exclude;
          changes = builtins.listToAttrs (map (file: { name = file.to; value = changeOf libraries file; }) tree.files);
        }) described.trees;
        texts = map (text: { executable = true; } // text) texts ++ map wrapper wrappers;
        links =
          builtins.listToAttrs (map (file: { name = file.to; value = baseNameOf first.${file.sha256}; })
            (lib.filter isLink described.files))
          // links;
      };
    in
    if !wanted.required && described == null then null
    else
      drv // {
        pname = name;
        version = "";
        meta = { description = "${name} of this machine's Debian package ${package}"; } // meta;
        passthru = { hostPackage = package; inherit libraries; } // passthru;
      } // passthru;
}
