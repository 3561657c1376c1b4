// Mercurial repositories, with the host's `hg`: trees as it archives them, into a temporary directory. Synchronous, as
// evaluation is.
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fromUtf8, fsPath, utf8 } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import { makeDirs } from '../util/make-dirs.ts';
import { filePathOfUrl } from './file-url.ts';
import { xdgHome } from '../util/user-dirs.ts';

export interface MercurialCheckout {
  /** Byte string. */
  readonly path: string;
  readonly tempDir: string;
  /** Null: a work tree with uncommitted changes. */
  readonly rev: string | null;
  readonly branch: string;
  readonly revCount: number | null;
}

export interface MercurialSource {
  readonly url: string;
  /** Branch or tag. */
  readonly ref: string | null;
  readonly rev: string | null;
}

function runHg(args: readonly string[]): SpawnSyncReturns<Buffer> {
  const result = spawnSync('hg', args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 31 - 1,
    // Output in one form, and nothing from the user's settings.
    env: { ...process.env, HGPLAIN: '' },
  });
  if ((result.error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') {
    throw new StoreError("fetching Mercurial repositories needs the program 'hg' (Debian package mercurial)");
  }
  return result;
}

/** Output of hg, bytes. @throws StoreError with what hg said */
function hg(args: readonly string[]): string {
  const result = runHg(args);
  if (result.status === 0) return result.stdout.toString('latin1');
  const said = result.stderr.toString('latin1').trim();
  throw new StoreError(`hg failed with exit code ${String(result.status ?? result.signal)}: ${said}`);
}

/** @throws StoreError */
export function checkOutMercurial(source: MercurialSource): MercurialCheckout {
  const tempDir = mkdtempSync(join(tmpdir(), 'tsnix-hg-'));
  try {
    const target = join(tempDir, 'source');
    const path = utf8(target);
    const local = filePathOfUrl(source.url);
    const repo = local === null ? null : fromUtf8(local);
    if (repo !== null && source.ref === null && source.rev === null && existsSync(join(repo, '.hg'))) {
      const changes = hg(['status', '-R', repo, '--modified', '--added', '--removed']);
      if (changes !== '') {
        copyWorkTree(repo, target);
        return { path, tempDir, rev: null, branch: hg(['branch', '-R', repo]).trim(), revCount: null };
      }
    }
    const cache = fetchIntoCache(repo ?? fromUtf8(source.url), source.rev);
    const wanted = source.rev ?? source.ref ?? 'default';
    const described = hg(['log', '-R', cache, '-r', fromUtf8(wanted), '--template', '{node} {rev} {branch}']);
    const [, rev, count, branch] = /^([0-9a-f]{40}) (\d+) (.*)$/s.exec(described) ?? [];
    if (rev === undefined) throw new StoreError(`'${wanted}' is no single revision of '${source.url}'`);
    hg(['archive', '-R', cache, '-r', rev, target]);
    rmSync(join(target, '.hg_archival.txt'), { force: true });
    return { path, tempDir, rev, branch: branch!, revCount: Number(count) };
  } catch (error) {
    rmSync(tempDir, { recursive: true, force: true });
    throw error;
  }
}

/** A clone of the repository that has what it has now; with a known `rev`, as it was. */
function fetchIntoCache(url: string, rev: string | null): string {
  const cache = join(xdgHome(process.env, 'CACHE'), 'tsnix/hg', createHash('sha256').update(url).digest('hex'));
  if (!existsSync(cache)) {
    makeDirs(utf8(dirname(cache)));
    hg(['clone', '--noupdate', '--', url, cache]);
    return cache;
  }
  const isThere = rev !== null && runHg(['log', '-R', cache, '-r', rev, '--template', '1']).stdout.toString() === '1';
  if (isThere) return cache;
  if (runHg(['pull', '-R', cache, '--', url]).status !== 0) {
    // A pull that was killed leaves a journal; without one the second try says what is wrong.
    if (existsSync(join(cache, '.hg/store/journal'))) hg(['recover', '-R', cache]);
    hg(['pull', '-R', cache, '--', url]);
  }
  return cache;
}

/** The files that hg knows, as they are. */
function copyWorkTree(repo: string, target: string): void {
  const status = ['--clean', '--modified', '--added', '--no-status', '--print0'];
  mkdirSync(target);
  for (const name of hg(['status', '-R', repo, ...status]).split('\0')) {
    if (name === '') continue;
    const from = fsPath(`${utf8(repo)}/${name}`);
    const copy = `${utf8(target)}/${name}`;
    const to = fsPath(copy);
    mkdirSync(fsPath(copy.slice(0, copy.lastIndexOf('/'))), { recursive: true });
    if (lstatSync(from).isSymbolicLink()) symlinkSync(readlinkSync(from, 'buffer'), to);
    else copyFileSync(from, to); // keeps the mode
  }
}
