// Random data in the formats that builtins read: JSON, TOML, versions, numbers.
import fc from 'fast-check';
import { utf8 } from '../../../src/util/bytes.ts';

const integers = fc.oneof(
  fc.integer({ min: -20, max: 20 }).map(String),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  fc.constantFrom('-0', '9007199254740993', '18446744073709551616', '-9223372036854775809', '1000000000000000000000'),
);
export const floats = fc.oneof(
  fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .filter((x) => Math.abs(x) >= 1e-300 || x === 0)
    .map((x) => x.toExponential()),
  fc
    .tuple(fc.integer({ min: -99999999, max: 99999999 }), fc.integer({ min: -12, max: 12 }))
    .map(([digits, exponent]) => `${digits}e${exponent}`),
  fc.tuple(fc.integer({ min: -9999, max: 9999 }), fc.nat({ max: 999999 })).map(([a, b]) => `${a}.${b}`),
  fc.constantFrom(
    '0.5',
    '1.5',
    '2.5e-7',
    '0.1',
    '123456.5',
    '1234567.5',
    '99999.95',
    '999999.5',
    '1e15',
    '1e-5',
    '0.0001',
    '0.00001',
    '4.35',
    '-0.0',
    ...['1.7976931348623157e308', '2.2250738585072014e-308', '9999995e-1', '999999.4999999999', '1e16', '1e17', '1e-4'],
    ...['0.30000000000000004', '5e-7', '0.5e-6', '123456789012345680.0', '0.000001', '1e21', '1e22'],
  ),
);

const escapes = fc.constantFrom(
  '\\n',
  '\\"',
  '\\\\',
  '\\/',
  '\\u00e9',
  '\\ud83d\\ude00',
  '\\t',
  '\\b',
  '\\f',
  '\\r',
  '\\u0001',
);
const jsonStrings = fc
  .array(fc.oneof(fc.constantFrom('a', 'b', ' ', '$', '{', 'é', '😀', "'", '/', '\x7f'), escapes), { maxLength: 6 })
  .map((parts) => `"${parts.join('')}"`);

/** JSON documents, as text (byte strings). */
export const jsonDocuments: fc.Arbitrary<string> = fc
  .letrec<{ value: string; array: string; object: string }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom('null', 'true', 'false'),
      integers,
      floats.filter((f) => !/^-?\d+$/.test(f)),
      jsonStrings,
      tie('array'),
      tie('object'),
    ),
    array: fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(' , ')}]`),
    object: fc
      .array(fc.tuple(jsonStrings, tie('value')), { maxLength: 4 })
      .map((members) => `{${members.map(([key, value]) => `${key} : ${value}`).join(',\n')}}`),
  }))
  .value.map(utf8);

/** JSON with a byte changed, or cut short. */
export const brokenJson: fc.Arbitrary<string> = fc
  .tuple(jsonDocuments, fc.nat(), fc.constantFrom('', ',', '"', '\\', ']', '}', '0', 'x', '\n', '-', '.', 'e', '\xff'))
  .map(([text, at, byte]) => {
    const i = at % (text.length + 1);
    return text.slice(0, i) + byte + text.slice(i + 1);
  });

const bareKeys = fc.constantFrom('a', 'b', 'c', 'a-b', 'x_y', '1', '"q k"', "'l'", 'a.b', 'b.c', 'c . d', '"é"');
const tomlStrings = fc.oneof(
  fc
    .array(fc.constantFrom('a', ' ', "'", 'é', '\\n', '\\"', '\\\\', '\\u00E9', '\\U0001F600', '#'), { maxLength: 5 })
    .map((parts) => `"${parts.join('')}"`),
  fc.array(fc.constantFrom('a', '\\', '"', 'é', '\t'), { maxLength: 5 }).map((parts) => `'${parts.join('')}'`),
  fc
    .array(fc.constantFrom('a', '\n', '"', '\\\n  ', 'é', '\\t', "'"), { maxLength: 5 })
    .map((parts) => `"""${parts.join('').replaceAll('"""', '""')}x"""`),
  fc.array(fc.constantFrom('a', '\n', '\\', '"'), { maxLength: 5 }).map((parts) => `'''${parts.join('')}'''`),
);
const tomlNumbers = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  fc.constantFrom(
    '0',
    '+1',
    '-0',
    '1_000',
    '0xDEAD_beef',
    '0o17',
    '0b1010',
    '1.5',
    '-2.5e3',
    '1e6',
    '6.626e-34',
    '1_0.0_1',
    'inf',
    '-inf',
    '+inf',
    ...['0x7fffffffffffffff', '0xFFFFFFFFFFFFFFFF', '9223372036854775808', '1e400', '1e-400', '0e0', '+0.0', '1E+2'],
  ),
);
/** Dates and times; Nix refuses all of them, unless an experimental feature is on. */
const tomlTimes = fc.constantFrom(
  ...['1979-05-27', '07:32:00', '1979-05-27T07:32:00', '1979-05-27 07:32:00Z', '1979-05-27T00:32:00.999999-07:00'],
);

