// Looking into an object of a store that lies elsewhere: its archive is fetched into a file, which goes again or, with
// the parameter `local-nar-cache` of the store, stays in that folder for the next time.
import { closeSync, existsSync, mkdtempSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { printDigest } from '../store/hash.ts';
import { NarLister } from '../store/nar-listing.ts';
import type { QueriedStore } from '../store/queried-store.ts';
import { requirePathInfo } from '../store/query.ts';
import { splitStoreUri } from '../store/store-uri.ts';
import type { StorePath } from '../store/store.ts';
import { fromUtf8, utf8 } from '../util/bytes.ts';
import { makeDirs } from '../util/make-dirs.ts';
import { NarTree } from './tree-view.ts';

/** @throws StoreError */
export function remoteTree(store: QueriedStore, path: StorePath): NarTree {
  const kept = splitStoreUri(store.uri).params.get('local-nar-cache');
  if (kept === undefined) {
    const dir = mkdtempSync(join(tmpdir(), 'tsnix-nar-'));
    process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
    fetch(store, path, join(dir, 'nar'));
    return new NarTree(join(dir, 'nar'));
  }
  const base = join(fromUtf8(kept), printDigest(requirePathInfo(store, path).narHash, 'nix32'));
  if (!existsSync(`${base}.nar`)) {
    makeDirs(utf8(resolve(fromUtf8(kept))));
    const temporary = `${base}.${String(process.pid)}`;
    const listing = fetch(store, path, temporary);
    write(`${temporary}.ls`, (sink) => sink(Buffer.from(JSON.stringify(listing))));
    renameSync(`${temporary}.ls`, `${base}.ls`);
    renameSync(temporary, `${base}.nar`);
  }
  return new NarTree(`${base}.nar`);
}

function fetch(store: QueriedStore, path: StorePath, file: string): ReturnType<NarLister['finish']> {
  const lister = new NarLister();
  write(file, (sink) => {
    store.dumpPath(path, (chunk) => {
      lister.write(chunk);
      sink(chunk);
    });
  });
  return lister.finish();
}

function write(file: string, contents: (sink: (chunk: Uint8Array) => void) => void): void {
  const fd = openSync(file, 'w', 0o600);
  try {
    contents((chunk) => {
      for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at);
    });
  } finally {
    closeSync(fd);
  }
}
