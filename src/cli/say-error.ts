// Errors for the user, as text or with their parts: whichever the log wants.
import { verbosity, type LoggedPlace } from '../util/activity.ts';
import type { NixError } from '../util/errors.ts';
import { locate, originName, type Pos, type PosTable } from '../util/positions.ts';
import { renderError } from '../util/render-error.ts';
import { currentLog, wantsColor, writeMessage } from './output.ts';

export interface SayErrorOptions {
  readonly positions: PosTable;
  readonly showTrace: boolean;
}

export function sayError(error: NixError, { positions, showTrace }: SayErrorOptions): void {
  const text = (color: boolean): string => renderError(error, positions, { showTrace, color });
  const log = currentLog();
  if (log === undefined) {
    writeMessage(text(wantsColor()));
    return;
  }
  log.failure({
    level: verbosity.error,
    text,
    message: error.message,
    place: placeOf(error.pos, positions),
    ...(showTrace
      ? { trace: error.frames.map(({ hint, pos }) => ({ message: hint, place: placeOf(pos, positions) })) }
      : {}),
  });
}

/** As Nix's log has it: `file` tells line and column too. */
function placeOf(pos: Pos, positions: PosTable): LoggedPlace | undefined {
  const origin = positions.originOf(pos);
  if (origin === undefined) return undefined;
  try {
    const { line, column } = locate(origin, pos);
    return { file: `${originName(origin.kind)}:${line}:${column}`, line, column };
  } catch {
    return undefined; // the source can't be read any more
  }
}