/** TOML documents, most of them valid. */
export const tomlDocuments: fc.Arbitrary<string> = fc
  .letrec<{ value: string; line: string }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom('true', 'false'),
      tomlNumbers,
      tomlStrings,
      fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join(', ')}]`),
      fc
        .array(fc.tuple(bareKeys, tie('value')), { maxLength: 2 })
        .map((m) => `{ ${m.map(([k, v]) => `${k} = ${v}`).join(', ')} }`),
    ),
    line: fc.oneof(
      { weight: 6, arbitrary: fc.tuple(bareKeys, tie('value')).map(([key, value]) => `${key} = ${value}`) },
      { weight: 2, arbitrary: bareKeys.map((key) => `[${key}]`) },
      { weight: 1, arbitrary: bareKeys.map((key) => `[[${key}]]`) },
      { weight: 1, arbitrary: fc.constantFrom('', '# comment é', '  ') },
    ),
  }))
  .line.map((line) => line);

export const tomlFiles: fc.Arbitrary<string> = fc
  .array(tomlDocuments, { maxLength: 5 })
  .map((lines) => utf8(`${lines.join('\n')}\n`));

/** TOML with a few bytes changed. */
export const brokenToml: fc.Arbitrary<string> = fc
  .tuple(
    fc.array(
      fc.oneof(
        { weight: 6, arbitrary: tomlDocuments },
        tomlTimes.map((time) => `t = ${time}`),
      ),
      { maxLength: 4 },
    ),
    fc.nat(),
    fc.constantFrom(
      ...[
        '',
        ',',
        '"',
        "'",
        '\\',
        ']',
        '}',
        '[',
        '{',
        '=',
        '0',
        '_',
        'x',
        '\n',
        '\r',
        '\r\n',
        '-',
        '+',
        '.',
        'e',
        '#',
        '\t',
      ],
      ...[
        '\xff',
        '\x01',
        '\x7f',
        '""' + '"',
        "''" + "'",
        '00',
        '__',
        '..',
        '[[',
        ']]',
        'nan',
        'true',
        '\\u00',
        '\\ud800',
      ],
    ),
    fc.boolean(),
  )
  .map(([lines, at, bytes, replace]) => {
    const text = utf8(`${lines.join('\n')}\n`);
    const i = at % (text.length + 1);
    return text.slice(0, i) + bytes + text.slice(i + (replace ? 1 : 0));
  });

/** Float literals of the language, which JSON and TOML do not all have. */
export const floatLiterals: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom('0.0', '1.', '.5', '12.', '0.1', '9.99', '123456.7', '.000', '100.001', '4.35', '1.0', '999999.5'),
    fc.stringMatching(/^[0-9]{0,18}$/),
    fc.constantFrom('', '', 'e0', 'E5', 'e+3', 'e-3', 'e10', 'e-10', 'e100', 'e-100', 'e290', 'e-270'),
  )
  .map((parts) => parts.join(''));

export const versions: fc.Arbitrary<string> = fc
  .array(
    fc.constantFrom(
      '1',
      '0',
      '10',
      '2',
      '.',
      '-',
      'a',
      'pre',
      'rc',
      'é',
      '2147483647',
      '2147483648',
      '01',
      '_',
      '..',
      '+',
    ),
    { maxLength: 6 },
  )
  .map((parts) => utf8(parts.join('')));

export const shortStrings: fc.Arbitrary<string> = fc
  .array(fc.constantFrom('a', 'b', 'ab', '', 'é', '/', '-', '1', ' '), { maxLength: 6 })
  .map((parts) => utf8(parts.join('')));

/** `''…''` with every escape, interpolation, and kind of blank that indentation is made of; some end early. */
export const indentedStrings: fc.Arbitrary<string> = fc
  .array(
    fc.constantFrom(
      ...[
        '\n',
        '\n',
        '\n  ',
        '\n    ',
        '\n\t',
        '\n \t',
        '\r\n',
        '\n\n',
        ' ',
        '  ',
        '\t',
        'a',
        'b c',
        'é',
        '"',
        '\\',
        '\\n',
      ],
      ...[
        "'''",
        "''$",
        "''${",
        "''\\n",
        "''\\t",
        "''\\r",
        "''\\a",
        "''\\\n",
        "' ",
        "'a",
        '$',
        '$$',
        '$${',
        '$ {',
        '{',
        '}',
        '#',
        '/*',
      ],
      ...['${"x"}', '${"\\n  x"}', '${"  "}', "${''\n    y\n  ''}", '${toString 1}', '${""}', '$${"a"}'],
    ),
    { maxLength: 14 },
  )
  // What ends in `$` or `'` would make another word of the closing quotes.
  .map((pieces) => utf8(`''${pieces.join('').replace(/[$']+$/, '')}''`));
