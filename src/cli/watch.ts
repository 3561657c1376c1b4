// `--watch`: a command again and again in one warm process, each time that something its evaluation depends on changes.
// Stamps say what has changed. All inputs are looked at in turn, less often the more of them there are, for no notification
// reaches every file system; where one comes, what it names is looked at once.
import { lstatSync } from 'node:fs';
import { dirname } from 'node:path';
import { fsPath } from '../util/bytes.ts';
import { forgetMerges } from '../eval/key-set.ts';
import { NixError } from '../util/errors.ts';
import { changedFact } from './cache/check-facts.ts';
import { hasUnsettled, STAMPED, TYPE_MASK, TYPES, type FileFacts } from './cache/facts.ts';
import { WarmFiles } from './cache/warm-files.ts';
import { takeLastEvaluation } from './cached-evaluation.ts';
import { Config } from './config.ts';
import { FolderWatch } from './folder-watch.ts';
import { say } from './output.ts';
import { Session } from './session.ts';

const SHORTEST_PAUSE_MS = 150;
/** Looking takes at most so much of the time. */
const SHARE = 0.04;
/** Trees that were just written are evaluated once more when their stamps can be trusted. */
const SETTLE_MS = 3000;
/** After so many, what evaluations remember for those after them is forgotten: it also keeps their memory. */
const ROUNDS_REMEMBERED = 16;
/** Who writes a file may do so in several steps. */
const QUIET_MS = 4;
/** A file that is gone or empty is about to be written. */
const GAP_MS = 60;
const LONGEST_MS = 300;
/** From so many paths on, all is looked at. */
const MOST_TOUCHED = 50;

/**
 * @param once the command
 * @param report tells what it threw
 * @returns only where there is nothing to watch, or the user interrupts a build
 */
export async function watch(
  once: (config: Config) => Promise<number>,
  report: (error: unknown, config: Config) => Promise<number>,
): Promise<number> {
  let shown: ReadonlyMap<string, string> | undefined;
  const warm = new WarmFiles();
  const folders = new FolderWatch();
  let rounds = 0;
  try {
    for (;;) {
      const config = Config.load(process.env);
      config.warm = warm;
      let status: number;
      let interrupted = false;
      try {
        status = await once(config);
      } catch (error) {
        status = await report(error, config);
        interrupted = error instanceof NixError && error.code === 'INTERRUPTED';
      }
      const evaluation = takeLastEvaluation();
      warm.endRound(status !== 0 || evaluation?.shown == null);
      if (interrupted || evaluation === null || evaluation.inputs.files.paths.length === 0) return status;
      if (evaluation.shown !== null) {
        if (shown !== undefined) for (const line of changes(shown, evaluation.shown)) say(line);
        ({ shown } = evaluation);
      }
      const { files } = evaluation.inputs;
      const note = evaluation.doubt === null ? '' : ` (${evaluation.doubt}: that is not watched)`;
      say(`watching ${files.paths.length} paths${note}`);
      evaluation.keep();
      Session.positions = undefined; // with the evaluator
      if (++rounds % ROUNDS_REMEMBERED === 0) forgetMerges();
      folders.follow(foldersOf(files));
      const changed = await nextChange(files, folders);
      if (changed !== null) say(`${changed} has changed`);
    }
  } finally {
    folders.close();
  }
}

/** Where what was read and listed lies. */
function foldersOf({ paths, kinds }: FileFacts): Set<string> {
  const folders = new Set<string>();
  paths.forEach((path, i) => {
    const kind = kinds[i]!;
    if ((kind & STAMPED) !== 0) folders.add(TYPES[kind & TYPE_MASK] === 'directory' ? path : dirname(path));
  });
  return folders;
}

/** Waits. @returns the path; null where evaluation is only to be repeated once its inputs have settled */
async function nextChange(files: FileFacts, folders: FolderWatch): Promise<string | null> {
  const settled = hasUnsettled(files) ? Date.now() + SETTLE_MS : Infinity;
  for (;;) {
    const start = performance.now();
    const changed = changedFact(files, true);
    if (changed !== null) return changed;
    if (Date.now() > settled) return null;
    const now = performance.now();
    const next = now + Math.max(SHORTEST_PAUSE_MS, (now - start) / SHARE);
    for (let left = next - now; left > 0; left = next - performance.now()) {
      const touched = await folders.wait(left);
      if (touched.length === 0) continue;
      const named = factsAbout(files, touched);
      if (changedFact(files, true, named) === null) continue;
      await untilQuiet(
        folders,
        (named ?? []).map((i) => files.paths[i]!),
      );
      const still = changedFact(files, true, named);
      if (still !== null) return still;
    }
  }
}

/** Numbers of facts about paths, what lies below them, and their folders; undefined: all. */
function factsAbout({ paths }: FileFacts, touched: readonly string[]): number[] | undefined {
  if (touched.length > MOST_TOUCHED) return undefined;
  const places = touched.map((at) => ({ at, folder: dirname(at), below: `${at}/` }));
  const numbers: number[] = [];
  paths.forEach((path, i) => {
    if (places.some(({ at, folder, below }) => path === at || path === folder || path.startsWith(below))) {
      numbers.push(i);
    }
  });
  return numbers;
}

/** Waits until nothing more happens, and longer where one of `paths` is not there. */
async function untilQuiet(folders: FolderWatch, paths: readonly string[]): Promise<void> {
  const end = performance.now() + LONGEST_MS;
  while (performance.now() < end) {
    const more = await folders.wait(paths.some(isGone) ? GAP_MS : QUIET_MS);
    if (more.length === 0) return;
  }
}

function isGone(path: string): boolean {
  try {
    return (lstatSync(fsPath(path), { throwIfNoEntry: false })?.size ?? 0) === 0;
  } catch {
    return false;
  }
}

/** What is another now, attribute by attribute. */
function* changes(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): Iterable<string> {
  let none = true;
  for (const [name, text] of after) {
    const old = before.get(name);
    if (old === text) continue;
    none = false;
    yield old === undefined ? `+ ${name}: ${text}` : `~ ${name}: ${old} -> ${text}`;
  }
  for (const [name, text] of before) {
    if (after.has(name)) continue;
    none = false;
    yield `- ${name}: ${text}`;
  }
  if (none) yield 'the result is the same';
}
