// Our store against real Nix (2.8): the same bytes, paths, rows and files; and one store used by both in turn.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fsPath } from '../../src/util/bytes.ts';
import { deletePath } from '../../src/store/delete-path.ts';
import { hashBytes, printDigest, printHash } from '../../src/store/hash.ts';
import type { HashAlgorithm } from '../../src/store/hash.ts';
import { LocalStore } from '../../src/store/local-store.ts';
import { hashFile, hashNar, narChunks, restoreNar } from '../../src/store/nar.ts';
import { hashAndScan } from '../../src/store/references.ts';
import { openStore } from '../../src/store/open.ts';
import { parseStorePath } from '../../src/store/store-path.ts';
import { describeWith } from '../support/requirements.ts';

const dir = mkdtempSync(join(tmpdir(), 'tsnix-oracle-store-'));
afterAll(() => {
  deletePath(dir);
});

function run(program: string, args: readonly string[], input?: Buffer): Buffer {
  const result = spawnSync(program, args, { maxBuffer: 1 << 30, ...(input === undefined ? {} : { input }) });
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${result.stderr.toString()}`);
  return result.stdout;
}
const text = (program: string, ...args: string[]): string => run(program, args).toString('latin1').trimEnd();

function open(root: string): LocalStore {
  const store = openStore(root, {});
  if (!(store instanceof LocalStore)) throw new Error('not a local store');
  return store;
}

/** One of everything that a NAR can hold. */
function makeTree(root: string): string {
  mkdirSync(join(root, 'sub', 'empty'), { recursive: true });
  writeFileSync(join(root, 'run'), '#!/bin/sh\n');
  chmodSync(join(root, 'run'), 0o711);
  writeFileSync(join(root, 'group-x'), '');
  chmodSync(join(root, 'group-x'), 0o654);
  writeFileSync(join(root, 'big'), Buffer.alloc(700_001, 'abc'));
  writeFileSync(join(root, 'sub.txt'), 'sorts between sub and subs?');
  writeFileSync(join(root, 'sub-x'), 'or before');
  symlinkSync('/nowhere', join(root, 'sub', 'dangling'));
  writeFileSync(Buffer.concat([Buffer.from(`${root}/sub/`), Buffer.from([0xff, 0xfe, 0x20])]), 'not UTF-8');
  writeFileSync(join(root, 'sub', 'Ünï'), 'UTF-8');
  return root;
}

/** Everything that can be seen of a tree, times and modes too. */
function listing(path: string): string[] {
  const stat = lstatSync(fsPath(path));
  const line = `${path} ${(stat.mode & 0o177777).toString(8)} ${String(stat.mtimeMs)} ${String(stat.uid)}`;
  if (stat.isSymbolicLink()) return [`${line} -> ${readlinkSync(fsPath(path), 'latin1')}`];
  if (!stat.isDirectory()) return [`${line} ${String(stat.size)}`];
  return [
    line,
    ...readdirSync(fsPath(path), 'latin1')
      .sort()
      .flatMap((name) => listing(join(path, name))),
  ];
}

/** Rows of a database, without what differs between two runs. */
function rows(root: string): unknown {
  const db = new DatabaseSync(join(root, 'nix/var/nix/db/db.sqlite'), { readOnly: true });
  const all = (sql: string): unknown => db.prepare(sql).all();
  const result = {
    schema: all('select type, name, tbl_name, sql from sqlite_master order by name'),
    paths: all('select path, hash, deriver, narSize, ultimate, sigs, ca from ValidPaths order by path'),
    refs: all(
      'select a.path as referrer, b.path as reference from Refs join ValidPaths a on a.id = referrer join ValidPaths b on b.id = reference order by 1, 2',
    ),
    outputs: all(
      'select v.path as drv, d.id, d.path from DerivationOutputs d join ValidPaths v on v.id = drv order by 1, 2',
    ),
    mode: all('pragma journal_mode'),
  };
  db.close();
  return result;
}

const expression = `
  let
    src = builtins.path { path = ${JSON.stringify(join(dir, 'tree'))}; name = "src"; };
    text = builtins.toFile "text" "refers to \${src}";
    a = derivation { name = "a"; builder = "/bin/sh"; system = "x86_64-linux"; args = [ "-c" "echo \${text} > $out" ]; };
  in derivation {
    name = "b"; builder = "/bin/sh"; system = "x86_64-linux"; outputs = [ "out" "dev" ];
    args = [ "-c" "echo \${a} $dev > $out; echo dev > $dev" ];
  }`;

describeWith(['nix-store', 'nix-hash', 'nix-instantiate'], 'store and real Nix', () => {
  beforeAll(() => {
    makeTree(join(dir, 'tree'));
  });

  it('NARs are the same bytes, and each unpacks what the other packed', () => {
    const tree = join(dir, 'tree');
    const ours = Buffer.concat([...narChunks(tree)]);
    const theirs = run('nix-store', ['--dump', tree]);
    expect(ours.equals(theirs)).toBe(true);
    restoreNar(join(dir, 'ours'), theirs);
    expect(run('nix-store', ['--dump', join(dir, 'ours')]).equals(theirs)).toBe(true);
    run('nix-store', ['--restore', join(dir, 'theirs')], ours);
    expect(Buffer.concat([...narChunks(join(dir, 'theirs'))]).equals(ours)).toBe(true);
  });

  it('hashes of trees and files are the same in all algorithms and forms', () => {
    const tree = join(dir, 'tree');
    for (const algorithm of ['md5', 'sha1', 'sha256', 'sha512'] as const satisfies HashAlgorithm[]) {
      const nar = hashNar(tree, algorithm).hash;
      expect(printDigest(nar, 'base16')).toBe(text('nix-hash', '--type', algorithm, tree));
      const flat = hashFile(join(tree, 'big'), algorithm).hash;
      expect(printDigest(flat, 'nix32')).toBe(
        text('nix-hash', '--type', algorithm, '--base32', '--flat', join(tree, 'big')),
      );
    }
    const sri = printHash({ algorithm: 'sha256', digest: hashNar(tree).hash }, 'sri');
    expect(sri).toBe(text('nix', '--extra-experimental-features', 'nix-command', 'hash', 'path', tree));
  });

  it('adding gives the same paths, rows and files', async () => {
    const [ours, theirs] = [join(dir, 'add-ours'), join(dir, 'add-theirs')];
    const tree = join(dir, 'tree');
    const file = join(tree, 'run');
    const nix = (...args: string[]): string => text('nix-store', '--store', theirs, ...args);
    const expected = [
      nix('--add', tree),
      nix('--add', join(tree, 'sub', 'dangling')),
      nix('--add-fixed', 'sha256', file),
      nix('--add-fixed', 'sha1', file),
      nix('--add-fixed', 'md5', join(tree, 'big')),
      nix('--add-fixed', '--recursive', 'sha512', tree),
      text(
        'nix-instantiate',
        '--store',
        theirs,
        '--eval',
        '--read-write-mode',
        '-E',
        'builtins.toFile "t" "text"',
      ).slice(1, -1),
    ];
    const store = open(ours);
    expect([
      store.addPath(tree, { name: 'tree', method: 'nar' }),
      store.addPath(join(tree, 'sub', 'dangling'), { name: 'dangling', method: 'nar' }),
      store.addPath(file, { name: 'run', method: 'flat', keepExecutable: true }),
      store.addPath(file, { name: 'run', method: 'flat', algorithm: 'sha1', keepExecutable: true }),
      store.addPath(join(tree, 'big'), { name: 'big', method: 'flat', algorithm: 'md5' }),
      store.addPath(tree, { name: 'tree', method: 'nar', algorithm: 'sha512' }),
      store.addText('t', Buffer.from('text'), []),
    ]).toEqual(expected);
    await store.close();
    expect(rows(ours)).toEqual(rows(theirs));
    for (const part of ['nix/store', 'nix/var/nix/db/schema', 'nix/var/nix/gcroots', 'nix/var/nix/profiles']) {
      const normal = (root: string): string[] =>
        listing(join(root, part)).map((line) =>
          line
            .replaceAll(root, 'ROOT')
            .replace(/^(\S+\/(store|\.links|gcroots|profiles|per-user|root|schema) \d+) [\d.]+/, '$1'),
        );
      expect(normal(ours)).toEqual(normal(theirs));
    }
    expect(text('nix-store', '--store', ours, '--dump-db')).toBe(text('nix-store', '--store', theirs, '--dump-db'));
  });

  it('one store, in turn: Nix instantiates and builds on what we added, we read what it made, and nothing is wrong', async () => {
    const root = join(dir, 'shared');
    const tree = join(dir, 'tree');
    let store = open(root);
    const source = store.addPath(tree, { name: 'src', method: 'nar' });
    const note = store.addText('text', Buffer.from(`refers to ${source}`), [source]);
    await store.close();

    const drv = text('nix-instantiate', '--store', root, '-E', expression);
    store = open(root);
    expect(store.closure([parseStorePath(drv)])).toContain(source);
    expect(store.referrers(source)).toContain(note);
    const parsed = store.readDerivation(parseStorePath(drv));
    const outputs = store.derivationOutputs(parseStorePath(drv));
    expect([...outputs.keys()]).toEqual(['dev', 'out']);
    expect(store.validDerivers(outputs.get('out')!)).toEqual([drv]);
    expect(parsed.name).toBe('b');

    // What a builder would have made, registered by us, found valid by Nix.
    const dev = outputs.get('dev')!;
    const out = outputs.get('out')!;
    const input = [...parsed.inputDrvs.keys()][0]!;
    const a = store.derivationOutputs(input).get('out')!;
    const contents = new Map([
      [a, `${note}\n`],
      [dev, 'dev\n'],
      [out, `${a} ${dev}\n`],
    ]);
    const locks = await store.lockPaths([a, dev, out]);
    const temporary = store.makeTempDir();
    const infos = [...contents].map(([path, body]) => {
      const place = join(temporary, 'x');
      writeFileSync(place, body);
      store.canonicalisePath(place);
      const { hash: narHash, size: narSize, references } = hashAndScan(place, [source, note, a, dev, out]);
      store.moveIntoStore(place, path);
      const deriver = path === a ? input : parseStorePath(drv);
      return {
        path,
        narHash,
        narSize,
        references,
        deriver,
        registrationTime: 0,
        ultimate: true,
        signatures: [],
        ca: null,
      };
    });
    store.registerValidPaths(infos);
    locks.release(true);
    deletePath(temporary);
    const link = join(dir, 'result');
    store.addIndirectRoot(link, out);
    await store.close();

    const nix = (...args: string[]): string => text('nix-store', '--store', root, ...args);
    expect(nix('-q', '--references', out).split('\n').sort()).toEqual([a, dev].sort());
    expect(nix('-q', '--deriver', out)).toBe(drv);
    expect(nix('-q', '--outputs', drv).split('\n').sort()).toEqual([dev, out].sort());
    expect(nix('-r', drv).split('\n').sort()).toEqual([dev, out].sort()); // nothing to build: all is valid
    expect(nix('-q', '--roots', out)).toContain(`${root}/nix/var/nix/gcroots/`);
    expect(readlinkSync(link)).toBe(store.realPath(out)); // links into a chroot store do not dangle
    // Derivations of what is live are live too (keep-derivations).
    const live = [source, note, a, dev, out, parseStorePath(drv), input].sort();
    expect(nix('--gc', '--print-live').split('\n').sort()).toEqual(live);
    const verify = spawnSync('nix-store', ['--store', root, '--verify', '--check-contents'], { encoding: 'latin1' });
    expect(verify.status).toBe(0);
    expect(verify.stderr).not.toMatch(/error|modified|disappeared|invalid/);

    // Nix collects: what we rooted stays.
    nix('--gc');
    store = open(root);
    expect(store.validPaths()).toEqual(live);
    await store.close();
  });

  it('a database that Nix loaded from our dump is ours', () => {
    const copy = join(dir, 'loaded');
    run('nix-store', ['--store', copy, '--load-db'], run('nix-store', ['--store', join(dir, 'add-ours'), '--dump-db']));
    expect(text('nix-store', '--store', copy, '--dump-db')).toBe(
      text('nix-store', '--store', join(dir, 'add-ours'), '--dump-db'),
    );
  });

  it('locks are Nix’s: it waits for a path that we have locked', async () => {
    const root = join(dir, 'locks');
    const store = open(root);
    const file = join(dir, 'tree', 'run');
    const path = parseStorePath(text('nix-store', '--store', root, '--add-fixed', 'sha256', file));
    run('nix-store', ['--store', root, '--delete', path]);
    const locks = store.tryLockPaths([path])!;
    const waiting = spawnSync('nix-store', ['--store', root, '--add-fixed', 'sha256', file], { timeout: 1000 });
    expect((waiting.error as NodeJS.ErrnoException | undefined)?.code).toBe('ETIMEDOUT');
    locks.release(true);
    expect(text('nix-store', '--store', root, '--add-fixed', 'sha256', file)).toBe(path);
    await store.close();
  });

  it('a collector of Nix that runs spares the paths of a process that lives, and stale temporary roots go', async () => {
    const root = join(dir, 'temp-roots');
    const store = open(root);
    const kept = store.addText('kept', Buffer.from('1'), []);
    store.flush();
    const dead = openStoreInChild(root);
    // Wait until our hold on gc.lock ends, or the collector would wait for us.
    await new Promise((done) => setTimeout(done, 200));
    const collected = spawnSync('nix-store', ['--store', root, '--gc'], { encoding: 'latin1' });
    expect(collected.status).toBe(0);
    expect(store.validPaths()).toEqual([kept]);
    expect(dead).not.toBe('');
    expect(readFileSync(store.realPath(kept), 'latin1')).toBe('1');
    await store.close();
    text('nix-store', '--store', root, '--gc');
    const again = open(root);
    expect(again.validPaths()).toEqual([]);
    await again.close();
  });

  /** Adds a path in a process that ends without close(); its path. */
  function openStoreInChild(root: string): string {
    const module = JSON.stringify(join(import.meta.dirname, '../../src/store/open.ts'));
    const script = `import { openStore } from ${module};
      console.log(openStore(${JSON.stringify(root)}, {}).addText('dead', Buffer.from('2'), []));`;
    return text(process.execPath, '--input-type=module-typescript', '-e', script);
  }

  it('hashBytes() of the empty string is what nix-hash says', () => {
    writeFileSync(join(dir, 'empty'), '');
    expect(printDigest(hashBytes('sha256', Buffer.alloc(0)), 'nix32')).toBe(
      text('nix-hash', '--type', 'sha256', '--flat', '--base32', join(dir, 'empty')),
    );
  });
});
