// Literals, operators and builtins that give a value of a type.
import type { Choices } from './choices.ts';
import type { ProgramMaker } from './expressions.ts';
import { apply, at, binary, BINDS, expression, quote, simple, type Source } from './source.ts';
import {
  attributeName,
  BOOL,
  dictOf,
  FLOAT,
  functionOf,
  INT,
  listOf,
  NULL,
  ordered,
  PATH,
  plainData,
  printable,
  setOf,
  STRING,
  type as randomType,
  type Type,
} from './types.ts';

const REGEXES = ['.*', '(a|b)*', '([a-z]+) ?', '(.)(.)', '[[:alpha:]]', '(x)?(.*)', 'b', '^a', '(', '\\n'];

/** The simplest expressions of a type. */
export function leaf(maker: ProgramMaker, type: Type): Source {
  const { choices } = maker;
  switch (type.kind) {
    case 'int':
      return choices.from(INTS);
    case 'float':
      return simple(choices.from(FLOATS));
    case 'bool':
      return choices.of(simple('true'), simple('false'));
    case 'null':
      return simple('null');
    case 'string':
      return simple(choices.from(STRINGS));
    case 'path':
      return simple(choices.from(PATHS));
    case 'list':
      return choices.below(2) === 0 ? simple('[ ]') : simple(`[ ${at(BINDS.simple, leaf(maker, type.of))} ]`);
    case 'dict':
      return simple('{ }');
    case 'set':
      return Object.keys(type.fields).length === 0 ? simple('{ }') : maker.set(type.fields, 0);
    case 'function':
      return expression(`_: ${leaf(maker, type.to).text}`);
  }
}

const INTS: readonly Source[] = [
  ...['0', '1', '2', '3', '7', '10', '(-1)', '007', '9223372036854775807'].map(simple),
  binary(simple('-9223372036854775807'), '-', simple('1'), BINDS.add, 'left'),
  ...['9007199254740993', '4611686018427387904', '4294967296'].map(simple),
];

const FLOATS = [
  ...['0.5', '1.0', '.25', '1.5e3', '1.0e100', '0.1', '1.', '1.0e308', '2.5E-3', '2.3e-308', '123456789.0', '(-0.0)'],
  ...['9007199254740992.0', '9223372036854775808.0'],
] as const;

const PATHS = ['./a.txt', '/a/b', './dir', './dir/sub', '../x', './dir/../a.txt', '/a'] as const;

const STRINGS = [
  '"a"',
  '""',
  '"b c"',
  "''a''",
  '"a\\n\\t\\"\\\\x"',
  '"\\${a}$b$$"',
  '"é"',
  "''\n    x\n      y\n  ''",
  "''\n  a''${b}\n  ''\\tc '''d\n''",
  '"/a/b"',
  '"1.2.3pre4"',
  '"foo-1.0"',
  '"{\\"a\\":[1,null]}"',
  '(http://a.b/c?d)',
  '"x\r\ny"',
  '"\\a\\0"',
] as const;

/** An operator or a builtin. */
export function operations(maker: ProgramMaker, type: Type, depth: number): Source {
  const d = depth - 1;
  switch (type.kind) {
    case 'int':
      return ints(maker, d);
    case 'float':
      return floats(maker, d);
    case 'bool':
      return bools(maker, d);
    case 'string':
      return strings(maker, d);
    case 'path':
      return paths(maker, d);
    case 'list':
      return lists(maker, type.of, d);
    case 'set':
      return sets(maker, type.fields, d);
    case 'dict':
      return dicts(maker, type.of, d);
    case 'function':
      return functions(maker, type.from, type.to, d);
    case 'null':
      return maker.choices.of(
        simple('null'),
        apply('builtins.match', simple('"q"'), simple('"p"')),
        apply('builtins.fromJSON', simple('"null"')),
      );
  }
}

