// flake.nix: description, inputs, outputs, nixConfig. Everything but `outputs` is data: it may be read without
// evaluating anything, so an expression where a value should stand is an error.
import { Attrs } from '../../eval/attrs.ts';
import { ContextBuilder } from '../../eval/context.ts';
import type { Evaluator } from '../../eval/evaluator.ts';
import { valueToJson } from '../../eval/json.ts';
import { Lambda } from '../../eval/lambda.ts';
import { printPosition } from '../../eval/print-position.ts';
import { canonicalPath } from '../../eval/search-path.ts';
import { ContextString, PathValue, Primop, PrimopApp, type Slot, type Value } from '../../eval/value.ts';
import type { Expr } from '../../parser/ast.ts';
import { EvalError, TypeMismatchError } from '../../util/errors.ts';
import type { Pos } from '../../util/positions.ts';
import { symbolName } from '../../util/symbols.ts';
import { requireFeature } from '../features.ts';
import { normaliseInput } from '../fetch-input.ts';
import { flakeRefOfAttrs, parseFlakeRef, showFlakeRef, type FlakeRef } from '../flake-ref/flake-ref.ts';
import type { FlakeAttrs } from '../flake-ref/schemes.ts';
import { dubiousQueries } from '../flake-ref/url.ts';
import { parseInputPath, type InputPath } from './lock-file.ts';

export interface FlakeInput {
  readonly ref?: FlakeRef;
  readonly isFlake: boolean;
  /** From the root of the lock file. */
  readonly follows?: InputPath;
  /** Of the input's own inputs. */
  readonly overrides: ReadonlyMap<string, FlakeInput>;
}

export type ConfigValue = string | number | bigint | boolean | readonly string[];

export interface Flake {
  readonly original: FlakeRef;
  readonly resolved: FlakeRef;
  readonly locked: FlakeRef;
  /** The folder that holds flake.nix. */
  readonly dir: string;
  readonly description: string | null;
  readonly inputs: ReadonlyMap<string, FlakeInput>;
  /** `inputs.self`: how the flake itself is to be fetched. */
  readonly self: FlakeAttrs;
  readonly config: ReadonlyMap<string, ConfigValue>;
}

/** A value with the expression it is written as. */
interface Written {
  readonly slot: Slot;
  readonly expr: Expr | null;
  readonly pos: Pos;
}

type Kind = 'a set' | 'a string' | 'a Boolean' | 'a function';

const isString = (value: Value): value is string | ContextString =>
  typeof value === 'string' || value instanceof ContextString;

const KINDS: Readonly<Record<Kind, (value: Value) => boolean>> = {
  'a set': (value) => value instanceof Attrs,
  'a string': isString,
  'a Boolean': (value) => typeof value === 'boolean',
  'a function': (value) => value instanceof Lambda || value instanceof Primop || value instanceof PrimopApp,
};

const TRIVIAL = new Set(['int', 'float', 'string', 'path', 'var', 'list', 'lambda']);

/** Whether an expression is a value as it stands. */
function isTrivial(expr: Expr | null): boolean {
  if (expr === null) return false;
  return TRIVIAL.has(expr.tag) || (expr.tag === 'attrs' && expr.dynamic.length === 0);
}

class FlakeReader {
  private readonly ev: Evaluator;
  private readonly dir: string;
  /** Where this flake's inputs are in the lock file. */
  private readonly prefix: InputPath;

  constructor(ev: Evaluator, dir: string, prefix: InputPath) {
    this.ev = ev;
    this.dir = dir;
    this.prefix = prefix;
  }

  at(pos: Pos): string {
    return printPosition(this.ev.positions, pos);
  }

  /** The value, if it needs no evaluation; else undefined. */
  value({ slot, expr, pos }: Written): Value | undefined {
    return isTrivial(expr) ? this.ev.force(slot, pos) : undefined;
  }

