// The pack against changing files, other processes and damage: what it answers is what parsing would give, or nothing.
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allBuiltins } from '../../builtins/index.ts';
import { Evaluator } from '../../eval/evaluator.ts';
import { NodeEvalIo } from '../../eval/node-io.ts';
import { printAmbiguous } from '../../eval/print-ambiguous.ts';
import { Pack } from './pack.ts';
import type { PackOptions } from './pack.ts';

let dir: string;
let packs: string;
/** Later than every file: stamps of what the test wrote before it runs are trusted. */
const later = (): number => Date.now() + 60_000;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsnix-pack-'));
  packs = join(dir, 'cache/packs');
  mkdirSync(join(dir, 'p/.git'), { recursive: true });
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const path = (name: string): string => join(dir, 'p', name);
function write(name: string, text: string): void {
  writeFileSync(path(name), text);
}

interface Evaluated {
  readonly value: string;
  readonly hits: number;
  readonly misses: number;
}

/** Evaluates a file with a pack, as a process of its own would. */
function evaluate(name: string, options: Partial<PackOptions> = {}): Evaluated {
  const { pack, value } = open(name, options);
  pack.close();
  return { value, ...pack.counts };
}

function open(name: string, options: Partial<PackOptions> = {}): { pack: Pack; value: string } {
  const io = new NodeEvalIo({ system: 'x86_64-linux', log: () => undefined });
  const pack = new Pack({ dir: packs, build: 'this', io, nowMs: later, ...options });
  const ev = new Evaluator({ io, builtins: allBuiltins, codeCache: pack });
  const value = ev.evalFile(path(name));
  ev.forceDeep(value);
  return { pack, value: printAmbiguous(ev, value) };
}

const packFiles = (): string[] => readdirSync(packs).map((name) => join(packs, name));

