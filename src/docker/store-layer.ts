// Layers of store paths, known without being kept: what an archive of them is like is found out by packing it once, and
// noted. Where it is wanted compressed, the same reading compresses it.
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { PathInfo } from '../store/store.ts';
import type { Part } from './gzip.ts';
import type { JsonObject } from './json-text.ts';
import { layerJson } from './layer.ts';
import { LEAST_PIECE_BYTES } from './layer-pieces.ts';
import type { LayerSpool } from './layer-spool.ts';
import type { Notes } from './notes.ts';
import { storeDirectoryMembers, storePathMembers } from './store-members.ts';
import type { StoreMemberOptions } from './store-members.ts';
import type { StoreView } from './store-view.ts';
import { packTarFleeting } from './tar-packer.ts';
import type { InnerArchive, TarMember } from './tar-packer.ts';
import { TarSum } from './tarsum.ts';
import { ROOT_OWNER } from './tree.ts';
import { hashChunks } from './write-file.ts';

/** A layer that is packed when it is wanted. */
export interface StoreLayer extends InnerArchive {
  /** Bytes of the archive. */
  readonly size: number;
  /** Text of its file `json`. */
  readonly json: string;
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
    for (const chunk of packTarFleeting(members, tarsum)) {
      size += chunk.length;
      checksum = crc32(chunk, checksum);
      yield chunk;
    }
  };
  const sha256 = await hashChunks(counted(), signal);
  return { size, sha256, crc32: checksum, tarsum: tarsum.digest() };
}

/** The same for several, which lie in the spool afterwards. */
async function packInto(
  spool: LayerSpool,
  layers: readonly (() => Iterable<TarMember>)[],
  signal: AbortSignal | undefined,
): Promise<ArchiveFacts[]> {
  const facts: ArchiveFacts[] = [];
  const parts = layers.map((members): Part => {
    const tarsum = new TarSum();
    const hash = createHash('sha256');
    const chunks = function* (): Generator<Buffer> {
      for (const chunk of packTarFleeting(members(), tarsum)) {
        hash.update(chunk);
        yield chunk;
      }
    };
    return {
      kind: 'plain',
      chunks: chunks(),
      finished: (made) => {
        const sha256 = hash.digest('hex');
        facts.push({ size: made.size, sha256, crc32: made.crc32, tarsum: tarsum.digest() });
        spool.add(sha256, made);
      },
    };
  });
  await spool.fill(parts, signal);
  return facts;
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
  /** Store paths of each layer, in the order in which they are packed. */
  readonly layers: readonly (readonly PathInfo[])[];
  readonly members: StoreMemberOptions;
  /** The image's configuration. */
  readonly json: JsonObject;
  /** What was found out about such layers before. */
  readonly notes?: Notes | undefined;
  /** Where layers that have to be read are to lie compressed. */
  readonly spool?: LayerSpool | undefined;
  /** Told of each layer (by its index) that is read. */
  readonly reading?: (index: number) => void;
  readonly signal?: AbortSignal;
}

/** Reads no path whose layer is known. */
export async function describeStoreLayers(options: DescribeOptions): Promise<StoreLayer[]> {
  const { view, members: memberOptions, json, notes, spool, reading, signal } = options;
  const layers = options.layers.map((infos, i) => {
    const paths = infos.map(({ path }) => path);
    const key = storeLayerKey(view.storeDir, infos, memberOptions);
    const members = (): Generator<TarMember> => storeLayerMembers(view, paths, memberOptions);
    const read = (): Generator<TarMember> => {
      reading?.(i);
      return members();
    };
    const size = infos.reduce((sum, { narSize }) => sum + narSize, 0);
    return { key, members, read, size, facts: notedFacts(notes, key) };
  });
  const unknown = layers.filter(({ facts }) => facts === undefined);
  if (spool !== undefined) {
    const large = unknown.filter(({ size }) => size >= LEAST_PIECE_BYTES);
    const reads = large.map(({ read }) => read);
    (await packInto(spool, reads, signal)).forEach((facts, i) => (large[i]!.facts = facts));
  }
  for (const layer of unknown) {
    layer.facts ??= await packAway(layer.read(), signal);
    notes?.put(layer.key, { ...layer.facts });
  }
  return layers.map(({ members, facts }): StoreLayer => {
    const { tarsum, ...archive } = facts!;
    return { members, ...archive, json: layerJson(json, tarsum) };
  });
}
