// An image made of store paths, layer by layer while it is read: the closure cut along popularity, symlinks to the contents
// on top, all upon a base image if there is one. The same paths give the same bytes, wherever and whenever it is made.
import { createHash } from 'node:crypto';
import { StoreError } from '../../util/errors.ts';
import { fromUtf8 } from '../../util/bytes.ts';
import { orderByPopularity } from '../../build/builtin/popularity.ts';
import type { PathInfo, StorePath, SyncStore } from '../../store/store.ts';
import { storeLayerKey, storeLayerMembers } from '../store-layer.ts';
import { splitIntoLayers } from '../store-members.ts';
import { StoreView } from '../store-view.ts';
import { packTar } from '../tar-packer.ts';
import type { TarMember } from '../tar-packer.ts';
import { ROOT_OWNER, treeMembers } from '../tree.ts';
import { MAX_DOCKER_LAYERS } from './archive-destinations.ts';
import { OCI } from './documents.ts';
import type { Annotations } from './documents.ts';
import { makeConfig } from './image-config.ts';
import type { HistoryEntry, ImageSettings } from './image-config.ts';
import { configOf } from './image-files.ts';
import { linkTree } from './link-tree.ts';
import type { Platform } from './platform.ts';
import type { Chunks, SourceImage, SourceLayer } from './source.ts';

export interface StoreImageOptions {
  readonly store: SyncStore;
  /** What the image is of; valid paths. */
  readonly contents: readonly StorePath[];
  /** Show the contents at `/`, too. */
  readonly links: boolean;
  readonly settings: ImageSettings;
  readonly platform: Platform;
  /** ISO 8601. */
  readonly created: string;
  /** Of all layers but the base's. */
  readonly maxLayers: number;
  readonly base?: SourceImage | undefined;
  readonly annotations?: Annotations;
}

/** Files in a store have no other time. */
const MTIME = 1;
/** Paths that the history of a layer names. */
const MAX_NAMED = 20;

// eslint-disable-next-line @typescript-eslint/require-await -- chunks are async
async function* stream(members: Iterable<TarMember>): Chunks & AsyncGenerator<Uint8Array> {
  yield* packTar(members);
}

function storeLayer(view: StoreView, infos: readonly PathInfo[]): SourceLayer {
  const paths = infos.map(({ path }) => path);
  return {
    compression: 'none',
    descriptor: undefined,
    diffId: undefined,
    cacheKey: storeLayerKey(view.storeDir, infos, { mtime: MTIME }),
    chunks: () => stream(storeLayerMembers(view, paths, { mtime: MTIME })),
    label: paths.length === 1 ? paths[0]!.slice(view.storeDir.length + 1) : `${paths.length} store paths`,
  };
}

/** Made at once: it is small, and then what it is is known. */
function linkLayer(view: StoreView, contents: readonly StorePath[]): SourceLayer | undefined {
  const tree = linkTree(view, contents);
  if (tree.entries.size === 0) return undefined;
  const members = (): Iterable<TarMember> => treeMembers(tree, { mtime: MTIME, owner: ROOT_OWNER, prefix: '' });
  const hash = createHash('sha256');
  let size = 0;
  for (const chunk of packTar(members())) {
    hash.update(chunk);
    size += chunk.length;
  }
  const digest = `sha256:${hash.digest('hex')}`;
  return {
    compression: 'none',
    descriptor: { mediaType: OCI.layer.none, digest, size },
    diffId: digest,
    chunks: () => stream(members()),
    label: 'links to the contents',
  };
}

function historyOf(paths: readonly string[], created: string): HistoryEntry {
  const named = paths.slice(0, MAX_NAMED).map((path) => fromUtf8(path));
  const more = paths.length > MAX_NAMED ? ` and ${paths.length - MAX_NAMED} more` : '';
  return { created, created_by: 'tsnix', comment: `store paths: ${named.join(' ')}${more}` };
}

/** How many layers of our own there may be. @throws StoreError where the base image leaves no room */
function layerBudget({ maxLayers, base, links }: StoreImageOptions): number {
  const room = MAX_DOCKER_LAYERS - (base?.layers.length ?? 0);
  const budget = Math.min(maxLayers, room) - (links ? 1 : 0);
  if (budget >= 1) return budget;
  throw new StoreError(
    room < 2
      ? `${base!.what} has ${base!.layers.length} layers; Docker takes no more than ${MAX_DOCKER_LAYERS} together`
      : `there must be at least ${links ? 2 : 1} layers`,
  );
}

/** @throws StoreError */
export function storeImage(options: StoreImageOptions): SourceImage {
  const { store, contents, links, settings, platform, created, base, annotations = {} } = options;
  const budget = layerBudget(options);
  const closure = store.closure(contents);
  const infos = new Map(closure.map((path) => [path, store.pathInfo(path)!]));
  const view = new StoreView(store, closure);
  const layers: SourceLayer[] = [];
  const history: HistoryEntry[] = [];
  for (const paths of splitIntoLayers(orderByPopularity([...infos.values()]), budget)) {
    layers.push(
      storeLayer(
        view,
        paths.map((path) => infos.get(path)!),
      ),
    );
    history.push(historyOf(paths, created));
  }
  const top = links ? linkLayer(view, contents) : undefined;
  if (top !== undefined) {
    layers.push(top);
    history.push({ created, created_by: 'tsnix', comment: 'links to the contents' });
  }
  const baseConfig = base === undefined ? undefined : configOf(base);
  return {
    kind: 'image',
    what: 'the image',
    platform,
    manifest: undefined,
    annotations,
    layers: [...(base?.layers ?? []), ...layers],
    config: (diffIds) => ({
      bytes: makeConfig({ base: baseConfig, settings, platform, created, diffIds, history }),
      mediaType: OCI.config,
    }),
  };
}
