// Kept results, input by input: unchanged ones are answered from the cache, changed ones never.
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CachedProject, HIT, type Answer } from '../../test/support/cached-session.ts';
import { NodeEvalIo } from '../eval/node-io.ts';
import { RecordingIo } from './cache/recording-io.ts';

let project: CachedProject;

beforeEach(() => {
  project = new CachedProject();
  // Old files: stamps are trusted.
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
});
afterEach(() => {
  vi.useRealTimers();
  project.close();
});

const path = (name: string): string => join(project.project, name);
function write(name: string, text: string): void {
  // Clocks of file systems tick every 4 or 10 ms.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 12);
  writeFileSync(path(name), text);
}
const hit = ({ explained }: Answer): boolean => explained.includes(HIT);
const value = ({ results, error }: Answer): unknown => error ?? results[0];

/** Evaluates twice: the second time is a hit; then after `change` it is not, and the result is `after`. */
function changes(args: readonly string[], before: string, change: () => void, after: string): void {
  expect(value(project.eval(args))).toBe(before);
  const again = project.eval(args);
  expect({ value: value(again), hit: hit(again) }).toEqual({ value: before, hit: true });
  change();
  const changed = project.eval(args);
  expect({ value: value(changed), hit: hit(changed) }).toEqual({ value: after, hit: false });
}

