// Unpacking archives of strangers, tar and zip, into folders of their own (place-member.ts).
import { lstatSync, mkdirSync, readdirSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { utf8 } from '../util/bytes.ts';
import { decompressDetected, peek } from './decompress.ts';
import { placeMember, type Member } from './place-member.ts';
import { isZip, unpackZip } from './zip.ts';

export interface UnpackedTarball {
  /** The tree, byte string: its single top directory where there is just one. */
  readonly path: string;
  /** Of the newest member, Unix seconds. */
  readonly lastModified: number;
}

/** Unpacks into `directory` (made here). */
export async function unpackTarball(source: Readable, directory: string): Promise<UnpackedTarball> {
  mkdirSync(directory, { recursive: true });
  const target = utf8(directory);
  const { head, all } = await peek(source, 6);
  const lastModified = isZip(head) ? await unpackZip(all, target, `${directory}.zip`) : await unpackTar(all, target);
  const names = readdirSync(Buffer.from(target, 'latin1'), { encoding: 'latin1' });
  if (names.length === 1) {
    const only = `${target}/${names[0]!}`;
    if (lstatSync(Buffer.from(only, 'latin1')).isDirectory()) return { path: only, lastModified };
  }
  return { path: target, lastModified };
}

/** @returns when the newest member was modified */
async function unpackTar(source: AsyncIterable<Uint8Array>, target: string): Promise<number> {
  // Names are bytes; the types of tar-stream do not know the option.
  const unpack = extract({ filenameEncoding: 'latin1' } as object);
  const reading = pipeline(decompressDetected(source), unpack);
  // Failure of the loop below destroys the pipeline, which then fails too: one error is enough.
  reading.catch(() => undefined);
  let lastModified = 0;
  for await (const entry of unpack) {
    const { mtime } = entry.header;
    if (mtime !== undefined) lastModified = Math.max(lastModified, Math.floor(mtime.getTime() / 1000));
    await placeMember(target, memberOf(entry.header), entry as unknown as Readable);
  }
  await reading;
  return lastModified;
}

function memberOf(header: Header): Member {
  const pax = header.pax as Readonly<Record<string, string>> | null | undefined;
  // Extended headers are always UTF-8, decoded by tar-stream.
  const name = pax?.['path'] === undefined ? header.name : utf8(header.name);
  const link = header.linkname ?? '';
  const linkName = pax?.['linkpath'] === undefined ? link : utf8(link);
  switch (header.type as string | null | undefined) {
    case 'directory':
    case 'symlink':
      return { name, kind: header.type as 'directory' | 'symlink', linkName };
    case 'link':
      return { name, kind: 'hard link', linkName };
    case 'file':
    case 'contiguous-file':
    case null:
    case undefined:
      return { name, kind: 'file', executable: ((header.mode ?? 0) & 0o100) !== 0 };
    default:
      throw new Error(`'${name}' is a ${header.type as string}, which a store path cannot hold`);
  }
}
