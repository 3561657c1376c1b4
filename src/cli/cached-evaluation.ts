// Evaluation for a command, from the cache where nothing that it depends on has changed.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashHex } from '../store/hash.ts';
import { fromBuffer, fromUtf8, utf8 } from '../util/bytes.ts';
import { cacheDir } from './cache-dir.ts';
import { isThere, noteRead } from './cache/looks.ts';
import { noteAnswer, refuseQuickAnswer } from './cache/quick-answer.ts';
import { EvaluationCache, type InputWorld } from './cache/evaluation-cache.ts';
import type { KeptEvent } from './cache/record-file.ts';
import type { Inputs } from './cache/recorder.ts';
import { SETTINGS } from './settings-table.ts';
import { buildIdentity } from './self.ts';
import type { Session } from './session.ts';

/** What --watch needs to know. */
export interface LastEvaluation {
  readonly inputs: Inputs;
  /** What else it depended on. */
  readonly doubt: string | null;
  /** The result, attribute by attribute; null where there was an error. */
  readonly shown: ReadonlyMap<string, string> | null;
  /** Keeps the result for other processes: a matter of milliseconds, for when nobody waits. */
  readonly keep: () => void;
}

let last: LastEvaluation | null = null;

/** The evaluation that ended last, once. */
export function takeLastEvaluation(): LastEvaluation | null {
  const taken = last;
  last = null;
  return taken;
}

export interface EvaluationJob<T> {
  /** The command, for which the same flags may mean something else than for others. */
  readonly purpose: string;
  /** Gives results, plain data without undefined, one by one to `emit`; does nothing else but evaluate. */
  readonly evaluate: (emit: (result: T) => void) => void;
  readonly present: (result: T) => void;
  /** A result by its attributes, for --watch to compare. */
  readonly describe?: (result: T) => Iterable<readonly [name: string, text: string]>;
}

/** Evaluates, and presents results as they come; or presents what was kept. */
export function cachedEvaluation<T>(session: Session, job: EvaluationJob<T>): void {
  const recorder = session.takeRecorder();
  const cache = recorder === null ? null : openCache(session, job.purpose);
  // An earlier round of --watch has seen that something changed.
  const kept = session.config.warm?.isUsed === true ? null : (cache?.find() ?? null);
  const results: T[] = [];
  const present = (result: T): void => {
    results.push(result);
    job.present(result);
  };
  const watched = session.flags.has('watch');
  const remember = (inputs: Inputs, doubt: string | null, failed: boolean, keep: () => void): void => {
    const shown = failed ? null : new Map(results.flatMap((r) => [...(job.describe?.(r) ?? [])]));
    last = { inputs, doubt, shown, keep };
  };
  if (kept !== null) {
    for (const [kind, value] of kept.events) {
      if (kind === 'said') session.say(value);
      else present(value as T);
    }
    if (watched) remember(kept.inputs, null, false, () => undefined);
    else noteAnswer(session, kept.inputs);
    return;
  }
  refuseQuickAnswer('evaluated');
  const events: KeptEvent[] = [];
  session.onLog = (line) => events.push(['said', line]);
  let failed = true;
  try {
    job.evaluate((result) => {
      events.push(['result', result]);
      present(result);
    });
    failed = false;
  } finally {
    session.onLog = null;
    session.stopRecording();
    if (recorder !== null) {
      const inputs = recorder.finish();
      // Whether the store has what was added is asked when the result is used: it may still be waiting to be written.
      const keep = (): void => {
        if (!failed) cache?.keep(events, inputs, recorder);
      };
      if (watched) remember(inputs, recorder.doubt, failed, keep);
      else keep();
    }
  }
}

function openCache(session: Session, purpose: string): EvaluationCache | null {
  const { flags } = session;
  // What standard input holds is known only once it is read.
  if ([...flags.positionals, ...flags.list('file')].includes('-') || flags.has('arg-from-stdin')) return null;
  return new EvaluationCache({
    dir: join(cacheDir(), 'results'),
    identity: utf8(
      JSON.stringify([
        buildIdentity(),
        session.config.nixCommand ? `nix ${purpose}` : purpose,
        process.cwd(),
        flags.signature(),
      ]),
    ),
    settings: settingsOf(session),
    world: worldOf(session),
    ...(flags.has('explain-cache') ? { explain: (text) => session.say(`evaluation cache: ${text}`) } : {}),
  });
}

/** What decides about the result before anything is evaluated, besides the command line itself. */
function settingsOf(session: Session): Record<string, string> {
  const { config, flags, settings, store } = session;
  const known: Record<string, string> = {};
  for (const name of Object.keys(SETTINGS)) {
    // Secrets stay where they are.
    if (config.isSet(name) && name !== 'access-tokens') known[`the setting ${name}`] = utf8(config.string(name));
  }
  known['the search path'] = JSON.stringify(settings.nixPath);
  known['the system'] = session.io.system;
  known['the store'] = JSON.stringify([store.uri, store.storeDir, store.realPath(store.storeDir), settings.readOnly]);
  known['NIX_ABORT_ON_WARN'] = String(settings.abortOnWarn);
  known['the list of flake registries'] = JSON.stringify(settings.fetch?.registries ?? null);
  for (const [name, file] of flags.all('arg-from-file')) {
    noteRead(file!);
    known[`the argument ${utf8(name!)}`] = hashHex('sha256', fromBuffer(readFileSync(file!)));
  }
  const files = [...flags.positionals, ...flags.list('file'), ...flags.list('pkgs')];
  for (const file of files) {
    if (!file.startsWith('<') && !/^[a-z]+:/.test(file)) {
      known[`what '${utf8(file)}' means`] = session.resolveFileArgument(file);
    }
  }
  if (files.length === 0) known["whether there is a './default.nix'"] = String(isThere('default.nix'));
  return known;
}

function worldOf(session: Session): InputWorld {
  return {
    getEnv: (name) => {
      const value = process.env[fromUtf8(name)];
      return value === undefined ? undefined : utf8(value);
    },
    isValidPath: (storePath) => session.store.isValidPath(session.asStorePath(storePath)),
    hostTool: (request) => session.describeHostTool(request),
  };
}