function ints(maker: ProgramMaker, d: number): Source {
  const { choices } = maker;
  const int = (): Source => maker.make(INT, d);
  return choices.way<Source>([
    [4, () => binary(int(), '+', int(), BINDS.add, 'left')],
    [3, () => binary(int(), '-', int(), BINDS.add, 'left')],
    [2, () => binary(int(), '*', int(), BINDS.multiply, 'left')],
    [2, () => binary(int(), '/', int(), BINDS.multiply, 'left')],
    [1, () => ({ text: `-${maker.text(INT, d, BINDS.apply)}`, binds: BINDS.negate })],
    [3, () => apply(`builtins.${choices.of('add', 'sub', 'mul', 'div', 'bitAnd', 'bitOr', 'bitXor')}`, int(), int())],
    [2, () => apply('builtins.length', maker.make(listOf(randomType(choices, 1)), d))],
    [2, () => apply('builtins.stringLength', maker.make(STRING, d))],
    [1, () => apply(`builtins.${choices.of('floor', 'ceil')}`, maker.make(choices.of(FLOAT, INT), d))],
    [1, () => apply('builtins.compareVersions', maker.make(STRING, d), maker.make(STRING, d))],
    [1, () => apply("builtins.foldl' builtins.add", int(), maker.make(listOf(INT), d))],
    [1, () => apply('builtins.fromJSON', apply('toString', int()))],
  ]);
}

function floats(maker: ProgramMaker, d: number): Source {
  const { choices } = maker;
  const number = (): Source => maker.make(choices.of(FLOAT, INT), d);
  const [op, binds] = choices.of(['+', BINDS.add], ['-', BINDS.add], ['*', BINDS.multiply], ['/', BINDS.multiply]) as [
    string,
    number,
  ];
  return choices.way<Source>([
    [4, () => binary(maker.make(FLOAT, d), op, number(), binds, 'left')],
    [4, () => binary(number(), op, maker.make(FLOAT, d), binds, 'left')],
    [1, () => ({ text: `-${maker.text(FLOAT, d, BINDS.apply)}`, binds: BINDS.negate })],
    [1, () => apply(`builtins.${choices.of('add', 'sub', 'mul', 'div')}`, maker.make(FLOAT, d), number())],
  ]);
}

function bools(maker: ProgramMaker, d: number): Source {
  const { choices } = maker;
  const bool = (): Source => maker.make(BOOL, d);
  const two = (of: Type): [Source, Source] => [maker.make(of, d), maker.make(of, d)];
  return choices.way<Source>([
    [
      4,
      () => {
        const [a, b] = two(randomType(choices, 2));
        return binary(a, choices.of('==', '!='), b, BINDS.equal, 'none');
      },
    ],
    [
      2,
      () =>
        binary(
          maker.make(randomType(choices, 1), d),
          choices.of('==', '!='),
          maker.make(randomType(choices, 1), d),
          BINDS.equal,
          'none',
        ),
    ],
    [
      4,
      () => {
        const [a, b] = two(ordered(choices, 1));
        return binary(a, choices.of('<', '<=', '>', '>='), b, BINDS.less, 'none');
      },
    ],
    [1, () => binary(maker.make(INT, d), '<', maker.make(FLOAT, d), BINDS.less, 'none')],
    [2, () => binary(bool(), '&&', bool(), BINDS.and, 'left')],
    [2, () => binary(bool(), '||', bool(), BINDS.or, 'left')],
    [2, () => binary(bool(), '->', bool(), BINDS.implies, 'right')],
    [2, () => ({ text: `!${maker.text(BOOL, d, BINDS.not)}`, binds: BINDS.not })],
    [
      3,
      () => {
        const path = [maker.choices, maker.choices].slice(choices.below(2)).map((c) => quoteAny(attributeName(c)));
        return {
          text: `${maker.text(randomType(choices, 2), d, BINDS.has + 1)} ? ${path.join('.')}`,
          binds: BINDS.has,
        };
      },
    ],
    [
      2,
      () =>
        apply(
          `builtins.${choices.of('isInt', 'isFloat', 'isString', 'isBool', 'isList', 'isAttrs', 'isFunction', 'isPath', 'isNull')}`,
          maker.make(randomType(choices, 1), d),
        ),
    ],
    [
      1,
      () =>
        apply(
          'builtins.hasAttr',
          simple(quoteAny(attributeName(choices))),
          maker.make(setOf({ a: randomType(choices, 0) }), d),
        ),
    ],
    [
      2,
      () => {
        const of = randomType(choices, 1);
        return apply('builtins.elem', maker.make(of, d), maker.make(listOf(of), d));
      },
    ],
    [
      2,
      () => {
        const of = randomType(choices, 1);
        return apply(`builtins.${choices.of('any', 'all')}`, maker.lambda(of, BOOL, d), maker.make(listOf(of), d));
      },
    ],
    [1, () => apply('builtins.hasContext', maker.make(STRING, d))],
    [1, () => apply('builtins.pathExists', maker.make(PATH, d))],
    [1, () => simple(`(builtins.tryEval ${at(BINDS.simple, maker.lazy(d))}).success`)],
    [
      1,
      () => {
        const of = ordered(choices, 1);
        return apply('builtins.lessThan', maker.make(of, d), maker.make(of, d));
      },
    ],
  ]);
}

