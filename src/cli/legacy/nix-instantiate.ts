// `nix-instantiate`: the drop-in. Expressions → .drv paths, values, or their syntax.
import { realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { findAlongAttrPath } from '../../eval/attr-path.ts';
import { autoCall } from '../../eval/auto-call.ts';
import { ContextBuilder } from '../../eval/context.ts';
import { valueToJson } from '../../eval/json.ts';
import { printAmbiguous } from '../../eval/print-ambiguous.ts';
import { valueToXml } from '../../eval/print-xml.ts';
import type { Value } from '../../eval/value.ts';
import { utf8 } from '../../util/bytes.ts';
import { EvalError } from '../../util/errors.ts';
import { refuseQuickAnswer } from '../cache/quick-answer.ts';
import { cachedEvaluation } from '../cached-evaluation.ts';
import type { Config } from '../config.ts';
import { DerivationFinder, drvPathOf } from '../derivations.ts';
import { COMMON_FLAGS, EVAL_FLAGS, flag, parseFlags, type Flag, type ParsedFlags } from '../flags.ts';
import { print, say } from '../output.ts';
import { Session } from '../session.ts';

export const FLAGS: readonly Flag[] = [
  ...COMMON_FLAGS,
  ...EVAL_FLAGS,
  flag('expr', 'the arguments are expressions', { short: 'E' }),
  flag('eval', 'print values', { aliases: ['eval-only'] }),
  flag('parse', 'print the syntax tree', { aliases: ['parse-only'] }),
  flag('find-file', 'print where <NAME> is found'),
  flag('strict', 'evaluate everything below, too'),
  flag('json', 'print JSON'),
  flag('xml', 'print XML'),
  flag('raw', 'print a string as it is'),
  flag('no-location', 'leave positions out of XML'),
  flag('read-write-mode', 'let --eval write to the store'),
  flag('add-root', 'keep the result from being collected through the link PATH', { args: ['PATH'] }),
  flag('indirect', 'does nothing'),
  flag('dry-run', 'write nothing to the store', { aliases: ['readonly-mode'] }),
  flag('repair', 'does nothing here'),
];

export async function nixInstantiate(argv: readonly string[], config: Config): Promise<number> {
  let readStdin = false;
  const flags = parseFlags(argv, FLAGS, config);
  const files = flags.positionals.filter((word) => {
    if (word === '-') readStdin = true;
    return word !== '-';
  });
  const parseOnly = flags.has('parse');
  const evalOnly = flags.has('eval') || parseOnly;
  const readOnly = (evalOnly && !flags.has('read-write-mode')) || flags.has('dry-run');
  const session = new Session({ config, flags, readOnly, writes: !readOnly && !evalOnly, keepsResults: !parseOnly });
  try {
    if (flags.has('find-file')) {
      for (const name of files) print(`${session.findFile(utf8(name))}\n`);
      return 0;
    }
    if (parseOnly) parse(session, files, readStdin);
    else {
      const output = new Output(session, flags, evalOnly);
      const evaluate = (emit: (result: Result) => void): void => {
        if (readStdin) output.process(session.evalStdin(), emit);
        for (const file of filesOf(files, readStdin, flags)) {
          output.process(flags.has('expr') ? session.evalExpression(file) : session.evalFileArgument(file), emit);
        }
      };
      const purpose = evalOnly ? 'nix-instantiate --eval' : 'nix-instantiate';
      cachedEvaluation<Result>(session, { purpose, evaluate, present: (result) => output.present(result) });
    }
    return 0;
  } finally {
    await session.close();
  }
}

function filesOf(files: readonly string[], readStdin: boolean, flags: ParsedFlags): readonly string[] {
  return files.length === 0 && !readStdin && !flags.has('expr') ? ['./default.nix'] : files;
}

function parse(session: Session, files: readonly string[], readStdin: boolean): void {
  const { evaluator: ev, flags } = session;
  const cwd = utf8(process.cwd());
  if (readStdin) print(`${ev.showParsed(session.readStdin(), cwd, { kind: 'stdin' })}\n`);
  for (const file of filesOf(files, readStdin, flags)) {
    const text = flags.has('expr')
      ? ev.showParsed(utf8(file), cwd, { kind: 'string' })
      : ev.showParsedFile(session.resolveFileArgument(file));
    print(`${text}\n`);
  }
}

/** What is printed as it is, or a derivation. */
type Result = string | { readonly drvPath: string; readonly outputName: string };

class Output {
  private readonly session: Session;
  private readonly flags: ParsedFlags;
  private readonly evalOnly: boolean;
  private static roots = 0;
  constructor(session: Session, flags: ParsedFlags, evalOnly: boolean) {
    this.session = session;
    this.flags = flags;
    this.evalOnly = evalOnly;
  }

  process(root: Value, emit: (result: Result) => void): void {
    const ev = this.session.evaluator;
    const autoArgs = this.session.autoArgs();
    const attrPaths = this.flags.has('attr') ? this.flags.list('attr') : [''];
    for (const attrPath of attrPaths) {
      const { slot, pos } = findAlongAttrPath(ev, utf8(attrPath), root, { args: autoArgs });
      const value = ev.force(slot, pos);
      if (this.evalOnly) this.showValue(autoArgs.size === 0 ? value : autoCall(ev, value, { args: autoArgs }), emit);
      else {
        const finder = new DerivationFinder(ev, { args: autoArgs });
        finder.collect(value, '');
        for (const { attrs, outputName } of finder.found) {
          const drvPath = drvPathOf(ev, attrs);
          if (outputName === '') throw new EvalError(`derivation '${drvPath}' lacks an 'outputName' attribute`);
          emit({ drvPath, outputName });
        }
      }
    }
  }

  private showValue(value: Value, emit: (text: string) => void): void {
    const ev = this.session.evaluator;
    const strict = this.flags.has('strict');
    const context = new ContextBuilder();
    if (this.flags.has('raw'))
      emit(ev.coerceToString(value, 0, context, 'while generating the nix-instantiate output'));
    else if (this.flags.has('xml'))
      emit(valueToXml(ev, value, { strict, location: !this.flags.has('no-location'), context, onFailure: emit }));
    else if (this.flags.has('json')) emit(`${valueToJson(ev, value, { strict, copyPaths: true, context })}\n`);
    else {
      if (strict) ev.forceDeep(value);
      emit(`${printAmbiguous(ev, value)}\n`);
    }
  }

  present(result: Result): void {
    if (typeof result === 'string') print(result);
    else this.printDerivation(result.drvPath, result.outputName);
  }

  private printDerivation(drvPath: string, outputName: string): void {
    let shown = drvPath;
    const root = this.flags.get('add-root');
    if (root === undefined) {
      if (!warned)
        say(`warning: you did not specify '--add-root'; the result might be removed by the garbage collector`);
      warned = true;
    } else {
      refuseQuickAnswer('a root is made');
      const link = resolve(++Output.roots > 1 ? `${root}-${Output.roots}` : root);
      const real = `${realpathSync(dirname(link))}/${link.slice(link.lastIndexOf('/') + 1)}`;
      this.session.store.addIndirectRoot(real, this.session.asStorePath(drvPath));
      shown = utf8(real);
    }
    print(`${shown}${outputName === 'out' ? '' : `!${outputName}`}\n`);
  }
}

let warned = false;
