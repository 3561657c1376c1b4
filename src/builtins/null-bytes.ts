import { utf8 } from '../util/bytes.ts';
import { EvalError } from '../util/errors.ts';

/** Nix strings hold no NUL. @throws EvalError */
export function forbidNullBytes(text: string): void {
  if (!text.includes('\0')) return;
  throw new EvalError(
    `input string '${text.replaceAll('\0', utf8('␀'))}' cannot be represented as Nix string because it contains null bytes`,
  );
}
