// String contexts as values: looking at them, adding to them, dropping them.
import { AttrsBuilder } from '../eval/attrs.ts';
import { ContextBuilder, parseContextElement, printContextElement } from '../eval/context.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import { printAttrName } from '../eval/print-string.ts';
import { makeString, type BuiltinRecord, type Slot } from '../eval/value.ts';
import { downstreamPlaceholder } from '../store/placeholder.ts';
import { tryParseStorePath } from '../store/store-path.ts';
import type { StorePath } from '../store/store.ts';
import { staticOutputPath } from '../store/derivation.ts';
import { EvalError, StoreError } from '../util/errors.ts';
import { intern, symbolName, type Sym } from '../util/symbols.ts';
import { derivationStore } from './derivation-store.ts';
import { requireFeature } from './features.ts';

const sPath = intern('path');
const sAllOutputs = intern('allOutputs');
const sOutputs = intern('outputs');

function unsafeDiscardStringContext(ev: Evaluator, _pos: number, s: Slot): Slot {
  const why = 'while evaluating the argument passed to builtins.unsafeDiscardStringContext';
  return ev.coerceToString(s, 0, new ContextBuilder(), why);
}

function hasContext(ev: Evaluator, _pos: number, s: Slot): Slot {
  const context = new ContextBuilder();
  ev.expectStringText(s, 0, 'while evaluating the argument passed to builtins.hasContext', context);
  return (context.get()?.length ?? 0) > 0;
}

function unsafeDiscardOutputDependency(ev: Evaluator, _pos: number, s: Slot): Slot {
  const context = new ContextBuilder();
  const why = 'while evaluating the argument passed to builtins.unsafeDiscardOutputDependency';
  const text = ev.coerceToString(s, 0, context, why);
  const out = new ContextBuilder();
  for (const element of context.get() ?? []) out.addElement(element.startsWith('=') ? element.slice(1) : element);
  return makeString(text, out.get());
}

function addDrvOutputDependencies(ev: Evaluator, _pos: number, s: Slot): Slot {
  const context = new ContextBuilder();
  const why = 'while evaluating the argument passed to builtins.addDrvOutputDependencies';
  const text = ev.coerceToString(s, 0, context, why);
  const elements = context.get() ?? [];
  if (elements.length !== 1) {
    throw new EvalError(
      `context of string '${text}' must have exactly one element, but has ${String(elements.length)}`,
    );
  }
  const element = parseContextElement(elements[0]!);
  switch (element.kind) {
    case 'opaque':
      if (!element.path.endsWith('.drv')) throw new EvalError(`path '${element.path}' is not a derivation`);
      return makeString(text, [printContextElement({ kind: 'drvDeep', drvPath: element.path })]);
    case 'built':
      throw new EvalError(
        `\`addDrvOutputDependencies\` can only act on derivations, not on a derivation output such as '${element.output}'`,
      );
    case 'drvDeep':
      return makeString(text, elements);
  }
}

function getContext(ev: Evaluator, _pos: number, s: Slot): Slot {
  const context = new ContextBuilder();
  ev.expectStringText(s, 0, 'while evaluating the argument passed to builtins.getContext', context);
  const infos = new Map<string, { path: boolean; allOutputs: boolean; outputs: string[] }>();
  const infoOf = (path: string): { path: boolean; allOutputs: boolean; outputs: string[] } => {
    let info = infos.get(path);
    if (info === undefined) infos.set(path, (info = { path: false, allOutputs: false, outputs: [] }));
    return info;
  };
  for (const encoded of context.get() ?? []) {
    const element = parseContextElement(encoded);
    switch (element.kind) {
      case 'opaque':
        infoOf(element.path).path = true;
        break;
      case 'drvDeep':
        infoOf(element.drvPath).allOutputs = true;
        break;
      case 'built':
        infoOf(element.drvPath).outputs.push(element.output);
    }
  }
  const result = new AttrsBuilder();
  for (const [path, info] of infos) {
    const attrs = new AttrsBuilder();
    if (info.path) attrs.set(sPath, true);
    if (info.allOutputs) attrs.set(sAllOutputs, true);
    if (info.outputs.length > 0) attrs.set(sOutputs, info.outputs);
    result.set(intern(path), attrs.build());
  }
  return result.build();
}

function appendContext(ev: Evaluator, _pos: number, s: Slot, added: Slot): Slot {
  const context = new ContextBuilder();
  const text = ev.expectStringText(
    s,
    0,
    'while evaluating the first argument passed to builtins.appendContext',
    context,
  );
  const attrs = ev.expectAttrs(added, 0, 'while evaluating the second argument passed to builtins.appendContext');
  for (let i = 0; i < attrs.size; i++) {
    const name = symbolName(attrs.keys.ids[i] as Sym);
    const pos = attrs.positionOf(i);
    const path = tryParseStorePath(name, ev.io.storeDir);
    if (path === undefined) throw new EvalError(`context key '${printAttrName(name)}' is not a store path`, { pos });
    if (!ev.settings.readOnly) ev.io.ensurePath(path);
    const info = ev.expectAttrs(attrs.values[i]!, pos, 'while evaluating the value of a string context');
    const isTrue = (sym: Sym): boolean => {
      const slot = info.get(sym);
      const why = `while evaluating the \`${symbolName(sym)}\` attribute of a string context`;
      return slot !== undefined && ev.expectBool(slot, info.posOf(sym), why);
    };
    if (isTrue(sPath)) context.addElement(path);
    if (isTrue(sAllOutputs)) {
      if (!name.endsWith('.drv')) {
        throw new EvalError(
          `tried to add all-outputs context of ${printAttrName(name)}, which is not a derivation, to a string`,
          {
            pos,
          },
        );
      }
      context.addElement(`=${path}`);
    }
    const outputs = info.get(sOutputs);
    if (outputs === undefined) continue;
    const outputsPos = info.posOf(sOutputs);
    const list = ev.expectList(outputs, outputsPos, 'while evaluating the `outputs` attribute of a string context');
    if (list.length > 0 && !name.endsWith('.drv')) {
      throw new EvalError(
        `tried to add derivation output context of ${printAttrName(name)}, which is not a derivation, to a string`,
        {
          pos,
        },
      );
    }
    for (const item of list) {
      const why = 'while evaluating an output name within a string context';
      context.addElement(`!${ev.expectStringNoContext(item, outputsPos, why)}!${path}`);
    }
  }
  return makeString(text, context.get());
}

