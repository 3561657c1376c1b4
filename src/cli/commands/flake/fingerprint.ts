// A hash of all that evaluating a flake depends on, as `nix flake metadata` tells it (libflake, LockedFlake::getFingerprint).
import { execFileSync } from 'node:child_process';
import type { LockedFlake } from '../../../builtins/flake/lock-flake.ts';
import { printLockFile, unlockedInput } from '../../../builtins/flake/lock-file.ts';
import { boolAttr, intAttr, NO_REV, optional, type FlakeAttrs } from '../../../builtins/flake-ref/schemes.ts';
import type { FetchSettings } from '../../../eval/settings.ts';
import { filePathOfUrl } from '../../../fetch/file-url.ts';
import { createHasher, hashHex, printDigest } from '../../../store/hash.ts';
import { dumpNar } from '../../../store/nar.ts';
import { fromBuffer, fromUtf8, toBuffer } from '../../../util/bytes.ts';

/** Undefined where the same reference may be another tree tomorrow. */
export function fingerprintOf({ flake, root }: LockedFlake, settings: FetchSettings): string | undefined {
  const { input, dir } = flake.locked;
  if (unlockedInput(root, settings) !== undefined) return undefined;
  const tree = treeFingerprint(input);
  if (tree === undefined) return undefined;
  const parts = [`${String(input.get('type'))}:${tree}`, dir, printLockFile(root).text];
  const revCount = intAttr(input, 'revCount');
  if (revCount !== undefined) {
    // Nix asks git for it when somebody wants it.
    parts.push(input.get('type') === 'git' ? 'hasRevCount' : `revCount=${revCount}`);
  }
  const lastModified = intAttr(input, 'lastModified');
  if (lastModified !== undefined) parts.push(`lastModified=${lastModified}`);
  return hashHex('sha256', parts.join(';'));
}

function treeFingerprint(input: FlakeAttrs): string | undefined {
  const rev = optional(input, 'rev');
  switch (input.get('type')) {
    case 'path':
      return optional(input, 'narHash');
    case 'tarball':
    case 'file':
      return optional(input, 'narHash') ?? rev;
    case 'git': {
      const options = [
        boolAttr(input, 'submodules') ? ';s' : '',
        boolAttr(input, 'exportIgnore') ? ';e' : '',
        boolAttr(input, 'lfs') ? ';l' : '',
      ].join('');
      if (rev !== undefined) return rev + options;
      const changes = changesHash(String(input.get('url')));
      const head = optional(input, 'dirtyRev')?.replace(/-dirty$/, '') ?? NO_REV;
      return changes === undefined ? undefined : `${head}${options};d=${changes}`;
    }
    default:
      return rev;
  }
}

/** Of what differs from the last commit in a work tree; undefined where it has submodules, or is none. */
function changesHash(url: string): string | undefined {
  const path = filePathOfUrl(url);
  if (path === null) return undefined;
  const root = fromUtf8(path);
  const git = (...args: string[]): string => fromBuffer(execFileSync('git', ['-C', root, ...args], { maxBuffer: 1e9 }));
  if (
    git('ls-files', '--stage')
      .split('\n')
      .some((line) => line.startsWith('160000 '))
  )
    return undefined;
  const modified: string[] = [];
  const deleted: string[] = [];
  for (const line of git('status', '--porcelain', '-z', '--untracked-files=no', '--no-renames').split('\0')) {
    if (line === '') continue;
    (line.slice(0, 2).includes('D') ? deleted : modified).push(line.slice(3));
  }
  const hasher = createHasher('sha512');
  const write = (bytes: string): void => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(bytes.length));
    hasher.update(Buffer.concat([length, toBuffer(bytes), Buffer.alloc(-bytes.length & 7)]));
  };
  for (const file of modified.sort(comparePaths)) {
    write('modified:');
    write(`/${file}`);
    dumpNar(`${path}/${file}`, (chunk) => hasher.update(chunk));
  }
  for (const file of deleted.sort(comparePaths)) {
    write('deleted:');
    write(`/${file}`);
  }
  return printDigest(hasher.digest(), 'base16');
}

/** What is in a folder comes right behind it. */
function comparePaths(a: string, b: string): number {
  const [left, right] = [a.replaceAll('/', '\0'), b.replaceAll('/', '\0')];
  return left < right ? -1 : left > right ? 1 : 0;
}
