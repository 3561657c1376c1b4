// Unpacking tarballs of strangers: nothing is written outside the target, nothing through a symlink, and only
// files, directories and links are made.
import { createWriteStream, existsSync, lstatSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { utf8 } from '../util/bytes.ts';
import { decompressDetected } from './decompress.ts';

const MAX_DEPTH = 64;

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
  // Names are bytes; the types of tar-stream do not know the option.
  const unpack = extract({ filenameEncoding: 'latin1' } as object);
  const reading = pipeline(decompressDetected(source), unpack);
  // Failure of the loop below destroys the pipeline, which then fails too: one error is enough.
  reading.catch(() => undefined);
  let lastModified = 0;
  for await (const entry of unpack) {
    const { mtime } = entry.header;
    if (mtime !== undefined) lastModified = Math.max(lastModified, Math.floor(mtime.getTime() / 1000));
    await unpackEntry(entry.header, entry as unknown as Readable, target);
  }
  await reading;
  const names = readdirSync(Buffer.from(target, 'latin1'), { encoding: 'latin1' });
  if (names.length === 1) {
    const only = `${target}/${names[0]!}`;
    if (lstatSync(Buffer.from(only, 'latin1')).isDirectory()) return { path: only, lastModified };
  }
  return { path: target, lastModified };
}

async function unpackEntry(header: Header, contents: Readable, target: string): Promise<void> {
  const pax = header.pax as Readonly<Record<string, string>> | null | undefined;
  // Extended headers are always UTF-8, decoded by tar-stream.
  const name = pax?.['path'] === undefined ? header.name : utf8(header.name);
  const link = header.linkname ?? '';
  const linkName = pax?.['linkpath'] === undefined ? link : utf8(link);
  const path = safePath(target, name);
  if (path === target) {
    contents.resume();
    return;
  }
  makeParents(target, path);
  switch (header.type as string | null | undefined) {
    case 'directory':
      removeUnlessDirectory(path);
      mkdirSync(Buffer.from(path, 'latin1'), { recursive: true });
      break;
    case 'symlink':
      rmSync(Buffer.from(path, 'latin1'), { recursive: true, force: true });
      symlinkSync(Buffer.from(linkName, 'latin1'), Buffer.from(path, 'latin1'));
      break;
    case 'link': {
      const from = safePath(target, linkName);
      makeParents(target, from);
      if (!lstatSync(Buffer.from(from, 'latin1')).isFile()) throw new Error(`hard link '${name}' is not to a file`);
      await copyFile(Buffer.from(from, 'latin1'), Buffer.from(path, 'latin1'));
      break;
    }
    case 'file':
    case 'contiguous-file':
    case null:
    case undefined: {
      rmSync(Buffer.from(path, 'latin1'), { recursive: true, force: true });
      const executable = ((header.mode ?? 0) & 0o100) !== 0;
      await pipeline(
        contents,
        createWriteStream(Buffer.from(path, 'latin1'), { mode: executable ? 0o755 : 0o644, flags: 'wx' }),
      );
      return;
    }
    default:
      throw new Error(`'${name}' is a ${header.type as string}, which a store path cannot hold`);
  }
  contents.resume();
}

/** The path of a member. @throws Error for names that leave the target */
function safePath(target: string, name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new Error(`'${name}' leaves the archive`);
  if (name.includes('\0')) throw new Error(`a name in the archive holds a NUL`);
  if (parts.length > MAX_DEPTH) throw new Error(`'${name}' is nested too deeply`);
  return parts.length === 0 ? target : `${target}/${parts.join('/')}`;
}

/** Makes the directories above a member. @throws Error where one of them is a symlink */
function makeParents(target: string, path: string): void {
  const below = path.slice(target.length + 1).split('/');
  let dir = target;
  for (const part of below.slice(0, -1)) {
    dir = `${dir}/${part}`;
    const bytes = Buffer.from(dir, 'latin1');
    if (!existsSync(bytes)) {
      try {
        mkdirSync(bytes);
        continue;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // a dangling symlink: below
      }
    }
    if (!lstatSync(bytes).isDirectory()) throw new Error(`'${part}' in '${path}' is not a directory`);
  }
}

function removeUnlessDirectory(path: string): void {
  const stat = lstatSync(Buffer.from(path, 'latin1'), { throwIfNoEntry: false });
  if (stat !== undefined && !stat.isDirectory()) rmSync(Buffer.from(path, 'latin1'));
}
