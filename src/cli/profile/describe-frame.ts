// What frames and functions are called.
import type { Callee } from '../../eval/observed-evaluator.ts';
import { Primop } from '../../eval/value.ts';
import { originName, showPosition, type Pos, type PosTable } from '../../util/positions.ts';
import { symbolName } from '../../util/symbols.ts';
import type { Frame } from './call-stack.ts';

/** FILE:LINE:COLUMN; undefined for no position. */
export function showPlace(positions: PosTable, pos: Pos): string | undefined {
  const position = positions.resolve(pos);
  return position === undefined ? undefined : showPosition(position);
}

/** A frame as Nix writes it: where the call stands, and what is called. */
export function foldedFrame(positions: PosTable, { callee, callPos, drvName }: Frame): string {
  const place = showPlace(positions, callPos);
  if (callee instanceof Primop) {
    const name = `primop ${callee.name}${drvName === undefined ? '' : `:${drvName}`}`;
    return place === undefined ? name : `${place}:${name}`;
  }
  if (callee === 'functor') return `${place ?? ''}:functor`;
  if (callee === 'other') return place ?? '';
  // Nix quirk: the function of a functor goes without its name.
  const named = callee.name === null ? '' : symbolName(callee.name);
  const name = named === '' || named === '__functor' ? '' : `:${named}`;
  return `${place ?? showPlace(positions, callee.pos) ?? ''}${name}`;
}

export interface FunctionPlace {
  readonly name: string;
  /** '' for builtins. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A function by its own name and place, byte strings. */
export function describeFunction(positions: PosTable, callee: Callee, callPos: Pos, drvName?: string): FunctionPlace {
  if (callee instanceof Primop) {
    const name = `builtins.${callee.name}${drvName === undefined ? '' : ` ${drvName}`}`;
    return { name, file: '', line: 0, column: 0 };
  }
  const position = positions.resolve(typeof callee === 'string' ? callPos : callee.pos);
  const name =
    callee === 'functor'
      ? '__functor'
      : callee === 'other'
        ? 'not a function'
        : callee.name === null
          ? 'anonymous'
          : symbolName(callee.name);
  if (position === undefined) return { name, file: '', line: 0, column: 0 };
  return { name, file: originName(position.origin.kind), line: position.line, column: position.column };
}
