// Git LFS: files of a git tree whose contents lie on another server, in their place a pointer of a few lines. Which they
// are, .gitattributes says. What was fetched is kept by its hash.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromUtf8, utf8 } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import { makeDirs } from '../util/make-dirs.ts';
import { programFile } from '../util/program-files.ts';
import { xdgHome } from '../util/user-dirs.ts';
import { defaultHttpSettings, type HttpSettings } from './http-settings.ts';
import type { LfsReply, LfsRequest } from './lfs-child.ts';

export interface LfsFile {
  /** Below the root of the tree, byte string. */
  readonly name: string;
  /** Where it was written; holds the pointer, and is to hold the contents. */
  readonly path: Buffer;
}

export interface Pointer {
  /** SHA-256, hexadecimal. */
  readonly oid: string;
  readonly size: number;
}

/** Longer files are no pointers. */
const MAX_POINTER = 1024;

/** Null: it is none. */
export function parsePointer(text: string): Pointer | null {
  if (!text.startsWith('version https://git-lfs.github.com/spec/v1')) return null;
  const oid = /^oid sha256:([0-9a-fA-F]{64})$/m.exec(text)?.[1];
  const size = /^size (\d{1,15})$/m.exec(text)?.[1];
  return oid === undefined || size === undefined ? null : { oid: oid.toLowerCase(), size: Number(size) };
}

/**
 * Where to ask for objects of a repository, and what to send along.
 * @param url of the repository, byte string
 * @throws StoreError
 */
export function lfsEndpoint(url: string): { readonly url: string; readonly authorization?: string } {
  const scp = /^(?:([^@/:]+)@)?([^/:]+):(?!\/\/)(.*)$/.exec(url);
  const asked = scp === null ? url : `ssh://${scp[1] === undefined ? '' : `${scp[1]}@`}${scp[2]!}/${scp[3]!}`;
  const ssh = /^(?:git\+)?ssh:\/\/([^/]*)(\/.*)$/.exec(asked);
  if (ssh !== null) return endpointBySsh(ssh[1]!, ssh[2]!);
  const [, base = ''] = /^(https?:\/\/[^?#]*)/.exec(url) ?? [];
  if (base === '')
    throw new StoreError(`cannot fetch Git LFS objects of '${url}': it is neither an HTTP nor an SSH URL`);
  const path = base.replace(/\/+$/, '');
  return { url: `${path.endsWith('.git') ? path : `${path}.git`}/info/lfs` };
}

/** A server that is reached by SSH says where its objects are. */
function endpointBySsh(host: string, path: string): { readonly url: string; readonly authorization: string } {
  const [, name = host, port] = /^(.*?)(?::(\d+))?$/.exec(host) ?? [];
  const options = (process.env['NIX_SSHOPTS'] ?? '').split(/\s+/).filter((word) => word !== '');
  if (name.startsWith('-')) throw new StoreError(`invalid host name '${name}'`);
  const args = [
    ...options,
    ...(port === undefined ? [] : [`-p${port}`]),
    fromUtf8(name),
    '--',
    'git-lfs-authenticate',
    fromUtf8(path),
    'download',
  ];
  const { stdout } = spawnSync('ssh', args, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
  if (!stdout) throw new StoreError(`git-lfs-authenticate: no output (cmd: 'ssh ${utf8(args.join(' '))}')`);
  let answer: { href?: unknown; header?: { Authorization?: unknown } };
  try {
    answer = JSON.parse(stdout) as typeof answer;
  } catch {
    throw new StoreError(`git-lfs-authenticate: the answer is no JSON: ${utf8(stdout.trim())}`);
  }
  const { href, header } = answer;
  if (header === undefined) throw new StoreError('no header in git-lfs-authenticate response');
  if (typeof header.Authorization !== 'string' || typeof href !== 'string') {
    throw new StoreError('no Authorization in git-lfs-authenticate response');
  }
  return { url: href, authorization: header.Authorization };
}

/**
 * Puts contents in the place of pointers.
 * @param url of the repository @throws StoreError
 */
export function smudge(files: readonly LfsFile[], url: string, http: HttpSettings = defaultHttpSettings): void {
  const wanted: (LfsFile & Pointer)[] = [];
  for (const file of files) {
    const isLarge = statSync(file.path).size >= MAX_POINTER;
    const pointer = isLarge ? null : parsePointer(readFileSync(file.path, 'latin1'));
    if (pointer !== null) wanted.push({ ...file, ...pointer });
    else {
      const why = isLarge ? 'too large' : 'invalid';
      http.warn(`encountered file '/${file.name}' that should have been a git-lfs pointer, but is ${why}`);
    }
  }
  const cache = join(xdgHome(process.env, 'CACHE'), 'tsnix/git-lfs');
  const missing = wanted.filter((file) => !takeFrom(cache, file));
  if (missing.length === 0) return;
  makeDirs(utf8(cache));
  try {
    download(missing, url, cache, http);
    for (const file of missing) {
      if (!takeFrom(cache, file)) throw new StoreError(`cannot read the Git LFS object '${file.oid}' that was fetched`);
    }
  } catch (error) {
    if (error instanceof StoreError) error.addFrame(`while smudging git-lfs file '/${missing[0]!.name}'`, 0);
    throw error;
  }
}

/** The mode stays as it is. False where the object is not there, or damaged. */
function takeFrom(cache: string, { oid, size, path }: LfsFile & Pointer): boolean {
  const object = join(cache, oid);
  if (statSync(object, { throwIfNoEntry: false })?.size !== size) return false;
  const contents = readFileSync(object);
  if (createHash('sha256').update(contents).digest('hex') !== oid) return false;
  writeFileSync(path, contents);
  return true;
}

function download(files: readonly (LfsFile & Pointer)[], url: string, cache: string, http: HttpSettings): void {
  const endpoint = lfsEndpoint(url);
  const objects = [...new Map(files.map(({ oid, size }) => [oid, { oid, size }])).values()];
  const request: LfsRequest = { ...endpoint, objects, cache, settings: http };
  const result = spawnSync(process.execPath, [programFile('src/fetch/lfs-child.ts')], {
    // Not as an argument: everybody sees those.
    input: JSON.stringify(request),
    env: { ...process.env, NODE_NO_WARNINGS: '1', NODE_OPTIONS: '' },
    encoding: 'utf8',
  });
  if (result.status !== 0) {
    throw new StoreError(utf8(result.stderr.trim()) || `fetching ended with status ${String(result.status)}`);
  }
  const { warnings, failure } = JSON.parse(result.stdout) as LfsReply;
  for (const warning of warnings) http.warn(warning);
  if (failure !== undefined) throw new StoreError(failure);
}
