// What `tsnix eval-jobs` and its worker processes say to each other: lines of bytes, a word and a JSON value each.
// Commands go through descriptor 3 of a worker, replies through 4; the end of the commands is the end of the worker.
//
//   do ["a","b"]    evaluate an attribute
//   flush           write what waits to be written
//
//   ready           the root was evaluated
//   attrs ["c"]     it was a set: evaluate these below it
//   row {…}         it was a derivation: the line to print once it is flushed
//   failure {…}     it could not be evaluated: likewise
//   flushed         the derivations of all rows so far are in the store
//   restart         (after a reply) the worker ends, for it has grown too large
//   fatal {…}       the root can't be evaluated: { message, status }
import type { JsonValue } from '../print-json.ts';

/** Names from the root down, byte strings. */
export type AttrPath = readonly string[];

export const COMMANDS_FD = 3;
export const REPLIES_FD = 4;

/** The command that a worker is, with the flags of the other. */
export const WORKER_COMMAND = 'eval-jobs-worker';

/** As one word: names with dots in quotes. */
export function showAttrPath(path: AttrPath): string {
  return path.map((name) => (name.includes('.') ? `"${name}"` : name)).join('.');
}

/** `word json` → both. */
export function splitMessage(line: string): { readonly word: string; readonly json: string } {
  const space = line.indexOf(' ');
  return space < 0 ? { word: line, json: '' } : { word: line.slice(0, space), json: line.slice(space + 1) };
}

export type Row = Map<string, JsonValue>;

export function startRow(path: AttrPath): Row {
  return new Map<string, JsonValue>([
    ['attr', showAttrPath(path)],
    ['attrPath', path],
  ]);
}

export function failureRow(path: AttrPath, error: string): Row {
  return startRow(path).set('error', error);
}
