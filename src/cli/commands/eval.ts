// `tsnix eval`: prints values, as `nix eval` does (everything below is evaluated); --xml as nix-instantiate.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findAlongAttrPath } from '../../eval/attr-path.ts';
import { Attrs } from '../../eval/attrs.ts';
import { autoCall } from '../../eval/auto-call.ts';
import { ContextBuilder } from '../../eval/context.ts';
import { valueToJson } from '../../eval/json.ts';
import { valueToXml } from '../../eval/print-xml.ts';
import { printValue } from '../../eval/print.ts';
import type { Evaluator } from '../../eval/evaluator.ts';
import type { Value } from '../../eval/value.ts';
import { fsPath, toBuffer, utf8 } from '../../util/bytes.ts';
import { EvalError, NixError, UsageError } from '../../util/errors.ts';
import { cachedEvaluation } from '../cached-evaluation.ts';
import type { Config } from '../config.ts';
import { isDerivation } from '../derivations.ts';
import { FLAKE_FLAGS, preferPure } from '../flake-installable.ts';
import { COMMON_FLAGS, EVAL_FLAGS, flag, parseFlags, WATCH_FLAG, type Flag } from '../flags.ts';
import { print } from '../output.ts';
import { indentJson, JSON_FLAGS, wantsIndentedJson } from '../print-json.ts';
import { Session } from '../session.ts';
import { sourcesOf } from './sources.ts';

export const FLAGS: readonly Flag[] = [
  flag('expr', 'evaluate EXPR instead of a file', { short: 'E', args: ['EXPR'] }),
  flag('file', 'evaluate FILE', { short: 'f', args: ['FILE'] }),
  flag('apply', 'apply the function EXPR to the value first', { args: ['EXPR'] }),
  ...JSON_FLAGS,
  flag('raw', 'print a string as it is'),
  flag('xml', 'print XML'),
  flag('no-location', 'leave positions out of XML'),
  flag(
    'strict',
    'evaluate everything below first: what fails there fails as a whole (and for --xml, where it is not the rule)',
  ),
  flag('read-only', 'write nothing to the store'),
  flag('write-to', 'write a string, or a set of strings as a folder, to PATH', { args: ['PATH'] }),
  WATCH_FLAG,
  flag('profile', 'write where the time goes to FILE: .html, .cpuprofile, .json (speedscope), else folded stacks', {
    args: ['FILE'],
  }),
  ...EVAL_FLAGS,
  ...FLAKE_FLAGS,
  ...COMMON_FLAGS,
];

export async function evalCommand(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  preferPure(flags, config);
  if (flags.has('raw') && flags.has('json')) throw new UsageError('--raw and --json are mutually exclusive');
  const session = new Session({
    config,
    flags,
    readOnly: flags.has('read-only'),
    keepsResults: true,
    profileFile: flags.get('profile'),
  });
  try {
    const target = flags.get('write-to');
    if (target === undefined) {
      const watched = flags.has('watch');
      const evaluate = (emit: (shown: Shown) => void): void => {
        for (const value of valuesOf(session)) {
          const text = show(session, value);
          emit({ text, attributes: watched ? attributesOf(session.evaluator, value) : [] });
        }
      };
      cachedEvaluation<Shown>(session, {
        purpose: flags.has('json') && wantsIndentedJson(flags) ? 'eval indented' : 'eval',
        evaluate,
        present: ({ text }) => {
          print(text);
        },
        describe: ({ attributes }) => attributes,
      });
    } else for (const value of valuesOf(session)) writeTo(session, value, target);
    return 0;
  } finally {
    await session.close();
  }
}

interface Shown {
  readonly text: string;
  readonly attributes: readonly (readonly [path: string, text: string])[];
}

const MAX_ATTRIBUTES = 5000;
const MAX_ATTRIBUTE_DEPTH = 8;

/** Every attribute below a value that is no set, or a derivation, as text. */
function attributesOf(ev: Evaluator, value: Value): [string, string][] {
  const found: [string, string][] = [];
  const add = (slot: Value, path: string, depth: number): void => {
    const isPackage: boolean = isDerivation(ev, slot);
    if (slot instanceof Attrs && !isPackage && depth < MAX_ATTRIBUTE_DEPTH) {
      slot.forEachByName((name, child) => {
        if (found.length >= MAX_ATTRIBUTES) return;
        const below = path === '' ? name : `${path}.${name}`;
        try {
          add(ev.force(child), below, depth + 1);
        } catch (error) {
          if (!(error instanceof NixError)) throw error;
          found.push([below, `error: ${error.message}`]);
        }
      });
    } else found.push([path === '' ? 'value' : path, printValue(ev, slot, { force: true, derivationPaths: true })]);
  };
  add(value, '', 0);
  return found;
}

/** What the command line asks for, one after the other. */
function* valuesOf(session: Session): Iterable<Value> {
  const { evaluator: ev, flags } = session;
  for (const source of sourcesOf(session)) {
    const root = source.load();
    for (const attrPath of source.attrPaths) {
      const found = findAlongAttrPath(ev, utf8(attrPath), root, session.calls());
      let value = ev.force(found.slot, found.pos);
      if (session.autoArgs().size > 0 && !session.config.nixCommand) value = autoCall(ev, value, session.calls());
      const apply = flags.get('apply');
      if (apply !== undefined) value = ev.call(session.evalExpression(apply), [value], 0);
      yield value;
    }
  }
}

function show(session: Session, value: Value): string {
  const { evaluator: ev, flags } = session;
  const context = new ContextBuilder();
  // Without it, as with `nix eval`, what fails inside a value is shown in its place.
  if (flags.has('strict')) ev.forceDeep(value);
  if (flags.has('raw')) return ev.coerceToString(value, 0, context, 'while generating the eval command output');
  if (flags.has('json')) {
    const json = valueToJson(ev, value, { strict: true, copyPaths: false, context });
    return `${wantsIndentedJson(flags) ? indentJson(json) : json}\n`;
  }
  if (flags.has('xml')) {
    const strict = flags.has('strict');
    return valueToXml(ev, value, { strict, location: !flags.has('no-location'), context });
  }
  return `${printValue(ev, value, { force: true, derivationPaths: true })}\n`;
}

function writeTo(session: Session, value: Value, path: string): void {
  const ev = session.evaluator;
  if (existsSync(path)) throw new EvalError(`path '${utf8(path)}' already exists`);
  const write = (slot: Value, file: string): void => {
    if (typeof slot === 'string' || (typeof slot === 'object' && slot !== null && 'context' in slot)) {
      writeFileSync(fsPath(utf8(file)), toBuffer(ev.coerceToString(slot, 0, new ContextBuilder(), '')));
    } else if (slot instanceof Attrs) {
      mkdirSync(file);
      slot.forEachByName((name, child) => {
        if (name === '.' || name === '..' || name.includes('/')) throw new EvalError(`invalid file name '${name}'`);
        write(ev.force(child), join(file, name));
      });
    } else throw new EvalError(`value at '${utf8(file)}' is not a string or an attribute set`);
  };
  write(value, path);
}
