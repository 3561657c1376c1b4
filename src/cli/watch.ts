// `--watch`: a command again and again in one warm process, each time that something its evaluation depends on changes.
// Inputs are looked at in turn (no notification reaches every file system), less often the more of them there are.
import { setTimeout as sleep } from 'node:timers/promises';
import { NixError } from '../util/errors.ts';
import { changedFact } from './cache/check-facts.ts';
import { hasUnsettled } from './cache/facts.ts';
import { takeLastEvaluation, type LastEvaluation } from './cached-evaluation.ts';
import { Config } from './config.ts';
import { say } from './output.ts';

const SHORTEST_PAUSE_MS = 150;
/** Looking takes at most so much of the time. */
const SHARE = 0.04;
/** Trees that were just written are evaluated once more when their stamps can be trusted. */
const SETTLE_MS = 3000;

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
  for (;;) {
    const config = Config.load(process.env);
    let status: number;
    let interrupted = false;
    try {
      status = await once(config);
    } catch (error) {
      status = await report(error, config);
      interrupted = error instanceof NixError && error.code === 'INTERRUPTED';
    }
    const evaluation = takeLastEvaluation();
    if (interrupted || evaluation === null || evaluation.inputs.files.paths.length === 0) return status;
    if (evaluation.shown !== null) {
      if (shown !== undefined) for (const line of changes(shown, evaluation.shown)) say(line);
      ({ shown } = evaluation);
    }
    const { length } = evaluation.inputs.files.paths;
    const note = evaluation.doubt === null ? '' : ` (${evaluation.doubt}: that is not watched)`;
    say(`watching ${length} paths${note}`);
    const changed = await nextChange(evaluation);
    if (changed !== null) say(`${changed} has changed`);
  }
}

/** Waits. @returns the path; null where evaluation is only to be repeated once its inputs have settled */
async function nextChange({ inputs }: LastEvaluation): Promise<string | null> {
  const settled = hasUnsettled(inputs.files) ? Date.now() + SETTLE_MS : Infinity;
  for (;;) {
    const start = performance.now();
    const changed = changedFact(inputs.files, true);
    if (changed !== null) return changed;
    if (Date.now() > settled) return null;
    await sleep(Math.max(SHORTEST_PAUSE_MS, (performance.now() - start) / SHARE));
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
