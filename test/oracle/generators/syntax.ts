// Sources that are mostly in the language: for comparing parsers. Free variables are a … d.
import fc from 'fast-check';

const word = fc.constantFrom('a', 'b', 'c', 'd', "b'", 'a-b', '_x');
const blank = fc.constantFrom(' ', ' ', ' ', '\n', '  ', '\t', '\r\n', ' # c\n', '/* c */');
const text = (...pieces: readonly string[]): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((parts) => parts.join(''));
const stringText = text('a', ' ', '$', '$$', '\\n', '\\${', '\\\\', '\\"', "'", '\r\n', '\n', '{', '}', 'é', '#');
const indentedText = text(
  ' ',
  '  ',
  '\n',
  '\n  ',
  'x',
  'y z',
  '\t',
  '$',
  "''$",
  "'''",
  "''\\n",
  "''\\ ",
  '\\',
  '\r',
  '"',
  "' ",
);
const number = fc.constantFrom(
  '0',
  '1',
  '007',
  '42',
  '9223372036854775807',
  '1.5',
  '.5',
  '1.',
  '1.e2',
  '2.5E-3',
  '0.1',
);
const literal = fc.constantFrom(
  './a',
  '../b',
  './a/b.nix',
  'a/b',
  '1/2',
  '/x/y',
  '/x/../y/./z',
  '<a>',
  '<a/b.c>',
  'u:r',
  'http://x/y?z=1',
);
const binary = fc.constantFrom(
  ...['+', '-', '*', '/', '++', '//', '==', '!=', '<', '<=', '>', '>=', '&&', '||', '->', '+', '++', '//', '&&'],
);

type Parts = {
  expr: string;
  operand: string;
  select: string;
  simple: string;
  path: string;
  name: string;
  bindings: string;
  string: string;
};

/** Sources of expressions. */
export const sources: fc.Arbitrary<string> = fc.letrec<Parts>((tie: fc.LetrecTypedTie<Parts>) => {
  const expr = tie('expr');
  const select = tie('select');
  const cat = (...parts: readonly (string | fc.Arbitrary<string>)[]): fc.Arbitrary<string> =>
    fc.tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant(part) : part))).map((p) => p.join(''));
  const formal = fc.oneof(word, word, cat(word, ' ? ', expr));
  const formals = fc
    .tuple(fc.array(formal, { maxLength: 3 }), fc.constantFrom('', ',', ', ...'))
    .map(([names, end]) => `{ ${names.join(', ')}${names.length === 0 ? end.replace(/^,\s*/, '') : end} }`);
  return {
    expr: fc.oneof(
      { maxDepth: 6, depthIdentifier: 'syntax' },
      tie('operand'),
      tie('operand'),
      cat(tie('operand'), blank, binary, blank, tie('operand')),
      cat(tie('operand'), ' ', binary, ' ', tie('operand'), ' ', binary, ' ', tie('operand')),
      cat(word, fc.constantFrom(': ', ':\n'), expr),
      cat(formals, fc.constantFrom(': ', '@d: ', '@e: '), expr),
      cat('e@', formals, ': ', expr),
      cat('if ', expr, ' then ', expr, ' else ', expr),
      cat('with ', expr, '; ', expr),
      cat('a: assert ', expr, ';', expr), // printed without parentheses: only where that can be read back
      cat('let ', tie('bindings'), ' in ', expr),
    ),
    operand: fc.oneof(
      { maxDepth: 6, depthIdentifier: 'syntax' },
      select,
      select,
      cat(select, blank, select),
      cat(select, ' ', select, ' ', select),
      cat(fc.constantFrom('-', '!', '- ', '! !'), select),
      cat(select, ' ? ', tie('path')),
    ),
    select: fc.oneof(
      { maxDepth: 6, depthIdentifier: 'syntax' },
      tie('simple'),
      tie('simple'),
      cat(tie('simple'), '.', tie('path')),
      cat(tie('simple'), '.', tie('path'), ' or ', select),
      cat(word, ' or'), // what else it may follow is not printed so that it can be read back
    ),
    simple: fc.oneof(
      { maxDepth: 6, depthIdentifier: 'syntax' },
      word,
      word,
      number,
      literal,
      tie('string'),
      cat('(', expr, ')'),
      cat(fc.constantFrom('{ ', 'rec { ', 'let { body = a; '), tie('bindings'), ' }'),
      cat(
        '[ ',
        fc.array(select, { maxLength: 3 }).map((elements) => elements.join(' ')),
        ' ]',
      ),
      cat(fc.constantFrom('./a/', './', '/x', 'a/b'), '${', expr, '}', fc.constantFrom('', '/c', 'd.e')),
    ),
    path: fc.array(tie('name'), { minLength: 1, maxLength: 3 }).map((names) => names.join('.')),
    name: fc.oneof(
      { maxDepth: 6, depthIdentifier: 'syntax' },
      word,
      word,
      word,
      fc.constantFrom('or', '"a"', '"a b"', '"if"', '""', '${"c"}'),
      cat('${', expr, '}'),
      cat('"', stringText, '${', expr, '}"'),
    ),
    bindings: fc
      .array(
        fc.oneof(
          { maxDepth: 6, depthIdentifier: 'syntax' },
          cat(tie('path'), ' = ', expr, ';'),
          cat(tie('path'), ' = ', expr, ';'),
          cat(
            'inherit ',
            fc.array(word, { maxLength: 2 }).map((names) => names.join(' ')),
            ';',
          ),
          cat(
            'inherit (',
            expr,
            ') ',
            fc.array(word, { maxLength: 2 }).map((names) => names.join(' ')),
            ';',
          ),
        ),
        { maxLength: 4 },
      )
      .map((bindings) => bindings.join(' ')),
    string: fc.oneof(
      { maxDepth: 6, depthIdentifier: 'syntax' },
      cat('"', stringText, '"'),
      cat("''", indentedText, "''"),
      cat('"', stringText, '${', expr, '}', stringText, '"'),
      cat("''", indentedText, '${', expr, '}', indentedText, '${', expr, '}', indentedText, "''"),
    ),
  };
}).expr;
