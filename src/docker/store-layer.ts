// Layers of store paths: what they hold, told in a few lines instead of an archive, so that nothing is packed before it
// is wanted and no layer lies in the store beside the paths that it is made of.
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fsPath } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import { LAYER_VERSION, layerJson } from './layer.ts';
import type { JsonObject } from './json-text.ts';
import { storeDirectoryMembers, storePathMembers } from './store-members.ts';
import type { StoreMemberOptions } from './store-members.ts';
import type { StoreView } from './store-view.ts';
import { packTar } from './tar-packer.ts';
import type { TarMember } from './tar-packer.ts';
import { TarSum } from './tarsum.ts';

/** What the file `contents.json` of a layer's directory says, instead of a file `layer.tar`. */
export interface StoreLayer extends StoreMemberOptions {
  /** Store paths, in the order in which they are packed. */
  readonly paths: readonly string[];
  /** Bytes of the archive. */
  readonly size: number;
  /** SHA-256 of the archive, hexadecimal. */
  readonly sha256: string;
}

export const STORE_LAYER_FILE = 'contents.json';

/** So often others get a turn. */
const TURN_BYTES = 4 * 1024 * 1024;

/** Members of the archive: the store's own directories, then the paths with all below them. */
export function* storeLayerMembers(
  view: StoreView,
  paths: readonly string[],
  options: StoreMemberOptions,
): Generator<TarMember> {
  yield* storeDirectoryMembers(view.storeDir, options);
  yield* storePathMembers(view, paths, options);
}

/** Makes the directory of a layer: `contents.json`, `json`, `VERSION`. */
export async function describeStoreLayer(
  dir: string,
  view: StoreView,
  paths: readonly string[],
  options: StoreMemberOptions,
  json: JsonObject,
  signal?: AbortSignal,
): Promise<void> {
  const tarsum = new TarSum();
  const hash = createHash('sha256');
  let size = 0;
  let turnAt = TURN_BYTES;
  for (const chunk of packTar(storeLayerMembers(view, paths, options), tarsum)) {
    hash.update(chunk);
    size += chunk.length;
    if (size < turnAt) continue;
    signal?.throwIfAborted();
    await nextTurn();
    turnAt = size + TURN_BYTES;
  }
  const layer: StoreLayer = { paths, ...options, size, sha256: hash.digest('hex') };
  await mkdir(fsPath(dir));
  await writeFile(fsPath(`${dir}/${STORE_LAYER_FILE}`), JSON.stringify(layer), 'latin1');
  await writeFile(fsPath(`${dir}/json`), layerJson(json, tarsum.digest()), 'latin1');
  await writeFile(fsPath(`${dir}/VERSION`), LAYER_VERSION);
}

/** @throws StoreError where `text` is not what describeStoreLayer() writes */
export function parseStoreLayer(text: string, what: string): StoreLayer {
  const layer = JSON.parse(text) as Partial<StoreLayer>;
  if (!Array.isArray(layer.paths) || !Number.isSafeInteger(layer.size) || typeof layer.sha256 !== 'string') {
    throw new StoreError(`${what} does not describe a layer`);
  }
  return layer as StoreLayer;
}
