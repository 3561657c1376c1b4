// `tsnix cache info|clear`: what is kept between runs, and away with it.
import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../util/errors.ts';
import { utf8 } from '../../util/bytes.ts';
import { renderSize } from '../../util/render-size.ts';
import { cacheDir } from '../cache-dir.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { print } from '../output.ts';

export const FLAGS: readonly Flag[] = [flag('json', 'print JSON'), ...COMMON_FLAGS];

/** Folders of caches, and what is in them. Nothing else below the cache folder is touched. */
const KINDS: Readonly<Record<string, string>> = {
  packs: 'code of files',
  results: 'results of evaluation',
  quick: 'answers without Node',
  'host-tools': 'descriptions of programs of this machine',
  compile: "tsnix's own code, compiled",
  start: "tsnix's own memory after its start",
  layers: 'what layers of images came to be',
};

interface Size {
  files: number;
  bytes: number;
}

export function cache(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  const [action, ...rest] = flags.positionals;
  if (rest[0] !== undefined) throw new UsageError(`unexpected argument '${utf8(rest[0])}'`);
  if (action === 'info') info(flags.has('json'));
  else if (action === 'clear') clear();
  else
    throw new UsageError(
      action === undefined ? "'info' or 'clear' is missing" : `'${utf8(action)}' is not 'info' or 'clear'`,
    );
  return Promise.resolve(0);
}

function info(json: boolean): void {
  const sizes = Object.keys(KINDS).map((kind) => [kind, sizeOf(join(cacheDir(), kind))] as const);
  if (json) {
    print(utf8(`${JSON.stringify({ dir: cacheDir(), caches: Object.fromEntries(sizes) })}\n`));
    return;
  }
  print(utf8(`${cacheDir()}\n`));
  for (const [kind, { files, bytes }] of sizes) {
    print(
      `  ${kind.padEnd(12)}${String(files).padStart(7)} files ${renderSize(bytes).padStart(12)}  ${KINDS[kind]!}\n`,
    );
  }
}

function sizeOf(dir: string): Size {
  const size: Size = { files: 0, bytes: 0 };
  const todo = [dir];
  for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
    const stat = lstatSync(at, { throwIfNoEntry: false });
    if (stat?.isDirectory() === true) for (const name of readdirSync(at)) todo.push(join(at, name));
    else if (stat !== undefined) {
      size.files++;
      size.bytes += stat.size;
    }
  }
  return size;
}

function clear(): void {
  for (const kind of Object.keys(KINDS)) rmSync(join(cacheDir(), kind), { recursive: true, force: true });
}
