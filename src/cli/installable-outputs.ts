// `….drv^out,dev`, `hello^*`: the outputs that an installable names.
import { utf8 } from '../util/bytes.ts';
import { UsageError } from '../util/errors.ts';

export type WantedOutputs = readonly string[] | 'all';

/** @throws UsageError */
export function splitOutputs(word: string): { readonly base: string; readonly outputs: WantedOutputs | undefined } {
  const caret = word.lastIndexOf('^');
  if (caret < 0) return { base: word, outputs: undefined };
  const names = word.slice(caret + 1);
  if (names === '*') return { base: word.slice(0, caret), outputs: 'all' };
  const outputs = names.split(',');
  if (!outputs.every((name) => /^[A-Za-z0-9+\-._?=]+$/.test(name))) {
    throw new UsageError(`invalid extended outputs specifier '${utf8(word)}'`);
  }
  return { base: word.slice(0, caret), outputs: [...new Set(outputs)].sort() };
}
