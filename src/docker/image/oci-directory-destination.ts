// Images written to an OCI layout in a directory: a new one, which appears when it is whole, or one more image in a
// layout that is there (blobs first, its index in one step at the end).
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { StoreError } from '../../util/errors.ts';
import { utf8 } from '../../util/bytes.ts';
import type { ImageDestination, Stored } from './destination.ts';
import { OCI, parseJson, parseManifest } from './documents.ts';
import type { Descriptor } from './documents.ts';
import { REF_NAME } from './oci-layout-source.ts';
import type { Chunks } from './source.ts';

const LAYOUT = { imageLayoutVersion: '1.0.0' };

/** The two files of a layout that are no blobs; `others` are the entries that stay in its index. */
export function layoutFiles(
  root: Descriptor,
  name: string | undefined,
  others: readonly object[],
): (readonly [string, Buffer])[] {
  const { mediaType, digest, size } = root;
  const entry = { mediaType, digest, size, ...(name === undefined ? {} : { annotations: { [REF_NAME]: name } }) };
  const index = { schemaVersion: 2, mediaType: OCI.index, manifests: [...others, entry] };
  return [
    ['oci-layout', Buffer.from(JSON.stringify(LAYOUT))],
    ['index.json', Buffer.from(JSON.stringify(index))],
  ];
}

/** Entries of an index that another image of this name, or the very same image, leaves alone. */
function otherEntries(file: string, root: Descriptor, name: string | undefined): object[] {
  const what = `'${utf8(file)}'`;
  const bytes = readFileSync(file);
  const index = parseManifest({ bytes, mediaType: OCI.index, digest: '' }, what);
  if (index.kind !== 'index') throw new StoreError(`${what} is not an index`);
  // As they are written there: fields that we don't know stay.
  const entries = parseJson(bytes, what)['manifests'] as object[];
  return entries.filter((_, i) => {
    const { digest, annotations } = index.manifests[i]!;
    const theirs = annotations?.[REF_NAME];
    return theirs !== name || (name === undefined && digest !== root.digest);
  });
}

class Layout {
  readonly #path: string;
  readonly #temporary: string | undefined;
  /** Where files are put. */
  readonly #dir: string;
  readonly #added: string[] = [];

  constructor(path: string) {
    this.#path = path;
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats !== undefined && !stats.isDirectory())
      throw new StoreError(`'${utf8(path)}' is there and is not a directory`);
    const empty = stats === undefined || readdirSync(path).length === 0;
    if (!empty && !existsSync(join(path, 'oci-layout'))) {
      throw new StoreError(`'${utf8(path)}' is there, not empty, and not an OCI layout`);
    }
    this.#temporary = empty ? `${path.replace(/\/+$/, '')}.${randomBytes(6).toString('hex')}.tmp` : undefined;
    this.#dir = this.#temporary ?? path;
    try {
      mkdirSync(join(this.#dir, 'blobs/sha256'), { recursive: true });
    } catch (error) {
      throw new StoreError(`cannot write '${utf8(path)}': ${utf8((error as Error).message)}`, { cause: error });
    }
  }

  #blob(digest: string): string {
    return join(this.#dir, 'blobs/sha256', digest.slice('sha256:'.length));
  }

  has({ digest, size }: Stored): boolean {
    const stats = statSync(this.#blob(digest), { throwIfNoEntry: false });
    return stats?.isFile() === true && stats.size === size;
  }

  async put(chunks: Chunks): Promise<Stored> {
    const temporary = join(this.#dir, `blobs/sha256/.${randomBytes(6).toString('hex')}.tmp`);
    const fd = openSync(temporary, 'wx', 0o644);
    const hash = createHash('sha256');
    let size = 0;
    try {
      for await (const chunk of chunks) {
        hash.update(chunk);
        for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at);
        size += chunk.length;
      }
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    } finally {
      closeSync(fd);
    }
    const digest = `sha256:${hash.digest('hex')}`;
    const file = this.#blob(digest);
    if (!existsSync(file)) this.#added.push(file);
    renameSync(temporary, file);
    return { digest, size };
  }

  commit(root: Descriptor, name: string | undefined): void {
    const index = join(this.#dir, 'index.json');
    const others = existsSync(index) ? otherEntries(index, root, name) : [];
    for (const [file, bytes] of layoutFiles(root, name, others)) {
      const temporary = join(this.#dir, `.${file}.${randomBytes(6).toString('hex')}.tmp`);
      writeFileSync(temporary, bytes);
      renameSync(temporary, join(this.#dir, file));
    }
    if (this.#temporary !== undefined) renameSync(this.#temporary, this.#path);
  }

  abort(): void {
    if (this.#temporary !== undefined) rmSync(this.#temporary, { recursive: true, force: true });
    else for (const file of this.#added) rmSync(file, { force: true });
  }
}

export function ociDirectoryDestination(path: string, name: string | undefined): ImageDestination {
  const layout = new Layout(path);
  return {
    what: `'${utf8(path)}'`,
    plain: false,
    concurrency: 2,
    lookups: 2,
    hasBlob: (blob) => Promise.resolve(layout.has(blob) ? 'exists' : 'missing'),
    putBlob: (chunks) => layout.put(chunks),
    putManifest: async ({ bytes }) => {
      // eslint-disable-next-line @typescript-eslint/require-await -- chunks are async
      const chunks = async function* (): AsyncGenerator<Uint8Array> {
        yield bytes;
      };
      await layout.put(chunks());
    },
    commit: (root) => {
      layout.commit(root, name);
      return Promise.resolve();
    },
    abort: () => {
      layout.abort();
      return Promise.resolve();
    },
    close: () => undefined,
  };
}
