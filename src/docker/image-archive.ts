// The outermost archive of an image (docker-archive): its tree of layers and metadata, packed as the original packs it.
import { mkdir, writeFile } from 'node:fs/promises';
import { fromUtf8, fsPath } from '../util/bytes.ts';
import type { Region } from './archive.ts';
import type { Compression } from './compression.ts';
import { printLikeJq, printLikeJshon } from './json-text.ts';
import type { JsonObject, JsonValue } from './json-text.ts';
import { compressMembers } from './layer-pieces.ts';
import type { PieceSources } from './layer-pieces.ts';
import type { LayerSpool } from './layer-spool.ts';
import { packTarFleeting } from './tar-packer.ts';
import type { InnerArchive, TarMember } from './tar-packer.ts';
import { ROOT_OWNER, directory, treeMembers } from './tree.ts';
import type { DirectoryNode, TreeNode } from './tree.ts';
import { hashText, writeChunks } from './write-file.ts';

/** A layer in its place in the archive. */
export interface PlacedLayer {
  /** As the manifest shall name it: `ID/layer.tar`. */
  readonly name: string;
  /** SHA-256 of the archive, hexadecimal. */
  readonly sha256: string;
}

export interface ImageDescription {
  /** Byte strings. */
  readonly name: string;
  readonly tag: string;
  /** Configuration: architecture, config, created, os. */
  readonly config: JsonObject;
  /** Bottom one first. */
  readonly layers: readonly PlacedLayer[];
  /** Id of the topmost layer. */
  readonly topId: string;
}

/** `created` of a configuration as `jq -r .created` prints it. */
function createdOf(config: JsonObject): string {
  const created = config.get('created') ?? null;
  return typeof created === 'string' ? created : fromUtf8(printLikeJq(created).slice(0, -1));
}

/** The image's configuration: what was given, then `rootfs` and `history`. jq's text, newline included. */
export function imageConfigText({ config, layers }: Pick<ImageDescription, 'config' | 'layers'>): string {
  const image: JsonObject = new Map(config);
  const diffIds = layers.map(({ sha256 }): JsonValue => `sha256:${sha256}`);
  image.set(
    'rootfs',
    new Map<string, JsonValue>([
      ['diff_ids', diffIds],
      ['type', 'layers'],
    ]),
  );
  const created = createdOf(config);
  const history = config.get('history');
  image.set('history', [
    ...(Array.isArray(history) ? history : []),
    ...layers.map((): JsonValue => new Map([['created', created]])),
  ]);
  return printLikeJq(image);
}

/** A directory in memory whose files lie in a directory of this machine. */
export class ImageTree {
  readonly root: DirectoryNode;
  readonly #dir: string;
  #count = 0;

  /** @param dir for small files; made here */
  constructor(dir: string, root: DirectoryNode = directory(0o755)) {
    this.#dir = dir;
    this.root = root;
  }

  async putText(parent: DirectoryNode, name: string, text: string): Promise<void> {
    await mkdir(fsPath(this.#dir), { recursive: true });
    const path = `${this.#dir}/${this.#count++}`;
    await writeFile(fsPath(path), text, { encoding: 'latin1', flag: 'wx' });
    const existing = parent.entries.get(name);
    const mode = existing?.type === 'file' ? existing.mode : 0o644;
    parent.entries.set(name, { type: 'file', mode, uid: 0, gid: 0, size: text.length, path });
  }

  /** @param sha256 of the file, if it is known */
  putFile(parent: DirectoryNode, name: string, file: Region, sha256?: string): void {
    const known = sha256 === undefined ? {} : { sha256 };
    parent.entries.set(name, { type: 'file', mode: 0o444, uid: 0, gid: 0, ...file, ...known });
  }

  /** An archive that is packed when it is wanted. */
  putArchive(parent: DirectoryNode, name: string, size: number, archive: InnerArchive): void {
    parent.entries.set(name, { type: 'file', mode: 0o444, uid: 0, gid: 0, size, path: name, archive });
  }

  putDirectory(name: string): DirectoryNode {
    const made = directory(0o755);
    this.root.entries.set(name, made);
    return made;
  }

  /** Adds configuration, manifest and repositories. */
  async describe(image: ImageDescription): Promise<void> {
    const configText = imageConfigText(image);
    const configName = `${hashText(configText)}.json`;
    await this.putText(this.root, configName, configText);
    const name = fromUtf8(image.name);
    const tag = fromUtf8(image.tag);
    const manifest: JsonObject = new Map<string, JsonValue>([
      ['RepoTags', [`${name}:${tag}`]],
      ['Layers', image.layers.map((layer) => fromUtf8(layer.name))],
      ['Config', configName],
    ]);
    await this.putText(this.root, 'manifest.json', printLikeJq([manifest]));
    const repositories = new Map([[name, new Map([[tag, image.topId]])]]);
    await this.putText(this.root, 'repositories', printLikeJshon(repositories));
  }
}

/** As `chmod -R ug+rw` and then `chmod -R a-w` leave it. */
function readOnly(node: TreeNode): TreeNode {
  if (node.type === 'symlink') return node;
  const mode = (node.mode | 0o660) & ~0o222;
  if (node.type !== 'directory') return { ...node, mode };
  const entries = new Map<string, TreeNode>();
  for (const [name, entry] of node.entries) entries.set(name, readOnly(entry));
  return { ...node, mode, entries };
}

/** Members of the image's archive. */
export function imageMembers(tree: ImageTree, mtime: number): Iterable<TarMember> {
  const root = readOnly({ ...tree.root, mode: tree.root.mode | 0o222 }) as DirectoryNode;
  return treeMembers(root, { mtime, owner: ROOT_OWNER, prefix: '' });
}

export interface WriteImageOptions {
  readonly mtime: number;
  readonly compression: Compression;
  /** Where layers that were compressed before may be found. */
  readonly sources?: PieceSources | undefined;
  /** Layers that were compressed already to find out what they are. */
  readonly spool?: LayerSpool | undefined;
  readonly signal?: AbortSignal;
}

/** Writes the image to `path`. */
export async function writeImage(path: string, tree: ImageTree, options: WriteImageOptions): Promise<void> {
  const { mtime, compression, sources, spool, signal } = options;
  const members = imageMembers(tree, mtime);
  const chunks =
    compression === 'none' ? packTarFleeting(members) : compressMembers(members, compression, sources, spool);
  await writeChunks(path, chunks, signal);
}
