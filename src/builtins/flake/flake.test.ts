import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { evaluate } from '../../../test/support/evaluate.ts';
import { NodeEvalIo } from '../../eval/node-io.ts';
import { defaultFetchSettings, type EvalSettings } from '../../eval/settings.ts';

let dir: string;
let lines: string[];
const opened: NodeEvalIo[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsnix-flake-'));
  lines = [];
});
afterEach(() => {
  for (const io of opened.splice(0)) io.close();
  rmSync(dir, { recursive: true });
});

/** Files by path below the directory; all of the same age. */
function put(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text.replaceAll('@', dir));
    utimesSync(join(dir, name), 1000, 1000);
  }
}

function run(source: string, settings: Partial<EvalSettings> = {}): string {
  const restrict = settings.pureEval === true ? { restrict: { pure: true, allowed: [] } } : {};
  const io = new NodeEvalIo({ system: 's', log: (line) => lines.push(line), ...restrict });
  opened.push(io);
  return evaluate(source.replaceAll('@', dir), {
    io,
    settings: { experimentalFeatures: new Set(['flakes', 'fetch-tree']), ...settings },
  });
}
const get = (flake: string, select: string, settings: Partial<EvalSettings> = {}): string =>
  run(`let f = builtins.getFlake "${flake}"; in ${select}`, settings);

describe('a flake without inputs', () => {
  it('is its outputs, and what is known of its tree', () => {
    put({ 'f/flake.nix': '{ outputs = { self }: { x = 1; y = self.x + 1; here = ./flake.nix; }; }' });
    expect(get('path:@/f', '[ f.x f.y f.outputs.y f.inputs f._type (f.sourceInfo.outPath == f.outPath) ]')).toBe(
      '[ 1 2 2 { } "flake" true ]',
    );
    expect(get('path:@/f', '(toString f.here == "${f}/flake.nix") && builtins.hasContext f.outPath')).toBe('true');
    expect(get('@/f', 'f.x')).toBe('1');
    expect(lines).toEqual([]);
  });

  it('in a folder of its tree', () => {
    put({ 't/sub/flake.nix': '{ outputs = { self }: { up = builtins.readFile ../top; }; }', 't/top': 'top' });
    expect(get('path:@/t?dir=sub', '[ f.up (f.outPath == f.sourceInfo.outPath + "/sub") ]')).toBe('[ "top" true ]');
  });

  it.each([
    ['1', "/flake.nix' must be an attribute set"],
    ['{ }', "lacks attribute 'outputs'"],
    ['{ outputs = 1; }', 'expected a function but got an integer at '],
    ['{ outputs = (x: x) (y: y); }', 'expected a function but got a thunk at '],
    ['{ description = "a" + "b"; outputs = x: x; }', 'expected a string but got a thunk at '],
    ['{ odd = 1; outputs = x: x; }', "has an unsupported attribute 'odd', at "],
    ['{ inputs = [ ]; outputs = x: x; }', 'expected a set but got a list at '],
    ['{ inputs.a.odd = 1; outputs = x: x; }', "unexpected flake input attribute 'odd', at "],
    ['{ inputs.a.url = 1; outputs = x: x; }', 'expected a string or a path but got an integer at '],
    ['{ inputs.a.flake = 1; outputs = x: x; }', 'expected a Boolean but got an integer at '],
    ['{ inputs.a = { url = "path:/x"; follows = "b"; }; outputs = x: x; }', 'both a flake reference and a follows'],
    ['{ inputs.a.follows = "b!"; outputs = x: x; }', "invalid flake input attribute path element 'b!'"],
    ['{ inputs.a.follows = "b"; outputs = x: x; }', "input 'a' follows a non-existent input 'b'"],
    ['{ inputs.self.odd = true; outputs = x: x; }', "flake 'self' attribute 'odd' is not supported"],
    ['{ inputs.a.inputs.self.lfs = true; outputs = x: x; }', "'self' input attribute not allowed at "],
    ['{ outputs = { self, missing }: { }; }', "cannot find flake 'flake:missing' in the flake registries"],
  ])('%s', (flake, message) => {
    put({ 'f/flake.nix': flake });
    expect(() => get('path:@/f', 'f')).toThrow(message);
  });
});

