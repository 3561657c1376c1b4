// What every store must do: one suite, applied to each kind.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hashBytes, parseHash } from '../../src/store/hash.ts';
import { narOfContents } from '../../src/store/nar.ts';
import { parseStorePath } from '../../src/store/store-path.ts';
import type { PathInfo, StorePath, SyncStore } from '../../src/store/store.ts';

/** The parts of a store that take archives. */
export interface NarStore extends SyncStore {
  addNar(info: PathInfo, archive: Iterable<Uint8Array>): void;
  validPaths(): StorePath[];
  derivationOutputs(drvPath: StorePath): Map<string, StorePath>;
  validDerivers(path: StorePath): StorePath[];
  pathFromHashPart(hashPart: string): StorePath | undefined;
}

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** nix-instantiate of `derivation { name = "x"; builder = "/bin/sh"; system = "x86_64-linux"; }`. */
const drvText =
  'Derive([("out","/nix/store/s668cfx1vrqfjryf96jj8wfhg7f67dhj-x","","")],[],[],"x86_64-linux","/bin/sh",[],[("builder","/bin/sh"),("name","x"),("out","/nix/store/s668cfx1vrqfjryf96jj8wfhg7f67dhj-x"),("system","x86_64-linux")])';

/** @param open an empty store with store directory /nix/store */
export function storeSuite(title: string, open: () => NarStore): void {
  describe(title, () => {
    let store: NarStore;
    let dir: string;

    beforeEach(() => {
      store = open();
      dir = mkdtempSync(join(tmpdir(), 'tsnix-store-suite-'));
    });
    afterEach(async () => {
      await store.close();
      rmSync(dir, { recursive: true, force: true });
    });

    const dump = (path: StorePath): Buffer => {
      const chunks: Buffer[] = [];
      store.dumpPath(path, (chunk) => {
        chunks.push(Buffer.from(chunk));
      });
      return Buffer.concat(chunks);
    };

    it('addText() gives the path of Nix and registers hash, size, references and content address', () => {
      const a = store.addText('a', bytes('hi'), []);
      expect(a).toBe('/nix/store/ww5ixrr91z8mx6fzy97kwzl5lv5slwdr-a');
      expect(store.isValidPath(a)).toBe(true);
      const info = store.pathInfo(a)!;
      expect(Buffer.from(info.narHash).toString('hex')).toBe(
        '2252d4b78c94e8c7ace4e3317b78bdfe64bc8e3970a64eb6d2f7c2a443c0c3fc',
      );
      expect(info).toMatchObject({ path: a, narSize: 120, references: [], deriver: null, ultimate: false });
      expect(info.ca).toBe('text:sha256:193s6bfb4ncbr0d3rpb177cac43b2z2h3afxi7grcswgci346hwg');
      expect(dump(a)).toEqual(narOfContents(bytes('hi')));
    });

    it('addText() is the same path whatever the order of references, and refers to each once', () => {
      const a = store.addText('a', bytes('1'), []);
      const b = store.addText('b', bytes('2'), []);
      const one = store.addText('c', bytes('3'), [a, b]);
      expect(store.addText('c', bytes('3'), [b, a, b])).toBe(one);
      expect(store.pathInfo(one)!.references).toEqual([a, b].sort());
      expect(store.referrers(a)).toEqual([one]);
    });

    it('addText() refuses references that are not valid, bad names and derivations that are none', () => {
      const missing = parseStorePath('/nix/store/00000000000000000000000000000000-missing');
      expect(() => store.addText('a', bytes('x'), [missing])).toThrow(`path '${missing}' is not valid`);
      expect(() => store.addText('a b', bytes('x'), [])).toThrow("name 'a b' contains illegal character ' '");
      expect(() => store.addText('x.drv', bytes('junk'), [])).toThrow(/error parsing derivation/);
      expect(store.validPaths()).toEqual([]);
    });

    it('addText() records the outputs of derivations, and refuses wrong ones', () => {
      const drv = store.addText('x.drv', bytes(drvText), []);
      const out = parseStorePath('/nix/store/s668cfx1vrqfjryf96jj8wfhg7f67dhj-x');
      expect(store.derivationOutputs(drv)).toEqual(new Map([['out', out]]));
      expect(store.validDerivers(out)).toEqual([drv]);
      const wrong = drvText.replaceAll('s668c', 's668z');
      expect(() => store.addText('x.drv', bytes(wrong), [])).toThrow(/has incorrect output .* should be/);
      expect(store.validPaths()).toEqual([drv]);
    });

    it('addPath() copies trees: directories, symlinks, executables, names that are not UTF-8', () => {
      const root = join(dir, 'tree');
      mkdirSync(join(root, 'sub'), { recursive: true });
      writeFileSync(join(root, 'run'), '#!/bin/sh\n');
      chmodSync(join(root, 'run'), 0o755);
      writeFileSync(Buffer.concat([Buffer.from(`${root}/sub/`), Buffer.from([0xff, 0xfe])]), 'odd');
      symlinkSync('../run', join(root, 'sub', 'link'));
      const path = store.addPath(root, { name: 'tree', method: 'nar' });
      expect(path).toBe('/nix/store/4q4jfh2l0abp6v3ngszs5nrz64rvk14m-tree');
      expect(hashBytes('sha256', dump(path))).toEqual(Buffer.from(store.pathInfo(path)!.narHash));
      expect(store.pathInfo(path)!.ca).toMatch(/^fixed:r:sha256:/);
      expect(store.addPath(root, { name: 'tree', method: 'nar' })).toBe(path);
    });

    it('addPath() leaves out what the filter rejects, and all below it', () => {
      mkdirSync(join(dir, 'tree', 'no'), { recursive: true });
      writeFileSync(join(dir, 'tree', 'no', 'x'), '');
      writeFileSync(join(dir, 'tree', 'yes'), '');
      const asked: string[] = [];
      const path = store.addPath(join(dir, 'tree'), {
        name: 'tree',
        method: 'nar',
        filter: (entry, type) => {
          asked.push(`${type} ${entry.slice(dir.length)}`);
          return !entry.endsWith('/no');
        },
      });
      expect(asked).toEqual(['directory /tree/no', 'regular /tree/yes']);
      rmSync(join(dir, 'tree', 'no'), { recursive: true });
      expect(store.addPath(join(dir, 'tree'), { name: 'tree', method: 'nar' })).toBe(path);
    });

    it('addPath() flat takes the contents of a regular file only', () => {
      const file = join(dir, 'f');
      writeFileSync(file, 'hi');
      chmodSync(file, 0o755);
      const path = store.addPath(file, { name: 'f', method: 'flat', algorithm: 'sha1' });
      expect(path).toBe('/nix/store/59w9n2d0xxh6gak991175hxkkgzj83mj-f');
      expect(dump(path)).toEqual(narOfContents(bytes('hi')));
      expect(store.pathInfo(path)!.ca).toBe('fixed:sha1:89mdw2scmz2v4lbgim10j9ilg28myay2');
      expect(() => store.addPath(dir, { name: 'f', method: 'flat' })).toThrow(/is not a regular file/);
    });

    it('closure() has dependencies first, each once', () => {
      const a = store.addText('a', bytes('1'), []);
      const b = store.addText('b', bytes('2'), [a]);
      const c = store.addText('c', bytes('3'), [a, b]);
      const d = store.addText('d', bytes('4'), [c, b]);
      expect(store.closure([d, a])).toEqual([a, b, c, d]);
      expect(store.closure([])).toEqual([]);
      const missing = parseStorePath('/nix/store/00000000000000000000000000000000-missing');
      expect(() => store.closure([missing])).toThrow(`path '${missing}' is not valid`);
    });

    it('pathFromHashPart() finds a path by its first 32 characters', () => {
      const a = store.addText('a', bytes('hi'), []);
      expect(store.pathFromHashPart('ww5ixrr91z8mx6fzy97kwzl5lv5slwdr')).toBe(a);
      expect(store.pathFromHashPart('ww5ixrr91z8mx6fzy97kwzl5lv5slwdz')).toBeUndefined();
    });

    it('addNar() checks the hash, the archive and the references', () => {
      const nar = narOfContents(bytes('hello'));
      const path = parseStorePath('/nix/store/1b9p07z77phvv2hf6gm9f28syp39f1ag-x');
      const info: PathInfo = {
        path,
        narHash: hashBytes('sha256', nar),
        narSize: nar.length,
        references: [path],
        deriver: null,
        registrationTime: 1,
        ultimate: false,
        signatures: ['key-1:c2ln'],
        ca: null,
      };
      const wrongHash = { ...info, narHash: parseHash(`sha256:${'0'.repeat(64)}`).digest };
      expect(() => {
        store.addNar(wrongHash, [nar]);
      }).toThrow(/hash mismatch importing path/);
      const cut = nar.subarray(0, 100);
      expect(() => {
        store.addNar({ ...info, narHash: hashBytes('sha256', cut), narSize: 0 }, [cut]);
      }).toThrow('unexpected end-of-file');
      const missing = parseStorePath('/nix/store/00000000000000000000000000000000-missing');
      expect(() => {
        store.addNar({ ...info, references: [missing] }, [nar]);
      }).toThrow(`path '${missing}' is not valid`);
      expect(store.validPaths()).toEqual([]);
      store.addNar(info, [nar.subarray(0, 50), nar.subarray(50)]);
      expect(store.pathInfo(path)).toEqual({ ...info, narHash: Buffer.from(info.narHash) });
      expect(dump(path)).toEqual(nar);
    });

    it('registerValidPaths() refuses cycles and keeps nothing of a batch that fails', () => {
      const a = store.addText('a', bytes('1'), []);
      const b = store.addText('b', bytes('2'), []);
      const before = store.pathInfo(a)!;
      expect(() => {
        store.registerValidPaths([
          { ...store.pathInfo(a)!, references: [b] },
          { ...store.pathInfo(b)!, references: [a] },
        ]);
      }).toThrow(/cycle detected in the references of/);
      expect(store.pathInfo(a)).toEqual(before);
    });
  });
}
