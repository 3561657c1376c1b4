import { utf8 } from '../util/bytes.ts';
import type { Pos, PosTable } from '../util/positions.ts';

/** `FILE:LINE:COLUMN`, with «string», «stdin» and «none» for what is no file. */
export function printPosition(positions: PosTable, pos: Pos): string {
  const position = positions.resolve(pos);
  if (position === undefined) return utf8('«none»:0');
  const { origin, line, column } = position;
  return `${originName(origin.kind)}:${line}:${column}`;
}

function originName(kind: NonNullable<ReturnType<PosTable['originOf']>>['kind']): string {
  switch (kind.kind) {
    case 'file':
      return kind.path;
    case 'string':
      return utf8('«string»');
    case 'stdin':
      return utf8('«stdin»');
    case 'internal':
      return `${utf8('«nix-internal»/')}${kind.name}`;
  }
}