describe('inputs', () => {
  beforeEach(() => {
    put({
      'a/flake.nix': `{
        inputs = { b.url = "path:@/b"; plain = { url = "path:@/plain"; flake = false; }; near.url = "path:./near"; };
        inputs.c.url = "path:@/c"; inputs.c.inputs.b.follows = "b";
        outputs = { self, b, plain, near, c }: { v = [ b.v near.v c.v (builtins.readFile (plain + "/file")) ]; };
      }`,
      'a/near/flake.nix': '{ outputs = { self }: { v = "near"; }; }',
      'b/flake.nix': '{ outputs = { self }: { v = "b"; }; }',
      'c/flake.nix': '{ inputs.b.url = "path:@/nowhere"; outputs = { self, b }: { v = "c of ${b.v}"; }; }',
      'plain/file': 'plain',
    });
  });

  it('flakes, trees that are none, paths in the flake, what follows another', () => {
    expect(get('path:@/a', 'f.v')).toBe('[ "b" "near" "c of b" "plain" ]');
    expect(get('path:@/a', 'f.inputs.plain ? v || f.inputs.plain ? _type')).toBe('false');
    expect(get('path:@/a', 'f.inputs.near.outPath == f.outPath + "/near"')).toBe('true');
  });

  it('are told, where no lock file has them', () => {
    get('path:@/a', 'f.v');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      /^warning: not writing modified lock file of flake 'path:.*\/a':\n.* Added input 'b':\n {4}'path:.*\/b\?lastModified=\d+&narHash=sha256-.*' \(\d{4}-\d\d-\d\d\)\n/,
    );
    expect(lines[0]).toContain("Added input 'c/b':\n    follows 'b'\n");
    expect(lines[0]).toMatch(/Added input 'near':\n {4}'path:\.\/near'\n/);
  });

  it('locked ones are not asked for before they are used', () => {
    const hash = JSON.parse(run('(builtins.fetchTree "path:@/b").narHash')) as string;
    const node = (locked: string): string => `{
      "nodes": {
        "b": { "locked": ${locked}, "original": { "path": "@/b", "type": "path" } },
        "root": { "inputs": { "b": "b" } }
      },
      "root": "root", "version": 7 }`;
    put({
      'l/flake.nix': '{ inputs.b.url = "path:@/b"; outputs = { self, b }: { w = 1; v = b.v; }; }',
      'l/flake.lock': node(`{ "path": "@/b", "type": "path", "lastModified": 1000, "narHash": "${hash}" }`),
    });
    expect(get('path:@/l', 'f.v')).toBe('"b"');
    expect(lines).toEqual([]);
    put({ 'b/flake.nix': '{ outputs = { self }: { v = "changed"; }; }' });
    expect(get('path:@/l', 'f.w')).toBe('1');
    expect(() => get('path:@/l', 'f.v')).toThrow('NAR hash mismatch in input');
    put({ 'l/flake.lock': node('{ "path": "@/b", "type": "path" }') });
    expect(() => get('path:@/l', 'f.w')).toThrow('Lock file contains unlocked input');
    put({ 'l/flake.lock': '{ "version": 99, "root": "root", "nodes": { "root": { } } }' });
    expect(() => get('path:@/l', 'f.w')).toThrow("flake.lock' has unsupported version 99");
    put({ 'l/flake.lock': '{' });
    expect(() => get('path:@/l', 'f.w')).toThrow('Could not parse');
    put({ 'l/flake.lock': '{ "version": 7, "root": "root", "nodes": { "root": { "inputs": { "b": "c" } } } }' });
    expect(() => get('path:@/l', 'f.w')).toThrow("lock file references missing node 'c'");
  });

  it('that go round in circles', () => {
    put({
      'x/flake.nix': '{ inputs.y.url = "path:@/y"; outputs = { self, y }: { }; }',
      'y/flake.nix': '{ inputs.x.url = "path:@/x"; outputs = { self, x }: { }; }',
      'z/flake.nix': '{ inputs.p.follows = "q"; inputs.q.follows = "p"; outputs = x: x; }',
    });
    expect(() => get('path:@/x', 'f')).toThrow(/found circular import of flake 'path:.*\/y'/);
    expect(() => get('path:@/z', 'f')).toThrow('follow cycle detected: [q -> p -> q]');
  });

  it('overrides of inputs that are not there', () => {
    put({
      'o/flake.nix': '{ inputs.b.url = "path:@/b"; inputs.b.inputs.n.url = "path:/n"; outputs = { self, b }: { }; }',
    });
    get('path:@/o', 'f');
    expect(lines[0]).toBe("warning: input 'b' has an override for a non-existent input 'n'");
  });
});

