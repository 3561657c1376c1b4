// Members of strangers' archives, put where they belong: nothing is written outside the target, nothing through a
// symlink, and only files, directories and links are made. All names are byte strings.
import { createWriteStream, existsSync, lstatSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface Member {
  readonly name: string;
  readonly kind: 'directory' | 'file' | 'symlink' | 'hard link';
  /** Of a link: where it leads to. */
  readonly linkName?: string;
  readonly executable?: boolean;
}

const MAX_DEPTH = 64;

/** @param contents of a file @throws Error for what would leave `target` */
export async function placeMember(target: string, member: Member, contents: Readable): Promise<void> {
  const { name, kind, linkName = '', executable = false } = member;
  const path = safePath(target, name);
  if (path === target) {
    contents.resume();
    return;
  }
  makeParents(target, path);
  switch (kind) {
    case 'directory':
      removeUnlessDirectory(path);
      mkdirSync(Buffer.from(path, 'latin1'), { recursive: true });
      break;
    case 'symlink':
      rmSync(Buffer.from(path, 'latin1'), { recursive: true, force: true });
      symlinkSync(Buffer.from(linkName, 'latin1'), Buffer.from(path, 'latin1'));
      break;
    case 'hard link': {
      const from = safePath(target, linkName);
      makeParents(target, from);
      if (!lstatSync(Buffer.from(from, 'latin1')).isFile()) throw new Error(`hard link '${name}' is not to a file`);
      await copyFile(Buffer.from(from, 'latin1'), Buffer.from(path, 'latin1'));
      break;
    }
    case 'file': {
      rmSync(Buffer.from(path, 'latin1'), { recursive: true, force: true });
      await pipeline(
        contents,
        createWriteStream(Buffer.from(path, 'latin1'), { mode: executable ? 0o755 : 0o644, flags: 'wx' }),
      );
      return;
    }
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
