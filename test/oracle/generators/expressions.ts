// Whole programs, mostly well typed: types and variables in scope are known where something is made, so that most
// programs evaluate; here and there something that fails is put in, often where nothing forces it.
import fc from 'fast-check';
import { utf8 } from '../../../src/util/bytes.ts';
import { Choices } from './choices.ts';
import { leaf, operations } from './operations.ts';
import { apply, at, binary, BINDS, expression, quoteName, simple, type Source } from './source.ts';
import {
  attributeName,
  BOOL,
  dictOf,
  fields,
  fits,
  functionOf,
  INT,
  listOf,
  setOf,
  STRING,
  type as randomType,
  type Type,
} from './types.ts';

interface Variable {
  readonly name: string;
  readonly type: Type;
}

const VARIABLES = ['a', 'b', 'c', 'd', 'f', 'g', 'x', 'y', "x'", 'map', 'self', 'or_', 'a-b'] as const;

export class ProgramMaker {
  readonly choices: Choices;
  #scope: readonly Variable[] = [];
  #names = 0;

  constructor(choices: Choices) {
    this.choices = choices;
  }

  /** An expression of a type; `depth` bounds how deep it nests. */
  make(type: Type, depth: number): Source {
    const { choices } = this;
    if (depth <= 0 || choices.exhausted) return choices.below(3) === 0 ? this.#variable(type) : leaf(this, type);
    return choices.way<Source>([
      [8, () => this.#literal(type, depth)],
      [10, () => this.#variable(type)],
      [18, () => operations(this, type, depth)],
      [18, () => this.#structure(type, depth)],
      [1, () => this.#failing(type, depth)],
    ]);
  }

  text(type: Type, depth: number, binds: number = BINDS.expression): string {
    return at(binds, this.make(type, depth));
  }

  /** Something that would fail if it were forced; or not. */
  lazy(depth: number): Source {
    if (this.choices.below(2) === 0) return this.failure();
    return this.make(randomType(this.choices, 1), depth - 1);
  }

  failure(): Source {
    return this.choices.of(
      apply('throw', simple('"t"')),
      apply('abort', simple('"a"')),
      expression('assert false; 1'),
      simple('{ }.missing'),
      binary(simple('1'), '+', simple('"s"'), BINDS.add, 'left'),
      apply('1', simple('2')),
      simple('(let x = x; in x)'),
      binary(simple('1'), '/', simple('0'), BINDS.multiply, 'left'),
      apply('builtins.head', simple('[ ]')),
    );
  }

  #failing(type: Type, depth: number): Source {
    return this.choices.way<Source>([
      [6, () => this.make(type, depth - 1)],
      [2, () => this.failure()],
      [2, () => this.make(randomType(this.choices, 1), depth - 1)],
      [3, () => simple(`(builtins.tryEval ${at(BINDS.simple, this.failure())}).value`)],
    ]);
  }

  #variable(type: Type): Source {
    const found = this.#scope.filter((v, i) => fits(v.type, type) && this.#visible(i));
    const inner: string[] = [];
    this.#scope.forEach((v, i) => {
      if (v.type.kind !== 'set' || !this.#visible(i)) return;
      for (const [name, of] of Object.entries(v.type.fields)) {
        if (fits(of, type)) inner.push(`${v.name}.${quoteName(name)}`);
      }
    });
    const all = [...found.map((v) => v.name), ...inner];
    // The latest is the most interesting one.
    return all.length === 0 ? leaf(this, type) : simple(this.choices.from(all.reverse()));
  }

  #visible(index: number): boolean {
    const { name } = this.#scope[index]!;
    return !this.#scope.some((v, i) => i > index && v.name === name);
  }

  /** What `body` makes sees the variables. */
  within<T>(variables: readonly Variable[], body: () => T): T {
    const before = this.#scope;
    this.#scope = [...before, ...variables];
    try {
      return body();
    } finally {
      this.#scope = before;
    }
  }

  /** A name for a variable; some hide others, or builtins. */
  name(): string {
    if (this.choices.once(3)) return this.choices.from(VARIABLES);
    return `v${this.#names++}`;
  }