  expect(written: Written, kind: Kind): Value {
    const value = this.value(written);
    if (value !== undefined && KINDS[kind](value)) return value;
    throw new EvalError(`expected ${kind} but got ${this.type(value)} at ${this.at(written.pos)}`);
  }

  type(value: Value | undefined): string {
    return value === undefined ? 'a thunk' : this.ev.showType(value);
  }

  text(value: Value): string {
    return value instanceof ContextString ? value.text : (value as string);
  }

  members(written: Written): [string, Written][] {
    const attrs = this.expect(written, 'a set') as Attrs;
    const defs = written.expr?.tag === 'attrs' ? written.expr.attrs : undefined;
    const members: [string, Written][] = [];
    attrs.forEachByName((name, slot, pos, sym) => {
      members.push([name, { slot, expr: defs?.get(sym)?.expr ?? null, pos }]);
    });
    return members;
  }

  /** A plain attribute of an input. */
  plain(name: string, written: Written, attrs: FlakeAttrs): void {
    const value = this.value(written);
    if (value !== undefined && isString(value)) attrs.set(name, this.text(value));
    else if (typeof value === 'boolean') attrs.set(name, value);
    else if (typeof value === 'number' || typeof value === 'bigint') {
      if (value < 0) throw new EvalError(`negative value given for flake input attribute ${name}: ${value}`);
      attrs.set(name, value);
    } else if (name === 'publicKeys') {
      requireFeature(this.ev.settings, 'verified-fetches');
      attrs.set(name, valueToJson(this.ev, written.slot, { context: new ContextBuilder() }));
    } else {
      throw new TypeMismatchError(
        `flake input attribute '${name}' is ${this.type(value)} while a string, Boolean, or integer is expected`,
      );
    }
  }

  inputs(written: Written, allowSelf: boolean): { inputs: Map<string, FlakeInput>; self: FlakeAttrs } {
    const inputs = new Map<string, FlakeInput>();
    const self: FlakeAttrs = new Map();
    for (const [name, member] of this.members(written)) {
      if (name !== 'self') inputs.set(name, this.input(member));
      else if (!allowSelf) throw new EvalError(`'self' input attribute not allowed at ${this.at(member.pos)}`);
      else for (const [attr, value] of this.members(member)) this.plain(attr, value, self);
    }
    return { inputs, self };
  }

  private input(written: Written): FlakeInput {
    const attrs: FlakeAttrs = new Map();
    let url: string | undefined;
    let isFlake = true;
    let follows: InputPath | undefined;
    let overrides: ReadonlyMap<string, FlakeInput> = new Map();
    for (const [name, member] of this.members(written)) {
      try {
        if (name === 'url') attrs.set('url', (url = this.url(member)));
        else if (name === 'flake') isFlake = this.expect(member, 'a Boolean') as boolean;
        else if (name === 'inputs') overrides = this.inputs(member, false).inputs;
        else if (name === 'follows') {
          follows = [...this.prefix, ...parseInputPath(this.text(this.expect(member, 'a string')))];
        } else this.plain(name, member, attrs);
      } catch (error) {
        throw this.ev.frame(error, `while evaluating flake attribute '${name}'`, member.pos);
      }
    }
    let ref: FlakeRef | undefined;
    if (attrs.has('type')) {
      try {
        const given = flakeRefOfAttrs(attrs);
        ref = { ...given, input: normaliseInput(this.ev, given.input) };
      } catch (error) {
        throw this.ev.frame(error, 'while evaluating flake input', written.pos);
      }
    } else {
      for (const name of attrs.keys()) {
        if (name === 'url') continue;
        throw new EvalError(`unexpected flake input attribute '${name}', at ${this.at(written.pos)}`);
      }
      if (url !== undefined) {
        for (const warning of dubiousQueries(url)) this.ev.io.log(`warning: ${warning}`);
        ref = parseFlakeRef(url, { isFlake, keepRelative: true });
      }
    }
    if (ref !== undefined && follows !== undefined) {
      throw new EvalError(`flake input has both a flake reference and a follows attribute, at ${this.at(written.pos)}`);
    }
    return { isFlake, overrides, ...(ref === undefined ? {} : { ref }), ...(follows === undefined ? {} : { follows }) };
  }

