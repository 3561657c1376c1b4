// fetchClosure with `toPath`: a closure is fetched into a store of its own, rewritten there so that its paths say what
// is in it, and copied from there. Nobody needs to have signed it: the new paths vouch for themselves.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeContentAddressed } from '../build/make-content-addressed.ts';
import { deletePath } from '../store/delete-path.ts';
import { LocalStore } from '../store/local-store.ts';
import { openStore } from '../store/open.ts';
import type { StorePath } from '../store/store.ts';
import { InternalError, StoreError } from '../util/errors.ts';
import { say } from './output.ts';
import type { Session } from './session.ts';
import { LazySubstituter } from './substituters.ts';

const observer = {
  warn: (message: string): void => {
    say(`warning: ${message}`);
  },
  error: (message: string): void => {
    say(`error: ${message}`);
  },
};

/** @returns the new path, valid in the session's store @throws StoreError */
export async function fetchRewritten(session: Session, path: StorePath): Promise<StorePath> {
  const { config, store } = session;
  if (!(store instanceof LocalStore)) throw new StoreError(`store '${store.uri}' can't fetch closures`);
  const dir = mkdtempSync(join(tmpdir(), 'tsnix-closure-'));
  const uri = `local?root=${dir}`;
  const between = openStore(uri, { NIX_STORE_DIR: store.storeDir });
  try {
    if (!(between instanceof LocalStore)) throw new InternalError(`'${uri}' is no local store`);
    config.setByFlag('require-sigs', 'false');
    await fetchInto(session, between, config.list('substituters'), path);
    const copies = makeContentAddressed(between, [path], () => undefined);
    const copy = copies.get(path)!;
    await fetchInto(session, store, [uri], copy);
    return copy;
  } finally {
    await between.close();
    deletePath(dir);
  }
}

async function fetchInto(
  { config }: Session,
  store: LocalStore,
  uris: readonly string[],
  path: StorePath,
): Promise<void> {
  const substituter = new LazySubstituter({ config, store, observer }, uris);
  try {
    if (await substituter.substitute(path)) return;
    throw new StoreError(`path '${path}' is not in '${uris.join(' ')}'`);
  } finally {
    await substituter.close();
  }
}
