// `tsnix eval-jobs`: every derivation below a root as a line of JSON, as nix-eval-jobs prints them, evaluated by
// processes that may grow too large or die.
import { readFileSync } from 'node:fs';
import type { Config } from '../config.ts';
import { parseJobsFlags } from '../eval-jobs/flags.ts';
import { JobPool, RootError } from '../eval-jobs/job-pool.ts';
import { JobsProgress } from '../eval-jobs/jobs-progress.ts';
import { Interrupted } from '../interrupted.ts';
import { print, say, wantsColor } from '../output.ts';

export { FLAGS } from '../eval-jobs/flags.ts';

export async function evalJobs(argv: readonly string[], config: Config): Promise<number> {
  const { flags, workers, maxMemoryMiB } = parseJobsFlags(argv, config);
  const progress = new JobsProgress(flags.has('quiet'));
  const readsStdin = flags.positionals.includes('-') || flags.get('file') === '-';
  const pool = new JobPool({
    argv,
    workers,
    maxMemoryMiB,
    color: wantsColor(),
    input: readsStdin ? readFileSync(0) : undefined,
    firstAlone: flags.has('flake') || config.bool('pure-eval'),
    progress,
    print,
  });
  const stop = (signal: NodeJS.Signals): void => pool.stop(new Interrupted(signal));
  const signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, stop);
  // The reader of the results went away: so do the workers.
  const kill = (): void => pool.stop(undefined);
  process.on('exit', kill);
  try {
    return (await pool.run()) ? 1 : 0;
  } catch (error) {
    progress.end();
    if (!(error instanceof RootError)) throw error;
    say(error.message);
    return error.exitStatus;
  } finally {
    progress.end();
    process.removeListener('exit', kill);
    for (const signal of signals) process.removeListener(signal, stop);
  }
}
