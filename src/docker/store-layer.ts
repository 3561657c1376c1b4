// Layers of store paths: what they hold, told in a few lines instead of an archive, so that nothing is packed before it
// is wanted and no layer lies in the store beside the paths that it is made of.
import { mkdir, writeFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { fsPath } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import type { PathInfo } from '../store/store.ts';
import { LAYER_VERSION, layerJson } from './layer.ts';
import type { JsonObject } from './json-text.ts';
import type { Notes } from './notes.ts';
import { storeDirectoryMembers, storePathMembers } from './store-members.ts';
import type { StoreMemberOptions } from './store-members.ts';
import type { StoreView } from './store-view.ts';
import { packTar } from './tar-packer.ts';
import type { TarMember } from './tar-packer.ts';
import { TarSum } from './tarsum.ts';
import { ROOT_OWNER } from './tree.ts';
import { hashChunks } from './write-file.ts';

/** What the file `contents.json` of a layer's directory says, instead of a file `layer.tar`. */
export interface StoreLayer extends StoreMemberOptions {
  /** Store paths, in the order in which they are packed. */
  readonly paths: readonly string[];
  /** Bytes of the archive. */
  readonly size: number;
  /** SHA-256 of the archive, hexadecimal. */
  readonly sha256: string;
  readonly crc32: number | undefined;
}

/** What is found out about an archive by packing it. */
interface ArchiveFacts {
  readonly size: number;
  readonly sha256: string;
  readonly crc32: number;
  readonly tarsum: string;
}

/** Changes when layers of the same paths come out otherwise. */
const STORE_LAYER_FORMAT = 'store layer 1';

export const STORE_LAYER_FILE = 'contents.json';

/** Members of the archive: the store's own directories, then the paths with all below them. */
export function* storeLayerMembers(
  view: StoreView,
  paths: readonly string[],
  options: StoreMemberOptions,
): Generator<TarMember> {
  yield* storeDirectoryMembers(view.storeDir, options);
  yield* storePathMembers(view, paths, options);
}

/** What a layer of store paths depends on. By the hashes of their NARs: a path may be made again and come out otherwise. */
export function storeLayerKey(storeDir: string, infos: readonly PathInfo[], options: StoreMemberOptions): string {
  const hashes = infos.map(({ path, narHash }) => `${path} ${Buffer.from(narHash).toString('hex')}`);
  const { mtime, owner = ROOT_OWNER } = options;
  return [STORE_LAYER_FORMAT, JSON.stringify([mtime, owner]), storeDir, ...hashes].join('\n');
}

async function packAway(members: Iterable<TarMember>, signal: AbortSignal | undefined): Promise<ArchiveFacts> {
  const tarsum = new TarSum();
  let size = 0;
  let checksum = 0;
  const counted = function* (): Generator<Buffer> {
    for (const chunk of packTar(members, tarsum)) {
      size += chunk.length;
      checksum = crc32(chunk, checksum);
      yield chunk;
    }
  };
  const sha256 = await hashChunks(counted(), signal);
  return { size, sha256, crc32: checksum, tarsum: tarsum.digest() };
}

function notedFacts(notes: Notes | undefined, key: string): ArchiveFacts | undefined {
  const { size, sha256, crc32: checksum, tarsum } = notes?.get(key) ?? {};
  const whole =
    typeof size === 'number' &&
    Number.isSafeInteger(size) &&
    typeof sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(sha256) &&
    typeof checksum === 'number' &&
    typeof tarsum === 'string' &&
    /^tarsum\.v1\+sha256:[0-9a-f]{64}$/.test(tarsum);
  return whole ? { size, sha256, crc32: checksum, tarsum } : undefined;
}

export interface DescribeOptions {
  readonly view: StoreView;
  readonly infos: readonly PathInfo[];
  readonly members: StoreMemberOptions;
  readonly json: JsonObject;
  /** What was found out about such layers before. */
  readonly notes?: Notes | undefined;
  readonly signal?: AbortSignal;
}

/** Makes the directory of a layer: `contents.json`, `json`, `VERSION`. Reads no path whose layer is known. */
export async function describeStoreLayer(dir: string, options: DescribeOptions): Promise<void> {
  const { view, infos, members, json, notes, signal } = options;
  const paths = infos.map(({ path }) => path);
  const key = storeLayerKey(view.storeDir, infos, members);
  let facts = notedFacts(notes, key);
  if (facts === undefined) {
    facts = await packAway(storeLayerMembers(view, paths, members), signal);
    notes?.put(key, { ...facts });
  }
  const { tarsum, ...archive } = facts;
  const layer: StoreLayer = { paths, ...members, ...archive };
  await mkdir(fsPath(dir));
  await writeFile(fsPath(`${dir}/${STORE_LAYER_FILE}`), JSON.stringify(layer), 'latin1');
  await writeFile(fsPath(`${dir}/json`), layerJson(json, tarsum), 'latin1');
  await writeFile(fsPath(`${dir}/VERSION`), LAYER_VERSION);
}

/** @throws StoreError where `text` is not what describeStoreLayer() writes */
export function parseStoreLayer(text: string, what: string): StoreLayer {
  const layer = JSON.parse(text) as Partial<StoreLayer>;
  if (!Array.isArray(layer.paths) || !Number.isSafeInteger(layer.size) || typeof layer.sha256 !== 'string') {
    throw new StoreError(`${what} does not describe a layer`);
  }
  // Those who wrote it before did not say.
  return { crc32: undefined, ...layer } as StoreLayer;
}
