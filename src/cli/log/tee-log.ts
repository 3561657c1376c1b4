// Several logs that are told the same.
import type { Activity, ActivityId, ActivityLog, Field, LoggedFailure } from '../../util/activity.ts';

export class TeeLog implements ActivityLog {
  private readonly logs: readonly ActivityLog[];

  constructor(logs: readonly ActivityLog[]) {
    this.logs = logs;
  }

  message(level: number, text: string): void {
    for (const log of this.logs) log.message(level, text);
  }
  failure(failure: LoggedFailure): void {
    for (const log of this.logs) log.failure(failure);
  }
  start(activity: Activity): void {
    for (const log of this.logs) log.start(activity);
  }
  stop(id: ActivityId): void {
    for (const log of this.logs) log.stop(id);
  }
  result(id: ActivityId, type: number, fields: readonly Field[]): void {
    for (const log of this.logs) log.result(id, type, fields);
  }
}
