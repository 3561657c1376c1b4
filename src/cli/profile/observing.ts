// What is to be watched of an evaluation; asked at every start, so that it must be quick.
import { UsageError } from '../../util/errors.ts';
import type { Config, Environment } from '../config.ts';

export type ProfileForm = 'flamegraph' | 'speedscope' | 'chrome' | 'html';

export interface Observing {
  /** undefined: no profile. */
  readonly form: ProfileForm | undefined;
  /** Of --profile; else eval-profile-file says it. */
  readonly file: string | undefined;
  readonly statistics: boolean;
  /** undefined: standard error. */
  readonly statisticsFile: string | undefined;
  readonly countCalls: boolean;
  readonly symbols: boolean;
  readonly traceCalls: boolean;
}

/** undefined: nothing. @throws UsageError */
export function whatToObserve(config: Config, env: Environment, file: string | undefined): Observing | undefined {
  const on = (name: string): boolean => (env[name] ?? '0') !== '0';
  const mode = config.string('eval-profiler');
  const traceCalls = config.bool('trace-function-calls');
  const statistics = on('NIX_SHOW_STATS');
  if (mode === 'disabled' && !traceCalls && !statistics && file === undefined) return undefined;
  const path = env['NIX_SHOW_STATS_PATH'];
  return {
    form: file === undefined ? formOfSetting(mode) : formOfFile(file),
    file,
    statistics,
    statisticsFile: path === '-' ? undefined : path,
    countCalls: statistics && on('NIX_COUNT_CALLS'),
    symbols: on('NIX_SHOW_SYMBOLS'),
    traceCalls,
  };
}

function formOfSetting(mode: string): ProfileForm | undefined {
  switch (mode) {
    case 'disabled':
      return undefined;
    case 'flamegraph':
    case 'speedscope':
    case 'chrome':
    case 'html':
      return mode;
    default:
      throw new UsageError(`option 'eval-profiler' has invalid value '${mode}'`);
  }
}

function formOfFile(file: string): ProfileForm {
  if (/\.html?$/.test(file)) return 'html';
  if (file.endsWith('.cpuprofile')) return 'chrome';
  return file.endsWith('.json') ? 'speedscope' : 'flamegraph';
}
