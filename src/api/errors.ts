// Errors as programs outside see them: text instead of byte strings, positions that can be resolved, and a JavaScript
// stack. Inside, the original travels on, so that nothing is decoded twice.
import { hostError } from '../eval/host-error.ts';
import { fromUtf8, utf8 } from '../util/bytes.ts';
import { EvalError, NixError } from '../util/errors.ts';
import { originName, PosTable } from '../util/positions.ts';
import { renderError } from '../util/render-error.ts';

/** What was given out → what it was made from. */
const originals = new WeakMap<Error, NixError>();
/** Rendered elsewhere, in the thread where it happened. */
const rendered = new WeakMap<Error, string>();

export interface ErrorPosition {
  /** Path of the file, or «string». */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based, in bytes. */
  readonly column: number;
}

/** For an error on its way out of the library. */
export function outward(caught: unknown, positions: PosTable): unknown {
  const error = hostError(caught);
  if (!(error instanceof NixError) || originals.has(error)) return error;
  const copy = Object.create(
    Object.getPrototypeOf(error) as object,
    Object.getOwnPropertyDescriptors(error),
  ) as NixError;
  const own = (name: string, value: unknown): void => {
    Object.defineProperty(copy, name, { value, writable: true, configurable: true, enumerable: false });
  };
  own('message', fromUtf8(error.message));
  own('frames', error.frames.map((frame) => ({ ...frame, hint: fromUtf8(frame.hint) }))); // prettier-ignore
  own('suggestions', error.suggestions.map(fromUtf8));
  own('positions', positions);
  own('stack', `${copy.name}: ${copy.message}`);
  Error.captureStackTrace?.(copy, outward);
  originals.set(copy, error);
  return copy;
}

/** For an error that JavaScript code called from Nix threw: its own, or one of ours that passed through it. */
export function inward(error: unknown, name: string): unknown {
  if (error instanceof NixError) return originals.get(error) ?? encode(error);
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new EvalError(`the JavaScript function '${utf8(name)}' failed: ${utf8(text)}`, { cause: error });
}

/** An error that JavaScript code made, with text as message. */
function encode(error: NixError): NixError {
  error.message = utf8(error.message);
  return error;
}

/**
 * The error as Nix prints it: trace, message, place in the source, suggestions.
 * @param options all frames of the trace, not only the first few; colours as escape sequences
 */
export function formatError(
  error: unknown,
  options: { readonly showTrace?: boolean; readonly color?: boolean } = {},
): string {
  if (!(error instanceof NixError)) return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const known = rendered.get(error);
  if (known !== undefined) return known;
  const original = originals.get(error);
  const { showTrace = false, color = false } = options;
  if (original !== undefined) {
    return fromUtf8(renderError(original, error.positions ?? new PosTable(), { showTrace, color }));
  }
  return `error: ${error.message}`;
}

/** How `formatError` shows an error that another thread rendered. */
export function setRendered(error: Error, text: string): void {
  rendered.set(error, text);
}

/** Where in the source it happened, if it happened somewhere. */
export function errorPosition(error: unknown): ErrorPosition | undefined {
  if (!(error instanceof NixError)) return undefined;
  const at = [error.pos, ...error.frames.map((frame) => frame.pos)].find((pos) => pos !== 0);
  const position = at === undefined ? undefined : error.positions?.resolve(at);
  if (position === undefined) return undefined;
  return { file: fromUtf8(originName(position.origin.kind)), line: position.line, column: position.column };
}