describe('registries', () => {
  const registry = (entries: object[]): Partial<EvalSettings> => {
    put({ 'registry.json': JSON.stringify({ version: 2, flakes: entries }) });
    return { fetch: { ...defaultFetchSettings, globalRegistry: join(dir, 'registry.json') } };
  };

  it('give names a meaning, step by step', () => {
    put({
      'b/flake.nix': '{ outputs = { self }: { v = "b"; }; }',
      'b/sub/flake.nix': '{ outputs = { self }: { v = "sub"; }; }',
      'a/flake.nix': '{ outputs = { self, b }: { v = b.v; }; }',
    });
    const settings = registry([
      { from: { type: 'indirect', id: 'a' }, to: { type: 'indirect', id: 'also-a' } },
      { from: { type: 'indirect', id: 'also-a' }, to: { type: 'path', path: '@/a' } },
      { from: { type: 'indirect', id: 'b' }, to: { type: 'path', path: '@/b', dir: 'sub' } },
      { from: { type: 'indirect', id: 'loop' }, to: { type: 'indirect', id: 'loop' } },
    ]);
    expect(get('a', 'f.v', settings)).toBe('"sub"');
    expect(get('flake:b', 'f.v', settings)).toBe('"sub"');
    expect(() => get('loop', 'f', settings)).toThrow("cycle detected in flake registry for 'flake:loop'");
    expect(() => get('b/branch', 'f', settings)).toThrow("don't know how to set branch/tag name of input");
    expect(() => get('a', 'f', { fetch: { ...settings.fetch!, useRegistries: false } })).toThrow(
      "'flake:a' is an indirect flake reference, but registry lookups are not allowed",
    );
  });

  it('stand in the search path', () => {
    put({ 'plain/default.nix': '"found"', 'plain/lib/x.nix': '1' });
    const settings = {
      ...registry([{ from: { type: 'indirect', id: 'p' }, to: { type: 'path', path: '@/plain', dir: 'lib' } }]),
      nixPath: [{ prefix: 'pkgs', path: 'flake:p' }],
    };
    expect(run('[ (import <pkgs>) (import <pkgs/lib/x.nix>) ]', settings)).toBe('[ "found" 1 ]');
    expect(() => run('<pkgs>', { ...settings, experimentalFeatures: new Set() })).toThrow(
      "feature 'flakes' is disabled",
    );
  });

  it('bad ones are told and left', () => {
    put({ 'registry.json': '{ "version": 3 }' });
    const settings = { fetch: { ...defaultFetchSettings, registries: [join(dir, 'registry.json')] } };
    expect(() => get('a', 'f', settings)).toThrow("cannot find flake 'flake:a'");
    expect(lines[0]).toMatch(/^warning: cannot read flake registry '.*' has unsupported version 3$/);
  });
});

describe('pure evaluation', () => {
  it('wants a locked reference, and reads what that brings', () => {
    put({
      'f/flake.nix': '{ outputs = { self }: { v = builtins.readFile ./file; out = /etc/passwd; }; }',
      'f/file': 'x',
    });
    expect(() => get('path:@/f', 'f', { pureEval: true })).toThrow(
      /^cannot call 'getFlake' on unlocked flake reference 'path:.*', at .*none.*:0 \(use --impure to override\)$/,
    );
    const hash = encodeURIComponent(JSON.parse(run('(builtins.fetchTree "path:@/f").narHash')) as string);
    const flake = `path:@/f?narHash=${hash}`;
    expect(get(flake, 'f.v', { pureEval: true })).toBe('"x"');
    expect(() => get(flake, 'builtins.readFile f.out', { pureEval: true })).toThrow('is forbidden in pure evaluation');
  });
});
