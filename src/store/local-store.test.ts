import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { storeSuite } from '../../test/support/store-suite.ts';
import { deletePath } from './delete-path.ts';
import { LocalStore } from './local-store.ts';
import { hashBytes } from './hash.ts';
import { hashNar, NarDumper, narOfContents } from './nar.ts';
import { openStore } from './open.ts';
import { hashAndScan } from './references.ts';
import { parseStorePath } from './store-path.ts';
import type { AddPathOptions } from './store.ts';

const roots: string[] = [];
function newRoot(): string {
  const root = mkdtempSync(join(tmpdir(), 'tsnix-local-store-'));
  roots.push(root);
  return root;
}
afterEach(() => {
  for (const root of roots.splice(0)) deletePath(root);
});

function open(root: string, extra = '', warnings: string[] = []): LocalStore {
  const store = openStore(`local?root=${root}${extra}`, {}, { warn: (message) => warnings.push(message) });
  if (!(store instanceof LocalStore)) throw new Error('not a local store');
  return store;
}

storeSuite('LocalStore', () => open(newRoot()));

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

describe('LocalStore on disk', () => {
  it('repairs with files that links of damaged ones do not undo', () => {
    const root = newRoot();
    const store = openStore(`local?root=${root}`, {}, { autoOptimise: true });
    if (!(store instanceof LocalStore)) throw new Error('not a local store');
    store.open();
    const path = parseStorePath(`/nix/store/${'a'.repeat(32)}-x`);
    const real = store.realPath(path);
    writeFileSync(real, 'right', { mode: 0o444 });
    store.moveIntoStore(real, path);
    chmodSync(real, 0o644);
    writeFileSync(real, 'wrong'); // of its link, too
    chmodSync(real, 0o444);
    const fresh = `${store.makeTempDir()}/x`;
    writeFileSync(fresh, 'right', { mode: 0o444 });
    store.replaceValidPath(fresh, path);
    expect(readFileSync(real, 'utf8')).toBe('right');
  });

  it('links the files of what was built where it stays', () => {
    const root = newRoot();
    const store = openStore(`local?root=${root}`, {}, { autoOptimise: true });
    if (!(store instanceof LocalStore)) throw new Error('not a local store');
    store.open();
    for (const name of ['a', 'b']) {
      const path = parseStorePath(`/nix/store/${name.repeat(32)}-x`);
      const real = store.realPath(path);
      writeFileSync(real, 'the same', { mode: 0o444 });
      store.moveIntoStore(real, path);
    }
    const inodes = ['a', 'b'].map((name) => lstatSync(`${root}/nix/store/${name.repeat(32)}-x`).ino);
    expect(inodes[0]).toBe(inodes[1]);
  });

  let root: string;
  let store: LocalStore;
  beforeEach(() => {
    root = newRoot();
    store = open(root);
  });
  afterEach(async () => {
    await store.close();
  });
  const real = (path: string): string => root + path;

  it('writes together what was added one by one, canonical', () => {
    const a = store.addText('a', bytes('1'), []);
    mkdirSync(join(root, 'src'));
    writeFileSync(join(root, 'src', 'x'), 'x');
    chmodSync(join(root, 'src', 'x'), 0o700);
    symlinkSync('x', join(root, 'src', 'l'));
    const b = store.addPath(join(root, 'src'), { name: 'b', method: 'nar' });
    expect(existsSync(real(a))).toBe(false);
    expect(store.realPath(`${b}/x`)).toBe(`${real(b)}/x`);
    expect(readFileSync(real(a), 'latin1')).toBe('1');
    const modes = [a, b, `${b}/x`].map((path) => (lstatSync(real(path)).mode & 0o7777).toString(8));
    expect(modes).toEqual(['444', '555', '555']);
    for (const path of [a, b, `${b}/x`, `${b}/l`]) expect(lstatSync(real(path)).mtimeMs).toBe(1000);
    expect(readdirSync(join(root, 'nix/store')).filter((name) => !name.includes('-'))).toEqual(['.links']);
  });

  it('is there for the next process, and close() writes what waits', async () => {
    const a = store.addText('a', bytes('1'), []);
    await store.close();
    const again = open(root);
    expect(again.isValidPath(a)).toBe(true);
    expect(again.validPaths()).toEqual([a]);
    await again.close();
    expect(readdirSync(join(root, 'nix/var/nix/temproots'))).toEqual([]);
  });

  it('replaces rubbish that a killed process left in the place of an object', () => {
    const a = parseStorePath('/nix/store/ww5ixrr91z8mx6fzy97kwzl5lv5slwdr-a');
    mkdirSync(join(root, 'nix/store'), { recursive: true });
    mkdirSync(real(a));
    writeFileSync(join(real(a), 'half'), '');
    chmodSync(real(a), 0o555);
    expect(store.isValidPath(a)).toBe(false);
    expect(store.addText('a', bytes('hi'), [])).toBe(a);
    store.flush();
    expect(readFileSync(real(a), 'latin1')).toBe('hi');
  });

  it('takes in archives too large for memory through a temporary place', () => {
    const file = join(root, 'big');
    writeFileSync(file, Buffer.alloc(40 * 1024 * 1024, 'x'));
    const path = store.addPath(file, { name: 'big', method: 'nar' });
    expect(store.isValidPath(path)).toBe(true);
    expect(lstatSync(real(path)).size).toBe(40 * 1024 * 1024);
    expect(lstatSync(real(path)).mode & 0o7777).toBe(0o444);
    rmSync(file);
    mkdirSync(file);
    writeFileSync(join(file, 'x'), Buffer.alloc(40 * 1024 * 1024, 'y'));
    const dir = store.addPath(file, { name: 'bigdir', method: 'nar' });
    expect(lstatSync(real(dir)).mode & 0o7777).toBe(0o555);
    expect(lstatSync(real(dir)).mtimeMs).toBe(1000);
    expect(readdirSync(join(root, 'nix/store')).filter((name) => name.startsWith('tmp-'))).toEqual([]);
  });

  it('leaves nothing behind when the filter or the disk fails half way', () => {
    mkdirSync(join(root, 'src'));
    writeFileSync(join(root, 'src', 'a'), Buffer.alloc(40 * 1024 * 1024));
    writeFileSync(join(root, 'src', 'b'), '');
    expect(() =>
      store.addPath(join(root, 'src'), {
        name: 'x',
        method: 'nar',
        filter: (path) => {
          if (path.endsWith('b')) throw new Error('from the filter');
          return true;
        },
      }),
    ).toThrow('from the filter');
    expect(store.validPaths()).toEqual([]);
    expect(readdirSync(join(root, 'nix/store'))).toEqual(['.links']);
  });

  it('refuses trees with sockets and the like', () => {
    mkdirSync(join(root, 'src'));
    spawnSync('mkfifo', [join(root, 'src', 'fifo')]);
    expect(() => store.addPath(join(root, 'src'), { name: 'x', method: 'nar' })).toThrow(/has an unsupported type/);
  });

  it('moves finished objects into the store and registers them', () => {
    const path = parseStorePath('/nix/store/1b9p07z77phvv2hf6gm9f28syp39f1ag-out');
    const dir = store.makeTempDir();
    mkdirSync(`${dir}/out`);
    writeFileSync(`${dir}/out/f`, '1b9p07z77phvv2hf6gm9f28syp39f1ag');
    const locks = store.tryLockPaths([path])!;
    expect(store.tryLockPaths([path])).toBeUndefined();
    store.canonicalisePath(`${dir}/out`);
    const { hash: narHash, size: narSize, references } = hashAndScan(`${dir}/out`, [path]);
    expect(references).toEqual([path]);
    store.moveIntoStore(`${dir}/out`, path);
    store.registerValidPaths([
      {
        path,
        narHash,
        narSize,
        references,
        deriver: null,
        registrationTime: 0,
        ultimate: true,
        signatures: [],
        ca: null,
      },
    ]);
    locks.release(true);
    deletePath(dir);
    expect(store.pathInfo(path)).toMatchObject({ references: [path], ultimate: true });
    expect(lstatSync(real(path)).mode & 0o7777).toBe(0o555);
    expect(existsSync(`${real(path)}.lock`)).toBe(false);
  });

  it('locks exclude other processes, and real locks are waited for', async () => {
    const path = parseStorePath('/nix/store/1b9p07z77phvv2hf6gm9f28syp39f1ag-out');
    const locks = store.tryLockPaths([path])!;
    const other = (): number | null => spawnSync('flock', ['-n', `${real(path)}.lock`, 'true']).status;
    expect(other()).toBe(1);
    const order: string[] = [];
    const second = store.lockPaths([path], { onWait: () => order.push('waits') }).then((held) => {
      order.push('has it');
      held.release(true);
    });
    await new Promise((done) => setTimeout(done, 20));
    order.push('release');
    locks.release(false);
    await second;
    expect(order).toEqual(['waits', 'release', 'has it']);
    expect(existsSync(`${real(path)}.lock`)).toBe(false);
  });

  it('addIndirectRoot() links, replaces its own links, and spares the files of others', () => {
    const a = store.addText('a', bytes('1'), []);
    const b = store.addText('b', bytes('2'), []);
    const link = join(root, 'result');
    store.addIndirectRoot(link, a);
    store.addIndirectRoot(link, b);
    expect(readlinkSync(link)).toBe(real(b)); // does not dangle, though the store is elsewhere
    const auto = join(root, 'nix/var/nix/gcroots/auto');
    expect(readdirSync(auto).map((name) => readlinkSync(join(auto, name)))).toEqual([link]);
    writeFileSync(join(root, 'file'), '');
    expect(() => {
      store.addIndirectRoot(join(root, 'file'), a);
    }).toThrow(/cannot create symlink .* already exists/);
    symlinkSync('/etc', join(root, 'etc'));
    expect(() => {
      store.addIndirectRoot(join(root, 'etc'), a);
    }).toThrow(/already exists/);
    expect(() => {
      store.addIndirectRoot('/nix/store/x', a);
    }).toThrow(/is forbidden/);
  });

  it('addTempRoot() records paths where collectors look', () => {
    const a = store.addText('a', bytes('1'), []);
    store.addTempRoot(a);
    const file = join(root, 'nix/var/nix/temproots', String(process.pid));
    expect(readFileSync(file, 'latin1')).toBe(`${a}\0`);
    expect(spawnSync('flock', ['-n', file, 'true']).status).toBe(1);
  });

  it('adding what is valid already takes no lock; a path collected meanwhile is added again', async () => {
    const a = store.addText('a', bytes('1'), []);
    const b = store.addText('b', bytes(a), [a]);
    await store.close();
    const again = open(root);
    expect(again.addText('a', bytes('1'), [])).toBe(a);
    expect(again.addText('b', bytes(a), [a])).toBe(b);
    expect(existsSync(join(root, 'nix/var/nix/temproots', String(process.pid)))).toBe(false);
    const collector = open(root);
    for (const path of [b, a]) {
      collector.db.invalidate(path);
      rmSync(collector.realPath(path));
    }
    await collector.close();
    const c = again.addText('c', bytes(b), [b]);
    again.flush();
    expect(readFileSync(again.realPath(b), 'latin1')).toBe(a);
    expect(again.closure([c]).toSorted()).toEqual([a, b, c].toSorted());
    const recorded = readFileSync(join(root, 'nix/var/nix/temproots', String(process.pid)), 'latin1');
    expect(recorded.split('\0').toSorted()).toEqual(['', a, b, c].toSorted());
    await again.close();
  });

  it('reads a tree whose hash is known only where the store lacks it, or a collector has taken it', async () => {
    const file = join(root, 'source');
    writeFileSync(file, 'text');
    const known = hashNar(file);
    const options: AddPathOptions = { name: 'source', method: 'nar', known };
    const path = store.addPath(file, options);
    await store.close();
    const add = async (contents: string): Promise<LocalStore> => {
      const again = open(root);
      writeFileSync(file, 'not read');
      expect(again.addPath(file, options)).toBe(path);
      writeFileSync(file, contents);
      const collector = open(root);
      collector.db.invalidate(path);
      rmSync(collector.realPath(path));
      await collector.close();
      return again;
    };
    const refused = await add('texts');
    expect(() => {
      refused.flush();
    }).toThrow(`path '${file}' changed while it was being added`);
    await refused.close();
    const makesNew = open(root);
    writeFileSync(file, 'text');
    expect(makesNew.addPath(file, options)).toBe(path);
    await makesNew.close();
    const again = await add('text');
    again.flush();
    expect(readFileSync(again.realPath(path), 'latin1')).toBe('text');
    expect(again.isValidPath(path)).toBe(true);
    await again.close();
  });

  it('a read-only store that is not there holds nothing and makes nothing', async () => {
    const empty = newRoot();
    const readOnly = open(empty, '&read-only=true');
    expect(readOnly.isValidPath(parseStorePath('/nix/store/1b9p07z77phvv2hf6gm9f28syp39f1ag-out'))).toBe(false);
    expect(() => readOnly.addText('a', bytes('1'), [])).toThrow(
      'database does not exist, and cannot be created in read-only mode',
    );
    await readOnly.close();
    expect(readdirSync(empty)).toEqual([]);
  });

  it('says what is wrong with a place that cannot be a store', async () => {
    const file = join(newRoot(), 'file');
    writeFileSync(file, '');
    const bad = open(file);
    expect(() => bad.addText('a', bytes('1'), [])).toThrow(/Not a directory|cannot/);
    await bad.close();
  });

  it('says what is wrong with a damaged database or an unknown schema', async () => {
    await store.close();
    const damaged = newRoot();
    mkdirSync(join(damaged, 'nix/var/nix/db'), { recursive: true });
    writeFileSync(join(damaged, 'nix/var/nix/db/schema'), '10');
    writeFileSync(
      join(damaged, 'nix/var/nix/db/db.sqlite'),
      'this is no database, but long enough to be looked at'.repeat(50),
    );
    const a = open(damaged);
    expect(() => a.validPaths()).toThrow(/file is not a database/);
    writeFileSync(join(damaged, 'nix/var/nix/db/schema'), '11');
    const b = open(damaged);
    expect(() => b.validPaths()).toThrow('current Nix store schema is version 11, but I only support 10');
    writeFileSync(join(damaged, 'nix/var/nix/db/schema'), 'x');
    const c = open(damaged);
    expect(() => c.validPaths()).toThrow(/schema' is corrupt/);
  });

  it('adds archives', () => {
    const nar = narOfContents(bytes('hello'));
    const path = parseStorePath('/nix/store/1b9p07z77phvv2hf6gm9f28syp39f1ag-x');
    const info = {
      path,
      narHash: hashBytes('sha256', nar),
      narSize: nar.length,
      references: [],
      deriver: null,
      registrationTime: 1,
      ultimate: false,
      signatures: [],
      ca: null,
    };
    function* pieces(): Generator<Uint8Array> {
      for (let i = 0; i < nar.length; i += 7) yield nar.subarray(i, i + 7);
    }
    store.addNar(info, pieces());
    const dumper = new NarDumper(store.realPath(path));
    expect(Buffer.from(dumper.read()!)).toEqual(nar);
    dumper.close();
  });
});

describe('LocalStore with several processes', () => {
  it('eight processes that add the same things at once all succeed, and the store is sound', () => {
    const root = newRoot();
    const script = `
      import { openStore } from ${JSON.stringify(resolve(import.meta.dirname, 'open.ts'))};
      const store = openStore('local?root=${root}', {});
      let previous = [];
      for (let i = 0; i < 40; i++) {
        previous = [store.addText('t' + i, Buffer.from('text ' + i), previous)];
        if (i % 10 === 9) store.flush();
      }
      store.addPath(${JSON.stringify(resolve(import.meta.dirname, '../util'))}, { name: 'util', method: 'nar' });
      await store.close();`;
    const file = join(root, 'add.ts');
    writeFileSync(file, script);
    const shell = `for i in 1 2 3 4 5 6 7 8; do "$0" "$1" & pids="$pids $!"; done; for p in $pids; do wait $p || exit 1; done`;
    const run = spawnSync('/bin/sh', ['-c', shell, process.execPath, file], { encoding: 'latin1' });
    expect(run.stderr).toBe('');
    expect(run.status).toBe(0);
    const store = open(root);
    expect(store.validPaths()).toHaveLength(41);
    for (const path of store.validPaths()) {
      expect(Buffer.from(store.hashPath(store.realPath(path)).narHash)).toEqual(
        Buffer.from(store.pathInfo(path)!.narHash),
      );
    }
    expect(readdirSync(join(root, 'nix/store')).filter((name) => /\.lock$|^tmp-/.test(name))).toEqual([]);
  });

  it('a write that fails (here for a limit on file sizes) is a clear error, and its rubbish is removed', () => {
    const root = newRoot();
    const script = `
      import { readdirSync } from 'node:fs';
      import { openStore } from ${JSON.stringify(resolve(import.meta.dirname, 'open.ts'))};
      const store = openStore('local?root=${root}', {});
      const good = store.addText('good', Buffer.from('x'), []);
      store.flush();
      store.addText('bad', Buffer.alloc(20_000_000), []);
      try { store.flush(); } catch (error) { console.log(error.name, error.message); }
      console.log(store.validPaths().length, readdirSync('${root}/nix/store').length);
      await store.close();`;
    const file = join(root, 'add.ts');
    writeFileSync(file, script);
    const run = spawnSync('/bin/sh', ['-c', 'ulimit -f 20000; trap "" XFSZ; exec "$0" "$1"', process.execPath, file], {
      encoding: 'latin1',
    });
    expect(run.stderr).toBe('');
    expect(run.stdout).toMatch(/^StoreError writing file '.*-bad': File too large\n1 2\n$/);
  });

  it('a process killed while it adds leaves nothing half-valid', () => {
    const root = newRoot();
    const script = `
      import { writeFileSync } from 'node:fs';
      import { openStore } from ${JSON.stringify(resolve(import.meta.dirname, 'open.ts'))};
      const store = openStore('local?root=${root}', {});
      for (let i = 0; ; i++) {
        store.addText('t' + i, Buffer.alloc(1000, i), []);
        store.flush();
        if (i === 2) writeFileSync(process.argv[2], '');
      }`;
    const file = join(root, 'add.ts');
    writeFileSync(file, script);
    const shell =
      'rm -f "$2"; "$0" "$1" "$2" & pid=$!; until [ -e "$2" ]; do sleep 0.01; done; sleep "$3"; kill -9 $pid';
    for (const delay of ['0', '0.013', '0.05']) {
      spawnSync('/bin/sh', ['-c', shell, process.execPath, file, join(root, 'started'), delay]);
    }
    const store = open(root);
    const paths = store.validPaths();
    expect(paths.length).toBeGreaterThan(0);
    for (const path of paths) {
      expect(Buffer.from(store.hashPath(store.realPath(path)).narHash)).toEqual(
        Buffer.from(store.pathInfo(path)!.narHash),
      );
    }
    expect(store.addText('t0', Buffer.alloc(1000, 0), [])).toBeTypeOf('string');
    store.flush();
  });
});
