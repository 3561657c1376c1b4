// Parsing small sources in tests.
import { parseNix, printExpr, type Expr, type ParseOptions } from '../../src/parser/index.ts';
import { utf8 } from '../../src/util/bytes.ts';
import { ParseError } from '../../src/util/errors.ts';
import { PosTable } from '../../src/util/positions.ts';

export type TestOptions = Partial<Omit<ParseOptions, 'origin' | 'features'>> & {
  readonly features?: readonly string[];
};

/** The tree of a text; relative paths start at /base, home is /home/me. The position of byte 0 is 1. */
export function parse(source: string, { features = [], ...options }: TestOptions = {}): Expr {
  const bytes = utf8(source);
  const origin = new PosTable().addOrigin({ kind: 'string' }, bytes, bytes.length);
  return parseNix(bytes, { origin, baseDir: '/base', homeDir: '/home/me', features: new Set(features), ...options });
}

/** What `--parse` prints of a text. */
export function printed(source: string, options?: TestOptions): string {
  return printExpr(parse(source, options));
}

/** `LINE:COLUMN message` of the error that a text ends with. */
export function parseFailure(source: string, options: TestOptions = {}): string {
  const bytes = utf8(source);
  const positions = new PosTable();
  const origin = positions.addOrigin({ kind: 'string' }, bytes, bytes.length);
  try {
    const { features = [], ...rest } = options;
    const expr = parseNix(bytes, {
      origin,
      baseDir: '/base',
      homeDir: '/home/me',
      features: new Set(features),
      ...rest,
    });
    return `parsed: ${printExpr(expr)}`;
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    const position = positions.resolve(error.pos);
    const place = position === undefined ? '' : `${position.line}:${position.column} `;
    return place + Buffer.from(error.message, 'latin1').toString('utf8');
  }
}