/** Quoted as a string in every case: a literal, and a name that `?` takes. */
function quoteAny(name: string): string {
  return quote(name);
}

function strings(maker: ProgramMaker, d: number): Source {
  const { choices } = maker;
  const string = (): Source => maker.make(STRING, d);
  return choices.way<Source>([
    [5, () => binary(string(), '+', string(), BINDS.add, 'left')],
    [6, () => interpolated(maker, d)],
    [4, () => indented(maker, d)],
    [4, () => apply('toString', maker.make(printable(choices, 2), d))],
    [1, () => apply('toString', stringLike(maker, d))],
    [2, () => apply('builtins.toJSON', maker.make(plainData(choices, 2), d))],
    [2, () => apply('builtins.toXML', maker.make(plainData(choices, 2), d))],
    [1, () => apply('builtins.toXML', maker.make(randomType(choices, 2), d))],
    [
      2,
      () =>
        apply(
          'builtins.substring',
          simple(choices.of('0', '1', '2', '(-1)', '9')),
          simple(choices.of('3', '1', '0', '(-1)', '100')),
          string(),
        ),
    ],
    [2, () => apply('builtins.concatStringsSep', string(), maker.make(listOf(STRING), d))],
    [2, () => apply('builtins.replaceStrings', maker.make(listOf(STRING), d), maker.make(listOf(STRING), d), string())],
    [
      2,
      () =>
        expression(
          `let from = ${maker.text(listOf(STRING), d)}; in builtins.replaceStrings from (map (x: ${maker.text(STRING, d)}) from) ${maker.text(STRING, d, BINDS.simple)}`,
        ),
    ],
    [1, () => apply('builtins.typeOf', maker.make(randomType(choices, 2), d))],
    [1, () => apply('builtins.hashString', simple(choices.of('"sha256"', '"md5"', '"sha1"', '"sha512"')), string())],
    [2, () => apply(choices.of('baseNameOf', 'dirOf'), string())],
    [1, () => apply('baseNameOf', maker.make(PATH, d))],
    [1, () => apply('builtins.unsafeDiscardStringContext', string())],
    [1, () => apply('builtins.toFile', simple('"n"'), string())],
    [1, () => apply('builtins.placeholder', choices.of(simple('"out"'), string()))],
    [1, () => apply('builtins.readFile', choices.of(simple('./a.txt'), maker.make(PATH, d)))],
    [2, () => simple(`${derivationOf(maker, d)}.${choices.of('outPath', 'drvPath', 'name', 'out.outPath', 'type')}`)],
    [1, () => simple(`"\${${derivationOf(maker, d)}}${choices.of('', '/bin')}"`)],
    [1, () => simple(`"\${${choices.of('./a.txt', './dir')}}"`)],
    [
      1,
      () => simple(`(builtins.parseDrvName ${maker.text(STRING, d, BINDS.simple)}).${choices.of('name', 'version')}`),
    ],
    [
      1,
      () =>
        expression(
          `let m = builtins.match ${quote(choices.from(REGEXES))} ${maker.text(STRING, d, BINDS.simple)}; in builtins.toJSON m`,
        ),
    ],
    [1, () => binary(stringLike(maker, d), '+', string(), BINDS.add, 'left')],
    [1, () => apply('builtins.unsafeDiscardOutputDependency', string())],
    [1, () => apply('builtins.appendContext', string(), apply('builtins.getContext', string()))],
  ]);
}

/** A set that can be had as a string. */
function stringLike(maker: ProgramMaker, d: number): Source {
  return maker.choices.of<Source>(
    simple(`{ outPath = ${maker.text(STRING, d)}; }`),
    simple(`{ __toString = self: self.s; s = ${maker.text(STRING, d)}; }`),
    simple(`{ __toString = _: ${maker.text(STRING, d)}; outPath = throw "no"; }`),
    simple(`{ outPath = { outPath = ${maker.text(STRING, d)}; }; }`),
  );
}

function interpolated(maker: ProgramMaker, d: number): Source {
  const { choices } = maker;
  const parts = choices.list(3, () =>
    choices.below(2) === 0
      ? `\${${choices.once(6) ? stringLike(maker, d).text : maker.text(STRING, d)}}`
      : choices.of('a', ' ', '\\n', '$', '\\${', '\\\\', "'", "''", '\n', 'é', '\\"'),
  );
  return simple(`"${parts.join('').replaceAll('$${', '$\\${')}"`);
}

