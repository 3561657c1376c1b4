// What is measured. A case makes its expression (and files) for a scale: 1 is what the table of docs/performance.md
// shows, growth is seen by running it at 1/4, 1 and 4.
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type Program = 'ours' | 'theirs';

export interface Command {
  /** Arguments that both programs understand. */
  readonly args: readonly string[];
  /** Whose arguments; default: nix-instantiate. */
  readonly program?: string;
  /** Each writes to a store of its own. */
  readonly store?: true;
  /** Default: this process's own. */
  readonly env?: (program: Program) => NodeJS.ProcessEnv;
  /** Run before each pair, not measured. */
  readonly prepare?: () => void;
  /** False: the two say the same in other words. */
  readonly sameOutput?: boolean;
}

export interface Case {
  readonly name: string;
  /** The case has sizes: --growth runs it. */
  readonly sized: boolean;
  readonly make: (scale: number) => Command;
  /** Why the case can't run here; undefined where it can. */
  readonly missing?: string | undefined;
}

export interface Places {
  /** For files that cases write. */
  readonly work: string;
  /** The folder of the original dockerTools. */
  readonly seed: string;
  /** A checkout of github.com/auxolotl/core; '' none. */
  readonly core: string;
  /** A checkout of github.com/nix-community/nixpkgs.lib, or of nixpkgs; '' none. */
  readonly nixpkgs: string;
}

function evalCase(name: string, expr: (n: number) => string, n: number): Case {
  return {
    name,
    sized: true,
    make: (scale) => ({ args: ['--eval', '--strict', '-E', expr(Math.round(n * scale))] }),
  };
}

const upTo = (n: number): string => `(builtins.genList (x: x) ${n})`;

/** About 1.9 MB of packages such as generated sets of them have, of which a few are evaluated. */
function writeLargeFile(file: string, packages: number): void {
  const out = ['{ callPackage, fetchurl, lib, ... }:\n{\n'];
  for (let i = 0; i < packages; i++) {
    out.push(`  # Package number ${i}.
  "package-${i}" = callPackage ({ mkDerivation, base, bytestring${i % 7 === 0 ? ', containers ? null' : ''} }: mkDerivation {
    pname = "package-${i}"; version = "${i % 9}.${i % 13}.${i % 5}";
    src = fetchurl { url = "mirror://hackage/package-${i}.tar.gz"; sha256 = "0${(i * 7919).toString(36).padStart(51, 'a')}"; };
    libraryHaskellDepends = [ base bytestring ] ++ lib.optional (${i} > 3 && !false) base;
    postInstall = ''
      mkdir -p $out/share/doc
      cp \${base}/README $out/share/doc/README-${i}
    '';
    meta = { description = "The package of number ${i}"; license = lib.licenses.bsd3; hydraPlatforms = [ ]; };
  }) { };

`);
  }
  out.push('}\n');
  writeFileSync(file, out.join(''));
}

const JSON_ROW = (i: number): string =>
  `{"name":"package ${i}","version":"${i % 9}.${i % 13}","size":${i * 37},"ratio":${(i % 7) + 0.5},"tags":["a","b\\n${i}",null,true],"meta":{"id":${i},"empty":{}}}`;

/** nixpkgs' library as real Nix 2.8 can read it: one builtin in it is younger. */
function copyLib(nixpkgs: string, work: string): string {
  const lib = join(work, 'lib');
  if (!existsSync(lib)) {
    cpSync(join(nixpkgs, 'lib'), lib, { recursive: true });
    const file = join(lib, 'filesystem.nix');
    const text = readFileSync(file, 'utf8');
    const old = 'path: (builtins.readDir (dirOf path)).${baseNameOf path}';
    writeFileSync(
      file,
      text.replaceAll('builtins.readFileType', () => `(${old})`),
    );
  }
  return join(lib, 'tests/misc.nix');
}

