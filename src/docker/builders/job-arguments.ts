// Reading the arguments of a builder from its derivation's environment.
import { BuildError } from '../../util/errors.ts';
import { splitStorePath } from '../../store/store-path.ts';
import type { BuiltinJob } from '../../build/builtin-builder.ts';
import { ownerName } from '../gnu-tar.ts';
import { openBaseImage, readJsonFile } from '../base-image.ts';
import type { BaseImage } from '../base-image.ts';
import type { Compression } from '../compression.ts';
import { parseDate } from '../date.ts';
import { writeImage } from '../image-archive.ts';
import type { ImageTree } from '../image-archive.ts';
import type { JsonObject } from '../json-text.ts';
import type { LayerSpool } from '../layer-spool.ts';
import { Notes } from '../notes.ts';
import { StoreView } from '../store-view.ts';
import type { Owner } from '../tree.ts';

/** Value of a variable; empty where there is none. */
export function argument(job: BuiltinJob, name: string): string {
  return job.env.get(name) ?? '';
}

/** @throws BuildError where it is empty */
export function requiredArgument(job: BuiltinJob, name: string): string {
  const value = argument(job, name);
  if (value === '') throw new BuildError(`required attribute '${name}' missing`);
  return value;
}

export function wordsArgument(job: BuiltinJob, name: string): string[] {
  return argument(job, name)
    .split(/\s+/)
    .filter((word) => word !== '');
}

/** Where a store path (or one below) that an argument holds lies on this machine. */
export function pathArgument(job: BuiltinJob, name: string): string {
  const path = requiredArgument(job, name);
  splitStorePath(path, job.store.storeDir);
  return job.store.realPath(path);
}

export async function jsonArgument(job: BuiltinJob, name: string): Promise<JsonObject> {
  return readJsonFile(pathArgument(job, name), requiredArgument(job, name));
}

/** Unix seconds of `now` or another date. @throws BuildError where the argument `name` is none */
export function parseTime(text: string, name: string): number {
  const time = text === 'now' ? Math.floor(Date.now() / 1000) : parseDate(text);
  if (time === undefined) throw new BuildError(`'${name}' is not a date: '${text}'`);
  return time;
}

/** Unix seconds: `mtime`, else SOURCE_DATE_EPOCH of the build, else 1. */
export function timeArgument(job: BuiltinJob): number {
  const date = argument(job, 'mtime');
  if (date !== '') return parseTime(date, 'mtime');
  const text = argument(job, 'SOURCE_DATE_EPOCH');
  if (text === '') return 1;
  if (!/^[0-9]{1,11}$/.test(text)) throw new BuildError(`SOURCE_DATE_EPOCH is not a number of seconds: '${text}'`);
  return Number(text);
}

/** `--owner` or `--group` of tar: a number, `NAME:NUMBER`, or `root`. */
function parseOwner(job: BuiltinJob, name: string): { id: number; name: string } {
  const text = argument(job, name);
  if (text === '' || text === 'root') return { id: 0, name: 'root' };
  const [, owner, digits] = /^(?:([^:]+):)?\+?([0-9]{1,10})$/.exec(text) ?? [];
  const id = Number(digits);
  if (digits === undefined || id >= 2 ** 32) throw new BuildError(`'${name}' must be a number, not '${text}'`);
  return { id, name: owner ?? ownerName(id) };
}

/** Who shall own all of a layer: `uid` and `gid`. */
export function ownerArgument(job: BuiltinJob): Owner {
  const user = parseOwner(job, 'uid');
  const group = parseOwner(job, 'gid');
  return { uid: user.id, gid: group.id, uname: user.name, gname: group.name };
}

/** A view of the closure of some paths (or paths below store paths). */
export function closureView(job: BuiltinJob, paths: readonly string[]): StoreView {
  const roots = paths.map((path) => splitStorePath(path, job.store.storeDir).storePath);
  return new StoreView(job.store, job.store.closure(roots));
}

export function output(job: BuiltinJob): string {
  return job.outputs.get('out')!;
}

/** What `fromImage` is called in messages. */
export function baseName(job: BuiltinJob): string {
  return `the base image '${argument(job, 'fromImage')}'`;
}

/** The image `fromImage`. */
export function openBase(job: BuiltinJob): Promise<BaseImage> {
  return openBaseImage(pathArgument(job, 'fromImage'), job.tmpDir, baseName(job), job.signal);
}

/** `imageTag`, or the hash of the output's path. */
export function tagArgument(job: BuiltinJob): string {
  const tag = argument(job, 'imageTag');
  return tag !== ''
    ? tag
    : job.outputPaths
        .get('out')!
        .slice(job.store.storeDir.length + 1)
        .split('-')[0]!;
}

/** `compressor`: gz by default, none, zstd. */
export function compressionArgument(job: BuiltinJob): Compression {
  const name = argument(job, 'compressor');
  if (name === '' || name === 'gz') return 'gzip';
  if (name === 'none' || name === 'zstd') return name;
  throw new BuildError(`unknown compressor '${name}'`);
}

/** What is known from builds before, if it may be used. */
export function jobNotes(job: BuiltinJob): Notes | undefined {
  return job.notesDir === undefined ? undefined : new Notes(`${job.notesDir}/layers`);
}

/** The image as the output, of `mtime` and `compressor`. @param spool has layers that are compressed already */
export async function writeOutputImage(job: BuiltinJob, tree: ImageTree, spool?: LayerSpool): Promise<void> {
  const notes = jobNotes(job);
  await writeImage(output(job), tree, {
    mtime: timeArgument(job),
    compression: compressionArgument(job),
    sources: notes === undefined ? undefined : { notes, store: job.store, output: job.outputPaths.get('out')! },
    spool,
    signal: job.signal,
  });
}
