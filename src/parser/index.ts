// Nix source → syntax tree.
import { InternalError, StackOverflowError } from '../util/errors.ts';
import { indentLines, showPlace } from '../util/excerpt.ts';
import { locate, showPosition, type Origin, type Pos } from '../util/positions.ts';
import type { Expr } from './ast.ts';
import { NixParser } from './grammar.ts';
import { tokenize } from './lexer.ts';
import { Linter, type LintLevels } from './lints.ts';
import { Rejected } from './name-grammar.ts';
import { DEEP, nestingBound, TOO_DEEP } from './nesting.ts';
import { syntaxError } from './syntax-error.ts';

export type { Expr } from './ast.ts';
export type { LintLevel, LintLevels } from './lints.ts';
export { printExpr } from './print.ts';

export interface ParseOptions {
  readonly origin: Origin;
  /** Where relative path literals start: an absolute path. */
  readonly baseDir: string;
  /** null: home path literals are errors (pure evaluation). */
  readonly homeDir: string | null;
  /** Experimental features that are on; the parser knows `pipe-operators`. */
  readonly features: ReadonlySet<string>;
  /** Gets whole texts, to be written after "warning: ". */
  readonly warn?: (message: string, pos: Pos) => void;
  readonly lints?: LintLevels;
  /** Before so many bytes are taken. @throws EvalError where they are not there */
  readonly expectRoom?: (bytes: number) => void;
}

/** Sources of so many tokens (some 4 MB) are looked at as a whole before their tree is made. */
const MANY = 1 << 20;
/** Of the tree and the code that a token becomes. */
const TOKEN_BYTES = 80;

let parser: NixParser | undefined;

/**
 * Parses a byte string.
 * @throws ParseError with Nix's words
 * @throws StackOverflowError where the source is nested too deeply for the host's stack
 */
export function parseNix(source: string, options: ParseOptions): Expr {
  const tokens = tokenize(source, { pipeOperators: options.features.has('pipe-operators') });
  if (tokens.count > MANY) options.expectRoom?.(tokens.count * TOKEN_BYTES);
  parser ??= new NixParser({ skipValidations: true });
  const { base } = options.origin;
  const depth = nestingBound(tokens);
  if (depth > DEEP) {
    const error = syntaxError(tokens, base);
    if (error !== null) throw error;
    if (depth > TOO_DEEP) throw tooDeep();
  }
  try {
    return parser.parse({
      tokens,
      base,
      baseDir: options.baseDir,
      homeDir: options.homeDir,
      lint: linter(options),
      showPos: (pos) => showPosition(locate(options.origin, pos)),
      warnCursedOr: (start, end) => {
        options.warn?.(cursedOrMessage(options.origin, source, start, end), start);
      },
    });
  } catch (error) {
    if (error instanceof Rejected) {
      const words = syntaxError(tokens, base);
      if (words === null) throw new InternalError('the grammar rejects what Nix accepts');
      throw words;
    }
    if (error instanceof RangeError) throw tooDeep();
    throw error;
  } finally {
    parser.release();
  }
}

/** In the words that Nix ends with where its own stack ends. */
function tooDeep(): StackOverflowError {
  return new StackOverflowError('stack overflow (possible infinite recursion)');
}

function linter({ lints, origin, warn }: ParseOptions): Linter | null {
  if (lints === undefined || Object.values(lints).every((level) => level === 'ignore')) return null;
  return new Linter(lints, (message, pos) => {
    const text = `${message}\n${showPlace(locate(origin, pos))}`.trimEnd();
    warn?.(indentLines('', ' '.repeat('warning: '.length), text), pos);
  });
}

function cursedOrMessage(origin: Origin, source: string, start: Pos, end: Pos): string {
  const snippet = source.slice(start - origin.base, end - origin.base).replace(/\r\n?/g, '\n');
  return [
    `at ${showPosition(locate(origin, start))}: This expression uses \`or\` as an identifier in a way that will change in a future Nix release.`,
    'Wrap this entire expression in parentheses to preserve its current meaning:',
    `    (${snippet})`,
    'Give feedback at https://github.com/NixOS/nix/pull/11121',
  ].join('\n');
}
