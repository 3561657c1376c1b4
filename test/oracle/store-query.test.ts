// Queries, collection and verification against real Nix on the same store.
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { deletePath } from '../../src/store/delete-path.ts';
import { collectGarbage, deletable } from '../../src/store/gc.ts';
import { findRoots } from '../../src/store/find-roots.ts';
import { parseRegistration } from '../../src/store/load-registration.ts';
import { LocalStore } from '../../src/store/local-store.ts';
import { openStore } from '../../src/store/open.ts';
import {
  computeClosure,
  dotGraph,
  printRegistration,
  queryBinding,
  queryDeriver,
  queryHash,
  queryOutputs,
  querySet,
  treeLines,
} from '../../src/store/query.ts';
import type { SetQuery } from '../../src/store/query.ts';
import { parseStorePath } from '../../src/store/store-path.ts';
import type { StorePath } from '../../src/store/store.ts';
import { verifyStore } from '../../src/store/verify.ts';
import { describeWith } from '../support/requirements.ts';

const dir = mkdtempSync(join(tmpdir(), 'tsnix-oracle-query-'));
afterAll(() => {
  deletePath(dir);
});
const root = join(dir, 'root');

function nix(...args: string[]): string {
  const result = spawnSync('nix-store', ['--store', root, ...args], { encoding: 'latin1', maxBuffer: 1 << 28 });
  if (result.status !== 0) throw new Error(result.stderr);
  return result.stdout;
}

function open(place = root): LocalStore {
  const store = openStore(place, {});
  if (!(store instanceof LocalStore)) throw new Error('not a local store');
  return store;
}

const lines = (paths: Iterable<string>): string => [...paths].map((path) => `${path}\n`).join('');
const sorted = (text: string): string[] => text.split('\n').filter(Boolean).sort();

