// The stream of `nix-store --export`: for each object 1, its NAR, a magic number, path, references, deriver, 0; then 0.
// Dependencies come first. The description follows the archive, so what is imported waits in a temporary place.
import { StoreError } from '../util/errors.ts';
import { createHasher, equalDigests, printHash } from './hash.ts';
import type { LocalStore } from './local-store.ts';
import type { NarSink } from './nar-dump.ts';
import { requirePathInfo, sortPaths } from './query.ts';
import type { QueriedStore } from './queried-store.ts';
import { parseStorePath } from './store-path.ts';
import type { PathInfo, StorePath } from './store.ts';
import { WireInput, wireNumber, wireText } from './wire-input.ts';

const exportMagic = 0x4558494e;
/** More references than any object has. */
const maxReferences = 1 << 20;

/**
 * Writes valid paths (not their closure) to `sink`.
 * @throws StoreError where one is not valid, or is not what it was when it was registered
 */
export function exportPaths(store: QueriedStore, paths: readonly StorePath[], sink: NarSink): void {
  for (const path of sortPaths(store, paths)) {
    const info = requirePathInfo(store, path);
    sink(wireNumber(1));
    const hasher = createHasher('sha256');
    store.dumpPath(path, (chunk) => {
      hasher.update(chunk);
      sink(chunk);
    });
    const digest = hasher.digest();
    if (!equalDigests(digest, info.narHash) && info.narHash.some((byte) => byte !== 0)) {
      const print = (hash: Uint8Array): string => printHash({ algorithm: 'sha256', digest: hash }, 'nix32');
      throw new StoreError(`hash of path '${path}' has changed from '${print(info.narHash)}' to '${print(digest)}'!`);
    }
    sink(wireNumber(exportMagic));
    sink(wireText(path));
    sink(wireNumber(info.references.length));
    for (const reference of info.references) sink(wireText(reference));
    sink(wireText(info.deriver ?? ''));
    sink(wireNumber(0));
  }
  sink(wireNumber(0));
}

/**
 * Makes valid what can be read from `input`.
 * @returns the paths, in order
 * @throws StoreError, CorruptNarError; what came before stays
 */
export function importPaths(store: LocalStore, input: WireInput): StorePath[] {
  const paths: StorePath[] = [];
  for (;;) {
    const more = input.take(8).readBigUInt64LE();
    if (more === 0n) return paths;
    if (more !== 1n) throw new StoreError("input doesn't look like something created by 'nix-store --export'");
    const incoming = store.incoming();
    try {
      input.archive((chunk) => {
        incoming.write(chunk);
      });
      paths.push(incoming.finishWith(() => readDescription(input, store.storeDir)));
    } finally {
      incoming.close();
    }
  }
}

/** What follows an archive. @throws StoreError */
function readDescription(input: WireInput, storeDir: string): Omit<PathInfo, 'narHash' | 'narSize'> {
  if (input.number() !== exportMagic) throw new StoreError('Nix archive cannot be imported; wrong format');
  const path = parseStorePath(input.text(), storeDir);
  const references: StorePath[] = [];
  for (let left = input.number(maxReferences); left > 0; left--) {
    references.push(parseStorePath(input.text(), storeDir));
  }
  const deriver = input.text();
  // A signature of old times.
  if (input.number() === 1) input.text();
  return {
    path,
    references: [...new Set(references)].sort(),
    deriver: deriver === '' ? null : parseStorePath(deriver, storeDir),
    registrationTime: 0,
    ultimate: false,
    signatures: [],
    ca: null,
  };
}
