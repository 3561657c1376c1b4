// Builders that take a file from the network (or a file: URL): builtin:fetchurl and builtin:unpack-channel, which are
// Nix's own, and builtin:tsnix-fetch-archive (fetchzip, fetchTarball). All but unpack-channel are for fixed-output
// derivations only: the hash is what keeps the result the same.
import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { cp, lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createWriteStream } from 'node:fs';
import { download } from '../../fetch/download.ts';
import { filePathOfUrl } from '../../fetch/file-url.ts';
import { unpackTarball } from '../../fetch/tarball.ts';
import { restoreNarStream } from '../../store/nar-restore.ts';
import { canonPath, isInStore } from '../../store/store-path.ts';
import { fromUtf8, fsPath } from '../../util/bytes.ts';
import { BuildError } from '../../util/errors.ts';
import type { BuiltinJob } from '../builtin-builder.ts';
import { flag, InputFiles, onlyOutput, wanted } from './job-files.ts';

function requireFixedOutput(job: BuiltinJob, builder: string): void {
  for (const output of job.drv.outputs.values()) {
    if (output.kind !== 'fixed' && output.kind !== 'impure') {
      throw new BuildError(`'${builder}' must be a fixed-output or impure derivation`);
    }
  }
}

/** What a `file:` URL may mean: this process could read more than a sandboxed builder, and the store is for all to read. */
function localFile(job: BuiltinJob, url: string, path: string): string {
  if (job.hostFiles) return path;
  const place = canonPath(path);
  const real = isInStore(place, job.store.storeDir) ? new InputFiles(job, [place]).realPath(place) : undefined;
  if (real === undefined) {
    throw new BuildError(`unable to download '${url}': Could not read a file:// file (37): it is not in the sandbox`);
  }
  return real;
}

async function open(job: BuiltinJob, url: string): Promise<Readable> {
  const path = filePathOfUrl(url);
  if (path !== null) return createReadStream(fsPath(localFile(job, url, path)));
  job.log(`downloading '${url}'`);
  const settings = { ...job.http, warn: (message: string) => job.log(message) };
  return (await download(url, { settings, signal: job.signal })).body;
}

/** What a mirror has under the output's hash; undefined where no mirror has it. */
async function openMirrored(job: BuiltinJob): Promise<Readable | undefined> {
  const [output] = job.drv.outputs.values();
  if (output?.kind !== 'fixed' || output.method !== 'flat') return undefined;
  const hash = Buffer.from(output.hash).toString('hex');
  for (const mirror of job.hashedMirrors) {
    try {
      return await open(job, `${mirror.replace(/\/?$/, '/')}${output.algorithm}/${hash}`);
    } catch {
      job.signal.throwIfAborted();
    }
  }
  return undefined;
}

/** The first URL that answers. @throws the last one's error */
async function openFirst(job: BuiltinJob): Promise<Readable> {
  const urls = (job.env.get('urls') ?? '').split(/\s+/).filter((url) => url !== '');
  const all = [...new Set([...(job.env.has('url') ? [wanted(job, 'url')] : []), ...urls])];
  if (all.length === 0) wanted(job, 'url');
  let failure: unknown;
  for (const url of all) {
    try {
      return await open(job, url);
    } catch (error) {
      failure = error;
      if (all.length > 1) job.log((error as Error).message);
    }
  }
  throw failure;
}

/** A NAR may be packed with xz, which nothing in Node reads. */
function unxz(source: Readable): Readable {
  const child = spawn('xz', ['-dc'], { stdio: ['pipe', 'pipe', 'ignore'] });
  const out = new PassThrough();
  child.on('error', () => out.destroy(new BuildError("needs the program 'xz' (Debian package xz-utils)")));
  child.on('close', (status) => {
    if (status === 0) out.end();
    else out.destroy(new BuildError('xz failed: the archive is damaged'));
  });
  child.stdin.on('error', () => undefined); // it ended early: its status says why
  source.pipe(child.stdin);
  child.stdout.pipe(out, { end: false });
  return out;
}

/** `url` (or `urls`); `executable`; `unpack`: the file is a NAR, to be unpacked. */
export async function fetchurl(job: BuiltinJob): Promise<void> {
  requireFixedOutput(job, 'builtin:fetchurl');
  const out = onlyOutput(job);
  const source = (await openMirrored(job)) ?? (await openFirst(job));
  if (flag(job, 'unpack')) {
    await restoreNarStream(out, (job.env.get('url') ?? '').endsWith('.xz') ? unxz(source) : source);
    return;
  }
  const mode = flag(job, 'executable') ? 0o755 : 0o644;
  await pipeline(source, createWriteStream(fsPath(out), { flags: 'wx', mode }), { signal: job.signal });
}

/** `src`: a tarball among the inputs, with one entry at its top; it becomes OUT/`channelName`. */
export async function unpackChannel(job: BuiltinJob): Promise<void> {
  const out = onlyOutput(job);
  const channelName = wanted(job, 'channelName');
  if (channelName === '' || channelName.includes('/') || channelName === '.' || channelName === '..') {
    throw new BuildError(`channelName is not allowed to contain filesystem separators, got '${channelName}'`);
  }
  const src = wanted(job, 'src');
  const real = new InputFiles(job, [src]).realPath(src);
  if (real === undefined) throw new BuildError(`path '${src}' does not exist`);
  await unpackTarball(createReadStream(fsPath(real)), fromUtf8(out));
  const names = await readdir(fsPath(out), 'latin1');
  if (names.length !== 1) throw new BuildError(`channel tarball '${src}' contains more than one file`);
  if (names[0] !== channelName) await rename(fsPath(`${out}/${names[0]!}`), fsPath(`${out}/${channelName}`));
}

/** `url` (or `urls`); `stripRoot`: the archive's one top directory is taken away. */
export async function fetchArchive(job: BuiltinJob): Promise<void> {
  requireFixedOutput(job, 'builtin:tsnix-fetch-archive');
  const out = onlyOutput(job);
  const unpacked = `${job.tmpDir}/unpacked`;
  await mkdir(fsPath(unpacked));
  await unpackTarball(await openFirst(job), fromUtf8(unpacked));
  let top = unpacked;
  if (flag(job, 'stripRoot')) {
    const names = await readdir(fsPath(unpacked), 'latin1');
    const only = names[0];
    if (names.length !== 1 || only === undefined || !(await lstat(fsPath(`${unpacked}/${only}`))).isDirectory()) {
      throw new BuildError('the archive has more than one entry at its top; set stripRoot = false');
    }
    top = `${unpacked}/${only}`;
  }
  try {
    await rename(fsPath(top), fsPath(out));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await cp(fsPath(top) as string, fsPath(out) as string, { recursive: true, verbatimSymlinks: true });
    await rm(fsPath(top), { recursive: true });
  }
}
