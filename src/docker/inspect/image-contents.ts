// All that an image holds, for those who compare and explain images: its configuration, each layer's members with where
// their contents lie, and the file system that they make together, each file knowing its layer.
import { StoreError } from '../../util/errors.ts';
import { fromUtf8 } from '../../util/bytes.ts';
import { contentsOf, readArchive, safeParts } from '../archive.ts';
import type { Region } from '../archive.ts';
import type { TarHeader, TarType } from '../gnu-tar.ts';
import { configOf, layerName, plainArchive } from '../image/image-files.ts';
import type { ImageConfig } from '../image/documents.ts';
import type { SourceImage } from '../image/source.ts';
import { hashRegion } from '../write-file.ts';

/** One member of a layer. Paths and targets are byte strings; paths are absolute, the root is `/`. */
export interface ImageFile {
  readonly path: string;
  readonly type: Exclude<TarType, 'link'>;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Names of owners as the archive has them; empty where it has none. */
  readonly owner: string;
  readonly group: string;
  /** Bytes. */
  readonly size: number;
  /** Unix seconds. */
  readonly mtime: number;
  /** Of a symlink. */
  readonly target: string;
  /** `MAJOR:MINOR` of a device. */
  readonly device: string;
  /** Contents of a file. */
  readonly contents: Region | undefined;
  /** Number of the layer it comes from, the bottom one 0. */
  readonly layer: number;
}

export interface LayerContents {
  readonly index: number;
  /** `sha256:…` of the plain archive. */
  readonly diffId: string;
  /** Bytes of the plain archive. */
  readonly size: number;
  /** Bytes as it is stored, where that is known. */
  readonly storedSize: number | undefined;
  readonly files: readonly ImageFile[];
  /** Paths that it deletes from the layers below. */
  readonly whiteouts: readonly string[];
}

export interface ImageContents {
  /** For messages; a byte string. */
  readonly what: string;
  readonly config: ImageConfig;
  readonly layers: readonly LayerContents[];
  /** The file system of all layers, by path, in bytewise order. */
  readonly files: ReadonlyMap<string, ImageFile>;
}

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/** A file system being put together. */
class Overlay {
  readonly #root: Entry = { file: undefined, entries: new Map() };

