// Stores with a closure in them that nothing had to build: files put in place and registered as outputs would be.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalStore } from '../../src/store/local-store.ts';
import { makeOutputPath } from '../../src/store/store-path.ts';
import { hashString } from '../../src/store/hash.ts';
import type { StorePath } from '../../src/store/store.ts';
import { chrootStore } from './chroot-store.ts';

/** A directory for stores; removed with all that is in it. */
export class StorePlace {
  readonly dir = mkdtempSync(join(tmpdir(), 'tsnix-caches-'));
  private readonly opened: LocalStore[] = [];

  open(name: string): LocalStore {
    const store = chrootStore(join(this.dir, name));
    store.open();
    this.opened.push(store);
    return store;
  }

  async close(): Promise<void> {
    for (const store of this.opened) await store.close();
    spawnSync('chmod', ['-R', 'u+w', this.dir]);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Registers what `make` makes, as input-addressed. */
export function register(
  store: LocalStore,
  name: string,
  references: readonly StorePath[],
  make: (real: string) => void,
): StorePath {
  const path = makeOutputPath(name, 'out', hashString('sha256', `${name}${references.join()}`));
  const real = store.realPath(path);
  make(real);
  store.canonicalisePath(real);
  const hash = store.hashPath(real);
  store.registerValidPaths([
    {
      path,
      ...hash,
      references: [...references].sort(),
      deriver: null,
      registrationTime: 1,
      ultimate: true,
      signatures: [],
      ca: null,
    },
  ]);
  return path;
}

export interface Closure {
  readonly leaf: StorePath;
  readonly big: StorePath;
  readonly top: StorePath;
  /** Content-addressed. */
  readonly text: StorePath;
  readonly all: readonly StorePath[];
}

/** leaf ← big ← top → text; every type of file, odd names, noise that does not compress. */
export function makeClosure(store: LocalStore, bigBytes = 300_000): Closure {
  const text = store.addText('text', Buffer.from('some text'), []);
  store.flush();
  const leaf = register(store, 'leaf', [], (real) => {
    writeFileSync(real, 'leaf\n');
    chmodSync(real, 0o755);
  });
  const big = register(store, 'big', [leaf], (real) => {
    writeFileSync(real, Buffer.concat([Buffer.from(leaf), randomBytes(bigBytes)]));
  });
  const top = register(store, 'top', [leaf, big, text], (real) => {
    mkdirSync(join(real, 'bin'), { recursive: true });
    mkdirSync(join(real, 'empty dir'));
    writeFileSync(join(real, 'bin/x'), `${leaf} ${big} ${text}`);
    chmodSync(join(real, 'bin/x'), 0o755);
    writeFileSync(join(real, 'empty'), '');
    writeFileSync(join(real, 'größe'), 'x'.repeat(1000));
    symlinkSync(big, join(real, 'link'));
  });
  return { leaf, big, top, text, all: [text, leaf, big, top] };
}

/** A closure of many small trees, each referring to a few earlier ones; its top. */
export function makeClosureOf(store: LocalStore, count: number): StorePath {
  const paths: StorePath[] = [];
  for (let i = 0; i < count; i++) {
    const references = i === count - 1 ? [...paths] : [1, 7, 30].flatMap((back) => paths[i - back] ?? []);
    const path = register(store, `package-${String(i)}`, references, (real) => {
      mkdirSync(join(real, 'bin'), { recursive: true });
      for (let file = 0; file < 4; file++) {
        writeFileSync(
          join(real, `bin/file-${String(file)}`),
          `${references.join('\n')}${randomBytes(1500).toString('hex')}`,
        );
      }
    });
    paths.push(path);
  }
  return paths.at(-1)!;
}