function indented(maker: ProgramMaker, d: number): Source {
  const { choices } = maker;
  const parts = choices.list(6, () =>
    choices.below(3) === 0
      ? `\${${maker.text(STRING, d)}}`
      : choices.of(
          'a',
          '\n',
          '  ',
          '\n    ',
          '\n  ',
          "''$",
          "'''",
          "''\\n",
          "''\\t",
          '"',
          '\\',
          '\t',
          '\r\n',
          '$$',
          ' b',
        ),
  );
  return simple(`''${parts.join('')} ''`);
}

function derivationOf(maker: ProgramMaker, d: number): string {
  const { choices } = maker;
  const extra = choices.list(2, (i) => `e${i} = ${choices.once(5) ? './a.txt' : maker.text(stored(choices), d)};`);
  const args = choices.once(3) ? ` args = ${maker.text(listOf(STRING), d)};` : '';
  const outputs = choices.once(4) ? ' outputs = [ "out" "dev" ];' : '';
  const name = choices.once(6) ? maker.text(STRING, 0) : '"d"';
  return `(derivation { name = ${name}; system = "s"; builder = ${choices.of('"/b"', './a.txt')};${args}${outputs} ${extra.join(' ')} })`;
}

/** What goes into derivations: no paths, which may be large trees. */
function stored(choices: Choices): Type {
  return choices.of<Type>(STRING, INT, BOOL, NULL, FLOAT, listOf(STRING));
}

function paths(maker: ProgramMaker, d: number): Source {
  const { choices } = maker;
  return choices.way<Source>([
    [3, () => binary(maker.make(PATH, d), '+', maker.make(STRING, d), BINDS.add, 'left')],
    [1, () => binary(maker.make(PATH, d), '+', maker.make(PATH, d), BINDS.add, 'left')],
    [2, () => apply('dirOf', maker.make(PATH, d))],
    [2, () => simple(`./dir/\${${maker.text(STRING, d)}}${choices.of('', '/b', 'c')}`)],
    [1, () => simple(`/x\${${maker.text(STRING, d)}}/../y`)],
  ]);
}

function lists(maker: ProgramMaker, of: Type, d: number): Source {
  const { choices } = maker;
  const list = (): Source => maker.make(listOf(of), d);
  const ways: (readonly [number, () => Source])[] = [
    [4, () => binary(list(), '++', list(), BINDS.concat, 'right')],
    [
      4,
      () => {
        const from = randomType(choices, 1);
        return apply('map', maker.lambda(from, of, d), maker.make(listOf(from), d));
      },
    ],
    [2, () => apply('builtins.filter', maker.lambda(of, BOOL, d), list())],
    [2, () => apply('builtins.genList', maker.lambda(INT, of, d), choices.of(simple('3'), simple('0'), simple('20')))],
    [1, () => apply('builtins.concatLists', maker.make(listOf(listOf(of)), d))],
    [
      2,
      () => {
        const from = randomType(choices, 1);
        return apply('builtins.concatMap', maker.lambda(from, listOf(of), d), maker.make(listOf(from), d));
      },
    ],
    [1, () => apply('builtins.tail', list())],
    [2, () => apply('builtins.attrValues', maker.make(dictOf(of), d))],
    [1, () => apply('builtins.catAttrs', simple('"a"'), maker.make(listOf(dictOf(of)), d))],
    [
      1,
      () =>
        simple(
          `(builtins.partition ${at(BINDS.simple, maker.lambda(of, BOOL, d))} ${at(BINDS.simple, list())}).${choices.of('right', 'wrong')}`,
        ),
    ],
    [
      1,
      () => {
        const key = ordered(choices, 0);
        const [start, next] = [
          maker.text(listOf(setOf({ key, v: of })), d),
          maker.text(listOf(setOf({ key, v: of })), d),
        ];
        return apply(
          'map (i: i.v)',
          simple(`(builtins.genericClosure { startSet = ${start}; operator = _: ${next}; })`),
        );
      },
    ],
    [1, () => apply('builtins.sort', simple(`(_: _: ${maker.text(BOOL, d)})`), list())],
  ];
  if (of.kind === 'string') {
    ways.push(
      [3, () => apply('builtins.attrNames', maker.make(choices.of(dictOf(INT), setOf({ a: INT, b: STRING })), d))],
      [2, () => apply('builtins.splitVersion', maker.make(STRING, d))],
      [
        1,
        () =>
          apply(
            'builtins.filter builtins.isString',
            apply('builtins.split', simple(quote(choices.from(REGEXES))), maker.make(STRING, d)),
          ),
      ],
      [1, () => apply('builtins.attrNames', apply('builtins.getContext', maker.make(STRING, d)))],
    );
  }
  if (['int', 'float', 'string', 'path'].includes(of.kind)) {
    ways.push([
      4,
      () => apply('builtins.sort', simple(choices.of('builtins.lessThan', '(a: b: a < b)', '(a: b: b < a)')), list()),
    ]);
  }
  return choices.way(ways);
}

