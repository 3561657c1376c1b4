// An image to build upon: a docker-archive (as `docker save` and dockerTools write it), read without unpacking.
import { fromUtf8, utf8 } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import { decompressed, readSmall } from './archive.ts';
import type { Region } from './archive.ts';
import { archiveTree, flattenLayers, resolveInTree } from './archive-tree.ts';
import { parseJsonObject, parseJsonText } from './json-text.ts';
import type { JsonObject, JsonValue } from './json-text.ts';
import { sortedNames } from './tree.ts';
import type { DirectoryNode, FileNode } from './tree.ts';
import type { PlacedLayer } from './image-archive.ts';
import { fileRegion, hashRegion } from './write-file.ts';

const MAX_JSON_BYTES = 16 * 1024 * 1024;

export interface BaseLayer {
  /** As the manifest names it: `ID/layer.tar`. */
  readonly name: string;
  /** As it lies in the archive. */
  readonly file: Region;
  /** Its place in the archive's tree. */
  readonly node: FileNode;
}

export interface BaseImage {
  /** All that the archive holds. */
  readonly tree: DirectoryNode;
  /** Bottom one first. */
  readonly layers: readonly BaseLayer[];
  /** Layer id by image name and tag; empty where the archive has no such file. */
  readonly repositories: JsonObject;
  /** Its configuration, as the manifest names it; empty where there is none. */
  readonly config: JsonObject;
}

function regionOf(file: FileNode): Region {
  return { path: file.path, offset: file.offset ?? 0, size: file.size };
}

function objectOrEmpty(value: JsonValue | undefined): JsonObject {
  return value instanceof Map ? value : new Map<string, JsonValue>();
}

async function readJson(tree: DirectoryNode, name: string, what: string): Promise<JsonValue | undefined> {
  const file = resolveInTree(tree, name);
  if (file?.type !== 'file') return undefined;
  const bytes = await readSmall(regionOf(file), MAX_JSON_BYTES, `${name} of ${what}`);
  return parseJsonText(bytes.toString('latin1'), `${name} of ${what}`);
}

/**
 * Opens the image at `path` (a real path).
 * @param tmpDir for what has to be decompressed
 * @param what what it is, for messages
 * @throws StoreError where it is not a docker-archive, is damaged or hostile
 */
export async function openBaseImage(
  path: string,
  tmpDir: string,
  what: string,
  signal?: AbortSignal,
): Promise<BaseImage> {
  const archive = await decompressed(fileRegion(path), `${tmpDir}/base.tar`, signal);
  const tree = await archiveTree(archive, what, signal);
  const manifest = await readJson(tree, 'manifest.json', what);
  const image = Array.isArray(manifest) ? manifest[0] : undefined;
  const names = image instanceof Map ? image.get('Layers') : undefined;
  if (!Array.isArray(names))
    throw new StoreError(`${what} is not a docker-archive: it has no manifest.json with Layers`);
  const layers = names.map((text): BaseLayer => {
    const name = typeof text === 'string' ? utf8(text) : '';
    const file = resolveInTree(tree, name);
    if (name === '' || file?.type !== 'file') throw new StoreError(`${what} lacks its layer '${name}'`);
    return { name, file: regionOf(file), node: file };
  });
  const repositories = await readJson(tree, 'repositories', what);
  const configName = image instanceof Map ? image.get('Config') : undefined;
  const config = typeof configName === 'string' ? await readJson(tree, utf8(configName), what) : undefined;
  return { tree, layers, repositories: objectOrEmpty(repositories), config: objectOrEmpty(config) };
}

/** Reads all layers: they are known by their hashes then, here and in the archive's tree. */
export async function hashLayers(image: BaseImage, signal?: AbortSignal): Promise<PlacedLayer[]> {
  const placed: PlacedLayer[] = [];
  for (const { name, file, node } of image.layers) {
    node.sha256 ??= await hashRegion(file, signal);
    placed.push({ name, sha256: node.sha256 });
  }
  return placed;
}

/** What the archive holds but for configurations and manifest, which an image built upon it has of its own. */
export function withoutDescription(image: BaseImage): DirectoryNode {
  const entries = [...image.tree.entries].filter(([name]) => !/^[^.].*\.json$/.test(name));
  return { ...image.tree, entries: new Map(entries) };
}

/** Layers that the original looks for files in: all `*​/layer.tar`, in any case those of the manifest. */
export function allLayers(image: BaseImage): Region[] {
  const found: Region[] = [];
  for (const name of sortedNames(image.tree.entries)) {
    if (name.startsWith('.')) continue;
    const file = resolveInTree(image.tree, `${name}/layer.tar`);
    if (file?.type === 'file') found.push(regionOf(file));
  }
  for (const { file } of image.layers) {
    if (!found.some(({ path, offset }) => path === file.path && offset === file.offset)) found.push(file);
  }
  return found;
}

/**
 * Id of the layer that an image of the archive is at: of `name` and `tag`, by default the first ones listed.
 * @throws StoreError where the archive lists no such name or tag
 */
export function parentId(image: BaseImage, name: string, tag: string, what: string): string | undefined {
  const { repositories } = image;
  if (repositories.size === 0 && name === '') return undefined;
  const key = name === '' ? [...repositories.keys()][0]! : fromUtf8(name);
  const tags = repositories.get(key);
  if (!(tags instanceof Map) || tags.size === 0) throw new StoreError(`${what} holds no image named '${utf8(key)}'`);
  const tagKey = tag === '' ? [...tags.keys()][0]! : fromUtf8(tag);
  const id = tags.get(tagKey);
  if (typeof id !== 'string') throw new StoreError(`${what} holds no image '${utf8(key)}:${utf8(tagKey)}'`);
  return id;
}

/** The image's file system, all layers applied. */
export async function baseFileSystem(
  image: BaseImage,
  tmpDir: string,
  what: string,
  signal?: AbortSignal,
): Promise<DirectoryNode> {
  const layers: { archive: Region; what: string }[] = [];
  for (const [i, { name, file }] of image.layers.entries()) {
    const archive = await decompressed(file, `${tmpDir}/layer-${i}.tar`, signal);
    layers.push({ archive, what: `layer '${name}' of ${what}` });
  }
  return flattenLayers(layers, signal);
}

/** A JSON object in a file. */
export async function readJsonFile(path: string, what: string): Promise<JsonObject> {
  const bytes = await readSmall(fileRegion(path), MAX_JSON_BYTES, what);
  return parseJsonObject(bytes.toString('latin1'), what);
}

/**
 * A configuration with the environment of the image below it: variables set here win, and stand where the image below
 * had them.
 */
export function withBaseEnvironment(config: JsonObject, base: JsonObject): JsonObject {
  const variables = (of: JsonObject): string[] => {
    const inner = of.get('config');
    const env = inner instanceof Map ? inner.get('Env') : undefined;
    return Array.isArray(env) ? env.filter((entry) => typeof entry === 'string') : [];
  };
  const below = variables(base);
  if (below.length === 0) return config;
  const merged = new Map([...below, ...variables(config)].map((entry) => [entry.split('=', 1)[0]!, entry]));
  const inner = config.get('config');
  const changed: JsonObject = new Map(inner instanceof Map ? inner : []);
  changed.set('Env', [...merged.values()]);
  return new Map([...config, ['config', changed]]);
}