describeWith(['nix-store', 'nix-instantiate'], 'queries and real Nix', () => {
  let store: LocalStore;
  const texts: StorePath[] = [];
  let drv: StorePath;
  let out: StorePath;

  beforeAll(async () => {
    store = open();
    // A graph with diamonds, a self-reference, and a derivation whose output is there.
    for (let i = 0; i < 40; i++) {
      const references = [...new Set([i - 1, i - 3, (i * 7) % 11, (i * 5) % 17].filter((j) => j >= 0 && j < i))];
      texts.push(
        store.addText(
          `t${String(i)}`,
          Buffer.from(`text ${String(i)}`),
          references.map((j) => texts[j]!),
        ),
      );
    }
    await store.close();
    const expression = `derivation { name = "d"; builder = "/bin/sh"; system = "x86_64-linux"; note = "two words";
      args = [ (builtins.toFile "script" "echo") ]; outputs = [ "out" "doc" ]; }`;
    const instantiated = spawnSync('nix-instantiate', ['--store', root, '-E', expression], { encoding: 'latin1' });
    drv = parseStorePath(instantiated.stdout.trimEnd());
    store = open();
    out = store.derivationOutputs(drv).get('out')!;
    writeFileSync(store.realStoreDir + out.slice('/nix/store'.length), 'built');
    const real = store.realPath(out);
    store.canonicalisePath(real);
    store.registerValidPaths([
      {
        path: out,
        ...store.hashPath(real),
        references: [out, texts[39]!, texts[20]!],
        deriver: drv,
        registrationTime: 0,
        ultimate: true,
        signatures: [],
        ca: null,
      },
    ]);
  });
  afterAll(async () => {
    await store.close();
  });

  it('sets come in the same order', () => {
    const queries: [SetQuery, string][] = [
      ['references', '--references'],
      ['referrers', '--referrers'],
      ['referrersClosure', '--referrers-closure'],
      ['requisites', '--requisites'],
    ];
    for (const [query, flag] of queries) {
      for (const paths of [[texts[10]!], [out], [drv, texts[30]!, texts[5]!]]) {
        expect(lines(querySet(store, query, paths)), `${flag} ${paths.join(' ')}`).toBe(nix('-q', flag, ...paths));
      }
    }
    expect(querySet(store, 'validDerivers', [out])).toEqual([drv]); // no flag for it in 2.8
    expect(lines(querySet(store, 'requisites', [drv], true))).toBe(nix('-q', '-R', '--include-outputs', drv));
  });

  it('facts, trees and graphs are the same text', () => {
    expect(`${queryDeriver(store, out)}\n${queryDeriver(store, texts[0]!)}\n`).toBe(
      nix('-q', '--deriver', out, texts[0]!),
    );
    expect(`${queryHash(store, out)}\n`).toBe(nix('-q', '--hash', out));
    expect(`${String(store.pathInfo(out)!.narSize)}\n`).toBe(nix('-q', '--size', out));
    expect(lines(queryOutputs(store, drv))).toBe(nix('-q', '--outputs', drv));
    expect(`${queryBinding(store, out, 'note')}\n`).toBe(nix('-q', '--binding', 'note', out));
    expect(lines(treeLines(store, [out, drv]))).toBe(nix('-q', '--tree', out, drv));
    expect(dotGraph(store, [out, drv])).toBe(nix('-q', '--graph', out, drv));
    expect(printRegistration(store, store.validPaths())).toBe(nix('--dump-db'));
    const registered = parseRegistration(nix('--dump-db'), '/nix/store');
    expect(registered.map((info) => info.path)).toEqual(store.validPaths());
    expect(registered.find((info) => info.path === out)!.references).toEqual(store.pathInfo(out)!.references);
  });

  it('what is not valid is an error in Nix’s words', () => {
    const missing = parseStorePath('/nix/store/00000000000000000000000000000000-x');
    expect(() => computeClosure(store, [missing])).toThrow(`path '${missing}' is not valid`);
    expect(() => nix('-q', '--references', missing)).toThrow(`path '${missing}' is not valid`);
  });

  it('roots, live and dead paths are the same', async () => {
    const gcroots = join(root, 'nix/var/nix/gcroots');
    symlinkSync(texts[12]!, join(gcroots, 'direct'));
    symlinkSync(out, join(dir, 'indirect'));
    store.registerIndirectRoot(join(dir, 'indirect'));
    symlinkSync(join(dir, 'gone'), join(gcroots, 'auto', 'stale'));
    writeFileSync(join(gcroots, texts[3]!.slice('/nix/store/'.length)), '');
    await store.close(); // or this process's temporary roots would count
    store = open();
    const roots = findRoots(store, { keepStale: true, processes: false });
    const ours = [...roots].flatMap(([path, links]) => [...links].map((link) => `${link} -> ${path}`));
    expect(ours.sort()).toEqual(
      sorted(nix('--gc', '--print-roots')).filter((line) => !line.includes('/proc/') && !line.startsWith('{')),
    );
    for (const action of ['live', 'dead'] as const) {
      expect(collectGarbage(store, { action }).paths).toEqual(sorted(nix('--gc', `--print-${action}`)));
    }
  });

  it('deletes one path, unless it is alive', async () => {
    const path = store.addText('single', Buffer.from('x'), []);
    expect(() => collectGarbage(store, { action: 'delete', paths: [path] })).toThrow(
      /^Cannot delete path .* still alive/,
    );
    await store.close();
    store = open();
    expect(() => collectGarbage(store, { action: 'delete', paths: [texts[0]!] })).toThrow(/^Cannot delete path/);
    expect(collectGarbage(store, { action: 'delete', paths: [path] }).paths).toEqual([path]);
    expect(store.isValidPath(path)).toBe(false);
  });

  it('knows which of some paths can be deleted alone', async () => {
    const add = (name: string, references: StorePath[]): StorePath => store.addText(name, Buffer.from('x'), references);
    const below = add('below', []);
    const above = add('above', [below]);
    const shared = add('shared', []);
    const outside = add('outside', [shared]);
    await store.close();
    store = open();
    expect(deletable(store, [below, above, shared, texts[0]!]).sort()).toEqual([above, below].sort());
    const all = [below, above, shared, outside];
    expect(deletable(store, all).sort()).toEqual(all.sort());
    expect(deletable(store, [below])).toEqual([]);
    collectGarbage(store, { action: 'delete', paths: all });
  });

  it('collects what Nix would collect, and rubbish, and nothing else', async () => {
    await store.close();
    deletePath(join(dir, 'indirect')); // now much is dead
    const copy = join(dir, 'copy');
    cpSync(root, copy, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    const rubbish = join(copy, 'nix/store/11111111111111111111111111111111-rubbish');
    writeFileSync(rubbish, '');
    writeFileSync(join(copy, 'nix/store/tmp-1-1'), '');
    const dead = sorted(nix('--gc', '--print-dead'));
    const live = sorted(nix('--gc', '--print-live'));
    expect(dead.length).toBeGreaterThan(0);
    const other = open(copy);
    const result = collectGarbage(other, { action: 'delete', processes: false });
    expect(result.paths.filter((path) => !/rubbish|tmp-1-1/.test(path))).toEqual(dead);
    expect(other.validPaths()).toEqual(live);
    expect(
      readdirSync(join(copy, 'nix/store'))
        .filter((name) => name !== '.links')
        .sort(),
    ).toEqual(live.map((path) => path.slice('/nix/store/'.length)));
    expect(collectGarbage(other, { action: 'delete', processes: false })).toEqual({ paths: [], bytesFreed: 0 });
    await other.close();
    const verify = spawnSync('nix-store', ['--store', copy, '--verify', '--check-contents'], { encoding: 'latin1' });
    expect(verify.stderr).not.toMatch(/error|modified|disappeared/);
    store = open();
  });

  it('verification finds what Nix finds', async () => {
    await store.close();
    const damaged = join(dir, 'damaged');
    cpSync(root, damaged, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    const real = (path: string): string => damaged + path;
    chmodSync(real(texts[7]!), 0o644);
    appendFileSync(real(texts[7]!), 'changed');
    deletePath(real(texts[0]!)); // others refer to it
    deletePath(real(out)); // nothing refers to it
    const other = open(damaged);
    const messages: string[] = [];
    const result = verifyStore(other, { checkContents: true, log: (line) => messages.push(line) });
    expect(result).toEqual({ errors: false, missing: [texts[0]!], modified: [texts[7]!] });
    expect(other.isValidPath(out)).toBe(false);
    await other.close();
    const theirs = spawnSync('nix-store', ['--store', damaged, '--verify', '--check-contents'], { encoding: 'latin1' });
    expect(theirs.status).toBe(1);
    for (const line of theirs.stderr.split('\n').filter((text) => text.startsWith('path ')))
      expect(messages).toContain(line);
    expect(messages).toContain(`path '${out}' disappeared, removing from database...`);
    expect(existsSync(real(texts[7]!))).toBe(true);
    store = open();
  });
});