  /** A string, or a path in the flake: relative to it. */
  private url(written: Written): string {
    const value = this.value(written);
    if (value !== undefined && isString(value)) return this.text(value);
    if (value instanceof PathValue) return `path:${relativeTo(this.dir, value.path)}`;
    throw new EvalError(`expected a string or a path but got ${this.type(value)} at ${this.at(written.pos)}`);
  }

  config(written: Written): Map<string, ConfigValue> {
    const config = new Map<string, ConfigValue>();
    for (const [name, member] of this.members(written)) {
      const value = this.value(member);
      if (value !== undefined && isString(value)) config.set(name, this.text(value));
      else if (value instanceof PathValue) config.set(name, this.ev.copyPathToStore(value.path, new ContextBuilder()));
      else if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') {
        config.set(name, value);
      } else if (Array.isArray(value)) {
        config.set(
          name,
          (value as readonly Slot[]).map((element) => {
            const item = this.ev.force(element, member.pos);
            if (isString(item)) return this.text(item);
            throw new TypeMismatchError(
              `list element in flake configuration setting '${name}' is ${this.ev.showType(value)} while a string is expected`,
            );
          }),
        );
      } else throw new TypeMismatchError(`flake configuration setting '${name}' is ${this.type(value)}`);
    }
    return config;
  }
}

function relativeTo(dir: string, path: string): string {
  const from = dir.split('/');
  const to = path.split('/');
  let same = 0;
  while (same < from.length && same < to.length && from[same] === to[same]) same++;
  return [...from.slice(same).map(() => '..'), ...to.slice(same)].join('/') || '.';
}

export interface FlakeRefs {
  readonly original: FlakeRef;
  readonly resolved: FlakeRef;
  readonly locked: FlakeRef;
}

/** @param root where the tree lies that the flake is in @throws EvalError */
export function readFlake(ev: Evaluator, refs: FlakeRefs, root: string, prefix: InputPath): Flake {
  const { resolved } = refs;
  const dir = canonicalPath(`${root}/${resolved.dir}`);
  const file = `${dir}/flake.nix`;
  const expr = ev.parseFile(file);
  if (expr.tag !== 'attrs') throw new EvalError(`file '${file}' must be an attribute set`);
  const reader = new FlakeReader(ev, dir, prefix);
  const top: Written = { slot: ev.evalFile(file), expr, pos: expr.pos };
  const members = new Map(reader.members(top));
  const description = members.get('description');
  const given = members.get('inputs');
  const { inputs, self } =
    given === undefined ? { inputs: new Map<string, FlakeInput>(), self: new Map() } : reader.inputs(given, true);
  const outputs = members.get('outputs');
  const shown = showFlakeRef(resolved);
  const nixConfig = members.get('nixConfig');
  const text = description === undefined ? null : reader.text(reader.expect(description, 'a string'));
  if (outputs === undefined) throw new EvalError(`flake '${shown}' lacks attribute 'outputs'`);
  reader.expect(outputs, 'a function');
  // What `outputs` names and `inputs` does not, the registry knows.
  if (outputs.expr?.tag === 'lambda') {
    for (const { name } of outputs.expr.formals?.formals ?? []) {
      const id = symbolName(name);
      if (id !== 'self' && !inputs.has(id)) {
        inputs.set(id, { ref: parseFlakeRef(id), isFlake: true, overrides: new Map() });
      }
    }
  }
  const config = nixConfig === undefined ? new Map<string, ConfigValue>() : reader.config(nixConfig);
  for (const [name, { pos }] of members) {
    if (['description', 'inputs', 'outputs', 'nixConfig'].includes(name)) continue;
    throw new EvalError(`flake '${shown}' has an unsupported attribute '${name}', at ${reader.at(pos)}`);
  }
  return { ...refs, dir, description: text, inputs, self: self as FlakeAttrs, config };
}
