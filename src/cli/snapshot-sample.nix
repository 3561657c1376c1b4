# What the start-up snapshot is warmed with (src/cli/snapshot.ts): a little of everything that expressions like nixpkgs'
# do, so that its code is compiled. The value is a list of strings.
{
  system ? builtins.currentSystem,
  extra ? { },
  ...
}@args:

with builtins;

let
  inherit (builtins) head tail;

  lib = rec {
    optional = cond: elem: if cond then [ elem ] else [ ];
    optionalString = cond: string: if cond then string else "";
    optionalAttrs = cond: set: if cond then set else { };
    singleton = x: [ x ];
    fix = f: let x = f x; in x;
    extends = overlay: f: final: let prev = f final; in prev // overlay final prev;
    last = list: assert list != [ ]; elemAt list (length list - 1);
    fold = op: nul: list:
      let
        len = length list;
        go = n: if n == len then nul else op (elemAt list n) (go (n + 1));
      in
      go 0;
    filterAttrs = pred: set: listToAttrs (concatMap (name: let v = set.${name}; in if pred name v then [ { inherit name; value = v; } ] else [ ]) (attrNames set));
    splitString = sep: s: filter isString (split (escape sep) s);
    escape = replaceStrings [ "." "$" "\\" ] [ "\\." "\\$" "\\\\" ];
    hasPrefix = prefix: s: substring 0 (stringLength prefix) s == prefix;
    makeOverridable = f: origArgs:
      let result = f origArgs; in
      if isAttrs result then
        result // { override = newArgs: makeOverridable f (origArgs // (if isFunction newArgs then newArgs origArgs else newArgs)); }
      else
        result;
    callPackageWith = scope: fn: over:
      let f = if isFunction fn then fn else import fn; in
      makeOverridable f (intersectAttrs (functionArgs f) scope // over);
    concatMapStringsSep = sep: f: list: concatStringsSep sep (map f list);
    mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
    flatten = x: if isList x then concatMap flatten x else [ x ];
    unique = foldl' (acc: e: if elem e acc then acc else acc ++ [ e ]) [ ];
    platforms = { linux = [ "x86_64-linux" "aarch64-linux" ]; all = platforms.linux ++ [ "x86_64-darwin" ]; };
  };

  stdenv = {
    inherit lib system;
    shell = "/bin/sh";
    mkDerivation =
      {
        name ? "${pname}-${version}",
        pname ? "sample",
        version ? "1.0",
        outputs ? [ "out" ],
        buildInputs ? [ ],
        nativeBuildInputs ? [ ],
        meta ? { },
        passthru ? { },
        ...
      }@attrs:
      derivation (
        removeAttrs attrs [ "meta" "passthru" ]
        // {
          inherit name system outputs;
          builder = stdenv.shell;
          args = [ "-e" (toFile "builder.sh" "source $stdenv/setup\ngenericBuild\n") ];
          buildInputs = map (x: x.dev or x) buildInputs;
          nativeBuildInputs = nativeBuildInputs ++ lib.optional (buildInputs != [ ] && !(attrs ? dontStrip)) "strip";
        }
      )
      // { inherit meta; }
      // passthru;
  };

  base = self: {
    inherit lib stdenv;
    callPackage = lib.callPackageWith self;
    hello = self.callPackage (
      { stdenv, lib, fetch, doCheck ? true }:
      stdenv.mkDerivation rec {
        pname = "hello";
        version = "2.10";
        src = fetch { url = "mirror://gnu/hello/${pname}-${version}.tar.gz"; sha256 = "0ssi1wpaf7plaswqqjwigppsg5fyh99vdlb9kzl7c9lng89ndq1i"; };
        outputs = [ "out" "dev" ];
        inherit doCheck;
        NIX_CFLAGS_COMPILE = toString ([ "-O2" ] ++ lib.optional doCheck "-g");
        preConfigure = ''
          export FOO=${lib.optionalString doCheck "--check"} ''${BAR:-x}
            for i in $(ls); do
              echo "$i" ''\n ${version}
            done
        '';
        passAsFile = [ "preConfigure" ];
        enableParallelBuilding = true;
        jobs = 4;
        ratio = 1.5;
        nothing = null;
        meta = with lib; { description = "A sample"; platforms = platforms.linux ++ platforms.all; priority = -1; };
      }
    ) { };
    fetch = { url, sha256, name ? baseNameOf (toString url) }: derivation {
      inherit name system url;
      builder = "builtin:fetchurl";
      outputHashMode = "flat";
      outputHashAlgo = "sha256";
      outputHash = sha256;
      preferLocalBuild = true;
    };
    bundle = stdenv.mkDerivation {
      name = "bundle";
      buildInputs = with self; [ hello ];
      exportReferencesGraph = [ "closure" self.hello ];
      text = toJSON { a = [ 1 2.5 null true ]; b.c = "x"; d = self.hello.outPath; };
    };
    structured = derivation { name = "structured"; inherit system; builder = "/bin/sh"; __structuredAttrs = true; a = [ 1 "x" ]; b = { c = self.hello; }; };
  };
  overlay = final: prev: {
    tool = prev.hello.override { doCheck = false; };
    names = lib.unique (lib.flatten [ [ "a" "b" ] "a" (lib.splitString "." "x.y.z") ]);
  };
  pkgs = lib.fix (lib.extends overlay base);

  versions = sort (a: b: compareVersions a b < 0) [ "1.10" "1.9" "2.0pre1" ];
  matched = match "([a-z]+)-([0-9.]+).*" "hello-2.10.tar";
  grouped = groupBy (x: if x > 2 then "big" else "small") (genList (x: x * 2 + 1) 5);
  tested = tryEval (if args ? nothing then abort "never" else throw "no");
  sources = path { path = ./snapshot-sample.nix; name = "sample"; filter = name: type: true; };
  files = attrNames (readDir ./.) ++ [ (typeOf (pathExists ./x)) (getEnv "X") (substring 0 1 (readFile ./snapshot-sample.nix)) ];
  closed = genericClosure { startSet = [ { key = 1; } ]; operator = { key }: if key < 3 then [ { key = key + 1; } ] else [ ]; };
  zipped = zipAttrsWith (name: length) [ { a = 1; } { a = 2; b = 3; } ];
  halves = partition (x: x < 2) [ 1 2 3 ];
  # Calls enough for code of their own (src/eval/compile).
  hot =
    let
      named = { a, b ? 1, ... }@args: with args; if a == 0 then b else if a < 3 && b != 2 then a * 2 else a + (args.c or b);
      three = x: y: z: let s = { inherit x; y.z = y; } // { d = [ z ]; }; in assert s ? x; s.x + s.y.z - head (s.d ++ [ 1 ]) / 1;
      count = n: text: if n == 0 then text else count (n - 1) "${text}${toString n}";
      step = acc: i: three (named { a = acc; c = i; }) (named { a = i; b = acc; c = 2; }) (with { d = acc; }; d + i);
    in
    foldl' step 0 (genList (i: i) 8000) + stringLength (count 600 "");
  many = listToAttrs (genList (i: { name = "n${toString i}"; value = i; }) 600);
  large = many // { a = 1; } // listToAttrs (genList (i: { name = "${if i < 300 then "m" else "n"}${toString i}"; value = null; }) 600);
  imported = import <x/imported.nix> { scope = large; };
  compared = [ (pkgs.hello == pkgs.hello) ({ a = [ 1 ]; } == { a = [ 2 ]; }) (concatLists [ [ 1 ] matched ] == [ ]) ];
  line = (unsafeGetAttrPos "hello" (removeAttrs pkgs [ "bundle" ])).line;
  found = (tryEval <nowhere>).success;
  hex = pkgs.fetch { url = "x"; sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"; };
  both = { ${"dyn" + "amic"} = x: x + hex + "${pkgs.hello}${pkgs.tool}"; };
  parsed = fromJSON ''{ "a": [1, 2.5, "\u00e9"], "b": null }'';
in
assert lib.hasPrefix "x" "xyz" -> !tested.success;
[
  pkgs.bundle.drvPath
  pkgs.tool.drvPath
  pkgs.structured.drvPath
  "${pkgs.hello.dev}/include:${lib.makeOverridable (x: toString x) 3}"
  (lib.concatMapStringsSep ", " (x: ''"${x}"'') (versions ++ pkgs.names ++ matched))
  (toString (hot + lib.fold (a: b: a + b) 0 grouped.small + ceil 1.2 - bitAnd 6 3))
  (hashString "sha256" (toJSON parsed + toXML { a = 1; }))
  (toString (lib.mapAttrsToList (name: value: "${name}=${typeOf value}") (mapAttrs (n: v: v) (lib.filterAttrs (n: v: n != "b") parsed))))
  (concatStringsSep "/" (attrNames (extra // { inherit (parsed) a; "x y" = 1; ${"dyn" + "amic"}.deep.er = 2; }) ++ attrValues { z = "z"; }))
  "${sources}${placeholder "out"}${concatStringsSep "" files}${toString (catAttrs "key" closed ++ attrValues zipped ++ halves.right)}"
  "${toString (large.n7 + length (attrNames (removeAttrs large [ "a" ])))}${toJSON compared}${toString [ line found ]}${both.dynamic (toString imported.list)}"
  (if any (x: x == 2) [ 1 2 ] && all isInt [ 1 ] || false then "yes" else "no")
  (unsafeDiscardStringContext "${./snapshot-sample.nix}/${baseNameOf ./x}" + dirOf "/a/b" + (parseDrvName "a-1").name)
]
