// A database with flipped bits, odd values or its end cut off: every question is answered, or ends in an error of ours.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chrootStore } from '../../test/support/chroot-store.ts';
import { Random } from '../../test/support/fuzz/random.ts';
import { seed } from '../../test/support/seed.ts';
import { makeClosureOf, StorePlace } from '../../test/support/store-closure.ts';
import { NixError } from '../util/errors.ts';
import { collectGarbage } from './gc.ts';
import type { LocalStore } from './local-store.ts';
import { computeClosure } from './query.ts';
import type { StorePath } from './store.ts';
import { verifyStore } from './verify.ts';

const place = new StorePlace();
const root = `${place.dir}/root`;
const file = `${root}/nix/var/nix/db/db.sqlite`;
let top: StorePath;
let sound: Buffer;
let objects: string[];
const open = (): LocalStore => chrootStore(root);
const inStore = (): string[] => readdirSync(`${root}/nix/store`).sort();

beforeAll(async () => {
  const store = place.open('root');
  top = makeClosureOf(store, 12);
  store.addText('text', Buffer.from('text'), []);
  await store.close();
  const db = new DatabaseSync(file);
  db.exec('pragma journal_mode = delete');
  db.close();
  sound = readFileSync(file);
  objects = inStore();
});
afterAll(() => place.close());

/** Puts a database in place of what is there. */
function putDatabase(bytes: Uint8Array): void {
  for (const suffix of ['-wal', '-shm', '-journal']) rmSync(file + suffix, { force: true });
  writeFileSync(file, bytes);
}

const questions: Record<string, (store: LocalStore) => unknown> = {
  infos: (store) => store.validPaths().map((path) => store.pathInfo(path)),
  referrers: (store) => computeClosure(store, [top], { flip: true }),
  closure: (store) => store.closure([top]),
  outputs: (store) => store.validPaths().map((path) => [store.derivationOutputs(path), store.validDerivers(path)]),
  live: (store) => computeClosure(store, [top], { includeDerivers: true, includeOutputs: true }),
  verify: (store) => verifyStore(store),
  add: (store) => {
    store.addText('new', Buffer.from('new'), []);
    store.flush();
  },
};

/** What was thrown that is no error of ours, or is one that is not in words. */
async function findings(): Promise<string[]> {
  const found: string[] = [];
  const store = open();
  for (const [name, ask] of Object.entries(questions)) {
    try {
      ask(store);
    } catch (error) {
      const { message } = error as Error;
      if (!(error instanceof NixError) || /undefined|NaN|\[object/.test(message)) found.push(`${name}: ${message}`);
    }
  }
  await store.close();
  return found;
}

describe('a damaged database', () => {
  it('with flipped bits is an error at worst', async () => {
    for (let round = 0; round < 25; round++) {
      const random = new Random(seed, round);
      const bytes = Buffer.from(sound);
      for (let flips = 1 + random.below(4); flips > 0; flips--) {
        let at: number;
        // Most of the file is empty.
        do at = random.below(bytes.length);
        while (bytes[at] === 0 && !random.oneIn(30));
        bytes[at]! ^= 1 << random.below(8);
      }
      putDatabase(bytes);
      expect(await findings(), `round ${round}, seed ${seed}`).toEqual([]);
    }
  });

  it('that is cut short is an error at worst', async () => {
    for (let round = 0; round < 8; round++) {
      putDatabase(sound.subarray(0, new Random(seed, round).below(sound.length)));
      expect(await findings(), `round ${round}, seed ${seed}`).toEqual([]);
    }
  });

  const values = [
    '9223372036854775807',
    "x'2f6e69782f73746f7265'",
    "cast(x'ff0a41' as text)",
    "'/nix/store/../../etc'",
  ];
  it.each([
    ...['path', 'hash', 'deriver', 'narSize', 'registrationTime', 'ultimate', 'sigs', 'ca'].map((name) => [
      'ValidPaths',
      name,
    ]),
    ['Refs', 'reference'],
    ['Refs', 'referrer'],
  ])('with odd values in %s.%s is an error at worst', async (table, column) => {
    for (const value of values) {
      putDatabase(sound);
      const db = new DatabaseSync(file, { enableForeignKeyConstraints: false });
      db.exec(`update ${table} set ${column} = ${value} where rowid = (select max(rowid) from ${table})`);
      db.close();
      expect(await findings(), value).toEqual([]);
    }
  });

  it('loses nothing to a collector where rows are gone without a trace', async () => {
    const bytes = Buffer.from(sound);
    putDatabase(sound);
    const db = new DatabaseSync(file);
    const rootPage = Number(
      db.prepare("select rootpage from sqlite_master where name like 'sqlite_autoindex_ValidPaths%'").get()![
        'rootpage'
      ],
    );
    const pageSize = Number(db.prepare('pragma page_size').get()!['page_size']);
    db.close();
    // The page says that it has no cells.
    bytes.writeUInt16BE(0, (rootPage - 1) * pageSize + 3);
    putDatabase(bytes);
    const before = inStore();
    const store = open();
    expect(store.validPaths()).toEqual([]);
    expect(() => collectGarbage(store, { action: 'delete', processes: false })).toThrow(
      "the store's database is damaged",
    );
    await store.close();
    expect(inStore()).toEqual(before);
    expect(objects.every((name) => existsSync(`${root}/nix/store/${name}`))).toBe(true);
  });
});
