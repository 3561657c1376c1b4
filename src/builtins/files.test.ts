import { describe, expect, it } from 'vitest';
import { evaluate } from '../../test/support/evaluate.ts';

const files = {
  '/work/a.txt': 'text a',
  '/work/dir/b.nix': '{ x }: x + 1',
  '/work/dir/default.nix': '"the default"',
  '/work/dir/sub/run': { contents: '#!/bin/sh', executable: true },
  '/work/link': { symlink: 'dir/b.nix' },
  '/work/dirlink': { symlink: 'dir' },
  '/work/dangling': { symlink: 'nowhere' },
  '/work/loop': { symlink: 'loop' },
  '/work/nul': 'a\0b',
  '/work/empty': { directory: true },
  '/work/uses-sibling/x.nix': 'import ./y.nix',
  '/work/uses-sibling/y.nix': '"y"',
  '/work/to-sibling.nix': { symlink: 'uses-sibling/x.nix' },
  '/work/scoped.nix': 'map + toString extra',
} as const;
const run = (source: string): string => evaluate(source, { files, env: { HOME: '/home/me', FOO: 'bar' } });

describe('builtins that read', () => {
  it.each([
    ['builtins.readFile ./a.txt', '"text a"'],
    ['builtins.readFile "/work/a.txt"', '"text a"'],
    ['builtins.readFile ./dirlink/b.nix', '"{ x }: x + 1"'],
    ['builtins.readDir ./dir', '{ "b.nix" = "regular"; "default.nix" = "regular"; sub = "directory"; }'],
    ['builtins.readDir ./dirlink == builtins.readDir ./dir', 'true'],
    ['builtins.readDir ./empty', '{ }'],
    ['map builtins.readFileType [ ./a.txt ./dir ./link ./dangling ]', '[ "regular" "directory" "symlink" "symlink" ]'],
    ['map builtins.pathExists [ ./a.txt ./nothing ./dangling ./dir ]', '[ true false true true ]'],
    [
      'map builtins.pathExists [ "/work/a.txt/" "/work/dir/" "/work/dirlink/." "/work/dangling/" ]',
      '[ false true true false ]',
    ],
    ['builtins.hashFile "sha256" ./a.txt == builtins.hashString "sha256" "text a"', 'true'],
    ['map builtins.getEnv [ "FOO" "BAR" "toString" ]', '[ "bar" "" "" ]'],
    ['import ./dir', '"the default"'],
    ['import ./dirlink', '"the default"'],
    ['import ./link { x = 1; }', '2'],
    ['import ./to-sibling.nix', '"y"'],
    ['import "/work/dir/b.nix" { x = 2; }', '3'],
    ['builtins.scopedImport { map = "mine "; extra = 1; } ./scoped.nix', '"mine 1"'],
    ['builtins.findFile [ { prefix = "p"; path = "/work/dir"; } ] "p/b.nix"', '/work/dir/b.nix'],
    ['builtins.findFile [ { path = "/nothing"; } { path = "/work"; } ] "dir"', '/work/dir'],
    ['builtins.findFile [ { prefix = "di"; path = "/work/dir"; } { path = /work; } ] "dir"', '/work/dir'],
    ['(builtins.tryEval (builtins.findFile [ ] "x")).success', 'false'],
    ['builtins.isFunction (import <nix/fetchurl.nix>)', 'true'],
    ['builtins.toPath "/a/../b//c"', '"/b/c"'],
  ])('%s', (source, value) => {
    expect(run(source)).toBe(value);
  });

  it.each([
    ['builtins.readFile ./nothing', "path '/work/nothing' does not exist"],
    ['builtins.readFile ./dir', "file '/work/dir' is not a regular file"],
    ['builtins.readFile ./nul', "the contents of the file '/work/nul' cannot be represented as a Nix string"],
    ['builtins.readFile ./loop', "infinite symlink recursion in path '/work/loop'"],
    ['builtins.readFile "a.txt"', "string 'a.txt' doesn't represent an absolute path"],
    ['builtins.readDir ./a.txt', "'/work/a.txt' is not a directory"],
    ['builtins.readFileType ./nothing', "path '/work/nothing' does not exist"],
    ['builtins.hashFile "sha3" ./a.txt', "unknown hash algorithm 'sha3'"],
    ['import ./nothing', "path '/work/nothing' does not exist"],
    ['import ./loop', 'too many symbolic links'],
    ['builtins.findFile [ ] "x"', "file 'x' was not found in the Nix search path (add it using $NIX_PATH or -I)"],
    ['builtins.findFile [ { } ] "x"', "attribute 'path' missing"],
    ['builtins.getEnv (builtins.toFile "x" "y")', 'is not allowed to refer to a store path'],
  ])('%s fails', (source, message) => {
    expect(() => run(source)).toThrow(message);
  });

  it('a search path entry that is not there is told once', () => {
    const lines: string[] = [];
    const source =
      'let f = builtins.findFile [ { path = "/gone"; } { path = "/work"; } ]; in [ (f "dir") (f "a.txt") ]';
    expect(evaluate(source, { files, log: (line) => lines.push(line) })).toBe('[ /work/dir /work/a.txt ]');
    expect(lines).toEqual(["warning: Nix search path entry '/gone' does not exist, ignoring"]);
  });

  it('getEnv is empty in pure evaluation', () => {
    expect(evaluate('builtins.getEnv "FOO"', { env: { FOO: 'bar' }, settings: { pureEval: true } })).toBe('""');
  });

  it('readFile keeps the references that the text mentions', () => {
    const source = `
      let
        a = builtins.toFile "a" "a";
        b = builtins.toFile "b" "b";
        both = builtins.toFile "both" "\${a} and \${builtins.substring 0 0 b}";
      in builtins.attrValues (builtins.mapAttrs (n: _: baseNameOf n) (builtins.getContext (builtins.readFile both)))`;
    expect(run(source)).toMatch(/^\[ "[0-9a-z]{32}-a" \]$/);
  });

  it('an imported .drv is a package', () => {
    const source = `
      let d = derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; };
          i = import d.drvPath;
      in [ (i.out.outPath == d.outPath) (i.dev.outPath == d.dev.outPath) i.type i.name i.outputName i.dev.outputName
           (builtins.getContext "\${i.dev}" == builtins.getContext "\${d.dev}") (map (x: x.outputName) i.all) ]`;
    expect(run(source)).toBe('[ true true "derivation" "d" "dev" "dev" true [ "dev" "out" ] ]');
  });
});