function sets(maker: ProgramMaker, wanted: Readonly<Record<string, Type>>, d: number): Source {
  const { choices } = maker;
  const entries = Object.entries(wanted);
  return choices.way<Source>([
    [
      4,
      () => {
        const cut = choices.below(entries.length + 1);
        const left = maker.make(setOf(Object.fromEntries(entries.slice(0, cut))), d);
        return binary(left, '//', maker.set(Object.fromEntries(entries.slice(cut)), d), BINDS.update, 'right');
      },
    ],
    [2, () => binary(maker.make(dictOf(randomType(choices, 1)), d), '//', maker.set(wanted, d), BINDS.update, 'right')],
    [1, () => apply('removeAttrs', maker.make(setOf(wanted), d), simple('[ "zz" "yy" ]'))],
    [
      1,
      () =>
        apply(
          'builtins.intersectAttrs',
          maker.set(Object.fromEntries(entries.map(([name]) => [name, NULL])), 1),
          maker.make(setOf(wanted), d),
        ),
    ],
    [1, () => apply('builtins.mapAttrs (_: v: v)', maker.make(setOf(wanted), d))],
    [
      1,
      () =>
        apply(
          'builtins.listToAttrs',
          simple(
            `[ ${entries.map(([name, of]) => `{ name = ${quote(name)}; value = ${maker.text(of, d)}; }`).join(' ')} ]`,
          ),
        ),
    ],
    [1, () => apply('builtins.seq', maker.make(randomType(choices, 1), d), maker.make(setOf(wanted), d))],
  ]);
}

function dicts(maker: ProgramMaker, of: Type, d: number): Source {
  const { choices } = maker;
  const dict = (): Source => maker.make(dictOf(of), d);
  const ways: (readonly [number, () => Source])[] = [
    [4, () => binary(dict(), '//', dict(), BINDS.update, 'right')],
    [2, () => apply('removeAttrs', dict(), maker.make(listOf(STRING), d))],
    [2, () => apply('builtins.intersectAttrs', maker.make(dictOf(NULL), d), dict())],
    [
      3,
      () => {
        const from = randomType(choices, 1);
        const fn = maker.lambda(STRING, functionOf(from, of), d);
        return apply('builtins.mapAttrs', fn, maker.make(dictOf(from), d));
      },
    ],
    [2, () => apply('builtins.listToAttrs', maker.make(listOf(setOf({ name: STRING, value: of })), d))],
    [
      1,
      () => {
        const from = randomType(choices, 1);
        const fn = maker.lambda(STRING, functionOf(listOf(from), of), d);
        return apply('builtins.zipAttrsWith', fn, maker.make(listOf(dictOf(from)), d));
      },
    ],
  ];
  if (of.kind === 'list') {
    ways.push([2, () => apply('builtins.groupBy', maker.lambda(of.of, STRING, d), maker.make(of, d))]);
  }
  if (of.kind === 'bool') {
    ways.push([3, () => apply('builtins.functionArgs', maker.lambda(setOf({ a: INT, b: STRING }), INT, d))]);
  }
  return choices.way(ways);
}

function functions(maker: ProgramMaker, from: Type, to: Type, d: number): Source {
  const { choices } = maker;
  const ways: (readonly [number, () => Source])[] = [[4, () => maker.lambda(from, to, d + 1)]];
  if (to.kind === 'bool' && from.kind === to.kind) ways.push([1, () => simple('(x: !x)')]);
  if (to.kind === 'string') ways.push([2, () => simple('builtins.typeOf')]);
  if (to.kind === 'bool') ways.push([2, () => simple('builtins.isList')]);
  if (to.kind === 'int' && from.kind === 'int') ways.push([2, () => apply('builtins.add', maker.make(INT, d))]);
  if (to.kind === 'list') ways.push([1, () => expression(`x: map (y: ${maker.text(to.of, d)}) [ x x ]`)]);
  return choices.way(ways);
}
