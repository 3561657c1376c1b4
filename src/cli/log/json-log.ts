// The log as JSON, an object a line: what `--log-format internal-json` shows (with `@nix ` before each) and
// `json-log-path` keeps. As Nix writes it: keys in order of their names, colours in texts, whatever the verbosity all
// activities.
import type { Activity, ActivityId, ActivityLog, Field, LoggedFailure, LoggedPlace } from '../../util/activity.ts';
import { fromUtf8, utf8 } from '../../util/bytes.ts';
import { withPaintedPrefix } from '../output.ts';

const noPlace = { column: null, file: null, line: null };

function placeKeys(place: LoggedPlace | undefined): Record<string, unknown> {
  return place === undefined ? noPlace : { column: place.column, file: fromUtf8(place.file), line: place.line };
}

export class JsonLog implements ActivityLog {
  private readonly write: (line: string) => void;

  /** @param write takes byte strings without a newline at their end */
  constructor(write: (line: string) => void) {
    this.write = write;
  }

  private object(keys: Record<string, unknown>): void {
    const sorted = Object.entries(keys).sort(([a], [b]) => (a < b ? -1 : 1));
    this.write(utf8(JSON.stringify(Object.fromEntries(sorted))));
  }

  message(level: number, text: string): void {
    const warned = /^evaluation warning: ?(.*)$/s.exec(text);
    this.object({
      action: 'msg',
      level,
      msg: fromUtf8(withPaintedPrefix(text)),
      ...(warned === null ? {} : { raw_msg: fromUtf8(warned[1]!), ...noPlace }),
    });
  }

  failure({ level, text, message, place, trace }: LoggedFailure): void {
    this.object({
      action: 'msg',
      level,
      msg: fromUtf8(text(true)),
      raw_msg: fromUtf8(message),
      ...placeKeys(place),
      ...(trace === undefined || trace.length === 0
        ? {}
        : { trace: trace.map((frame) => ({ ...placeKeys(frame.place), raw_msg: fromUtf8(frame.message) })) }),
    });
  }

  start({ id, level, type, text, fields, parent }: Activity): void {
    this.object({ action: 'start', id, level, type, text: fromUtf8(text), parent, ...fieldsKey(fields) });
  }

  stop(id: ActivityId): void {
    this.object({ action: 'stop', id });
  }

  result(id: ActivityId, type: number, fields: readonly Field[]): void {
    this.object({ action: 'result', id, type, ...fieldsKey(fields) });
  }
}

function fieldsKey(fields: readonly Field[]): Record<string, unknown> {
  if (fields.length === 0) return {};
  return { fields: fields.map((field) => (typeof field === 'string' ? fromUtf8(field) : field)) };
}