describe('a kept result', () => {
  it('is evaluated anew where a file changes that is imported or read', () => {
    write('a.nix', '1');
    write('text', 'x');
    write('default.nix', '[ (import ./a.nix) (builtins.readFile ./text) ]');
    changes([], '[1,"x"]', () => write('text', 'y'), '[1,"y"]');
    changes([], '[1,"y"]', () => write('a.nix', '2'), '[2,"y"]');
    changes([], '[2,"y"]', () => write('default.nix', '[ (import ./a.nix) ]'), '[2]');
  });

  it('is evaluated anew where a listing changes', () => {
    mkdirSync(path('d'));
    write('default.nix', 'builtins.readDir ./d');
    changes([], '{}', () => write('d/a', ''), '{"a":"regular"}');
    changes(
      [],
      '{"a":"regular"}',
      () => {
        unlinkSync(path('d/a'));
        mkdirSync(path('d/a'));
      },
      '{"a":"directory"}',
    );
  });

  it('is evaluated anew where something appears, goes, or becomes something else', () => {
    write('default.nix', '[ (builtins.pathExists ./x) (builtins.pathExists ./x/y) ]');
    changes([], '[false,false]', () => write('x', ''), '[true,false]');
    changes(
      [],
      '[true,false]',
      () => {
        unlinkSync(path('x'));
        mkdirSync(path('x'));
        write('x/y', '');
      },
      '[true,true]',
    );
  });

  it('is evaluated anew where a link is set elsewhere', () => {
    mkdirSync(path('v1'));
    mkdirSync(path('v2'));
    write('v1/x', '1');
    write('v2/x', '2');
    symlinkSync('v1', path('v'));
    write('default.nix', 'builtins.readFile ./v/x');
    const retarget = (to: string) => (): void => {
      unlinkSync(path('v'));
      symlinkSync(to, path('v'));
    };
    changes([], '"1"', retarget('v2'), '"2"');
    changes([], '"2"', retarget('v3'), `path '${path('v3/x')}' does not exist`);
  });

  it('is evaluated anew where the environment, the search path or an argument changes', () => {
    mkdirSync(path('n1'));
    mkdirSync(path('n2'));
    write('n1/x.nix', '1');
    write('n2/x.nix', '2');
    write('default.nix', '{ a ? 0 }: [ (builtins.getEnv "TSNIX_TEST_X") (import <x.nix>) a ]');
    process.env['NIX_PATH'] = path('n1');
    const args = ['--arg', 'a', '3'];
    write('default.nix', '[ (builtins.getEnv "TSNIX_TEST_X") (import <x.nix>) ]');
    changes([], '["",1]', () => (process.env['TSNIX_TEST_X'] = 'y'), '["y",1]');
    changes([], '["y",1]', () => (process.env['NIX_PATH'] = path('n2')), '["y",2]');
    expect(hit(project.eval(args))).toBe(false);
    expect(hit(project.eval([]))).toBe(true);
    changes([], '["y",2]', () => renameSync(path('n1/x.nix'), path('n2/x.nix')), '["y",1]');
  });

  it('is evaluated anew where a setting changes', () => {
    write('default.nix', 'builtins.currentSystem');
    changes([], '"x86_64-linux"', () => (process.env['NIX_CONFIG'] = 'system = aarch64-linux'), '"aarch64-linux"');
  });

  it('is evaluated anew where a copied tree changes: contents, names, modes', () => {
    mkdirSync(path('src'));
    write('src/a', 'a');
    write('default.nix', '"${./src}"');
    const seen = new Set([value(project.eval([]))]);
    const edits = [
      (): void => write('src/a', 'b'),
      (): void => write('src/c', ''),
      (): void => chmodSync(path('src/a'), 0o755),
      (): void => symlinkSync('a', path('src/l')),
      (): void => unlinkSync(path('src/c')),
    ];
    for (const edit of edits) {
      expect(hit(project.eval([]))).toBe(true);
      edit();
      const changed = project.eval([]);
      expect(hit(changed)).toBe(false);
      seen.add(value(changed));
    }
    expect(seen.size).toBe(edits.length + 1);
  });

  it('does not care for what a filter left out', () => {
    mkdirSync(path('src'));
    write('src/a', 'a');
    write('src/b', 'b');
    write('default.nix', '"${builtins.filterSource (p: t: baseNameOf p != "b") ./src}"');
    const first = value(project.eval([]));
    write('src/b', 'other');
    expect(project.eval([])).toMatchObject({ results: [first], explained: [HIT] });
    write('src/a', 'other');
    expect(value(project.eval([]))).not.toBe(first);
  });

  it('says again what was said', () => {
    write('default.nix', 'builtins.trace "one" (builtins.warn "two" 1)');
    const first = project.eval([]);
    expect(first.said).toHaveLength(2);
    expect(project.eval([])).toEqual({ ...first, explained: [HIT] });
  });

  it('is not kept where the time was used, an error came, or something was fetched', () => {
    write('default.nix', 'builtins.currentTime');
    project.eval([]);
    expect(project.eval([]).explained).toContain('not kept: builtins.currentTime was used');
    write('default.nix', 'throw "no"');
    project.eval([]);
    expect(hit(project.eval([]))).toBe(false);
    write('file', 'x');
    write('default.nix', `builtins.readFile (builtins.fetchurl "file://${path('file')}")`);
    project.eval([]);
    expect(hit(project.eval([]))).toBe(false);
  });

  it('brings derivations back that were collected', () => {
    write('src', 'a');
    write(
      'default.nix',
      'derivation { name = "n"; system = "x"; builder = "/b"; src = ./src; t = builtins.toFile "t" "t"; }',
    );
    const first = project.instantiate([]);
    const [drv] = first.results as [string];
    expect(project.instantiate([])).toMatchObject({ results: [drv], explained: [HIT] });
    const real = join(project.store, drv);
    const text = readFileSync(real, 'latin1');
    project.collect();
    expect(() => readFileSync(real)).toThrow('ENOENT');
    expect(hit(project.instantiate([]))).toBe(false);
    expect(readFileSync(real, 'latin1')).toBe(text);
  });

  it('is compared by contents where a stamp says nothing', () => {
    write('text', 'x');
    write('default.nix', 'builtins.readFile ./text');
    project.eval([]);
    utimesSync(path('text'), 1, 1);
    expect(hit(project.eval([]))).toBe(true);
    // Just written: the clock of files may not have ticked since.
    vi.useRealTimers();
    write('text', 'y');
    expect(value(project.eval([]))).toBe('"y"');
    expect(hit(project.eval([]))).toBe(true);
    writeFileSync(path('text'), 'z');
    expect(value(project.eval([]))).toBe('"z"');
    // Swapped for another of the same size.
    write('other', 'w');
    project.eval([]);
    renameSync(path('other'), path('text'));
    expect(value(project.eval([]))).toBe('"w"');
  });

  it('is kept for no tree that was just written, nor with the clock set back', () => {
    vi.useRealTimers();
    mkdirSync(path('src'));
    write('src/a', 'a');
    write('default.nix', '"${./src}"');
    expect(project.eval([]).explained.at(-1)).toMatch(/^not kept/);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 86_400_000 });
    expect(project.eval([]).explained.at(-1)).toMatch(/^not kept/);
  });

  it('is not asked for with --no-eval-cache, --no-cache or the setting', () => {
    write('default.nix', '1');
    project.eval([]);
    expect(project.eval(['--no-eval-cache']).explained).toEqual([]);
    expect(project.eval(['--no-cache']).explained).toEqual([]);
    process.env['NIX_CONFIG'] = 'eval-cache = false';
    expect(project.eval([]).explained).toEqual([]);
  });

  it('is not trusted where it is damaged, or another could have written it', () => {
    write('default.nix', '{ a = 1; }');
    project.eval([]);
    const dir = join(project.cache, 'tsnix/results');
    const file = join(dir, readdirSync(dir)[0]!);
    const whole = readFileSync(file);
    for (let at = 0; at < whole.length; at += 7) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 1 << (at % 8);
      writeFileSync(file, damaged);
      expect(project.eval([])).toMatchObject({ results: ['{"a":1}'], error: null });
      writeFileSync(file, whole);
    }
    truncateSync(file, whole.length >> 1);
    expect(hit(project.eval([]))).toBe(false);
    expect(hit(project.eval([]))).toBe(true);
    chmodSync(file, 0o666);
    expect(hit(project.eval([]))).toBe(false);
    chmodSync(dir, 0o777);
    expect(hit(project.eval([]))).toBe(false);
    chmodSync(dir, 0o700);
    rmSync(dir, { recursive: true });
    writeFileSync(dir, '');
    expect(value(project.eval([]))).toBe('{"a":1}');
  });

  it('depends on the folder it was asked for in', () => {
    mkdirSync(path('d'));
    expect(value(project.eval(['-E', 'toString ./x']))).toBe(`"${path('x')}"`);
    process.chdir(path('d'));
    expect(value(project.eval(['-E', 'toString ./x']))).toBe(`"${path('d/x')}"`);
  });
});

describe('RecordingIo', () => {
  it('knows every method of NodeEvalIo', () => {
    const own = new Set(Object.getOwnPropertyNames(RecordingIo.prototype));
    // What these do, they do through others, or it is settled before evaluation.
    const settled = [
      'makeValid',
      'constructor',
      'physical',
      'mayRead',
      'allow',
      'allowFetched',
      'isComputed',
      'restricted',
      'walk',
      'copy',
      'hasDerivation',
      'httpSettings',
    ];
    const through = ['checkAccess', 'stampFile', 'fileType', 'realPath', 'absolutePath', 'ensurePath', 'allowPath'];
    const plain = ['close', 'log'];
    const known = new Set([...own, ...settled, ...through, ...plain]);
    expect(Object.getOwnPropertyNames(NodeEvalIo.prototype).filter((name) => !known.has(name))).toEqual([]);
  });
});
