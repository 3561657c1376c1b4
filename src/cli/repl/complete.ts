// What the tab key adds, by Nix's rules: names of variables, of attributes of what stands before a dot, of files where
// there is a slash.
import { readdirSync } from 'node:fs';
import { Attrs } from '../../eval/attrs.ts';
import type { Evaluator } from '../../eval/evaluator.ts';
import { fromUtf8, utf8 } from '../../util/bytes.ts';
import { NixError } from '../../util/errors.ts';
import { symbolName, type Sym } from '../../util/symbols.ts';
import { printAttrName } from '../../eval/print-string.ts';
import { parseExpression } from './input.ts';
import type { ReplScope } from './scope.ts';

/** An evaluation for a completion that takes longer is given up. */
const PATIENCE_MS = 3000;

export interface Completion {
  /** Whole words, sorted, that may take the place of `word`. */
  readonly words: readonly string[];
  readonly word: string;
}

/** @param line the line up to the cursor; text */
export function complete(ev: Evaluator, scope: ReplScope, line: string, cwd: string): Completion {
  const command = /^\s*:(?:l|load)\s+(.*)$/.exec(line);
  const word = command?.[1] ?? /[^\s(){}[\]]*$/.exec(line)![0];
  let words: string[];
  if (/^\s*:[a-z-]*$/.test(line)) words = COMMANDS.filter((name) => name.startsWith(word));
  else if (word.includes('/') || command !== null) words = files(word);
  else if (word.includes('.')) words = attributes(ev, scope, word, cwd);
  else words = [...ev.globalNames(), ...scope.names()].map(fromUtf8).filter((name) => name.startsWith(word));
  return { words: [...new Set(words)].sort(), word };
}

export const COMMANDS =
  ':? :a :add :b :bl :doc :e :edit :help :i :l :ll :last-loaded :lf :load :load-flake :log :p :print :q :quit :r :reload :sh :t :te :trace-enable :u'.split(
    ' ',
  );

function files(word: string): string[] {
  const slash = word.lastIndexOf('/');
  const dir = slash < 0 ? '.' : word.slice(0, slash) || '/';
  const start = word.slice(slash + 1);
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter(({ name }) => name.startsWith(start) && (start !== '' || !name.startsWith('.')))
      .map((entry) => word.slice(0, slash + 1) + entry.name + (entry.isDirectory() ? '/' : ''));
  } catch {
    return []; // a folder that can't be read has nothing to offer
  }
}

function attributes(ev: Evaluator, scope: ReplScope, word: string, cwd: string): string[] {
  const dot = word.lastIndexOf('.');
  const target = word.slice(0, dot);
  const start = word.slice(dot + 1);
  ev.setLimits({ deadline: performance.now() + PATIENCE_MS });
  try {
    const set = ev.evalExpr(parseExpression(ev, utf8(target), cwd), scope.attrs());
    if (!(set instanceof Attrs)) return [];
    return Array.from(set.keys.ids, (id) => fromUtf8(printAttrName(symbolName(id as Sym))))
      .filter((name) => name.startsWith(start))
      .map((name) => `${target}.${name}`);
  } catch (error) {
    if (error instanceof NixError) return []; // what fails has no attributes
    throw error;
  } finally {
    ev.setLimits(null);
  }
}