describe('Pack', () => {
  it('parses a file once', () => {
    write('default.nix', '[ (import ./a.nix) 2 ]');
    write('a.nix', '"a"');
    expect(evaluate('default.nix')).toEqual({ value: '[ "a" 2 ]', hits: 0, misses: 2 });
    expect(evaluate('default.nix')).toEqual({ value: '[ "a" 2 ]', hits: 2, misses: 0 });
    expect(packFiles()).toHaveLength(1);
    expect(statSync(packFiles()[0]!).mode & 0o777).toBe(0o600);
  });

  it('takes what changed anew, and keeps the rest', () => {
    write('default.nix', '[ (import ./a.nix) (import ./b.nix) ]');
    write('a.nix', '1');
    write('b.nix', '2');
    evaluate('default.nix');
    write('b.nix', '22');
    expect(evaluate('default.nix')).toEqual({ value: '[ 1 22 ]', hits: 2, misses: 1 });
    expect(evaluate('default.nix')).toEqual({ value: '[ 1 22 ]', hits: 3, misses: 0 });
  });

  it('compares contents where a stamp is too young, or another', () => {
    write('default.nix', '1');
    const now = { nowMs: () => Date.now() };
    expect(evaluate('default.nix', now).misses).toBe(1);
    expect(evaluate('default.nix', now).hits).toBe(1);
    // Changed within the tick of the clock: the same size, times and inode.
    const { atimeMs, mtimeMs } = statSync(path('default.nix'));
    write('default.nix', '2');
    utimesSync(path('default.nix'), atimeMs / 1000, mtimeMs / 1000);
    expect(evaluate('default.nix', now)).toEqual({ value: '2', hits: 0, misses: 1 });
    utimesSync(path('default.nix'), 1, 1);
    expect(evaluate('default.nix')).toEqual({ value: '2', hits: 1, misses: 0 });
  });

  it('trusts no time that can be set', () => {
    write('default.nix', '1');
    utimesSync(path('default.nix'), 1000, 1000);
    evaluate('default.nix');
    write('default.nix', '2');
    utimesSync(path('default.nix'), 1000, 1000);
    expect(evaluate('default.nix').value).toBe('2');
  });

  it('sees files swapped and links set elsewhere', () => {
    write('a.nix', '1');
    write('b.nix', '2');
    symlinkSync('a.nix', path('default.nix'));
    evaluate('default.nix');
    evaluate('b.nix');
    renameSync(path('a.nix'), path('c.nix'));
    renameSync(path('b.nix'), path('a.nix'));
    renameSync(path('c.nix'), path('b.nix'));
    expect(evaluate('default.nix').value).toBe('2');
    unlinkSync(path('default.nix'));
    symlinkSync('b.nix', path('default.nix'));
    expect(evaluate('default.nix').value).toBe('1');
  });

  it('runs the code of no other program and no other settings', () => {
    write('default.nix', '1');
    evaluate('default.nix');
    expect(evaluate('default.nix', { build: 'another' }).misses).toBe(1);
    expect(evaluate('default.nix').hits).toBe(1);
  });

  it('survives a pack cut off anywhere, and makes it anew', () => {
    write('default.nix', '{ a = import ./a.nix; b = [ 1 "x" ]; }');
    write('a.nix', 'let f = { x, y ? 2 }: x + y; in f { x = 1; }');
    const { value } = evaluate('default.nix');
    const [file] = packFiles();
    copyFileSync(file!, join(dir, 'whole'));
    const { size } = statSync(file!);
    for (let length = 0; length < size; length += 1 + (length >> 4)) {
      truncateSync(file!, length);
      expect(evaluate('default.nix').value).toBe(value);
      expect(evaluate('default.nix')).toEqual({ value, hits: 2, misses: 0 });
      copyFileSync(join(dir, 'whole'), file!);
    }
  });

  it('survives every flipped byte', () => {
    write('default.nix', '{ a = import ./a.nix; }');
    write('a.nix', 'let f = { x, y ? 2 }: x + y; in f { x = 1; }');
    const { value } = evaluate('default.nix');
    const [file] = packFiles();
    const whole = readFileSync(file!);
    for (let at = 0; at < whole.length; at += 13) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 1 << (at % 8);
      writeFileSync(file!, damaged);
      expect(evaluate('default.nix').value).toBe(value);
    }
    writeFileSync(file!, 'something else');
    expect(evaluate('default.nix').misses).toBe(2);
    expect(evaluate('default.nix').hits).toBe(2);
  });

  it('never runs what others could have written', () => {
    write('default.nix', '1');
    evaluate('default.nix');
    const [file] = packFiles();
    chmodSync(file!, 0o666);
    expect(evaluate('default.nix').misses).toBe(1);
    expect(evaluate('default.nix').hits).toBe(1); // made anew
    chmodSync(packs, 0o777);
    expect(evaluate('default.nix')).toEqual({ value: '1', hits: 0, misses: 0 });
    chmodSync(packs, 0o700);
    renameSync(file!, join(dir, 'elsewhere'));
    symlinkSync(join(dir, 'elsewhere'), file!);
    expect(evaluate('default.nix').misses).toBe(1);
  });

  it.runIf(process.geteuid?.() === 0)('never runs, nor writes, what belongs to somebody else', () => {
    write('default.nix', '1');
    evaluate('default.nix');
    chownSync(packFiles()[0]!, 1000, 1000);
    expect(evaluate('default.nix').misses).toBe(1);
    chownSync(packs, 1000, 1000);
    expect(evaluate('default.nix')).toEqual({ value: '1', hits: 0, misses: 0 });
    rmSync(packs, { recursive: true });
    chownSync(join(dir, 'cache'), 1000, 1000);
    evaluate('default.nix');
    expect(readdirSync(join(dir, 'cache'))).toEqual([]);
  });

  it('does without where nothing can be written', () => {
    write('default.nix', '1');
    writeFileSync(join(dir, 'cache'), 'a file');
    expect(evaluate('default.nix').value).toBe('1');
  });

  it('is shared by processes at once', () => {
    for (const name of ['a', 'b', 'c']) write(`${name}.nix`, `"${name}"`);
    const one = open('a.nix');
    const two = open('b.nix');
    one.pack.close();
    two.pack.close();
    expect(evaluate('a.nix').hits).toBe(1);
    expect(evaluate('b.nix').hits).toBe(1);
    // One at work: another waits for nothing, and breaks nothing.
    writeFileSync(`${packFiles()[0]!}.lock`, String(process.ppid));
    expect(evaluate('c.nix').misses).toBe(1);
    expect(evaluate('c.nix').misses).toBe(1);
    // One that was killed.
    writeFileSync(
      packFiles().find((file) => file.endsWith('.lock'))!,
      '99999999',
    );
    evaluate('c.nix');
    expect(evaluate('c.nix').hits).toBe(1);
  });

  it('overwrites what a killed writer left behind the end', () => {
    write('a.nix', '"a"');
    write('b.nix', '"b"');
    evaluate('a.nix');
    appendFileSync(packFiles()[0]!, Buffer.alloc(1000, 7));
    evaluate('b.nix');
    expect(evaluate('a.nix').hits).toBe(1);
    expect(evaluate('b.nix').hits).toBe(1);
  });

  it('stays below its size, and drops what was not used for long', () => {
    const text = (i: number): string => `[ ${'"some words" '.repeat(20)} ${i} ]`;
    const options = (day: number): Partial<PackOptions> => ({
      maxPackSize: 20_000,
      nowMs: () => later() + day * 86_400_000,
    });
    write('often.nix', '1');
    for (let i = 0; i < 40; i++) {
      write('x.nix', text(i));
      evaluate('x.nix', options(4 * i));
      evaluate('often.nix', options(4 * i));
      write(`${i}.nix`, text(i));
      evaluate(`${i}.nix`, options(4 * i));
      expect(statSync(packFiles()[0]!).size).toBeLessThan(25_000);
    }
    expect(evaluate('often.nix', options(160)).hits).toBe(1);
    expect(evaluate('39.nix', options(160)).hits).toBe(1);
    expect(evaluate('0.nix', options(160)).hits).toBe(0);
  });

  it('drops packs not written for long', () => {
    for (let i = 0; i < 10; i++) {
      mkdirSync(path(`${i}/.git`), { recursive: true });
      write(`${i}/x.nix`, `"${'x'.repeat(1000)}"`);
      evaluate(`${i}/x.nix`, { maxTotalSize: 20_000 });
      const newest = packFiles().sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0]!;
      utimesSync(newest, 1000 + i, 1000 + i);
    }
    expect(packFiles().length).toBeLessThan(6);
    expect(evaluate('9/x.nix').hits).toBe(1);
    expect(evaluate('0/x.nix').hits).toBe(0);
  });
});
