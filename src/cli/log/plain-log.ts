// The log as plain lines: `--log-format raw` and `raw-with-logs`, what nix-build shows.
import { resultType } from '../../util/activity.ts';
import type { Activity, ActivityId, ActivityLog, Field, LoggedFailure } from '../../util/activity.ts';
import { wantsColor, writeMessage } from '../output.ts';

export interface PlainLogOptions {
  /** What builders print is shown. */
  readonly logs: boolean;
  /** Texts of activities up to this level are shown. */
  readonly verbosity: number;
}

export class PlainLog implements ActivityLog {
  private readonly options: PlainLogOptions;

  constructor(options: PlainLogOptions) {
    this.options = options;
  }

  message(_level: number, text: string): void {
    writeMessage(text);
  }

  failure({ text }: LoggedFailure): void {
    writeMessage(text(wantsColor()));
  }

  start({ level, text }: Activity): void {
    if (text !== '' && level <= this.options.verbosity) writeMessage(`${text}...`);
  }

  stop(): void {
    // nothing is said of it
  }

  result(_id: ActivityId, type: number, [line]: readonly Field[]): void {
    if (!this.options.logs || typeof line !== 'string') return;
    if (type === resultType.buildLogLine) writeMessage(line);
    else if (type === resultType.postBuildLogLine) writeMessage(`post-build-hook: ${line}`);
  }
}
