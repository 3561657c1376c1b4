import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StorePlace } from '../../test/support/store-closure.ts';
import type { LocalStore } from '../store/local-store.ts';
import { makeTextPath, storePathName } from '../store/store-path.ts';
import type { StorePath } from '../store/store.ts';
import { Closures } from './closures.ts';

describe('Closures', () => {
  let place: StorePlace;
  let store: LocalStore;
  beforeEach(() => {
    place = new StorePlace();
    store = place.open('store');
  });
  afterEach(() => place.close());
  const add = (name: string, references: readonly StorePath[]): StorePath =>
    store.addText(name, Buffer.from(name), references);

  it('are those of the store, while paths come to be', () => {
    const graph = fc.array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: 1, maxLength: 20 });
    let run = 0;
    fc.assert(
      fc.property(graph, fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), (nodes, roots) => {
        const closures = new Closures(store);
        const paths: StorePath[] = [];
        run++;
        for (const [i, references] of nodes.entries()) {
          paths.push(add(`p${run}-${i}`, i === 0 ? [] : references.map((to) => paths[to % i]!)));
          const asked = roots.map((root) => paths[root % paths.length]!);
          expect([...closures.of(asked)].sort()).toEqual([...new Set(store.closure(asked))].sort());
        }
      }),
      { numRuns: 20 },
    );
  });

  it('ask the store once', () => {
    const a = add('a', []);
    const b = add('b', [a]);
    store.flush();
    const asked: string[] = [];
    const closures = new Closures(
      new Proxy(store, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name);
          if (typeof value !== 'function') return value;
          return (...args: unknown[]) => {
            asked.push(`${String(name)} ${storePathName([args[0]].flat()[0] as StorePath)}`);
            return (value as (...args: unknown[]) => unknown).apply(target, args);
          };
        },
      }),
    );
    closures.of([b]);
    closures.of([a, b]);
    closures.of([add('c', [a, b])]);
    expect(asked).toEqual(['pathInfo b', 'referenceGraph b', 'pathInfo c']);
  });

  it('know nothing of paths that are not valid', () => {
    const missing = makeTextPath('missing', new Uint8Array(32), [], store.storeDir);
    expect(() => new Closures(store).of([missing])).toThrow(`path '${missing}' is not valid`);
  });
});
