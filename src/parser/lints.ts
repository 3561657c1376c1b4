// Settings that make something of literals that are legal, but not wise: `lint-url-literals` and its like.
import { ParseError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';

export type LintLevel = 'ignore' | 'warn' | 'fatal';

/** Each is the Nix setting of that name. */
export interface LintLevels {
  readonly urlLiterals?: LintLevel;
  /** `/…` and `~/…` */
  readonly absolutePathLiterals?: LintLevel;
  /** Relative paths that do not begin with a dot. */
  readonly shortPathLiterals?: LintLevel;
}

/** Warns or throws as the levels say. */
export class Linter {
  private readonly levels: LintLevels;
  private readonly warn: (message: string, pos: Pos) => void;

  constructor(levels: LintLevels, warn: (message: string, pos: Pos) => void) {
    this.levels = levels;
    this.warn = warn;
  }

  /** @throws ParseError */
  url(literal: string, pos: Pos): void {
    const level = this.levels.urlLiterals;
    const judgement = level === 'fatal' ? 'disallowed' : 'discouraged';
    const message = `URL literals are ${judgement}. Consider using a string literal "${literal}" instead`;
    this.report(level, message, 'lint-url-literals', pos);
  }

  /** @throws ParseError */
  path(literal: string, pos: Pos): void {
    if (literal.startsWith('/') || literal.startsWith('~')) {
      const kind = literal.startsWith('/') ? 'absolute' : 'home';
      const message = `${kind} path literals are not portable. Consider replacing path literal '${literal}' by a string, relative path, or parameter`;
      this.report(this.levels.absolutePathLiterals, message, 'lint-absolute-path-literals', pos);
    } else if (!literal.startsWith('.')) {
      const message = `relative path literal '${literal}' should be prefixed with '.' for clarity: './${literal}'`;
      this.report(this.levels.shortPathLiterals, message, 'lint-short-path-literals', pos);
    }
  }

  private report(level: LintLevel | undefined, message: string, setting: string, pos: Pos): void {
    const text = `${message} (${setting})`;
    if (level === 'fatal') throw new ParseError(text, { pos });
    if (level === 'warn') this.warn(text, pos);
  }
}