  lambda(from: Type, to: Type, depth: number): Source {
    const { choices } = this;
    if (from.kind === 'set' && choices.below(4) > 0) return this.#pattern(from.fields, to, depth);
    const name = this.name();
    const body = this.within([{ name, type: from }], () => this.text(to, depth - 1));
    return expression(`${name}: ${body}`);
  }

  #pattern(from: Readonly<Record<string, Type>>, to: Type, depth: number): Source {
    const { choices } = this;
    const names = Object.keys(from).filter((name) => quoteName(name) === name);
    const whole = choices.once(3) ? `w${this.#names++}` : null;
    const taken = names.filter(() => !choices.once(6));
    const variables: Variable[] = taken.map((name) => ({ name, type: from[name]! }));
    const extra = choices.list(1, () => ({ name: `o${this.#names++}`, type: randomType(choices, 1) }));
    if (whole !== null) variables.push({ name: whole, type: setOf(from) });
    return this.within(variables, () => {
      const formals = taken.map((name) => {
        if (!choices.once(4)) return name;
        return `${name} ? ${at(BINDS.expression, this.lazy(depth - 1))}`;
      });
      for (const { name, type } of extra) formals.push(`${name} ? ${this.text(type, depth - 1)}`);
      // Callers may give more than the type says.
      if (!choices.once(12)) formals.push('...');
      const body = this.within(extra, () => this.text(to, depth - 1));
      const set = formals.length === 0 ? '{ }' : `{ ${formals.join(', ')} }`;
      const pattern = whole === null ? set : choices.of(`${whole}@${set}`, `${set}@${whole}`);
      return expression(`${pattern}: ${body}`);
    });
  }

  #literal(type: Type, depth: number): Source {
    switch (type.kind) {
      case 'list': {
        const items = this.choices.list(4, () => this.text(type.of, depth - 1, BINDS.simple));
        return simple(items.length === 0 ? '[ ]' : `[ ${items.join(' ')} ]`);
      }
      case 'set':
        return this.set(type.fields, depth);
      case 'dict':
        return this.set(
          Object.fromEntries(this.choices.list(4, () => [attributeName(this.choices), type.of] as const)),
          depth,
        );
      case 'function':
        return this.lambda(type.from, type.to, depth);
      default:
        return leaf(this, type);
    }
  }

  /** A set literal with all the spellings that attributes have. */
  set(wanted: Readonly<Record<string, Type>>, depth: number): Source {
    const { choices } = this;
    const entries = Object.entries(wanted);
    const recursive = choices.once(4);
    const own: Variable[] = recursive
      ? entries.filter(([name]) => quoteName(name) === name).map(([name, type]) => ({ name, type }))
      : [];
    // Attributes may refer to those before them.
    const bindings = entries.map(([name, type], i) => {
      const before = own.filter((v) => entries.slice(0, i).some(([n]) => n === v.name));
      return this.#binding(name, type, depth, before, own);
    });
    if (choices.once(6)) {
      const name = `l${this.#names++}`;
      bindings.push(`${name} = ${this.lazy(depth - 1).text};`);
    }
    if (choices.once(12)) bindings.push('${null} = 1;');
    if (choices.once(8)) bindings.reverse();
    if (bindings.length === 0) return simple(recursive ? 'rec { }' : '{ }');
    return simple(`${recursive ? 'rec ' : ''}{ ${bindings.join(' ')} }`);
  }

  #binding(name: string, type: Type, depth: number, before: readonly Variable[], own: readonly Variable[]): string {
    const { choices } = this;
    const hidden: Variable[] = own.filter((v) => !before.includes(v)).map((v) => ({ name: v.name, type: HIDDEN }));
    const value = (d: number): string => this.within([...hidden, ...before], () => this.text(type, d));
    const plain = quoteName(name) === name;
    return choices.way<string>([
      [12, () => `${quoteName(name)} = ${value(depth - 1)};`],
      [
        3,
        () => {
          if (type.kind !== 'set' || Object.keys(type.fields).length === 0) {
            return `${quoteName(name)} = ${value(depth - 1)};`;
          }
          // Dotted, one by one; the parts merge.
          const scope = [...hidden, ...before];
          return Object.entries(type.fields)
            .map(([inner, of]) => {
              const v = this.within(scope, () => this.text(of, depth - 2));
              return choices.once(4)
                ? `${quoteName(name)} = { ${quoteName(inner)} = ${v}; };`
                : `${quoteName(name)}.${quoteName(inner)} = ${v};`;
            })
            .join(' ');
        },
      ],
      [2, () => `\${${this.#nameExpression(name)}} = ${value(depth - 1)};`],
      [
        2,
        () => {
          const same = this.#scope.find((v) => v.name === name && fits(v.type, type));
          if (plain && same !== undefined && own.length === 0) return `inherit ${name};`;
          const from = this.within([...hidden, ...before], () => this.text(setOf({ [name]: type }), depth - 1));
          return `inherit (${from}) ${quoteName(name)};`;
        },
      ],
    ]);
  }

  #nameExpression(name: string): string {
    return this.choices.of(
      quoteName(name).startsWith('"') ? quoteName(name) : `"${name}"`,
      `"\${${JSON.stringify('')}}" + ${quoteName(name).startsWith('"') ? quoteName(name) : `"${name}"`}`,
    );
  }

  /** Ways to come by a value of any type. */
  #structure(type: Type, depth: number): Source {
    const { choices } = this;
    const d = depth - 1;
    return choices.way<Source>([
      [6, () => this.#let(type, depth)],
      [4, () => expression(`if ${this.text(BOOL, d)} then ${this.text(type, d)} else ${this.text(type, d)}`)],
      [6, () => this.#call(type, depth)],
      [3, () => this.#with(type, depth)],
      [3, () => this.#selection(type, depth)],
      [1, () => expression(`assert ${this.text(BOOL, d)}; ${this.text(type, d)}`)],
      [
        2,
        () => {
          const items = choices.list(2, () => at(BINDS.simple, this.lazy(d)));
          const list = simple(`[ ${[...items, this.text(type, d, BINDS.simple)].join(' ')} ]`);
          return apply('builtins.elemAt', list, simple(String(items.length)));
        },
      ],
      [1, () => apply('builtins.head', this.make(listOf(type), d))],
      [
        1,
        () =>
          apply(
            choices.of('builtins.seq', 'builtins.deepSeq'),
            this.make(randomType(choices, 1), d),
            this.make(type, d),
          ),
      ],
      [2, () => this.#fold(type, d)],
      [2, () => this.#recursion(type, d)],
      [
        1,
        () => {
          const self = this.name();
          const body = this.within([{ name: self, type: setOf({ x: INT }) }], () => this.text(setOf({ r: type }), d));
          return simple(`(let fix = f: let s = f s; in s; in fix (${self}: { x = 1; } // (${body}))).r`);
        },
      ],
      [1, () => simple(`(builtins.tryEval ${this.text(type, d, BINDS.simple)}).value`)],
      [1, () => apply('builtins.addErrorContext', simple('"c"'), this.make(type, d))],
      [
        1,
        () => {
          const name = attributeName(choices);
          return apply('builtins.getAttr', simple(quoteString(name)), this.set({ [name]: type }, d));
        },
      ],
      [1, () => simple(`let { body = ${this.text(type, d)}; ${choices.of('', 'unused = body;')} }`)],
    ]);
  }

  #let(type: Type, depth: number): Source {
    const { choices } = this;
    const d = depth - 1;
    const count = 1 + choices.below(3);
    const variables: Variable[] = [];
    const bindings: string[] = [];
    for (let i = 0; i < count; i++) {
      const kind = choices.below(8);
      const of = randomType(choices, 2);
      let name = this.name();
      while (variables.some((v) => v.name === name)) name = `${name}_`;
      if (kind === 7) bindings.push(`${name} = ${this.within(variables, () => this.lazy(d)).text};`);
      else if (kind === 6) {
        const from = this.within(this.#but(variables, name), () => this.text(setOf({ [name]: of }), d));
        bindings.push(`inherit (${from}) ${name};`);
        variables.push({ name, type: of });
      } else {
        const value = this.within(this.#but(variables, name), () => this.text(of, d));
        bindings.push(`${name} = ${value};`);
        variables.push({ name, type: of });
      }
    }
    if (choices.once(4)) bindings.reverse();
    const body = this.within(variables, () => this.text(type, d));
    return expression(`let ${bindings.join(' ')} in ${body}`);
  }

  /** A variable that is being defined, and what it hides, can't be used in its own value. */
  #but(variables: readonly Variable[], name: string): Variable[] {
    return [...variables, { name, type: HIDDEN }];
  }

  #call(type: Type, depth: number): Source {
    const { choices } = this;
    const d = depth - 1;
    const from = choices.below(2) === 0 ? randomType(choices, 1) : setOf(fields(choices, 1));
    const fn = choices.way<Source>([
      [5, () => this.lambda(from, type, d)],
      [2, () => this.make(functionOf(from, type), d)],
      [
        2,
        () => {
          const body = at(BINDS.expression, this.lambda(from, type, d));
          return simple(`{ __functor = ${choices.of('self', '_')}: ${body}; n = 1; }`);
        },
      ],
    ]);
    return apply(at(BINDS.simple, fn), this.make(from, d));
  }

  #with(type: Type, depth: number): Source {
    const { choices } = this;
    const d = depth - 1;
    const wanted = Object.fromEntries(
      choices.list(3, () => [`w${this.choices.below(6)}`, randomType(choices, 1)] as const),
    );
    const scope = this.text(setOf(wanted), d);
    const variables = Object.entries(wanted)
      .filter(([name]) => !this.#scope.some((v) => v.name === name))
      .map(([name, of]) => ({ name, type: of }));
    return expression(`with ${scope}; ${this.within(variables, () => this.text(type, d))}`);
  }

  #selection(type: Type, depth: number): Source {
    const { choices } = this;
    const d = depth - 1;
    const names = [attributeName(choices), ...choices.list(1, () => attributeName(choices))];
    const path = names.map((name) => (choices.once(5) ? `\${${quoteString(name)}}` : quoteName(name))).join('.');
    const wanted = names.reduceRight<Type>((of, name) => setOf({ [name]: of }), type);
    return choices.way<Source>([
      [2, () => simple(`${this.text(wanted, d, BINDS.simple)}.${path}`)],
      [
        2,
        () => {
          const target = choices.of<Type>(wanted, setOf({}), dictOf(STRING), setOf({ a: setOf({}) }), INT);
          const safe = target === wanted ? type : null;
          const fallback = this.text(type, d, BINDS.simple);
          const missing = safe === null ? `zz.${path}` : path;
          return simple(`(${spaceDigits(this.text(target, d, BINDS.simple))}.${missing} or ${fallback})`);
        },
      ],
    ]);
  }

  #fold(type: Type, depth: number): Source {
    const of = randomType(this.choices, 1);
    const step = this.lambda(type, functionOf(of, type), depth);
    return apply("builtins.foldl'", step, this.make(type, depth), this.make(listOf(of), depth));
  }

  #recursion(type: Type, depth: number): Source {
    const { choices } = this;
    const [fn, n] = [`r${this.#names++}`, `n${this.#names++}`];
    const last = this.text(type, depth);
    const again = `${fn} (${n} - 1)`;
    const step = this.within(
      [
        { name: n, type: INT },
        { name: 'again', type },
      ],
      () => this.text(type, depth),
    );
    const count = choices.of(0, 1, 2, 3, 5);
    return expression(
      `let ${fn} = ${n}: if ${n} < 1 then ${last} else let again = ${again}; in ${step}; in ${fn} ${count}`,
    );
  }
}

/** Nothing fits this: a name that must not be used. */
const HIDDEN: Type = functionOf({ kind: 'null' }, functionOf({ kind: 'null' }, { kind: 'list', of: { kind: 'null' } }));

function quoteString(name: string): string {
  const quoted = quoteName(name);
  return quoted.startsWith('"') ? quoted : `"${name}"`;
}

/** A dot after digits would be part of a number. */
function spaceDigits(text: string): string {
  return /^[\d.]+$/.test(text) ? `(${text})` : text;
}

/** Programs as byte strings. */
export const programs: fc.Arbitrary<string> = fc
  .array(fc.nat({ max: 0xffff }), { minLength: 20, maxLength: 500, size: 'max' })
  .map((row) => {
    const choices = new Choices(row);
    const depth = 2 + choices.below(5);
    return utf8(new ProgramMaker(choices).make(randomType(choices, 2), depth).text);
  });
