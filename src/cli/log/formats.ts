// How what happens is shown: `--log-format`, verbosity, `json-log-path`.
import { fstatSync, openSync, statSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { verbosity, type ActivityLog } from '../../util/activity.ts';
import { fromUtf8, toBuffer, utf8 } from '../../util/bytes.ts';
import { FlagValueError, NixError, StoreError } from '../../util/errors.ts';
import { Channel } from '../../store/daemon/channel.ts';
import { systemErrorText } from '../../store/nar-dump.ts';
import type { Config } from '../config.ts';
import { currentLog, isTerminal, say, setLog, writeError } from '../output.ts';
import { JsonLog } from './json-log.ts';
import { PlainLog } from './plain-log.ts';
import { ProgressBar } from './progress-bar.ts';
import { TeeLog } from './tee-log.ts';

const FORMATS = ['raw', 'raw-with-logs', 'internal-json', 'bar', 'bar-with-logs'] as const;

export type LogFormat = (typeof FORMATS)[number];

/** @throws FlagValueError */
export function parseLogFormat(text: string): LogFormat {
  const format = FORMATS.find((known) => known === text);
  if (format === undefined) throw new FlagValueError(`option 'log-format' has an invalid value '${text}'`);
  return format;
}

/** Of `json-log-path`. */
let file: JsonLog | undefined;
let filePath = '';

/** From now on what is said goes where flags and settings want it. */
export function applyLogging(config: Config): void {
  const path = config.string('json-log-path');
  if (path !== '' && path !== filePath) {
    filePath = path;
    try {
      file = new JsonLog(writerTo(resolve(fromUtf8(path))));
    } catch (error) {
      if (!(error instanceof NixError)) throw error;
      say(`error (ignored): ${error.message}`);
    }
  }
  if (config.logFormat === 'internal-json') use(new JsonLog((line) => writeError(`@nix ${line}\n`)));
  else if (file !== undefined && currentLog() === undefined) {
    use(new PlainLog({ logs: false, verbosity: verbosity.info }));
  }
}

function use(log: ActivityLog): ActivityLog | undefined {
  return setLog(file === undefined ? log : new TeeLog([log, file]));
}

/** To a file, at its end, or to a socket; after a failure no more. @throws StoreError where it can't be opened */
function writerTo(path: string): (line: string) => void {
  let put: (data: Buffer) => void;
  if (statSync(path, { throwIfNoEntry: false })?.isSocket() === true) {
    const channel = Channel.unix(utf8(path));
    channel.peer = 'the reader of the log';
    put = (data) => {
      channel.write(data);
      channel.flush();
    };
  } else {
    let fd: number;
    try {
      fd = openSync(path, 'a', 0o644);
      fstatSync(fd);
    } catch (error) {
      throw new StoreError(`opening log file "${utf8(path)}": ${systemErrorText(error)}`, { cause: error });
    }
    put = (data) => {
      for (let at = 0; at < data.length;) at += writeSync(fd, data, at);
    };
  }
  let enabled = true;
  return (line) => {
    if (!enabled) return;
    try {
      put(toBuffer(`${line}\n`));
    } catch {
      enabled = false;
      say('warning: disabling JSON logger due to write errors');
    }
  };
}

export interface ShowOptions {
  readonly config: Config;
  /** What builders print is to be shown, unless a format was chosen. */
  readonly logs: boolean;
  /** As nix-build does, without a bar. */
  readonly plain: boolean;
  /** Only what builders print. */
  readonly quiet: boolean;
  /** Nothing of it is the user's business. */
  readonly hidden: boolean;
}

export interface ShownLog {
  readonly log: ActivityLog;
  /** Messages up to this level are to be said. */
  readonly verbosity: number;
  /** Shows all that builders print: errors need not repeat it. */
  readonly showsLogs: boolean;
  /** What follows goes where it went before. */
  end(): void;
}

/** Shows activities, and messages beside them, until they end. */
export function showActivities({ config, logs, plain, quiet, hidden }: ShowOptions): ShownLog {
  if (hidden) {
    const log = new PlainLog({ logs: false, verbosity: -1 });
    return { log, verbosity: -1, showsLogs: false, end: () => undefined };
  }
  const level = Math.min(verbosity.vomit, baseVerbosity(plain) + config.moreVerbose);
  const { logFormat } = config;
  if (logFormat === 'internal-json' || config.logIsFixed) {
    return { log: currentLog()!, verbosity: level, showsLogs: !config.logIsFixed, end: () => undefined };
  }
  const bar = logFormat === undefined ? !plain : logFormat.startsWith('bar');
  const shown = {
    // `-L` after the name of a format without logs still counts for bars.
    logs: logFormat === undefined ? logs : logFormat.endsWith('-with-logs') || (bar && !plain && logs),
    verbosity: quiet ? -1 : level,
  };
  const log = bar && !quiet ? new ProgressBar(shown) : new PlainLog(shown);
  const before = use(log);
  return {
    log: currentLog()!,
    verbosity: shown.verbosity,
    showsLogs: shown.logs,
    end: () => {
      if (log instanceof ProgressBar) log.end();
      setLog(before);
    },
  };
}

/** On a terminal the bar tells what happens. */
function baseVerbosity(plain: boolean): number {
  return !plain && isTerminal(2) ? verbosity.notice : verbosity.info;
}
