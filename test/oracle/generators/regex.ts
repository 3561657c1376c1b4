// Random POSIX extended regular expressions, mostly valid, and texts that they might match.
import fc from 'fast-check';

const atomLetters = fc.constantFrom(
  ...['a', 'b', 'c', '.', '[ab]', '[^a]', '\\.', '[[:alpha:]]', '[a-c]', '[]b]', '[a-]'],
  ...['[^]a]', '[^[:space:]b]', '[[:upper:]-]', '[[.a.]b]', '[[=b=]]', '[.[]', '()', '(|a)', '(a|)', '[[:digit:]a-b]'],
);

const anchors = fc.constantFrom('^', '$');

/** Real Nix takes exponential time on longer ones. */
const MAX_LENGTH = 22;

export const regexes: fc.Arbitrary<string> = fc
  .letrec<{
    disjunction: string;
    sequence: string;
    term: string;
    atom: string;
  }>((tie) => ({
    disjunction: fc.oneof(
      { weight: 3, arbitrary: tie('sequence') },
      {
        weight: 1,
        arbitrary: fc.array(tie('sequence'), { minLength: 2, maxLength: 3 }).map((parts) => parts.join('|')),
      },
    ),
    sequence: fc.array(tie('term'), { minLength: 0, maxLength: 4 }).map((terms) => terms.join('')),
    term: fc.oneof(
      { weight: 12, arbitrary: tie('atom') },
      {
        weight: 8,
        arbitrary: fc
          .tuple(
            tie('atom'),
            fc.constantFrom(
              ...['*', '+', '?', '{2}', '{1,}', '{0,2}', '{1,2}', '**', '+?'],
              ...['{0}', '{0,}', '{3}', '{0,0}', '{2,}', '*{2}', '{1}?'],
            ),
          )
          .map((parts) => parts.join('')),
      },
      { weight: 1, arbitrary: anchors },
    ),
    atom: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 4, arbitrary: atomLetters },
      { weight: 2, arbitrary: tie('disjunction').map((inner) => `(${inner})`) },
    ),
  }))
  .disjunction.filter((pattern) => pattern.length <= MAX_LENGTH);

/** Bits that make a pattern odd or wrong. */
export const oddRegexes: fc.Arbitrary<string> = fc
  .array(
    fc.constantFrom(
      ...['a', 'b', '(', ')', '[', ']', '{', '}', '*', '+', '?', '|', '^', '$', '.', '\\', '-', ',', '1', '0', '\\*'],
      ...[
        '[a',
        '[^',
        '[[:alpha:]',
        '[[:w:]]',
        '[[=a=]]',
        '[[.hyphen.]]',
        '[z-a]',
        '[a-c-e]',
        '[--0]',
        '[\\n]',
        'é',
        '[à-é]',
        ...['{,2}', '{2,1}', '{1', '{a}', '{1,2,3}', '{99999}', '{ 1}', '\\1', '(a)\\1', '\\d', '\\w', '\\{', '\\\\'],
        ...[
          '[[:alpha:]-z]',
          '[a-[:digit:]]',
          '[[.-.]-a]',
          '[[.space.]]',
          '[[=é=]]',
          '[[:ALPHA:]]',
          '[^^]',
          '[a^]',
          '[\\]]',
        ],
        ...['||', '(|', '()', '^*', '(^)*', '$+', '(^|a)', '(b|$)', '\n'],
      ],
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((parts) => Buffer.from(parts.join(''), 'utf8').toString('latin1'));

export const texts: fc.Arbitrary<string> = fc
  .array(fc.constantFrom('a', 'b', 'c', 'a', 'b', 'd', '.', '-', '\n', 'A', 'é'), { maxLength: 12 })
  .map((parts) => Buffer.from(parts.join(''), 'utf8').toString('latin1'));