/** `outputs` (innermost first) of `drvPath`, from `!o2!!o1!/nix/store/….drv` or a plain path. */
function splitBuilt(encoded: string): { drvPath: StorePath; outputs: string[] } {
  const outputs: string[] = [];
  let rest = encoded;
  while (rest.startsWith('!')) {
    const end = rest.indexOf('!', 1);
    outputs.push(rest.slice(1, end));
    rest = rest.slice(end + 1);
  }
  return { drvPath: rest as StorePath, outputs: outputs.reverse() };
}

/** The text that an output of a derivation (by encoded context element) has as a string. */
function outputText(ev: Evaluator, encoded: string): string {
  const { drvPath, outputs } = splitBuilt(encoded);
  if (outputs.length === 1) {
    const output = derivationStore(ev.io).read(drvPath).outputs.get(outputs[0]!);
    if (output === undefined) {
      throw new StoreError(`derivation '${drvPath}' does not have output '${outputs[0]!}'`);
    }
    const path = staticOutputPath(output);
    if (path !== undefined) return path;
    requireFeature(ev.settings, 'ca-derivations');
  }
  return downstreamPlaceholder(drvPath, outputs);
}

function outputOf(ev: Evaluator, _pos: number, reference: Slot, outputName: Slot): Slot {
  const why = 'while evaluating the first argument to builtins.outputOf';
  const context = new ContextBuilder();
  const text = ev.expectStringText(reference, 0, why, context);
  const elements = context.get() ?? [];
  if (elements.length !== 1) {
    throw new EvalError(
      `string '${text}' has ${String(elements.length)} entries in its context. It should only have exactly one entry`,
    ).addFrame(why, 0);
  }
  const element = parseContextElement(elements[0]!);
  let encoded: string;
  let expected: string;
  switch (element.kind) {
    case 'opaque':
      encoded = expected = element.path;
      break;
    case 'drvDeep':
      throw new EvalError(
        `string '${text}' has a context which refers to a complete source and binary closure. This is not supported at this time`,
      ).addFrame(why, 0);
    case 'built':
      encoded = elements[0]!;
      expected = outputText(ev, encoded);
  }
  if (text !== expected) {
    throw new EvalError(
      element.kind === 'built'
        ? `string '${text}' has context with the output '${element.output}' from derivation '${element.drvPath}', but the string is not the right placeholder for this derivation output. It should be '${expected}'`
        : `path string '${text}' has context with the different path '${expected}'`,
    ).addFrame(why, 0);
  }
  const output = ev.expectStringNoContext(outputName, 0, 'while evaluating the second argument to builtins.outputOf');
  const result = `!${output}!${encoded}`;
  return makeString(outputText(ev, result), [result]);
}

export const contextBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'unsafeDiscardStringContext',
    args: ['s'],
    doc: 'The string without its context: nothing that uses it will depend on what it refers to.',
    impl: unsafeDiscardStringContext,
  },
  {
    name: 'hasContext',
    args: ['s'],
    doc: 'Whether the string refers to anything in the store.',
    impl: hasContext,
  },
  {
    name: 'unsafeDiscardOutputDependency',
    args: ['s'],
    doc:
      'The string with each reference to "a derivation and all its outputs" (as `drv.drvPath` has) made one to the ' +
      '`.drv` file alone.',
    impl: unsafeDiscardOutputDependency,
  },
  {
    name: 'addDrvOutputDependencies',
    args: ['s'],
    doc:
      'The string, whose context must be one `.drv` file, made to depend on all outputs of that derivation too; the ' +
      'reverse of `unsafeDiscardOutputDependency`.',
    impl: addDrvOutputDependencies,
  },
  {
    name: 'getContext',
    args: ['s'],
    doc:
      'The context of the string as a set: for each store path `path` (a plain reference), `allOutputs` (a derivation ' +
      'and all its outputs) and `outputs` (names of outputs of a derivation), as far as they apply.',
    impl: getContext,
  },
  {
    name: 'appendContext',
    args: ['s', 'context'],
    doc: 'The string with more context, given in the form that `getContext` returns.',
    impl: appendContext,
  },
  {
    name: 'outputOf',
    args: ['derivation-reference', 'output-name'],
    doc:
      'The path of an output of a derivation that may itself be the output of a derivation; a placeholder where it is ' +
      'not known before building.',
    feature: 'dynamic-derivations',
    impl: outputOf,
  },
];