/** The original dockerTools with derivations in place of the package set: the same work for both programs. */
const SEED = `{ seed }:
let
  lib = {
    toLower = s: s; head = builtins.head; last = l: builtins.elemAt l (builtins.length l - 1);
    splitString = sep: s: builtins.filter builtins.isString (builtins.split sep s);
    optionalString = c: s: if c then s else ""; singleton = x: [ x ]; concatStringsSep = builtins.concatStringsSep;
  };
  tool = name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; };
  run = name: env: text: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; buildCommand = text; }
    // removeAttrs env [ "passthru" ]) // (env.passthru or { });
  callPackage = path: over: (import path) (builtins.intersectAttrs (builtins.functionArgs (import path)) (pkgs // { inherit pkgs; }) // over);
  pkgs = builtins.listToAttrs (map (name: { inherit name; value = tool name; }) [
    "cacert" "coreutils" "e2fsprogs" "findutils" "go" "jq" "jshon" "moreutils" "nix" "pigz" "rsync" "shadow" "skopeo"
    "utillinux" "bash" ]) // {
    docker.src = tool "docker";
    inherit lib callPackage; buildPackages.go.GOARCH = "amd64"; stdenv = { inherit lib; };
    runCommand = run; runtimeShell = "/bin/sh";
    writeText = name: text: run name { inherit text; passAsFile = [ "text" ]; } "cp $textPath $out";
    writeScript = name: text: run name { inherit text; passAsFile = [ "text" ]; } "cp $textPath $out";
    closureInfo = { rootPaths }: run "closure-info" { exportReferencesGraph = [ "c" (builtins.head rootPaths) ]; } "";
    referencesByPopularity = path: run "closure-paths" { exportReferencesGraph = [ "graph" path ]; } "";
    writeReferencesToFile = path: run "refs" { exportReferencesGraph = [ "graph" path ]; } "";
    substituteAll = args: run "substituted" args ""; symlinkJoin = { name, paths }: run name { inherit paths; } "";
    vmTools = { runInLinuxVM = drv: drv; createEmptyImage = _: "x"; hd = "vda"; };
  };
in (callPackage seed { }).buildLayeredImage { name = "hello"; contents = [ pkgs.bash pkgs.coreutils ]; config.Cmd = [ "/bin/bash" ]; }
`;

