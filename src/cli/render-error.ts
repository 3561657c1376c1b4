// TEMPORARY plain rendering; the 2.36 format follows.
import type { NixError } from '../util/errors.ts';
import { sourceOf, type PosTable } from '../util/positions.ts';

export interface RenderOptions {
  readonly showTrace: boolean;
  readonly color: boolean;
}

export function renderError(error: NixError, positions: PosTable, _options: RenderOptions): string {
  const p = positions.resolve(error.pos);
  const at =
    p === undefined
      ? ''
      : `\n       at ${p.origin.kind.kind === 'file' ? p.origin.kind.path : p.origin.kind.kind}:${p.line}:${p.column}:\n ${sourceOf(p.origin).split('\n')[p.line - 1] ?? ''}`;
  return `error: ${error.message}${at}`;
}
