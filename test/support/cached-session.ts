// Evaluation through the caches in this process: a project, a store, a home and a cache of its own.
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cachedEvaluation } from '../../src/cli/cached-evaluation.ts';
import { drvPathOf } from '../../src/cli/derivations.ts';
import { derivationsOf } from '../../src/cli/commands/targets.ts';
import { FLAGS } from '../../src/cli/commands/instantiate.ts';
import { sourcesOf } from '../../src/cli/commands/sources.ts';
import { WarmFiles } from '../../src/cli/cache/warm-files.ts';
import { Config } from '../../src/cli/config.ts';
import { parseFlags } from '../../src/cli/flags.ts';
import { Session } from '../../src/cli/session.ts';
import { autoCall } from '../../src/eval/auto-call.ts';
import { valueToJson } from '../../src/eval/json.ts';
import { ContextBuilder } from '../../src/eval/context.ts';
import { collectGarbage } from '../../src/store/gc.ts';
import { LocalStore } from '../../src/store/local-store.ts';
import { openStore } from '../../src/store/open.ts';
import { NixError } from '../../src/util/errors.ts';
import { renderError } from '../../src/util/render-error.ts';

// Caches are for the very program that made them; the sources have no identity of their own.
(globalThis as { TSNIX_BUILD?: string }).TSNIX_BUILD = 'test';

export interface Answer {
  /** Results, and lines that were said; or what went wrong. */
  readonly results: readonly unknown[];
  readonly said: readonly string[];
  readonly error: string | null;
  /** The error with its trace and excerpts. */
  readonly shown: string | null;
  /** What --explain-cache says. */
  readonly explained: readonly string[];
}

/**
 * Through caches; through packs of code and copies alone; without; or as another round of --watch, which never takes a
 * whole result from the cache.
 */
export type Way = 'cached' | 'packs' | 'plain' | 'warm';

export class CachedProject {
  readonly dir = realpathSync(mkdtempSync(join(tmpdir(), 'tsnix-cached-')));
  readonly project = join(this.dir, 'p');
  readonly store = join(this.dir, 'root');
  readonly cache = join(this.dir, 'cache');
  private readonly warm = new WarmFiles();
  private readonly env = { ...process.env };
  private readonly cwd = process.cwd();

  constructor() {
    for (const name of Object.keys(process.env)) if (name.startsWith('NIX_')) Reflect.deleteProperty(process.env, name);
    Object.assign(process.env, { HOME: this.dir, NIX_CONF_DIR: this.dir, XDG_CACHE_HOME: this.cache });
    mkdirSync(this.project);
    mkdirSync(join(this.project, '.git'));
    process.chdir(this.project);
  }

  /** Values as JSON; of functions, what calling them gives. */
  eval(args: readonly string[], way: Way = 'cached'): Answer {
    return this.run(['--explain-cache', ...args], way, true, (session, emit) => {
      for (const source of sourcesOf(session)) {
        emit(
          valueToJson(session.evaluator, autoCall(session.evaluator, source.load(), session.calls()), {
            strict: true,
            copyPaths: true,
            context: new ContextBuilder(),
          }),
        );
      }
    });
  }

  /** Paths of derivations. */
  instantiate(args: readonly string[], way: Way = 'cached'): Answer {
    return this.run(['--explain-cache', ...args], way, false, (session, emit) => {
      for (const drv of derivationsOf(session)) emit(drvPathOf(session.evaluator, drv.attrs));
    });
  }

  private run(
    args: readonly string[],
    way: Way,
    readOnly: boolean,
    evaluate: (session: Session, emit: (text: string) => void) => void,
  ): Answer {
    const config = Config.load(process.env);
    if (way === 'warm') config.warm = this.warm;
    const keepsResults = way === 'cached' || way === 'warm';
    const words = [...args, '--store', this.store, ...(way === 'plain' ? ['--no-cache'] : [])];
    const flags = parseFlags(words, FLAGS, config);
    const lines: string[] = [];
    const results: unknown[] = [];
    let error: string | null = null;
    let shown: string | null = null;
    const session = new Session({ config, flags, readOnly, keepsResults, say: (line) => lines.push(line) });
    try {
      cachedEvaluation<string>(session, {
        purpose: readOnly ? 'eval' : 'instantiate',
        evaluate: (emit) => {
          evaluate(session, emit);
        },
        present: (result) => results.push(result),
      });
    } catch (thrown) {
      if (!(thrown instanceof NixError)) throw thrown;
      error = thrown.message;
      shown = renderError(thrown, session.evaluator.positions, { showTrace: true, color: false });
    } finally {
      void session.close();
      this.warm.endRound(error !== null);
    }
    const prefix = 'evaluation cache: ';
    return {
      results,
      error,
      shown,
      said: lines.filter((line) => !line.startsWith(prefix)),
      explained: lines.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length)),
    };
  }

  /** Collects all garbage of the store: nothing in it has a root. */
  collect(): void {
    const store = openStore(this.store, process.env);
    if (store instanceof LocalStore) collectGarbage(store, { action: 'delete', processes: false });
    void store.close();
  }

  close(): void {
    process.chdir(this.cwd);
    for (const name of Object.keys(process.env)) if (!(name in this.env)) Reflect.deleteProperty(process.env, name);
    Object.assign(process.env, this.env);
    spawnSync('chmod', ['-R', 'u+w', this.dir]);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export const HIT = 'nothing changed: the answer is from the cache';
