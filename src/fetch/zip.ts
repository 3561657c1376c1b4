// Zip archives. Their table is at the end, and only there it says what is a symlink or a program: so the whole archive has
// to be in a file before anything of it is unpacked (as Nix does).
import { createWriteStream, rmSync } from 'node:fs';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { openPromise, type Entry, type ZipFile } from 'yauzl';
import { placeMember, type Member } from './place-member.ts';

/** What `versionMadeBy` says of archives whose attributes hold a Unix mode. */
const UNIX = 3;
const TYPE_MASK = 0o170000;
const SYMLINK = 0o120000;
const DIRECTORY = 0o040000;
/** Longest path that a link may lead to. */
const MAX_LINK = 4096;

export function isZip(head: Uint8Array): boolean {
  return Buffer.from(head.subarray(0, 4)).toString('latin1') === 'PK\x03\x04';
}

/**
 * Unpacks into `target` (a byte string).
 * @param file where the archive may lie in the meantime
 * @returns when the newest member was modified, Unix seconds
 */
export async function unpackZip(source: AsyncIterable<Uint8Array>, target: string, file: string): Promise<number> {
  try {
    await pipeline(source, createWriteStream(file, { flags: 'wx' }));
    // Names are bytes, and what is wrong with them is the same as in tarballs.
    const zip = await openPromise(file, { lazyEntries: true, autoClose: false, decodeStrings: false });
    try {
      return await unpackEntries(zip, target);
    } finally {
      zip.close();
    }
  } finally {
    rmSync(file, { force: true });
  }
}

async function unpackEntries(zip: ZipFile, target: string): Promise<number> {
  let lastModified = 0;
  for await (const entry of entriesOf(zip)) {
    lastModified = Math.max(lastModified, Math.floor(entry.getLastModDate().getTime() / 1000));
    const name = entry.fileNameRaw.toString('latin1');
    if (entry.isEncrypted()) throw new Error(`'${name}' is encrypted`);
    const contents = await openEntry(zip, entry);
    const member = memberOf(name, entry);
    if (member.kind !== 'symlink') await placeMember(target, member, contents);
    else {
      if (entry.uncompressedSize > MAX_LINK) throw new Error(`'${name}' is a symlink to too long a path`);
      const linkName = (await buffer(contents)).toString('latin1');
      await placeMember(target, { ...member, linkName }, contents);
    }
  }
  return lastModified;
}

function memberOf(name: string, entry: Entry): Member {
  const mode = entry.versionMadeBy >> 8 === UNIX ? entry.externalFileAttributes >>> 16 : 0;
  const type = mode & TYPE_MASK;
  if (name.endsWith('/') || type === DIRECTORY) return { name, kind: 'directory' };
  return { name, kind: type === SYMLINK ? 'symlink' : 'file', executable: (mode & 0o100) !== 0 };
}

/** One by one: the next is read when it is asked for. */
async function* entriesOf(zip: ZipFile): AsyncGenerator<Entry, void> {
  for (;;) {
    const entry = await new Promise<Entry | null>((resolve, reject) => {
      const ended = (result: Entry | null, error?: Error): void => {
        zip.removeAllListeners();
        if (error === undefined) resolve(result);
        else reject(error);
      };
      zip.once('entry', (next: Entry) => {
        ended(next);
      });
      zip.once('end', () => {
        ended(null);
      });
      zip.once('error', (error: Error) => {
        ended(null, error);
      });
      zip.readEntry();
    });
    if (entry === null) return;
    yield entry;
  }
}

/** Sizes are checked by the library, the checksum is not. */
async function* checked(stream: Readable, entry: Entry): AsyncGenerator<Buffer, void> {
  let sum = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    sum = crc32(chunk, sum);
    yield chunk;
  }
  if (sum !== entry.crc32) throw new Error(`'${entry.fileNameRaw.toString('latin1')}' is damaged`);
}

function openEntry(zip: ZipFile, entry: Entry): Promise<Readable> {
  return new Promise((resolve, reject) => {
    zip.openReadStream(entry, (error, stream) => {
      if (error === null) resolve(Readable.from(checked(stream, entry)));
      else reject(error);
    });
  });
}