  /** @param make also what is missing; a directory takes the place of anything else, a symlink, too */
  #parent(parts: readonly string[], make: boolean): Entry | undefined {
    let at = this.#root;
    for (const part of parts.slice(0, -1)) {
      let next = at.entries.get(part);
      const isDirectory = next !== undefined && (next.file === undefined || next.file.type === 'directory');
      if (next === undefined || (make && !isDirectory)) {
        if (!make) return undefined;
        next = { file: undefined, entries: new Map() };
        at.entries.set(part, next);
      }
      at = next;
    }
    return at;
  }

  get(parts: readonly string[]): ImageFile | undefined {
    return parts.length === 0 ? this.#root.file : this.#parent(parts, false)?.entries.get(parts.at(-1)!)?.file;
  }

  put(parts: readonly string[], file: ImageFile): void {
    if (parts.length === 0) {
      this.#root.file = file;
      return;
    }
    const parent = this.#parent(parts, true)!;
    const existing = parent.entries.get(parts.at(-1)!);
    if (existing !== undefined && file.type === 'directory') existing.file = file;
    else parent.entries.set(parts.at(-1)!, { file, entries: new Map() });
  }

  /** Removes what lower layers have at a path: what layer `layer` has put there itself stays. */
  hide(parts: readonly string[], layer: number): void {
    const parent = this.#parent(parts, false);
    const entry = parent?.entries.get(parts.at(-1)!);
    if (entry !== undefined && !this.#keepOwn(entry, layer)) parent!.entries.delete(parts.at(-1)!);
  }

  hideBelow(parts: readonly string[], layer: number): void {
    const dir = parts.length === 0 ? this.#root : this.#parent(parts, false)?.entries.get(parts.at(-1)!);
    for (const [name, entry] of dir?.entries ?? []) {
      if (!this.#keepOwn(entry, layer)) dir!.entries.delete(name);
    }
  }

  #keepOwn(entry: Entry, layer: number): boolean {
    let keep = entry.file?.layer === layer;
    for (const [name, below] of entry.entries) {
      if (this.#keepOwn(below, layer)) keep = true;
      else entry.entries.delete(name);
    }
    return keep;
  }

  files(): Map<string, ImageFile> {
    const out = new Map<string, ImageFile>();
    const walk = (entry: Entry, path: string): void => {
      if (entry.file !== undefined) out.set(path === '' ? '/' : path, entry.file);
      for (const name of [...entry.entries.keys()].sort()) walk(entry.entries.get(name)!, `${path}/${name}`);
    };
    walk(this.#root, '');
    return new Map([...out].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  }
}

interface Entry {
  file: ImageFile | undefined;
  readonly entries: Map<string, Entry>;
}

function toFile(header: TarHeader, path: string, layer: number, contents: Region): ImageFile {
  return {
    path,
    type: header.type === 'link' ? 'file' : header.type,
    mode: header.type === 'symlink' ? 0o777 : header.mode,
    uid: header.uid,
    gid: header.gid,
    owner: header.uname,
    group: header.gname,
    size: header.size,
    mtime: header.mtime,
    target: header.type === 'symlink' ? header.linkName : '',
    device: header.type === 'char' || header.type === 'block' ? `${header.deviceMajor!}:${header.deviceMinor!}` : '',
    contents: header.type === 'file' ? contents : undefined,
    layer,
  };
}

async function readLayer(
  image: SourceImage,
  index: number,
  archive: Region,
  overlay: Overlay,
  signal: AbortSignal | undefined,
): Promise<LayerContents> {
  const what = layerName(image, index);
  const files: ImageFile[] = [];
  const whiteouts: string[] = [];
  for await (const member of readArchive(archive, what, signal)) {
    const { header } = member;
    const parts = safeParts(header.name, what);
    const name = parts.at(-1) ?? '';
    const parent = parts.slice(0, -1);
    if (name.startsWith(WHITEOUT)) {
      const hidden = name === OPAQUE ? parent : [...parent, name.slice(WHITEOUT.length)];
      whiteouts.push(`/${hidden.join('/')}${name === OPAQUE ? '/*' : ''}`);
      if (name === OPAQUE) overlay.hideBelow(parent, index);
      else overlay.hide(hidden, index);
      continue;
    }
    let file = toFile(header, `/${parts.join('/')}`, index, contentsOf(archive, member));
    if (header.type === 'link') {
      const target = overlay.get(safeParts(header.linkName, what));
      if (target === undefined) {
        throw new StoreError(`${what}: '${header.name}' is a link to '${header.linkName}', which is not there`);
      }
      file = { ...target, path: file.path, layer: index };
    }
    files.push(file);
    overlay.put(parts, file);
  }
  const layer = image.layers[index]!;
  return {
    index,
    diffId: layer.diffId ?? `sha256:${await hashRegion(archive, signal)}`,
    size: archive.size,
    storedSize: layer.descriptor?.size,
    files,
    whiteouts,
  };
}

/**
 * Reads all of an image.
 * @param tmpDir for layers that have to be decompressed; keep it as long as contents are read
 * @throws StoreError where the image is damaged or hostile
 */
export async function readImageContents(
  image: SourceImage,
  tmpDir: string,
  signal?: AbortSignal,
): Promise<ImageContents> {
  const overlay = new Overlay();
  const layers: LayerContents[] = [];
  for (const index of image.layers.keys()) {
    const archive = await plainArchive(image, index, tmpDir, signal);
    layers.push(await readLayer(image, index, archive, overlay, signal));
  }
  const config = configOf(image);
  const diffIds = layers.map(({ diffId }) => diffId);
  return {
    what: image.what,
    config: { ...config, rootfs: { ...config.rootfs, diff_ids: diffIds } },
    layers,
    files: overlay.files(),
  };
}

/** The store path that a path of the image is in: `/nix/store/HASH-NAME`. */
export function storePathOf(path: string): string | undefined {
  return /^\/nix\/store\/[0-9a-df-np-sv-z]{32}-[^/]+/.exec(path)?.[0];
}

/** Name of a store path without its hash; text. */
export function packageName(storePath: string): string {
  return fromUtf8(storePath.slice(storePath.lastIndexOf('/') + 34));
}