export function allCases({ work, seed, core, nixpkgs }: Places): Case[] {
  const written = (name: string, scale: number, write: (file: string) => void): string => {
    const file = join(work, `${scale}-${name}`);
    if (!existsSync(file)) write(file);
    return file;
  };
  const seedExpr = written('seed.nix', 1, (file) => {
    writeFileSync(file, SEED);
  });
  return [
    { name: 'start', sized: false, make: () => ({ args: ['--eval', '--strict', '-E', '1+1'] }) },
    {
      name: 'fib 31',
      sized: true,
      make: (scale) => ({
        // Four times the work is 2.88 more.
        args: [
          '--eval',
          '-E',
          `let fib = n: if n < 2 then n else fib (n - 1) + fib (n - 2); in fib ${Math.round(31 + Math.log(scale) / Math.log(1.618))}`,
        ],
      }),
    },
    evalCase(
      'calls: curried, formals, with',
      (n) => `let
        f = { a, b ? 1, ... }@args: with args; if a == 0 then b else a + (args.c or b);
        g = x: y: z: x + y - z;
        step = acc: i: g (f { a = acc; c = i; }) (f { a = i; b = acc; c = 2; }) (with { d = acc; }; d + i);
      in builtins.foldl' step 0 ${upTo(n)}`,
      100_000,
    ),
    evalCase("foldl' over a million", (n) => `builtins.foldl' (a: b: a + b) 0 ${upTo(n)}`, 1_000_000),
    evalCase(
      'attributes: sets of 20,000',
      (n) => `let
        names = map (i: "attribute-" + toString i) ${upTo(n)};
        set = builtins.listToAttrs (map (name: { inherit name; value = builtins.stringLength name; }) names);
        more = builtins.mapAttrs (name: value: value + 1) set;
        some = removeAttrs more (builtins.filter (name: set.\${name} == 13) names);
        both = builtins.intersectAttrs some (set // { x = 1; });
      in builtins.foldl' (sum: name: sum + more.\${name} + (both.\${name} or 0)) 0 (builtins.attrNames (set // some))
        + builtins.foldl' builtins.add 0 (builtins.attrValues both)`,
      20_000,
    ),
    evalCase(
      'attributes: // 5,000 times',
      (n) =>
        `builtins.length (builtins.attrNames (builtins.foldl' (a: i: a // { \${"k" + toString i} = i; }) { } ${upTo(n)}))`,
      5000,
    ),
    evalCase(
      'strings: toString, concat',
      (n) => `builtins.stringLength (builtins.concatStringsSep "," (map toString ${upTo(n)}))`,
      200_000,
    ),
    evalCase(
      'strings: substring, replace',
      (n) => `let
        line = i: "line \${toString i}: " + builtins.replaceStrings [ "a" "bc" "\\n" ] [ "<a>" "" " " ] "abcabc\\n\${toString i}";
        text = builtins.foldl' (acc: i: acc + line i) "" ${upTo(n)};
        chars = builtins.genList (i: builtins.substring i 1 text) (builtins.stringLength text);
      in builtins.stringLength (builtins.concatStringsSep "" (builtins.filter (c: c != " ") chars))`,
      8000,
    ),
    evalCase(
      'sort, filter',
      (n) => `let
        list = builtins.genList (x: (x * 7919) - (x * 7919 / 100003) * 100003) ${n};
        sorted = builtins.sort (a: b: a < b) list;
        names = builtins.sort builtins.lessThan (map toString (builtins.filter (x: x - x / 2 * 2 == 0) list));
      in builtins.head sorted + builtins.length names + builtins.length (builtins.filter (x: x > 500) sorted)`,
      100_000,
    ),
    evalCase(
      'overlays 200 deep',
      (n) => `let
        fix = f: let x = f x; in x;
        extends = overlay: f: final: let prev = f final; in prev // overlay final prev;
        overlay = i: final: prev: builtins.listToAttrs (builtins.genList (j: { name = "q\${toString (i * 40 + j)}"; value = final.p0.name; }) 40) // {
          "p\${toString i}" = { name = "p\${toString i}"; deps = [ final.base ] ++ prev.base.deps; };
          base = prev.base // { deps = prev.base.deps ++ [ i ]; "v\${toString i}" = final.p0.name; };
          count = prev.count + 1;
        };
        set = fix (builtins.foldl' (f: i: extends (overlay i) f) (final: { base.deps = [ ]; p0.name = "zero"; count = 0; }) ${upTo(n)});
      in set.count + builtins.foldl' (a: p: a + (if builtins.isString p then 1 else builtins.length (p.deps or [ ]))) 0 (builtins.attrValues (removeAttrs set [ "count" ]))`,
      200,
    ),
    {
      name: 'a file of 1.9 MB',
      sized: true,
      make(scale) {
        const file = written('large.nix', scale, (path) => {
          writeLargeFile(path, Math.round(2900 * scale));
        });
        return {
          args: [
            '--eval',
            '--strict',
            '-E',
            `let lib = { optional = c: x: if c then [ x ] else [ ]; licenses.bsd3 = "bsd3"; };
            set = import ${file} { callPackage = f: a: f ({ mkDerivation = x: x.pname; base = 1; bytestring = 2; } // a); fetchurl = x: x; inherit lib; };
            in builtins.length (builtins.attrNames set) + builtins.stringLength set.package-7`,
          ],
        };
      },
    },
    evalCase(
      'regex: match, split',
      (n) => `let
        parse = i: builtins.match "([a-z]+)-([0-9.]+)(-(rc|beta)[0-9]*)?" "package-\${toString i}.\${toString (i + 1)}-rc\${toString i}";
        text = builtins.concatStringsSep ", " (builtins.genList (i: "word\${toString i} = \\"value\\"") ${n});
        pieces = builtins.filter builtins.isString (builtins.split "[ ,=\\"]+" text);
      in builtins.length pieces + builtins.foldl' (a: i: a + builtins.length (parse i)) 0 ${upTo(n)}`,
      10_000,
    ),
    {
      name: 'JSON: read, write',
      sized: true,
      make(scale) {
        const file = written('large.json', scale, (path) => {
          writeFileSync(path, `[${Array.from({ length: 20_000 * scale }, (_, i) => JSON_ROW(i)).join(',\n')}]`);
        });
        return {
          args: [
            '--eval',
            '--strict',
            '-E',
            `let rows = builtins.fromJSON (builtins.readFile ${file}); in builtins.length rows + builtins.stringLength (builtins.toJSON rows)`,
          ],
        };
      },
    },
    {
      name: 'nixpkgs: lib/tests/misc.nix',
      sized: false,
      make: () => ({ args: ['--eval', '--strict', copyLib(nixpkgs, work)] }),
      missing: nixpkgs === '' ? '--nixpkgs' : missing(join(nixpkgs, 'lib')),
    },
    {
      name: 'seed: buildLayeredImage',
      sized: false,
      make: () => ({ args: [seedExpr, '--arg', 'seed', join(seed, 'default.nix')], store: true }),
      missing: missing(seed),
    },
    {
      name: 'auxolotl/core: stdenv',
      sized: false,
      make: () => ({ args: [join(core, 'default.nix'), '-A', 'stdenv'], store: true }),
      missing: core === '' ? '--tree' : missing(core),
    },
  ];
}

function missing(place: string): string | undefined {
  return existsSync(place) ? undefined : place;
}
