// builtins.derivationStrict: from an attribute set to a derivation in the store, byte for byte as C++ Nix makes it.
// All that this file decides is part of hashes.
// See the Nix manual, "Derivations" and "Advanced attributes".
import { AttrsBuilder, type Attrs } from '../eval/attrs.ts';
import { ContextCollector } from '../eval/context.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import { hostError } from '../eval/host-error.ts';
import { valueToJson } from '../eval/json.ts';
import { printPosition } from '../eval/print-position.ts';
import { printAttrName } from '../eval/print-string.ts';
import { makeString, type BuiltinRecord, type Slot } from '../eval/value.ts';
import { staticOutputPath, type ContentAddressMethod, type Derivation } from '../store/derivation.ts';
import { findHashAlgorithm, hashHex, type HashAlgorithm } from '../store/hash.ts';
import { canonicalJson, jsonObject } from '../store/json.ts';
import { downstreamPlaceholder } from '../store/placeholder.ts';
import { storeNameProblem } from '../store/store-path.ts';
import type { StorePath } from '../store/store.ts';
import { utf8 } from '../util/bytes.ts';
import { EvalError, MissingAttributeError, NixError } from '../util/errors.ts';
import { indentLines, showPlace } from '../util/excerpt.ts';
import type { Pos } from '../util/positions.ts';
import { intern, symbolName, type Sym } from '../util/symbols.ts';
import { derivationStore } from './derivation-store.ts';
import { addContextInputs } from './derivation-inputs.ts';
import { decideOutputs } from './derivation-outputs.ts';
import { requireFeature } from './features.ts';

const sName = intern('name');
const sStructuredAttrs = intern('__structuredAttrs');
const sIgnoreNulls = intern('__ignoreNulls');
const sDrvPath = intern('drvPath');

/** A derivation in the making. */
export interface DerivationDraft {
  readonly name: string;
  system: string;
  builder: string;
  readonly args: string[];
  readonly env: Map<string, string>;
  /** Texts of JSON values; null without structured attributes. */
  readonly json: Map<string, string> | null;
  /** Names of outputs, each once. */
  outputs: string[];
  outputHash: string | null;
  outputHashAlgo: HashAlgorithm | undefined;
  outputHashMode: ContentAddressMethod | undefined;
  contentAddressed: boolean;
  impure: boolean;
  readonly context: ContextCollector;
}

function derivationStrict(ev: Evaluator, _pos: Pos, argument: Slot): Slot {
  const attrs = ev.expectAttrs(argument, 0, 'while evaluating the argument passed to builtins.derivationStrict');
  const nameSlot = attrs.get(sName);
  if (nameSlot === undefined) {
    const error = new MissingAttributeError("attribute 'name' missing");
    throw error.addFrame('in the attrset passed as argument to builtins.derivationStrict', 0);
  }
  const namePos = attrs.posOf(sName);
  let name: string;
  try {
    const why = 'while evaluating the `name` attribute passed to builtins.derivationStrict';
    name = ev.expectStringNoContext(nameSlot, 0, why);
  } catch (error) {
    throw ev.frame(error, "while evaluating the derivation attribute 'name'", namePos);
  }
  try {
    return instantiate(ev, name, attrs);
  } catch (caught) {
    const error = hostError(caught);
    if (error instanceof NixError) {
      const where = printPosition(ev.positions, namePos);
      error.addFrame(`while evaluating derivation '${name}'\n  whose name attribute is located at ${where}`, 0, true);
    }
    throw error;
  }
}

function instantiate(ev: Evaluator, name: string, attrs: Attrs): Slot {
  const problem = storeNameProblem(name);
  if (problem !== undefined) {
    throw new EvalError(`invalid derivation name: ${problem}. Please pass a different 'name'.`);
  }
  const flag = (sym: Sym): boolean => {
    const slot = attrs.get(sym);
    if (slot === undefined) return false;
    const why = `while evaluating the \`${symbolName(sym)}\` attribute passed to builtins.derivationStrict`;
    return ev.expectBool(slot, 0, why);
  };
  const structured = flag(sStructuredAttrs);
  const ignoreNulls = flag(sIgnoreNulls);
  const draft: DerivationDraft = {
    name,
    system: '',
    builder: '',
    args: [],
    env: new Map(),
    json: structured ? new Map() : null,
    outputs: ['out'],
    outputHash: null,
    outputHashAlgo: undefined,
    outputHashMode: undefined,
    contentAddressed: false,
    impure: false,
    context: new ContextCollector(),
  };
  const { keys, values } = attrs;
  for (const i of keys.nameOrder()) {
    const sym = keys.ids[i] as Sym;
    if (sym === sIgnoreNulls) continue;
    const key = symbolName(sym);
    const slot = values[i]!;
    try {
      if (ignoreNulls && ev.force(slot) === null) continue;
      takeAttribute(ev, draft, key, slot, attrs);
    } catch (error) {
      const what = `while evaluating attribute '${printAttrName(key)}' of derivation '${name}'`;
      throw ev.frame(error, what, attrs.positionOf(i));
    }
  }
  if (draft.json !== null) draft.env.set('__json', jsonObject(draft.json));

  const store = derivationStore(ev.io);
  // Stages of package sets have much in common: of 3,900 derivations for 520 packages half were made before.
  const makings = makingsOf(draft);
  const known = store.find(makings);
  if (known !== undefined) return known;
  const { inputDrvs, dynamicInputs, inputSrcs } = addContextInputs(ev, store, draft.context.all());
  if (draft.builder === '') throw new EvalError("required attribute 'builder' missing");
  if (draft.system === '') throw new EvalError("required attribute 'system' missing");
  const { drv, printed } = decideOutputs(ev, store, draft, {
    name,
    outputs: new Map(),
    inputDrvs,
    ...(dynamicInputs.size > 0 ? { dynamicInputs } : {}),
    inputSrcs,
    system: draft.system,
    builder: draft.builder,
    args: draft.args,
    env: draft.env,
  });
  const path = store.add(drv, printed);
  const result = resultOf(ev, path, drv);
  // An empty hash is warned about each time, and what is not static wants a feature each time.
  const isStatic = Array.from(drv.outputs.values(), staticOutputPath).every((output) => output !== undefined);
  if (isStatic && draft.outputHash !== '') store.remember(makings, path, result);
  return result;
}

/** A hash of everything that decides what the derivation will be. No string has a null byte in it. */
function makingsOf({ name, args, env, json, contentAddressed, impure, context }: DerivationDraft): string {
  const flags = [json !== null, contentAddressed, impure, args.length, env.size];
  const parts = [name, flags.join(), ...args];
  for (const [key, value] of env) parts.push(key, value);
  for (const element of context.all()) parts.push(element);
  return hashHex('sha256', parts.join('\0'));
}

/** `{ drvPath = …; out = …; }` with contexts. */
function resultOf(ev: Evaluator, drvPath: StorePath, drv: Derivation): Attrs {
  const result = new AttrsBuilder();
  result.set(sDrvPath, makeString(drvPath, [`=${drvPath}`]));
  for (const [output, value] of drv.outputs) {
    let path: string | undefined = staticOutputPath(value);
    if (path === undefined) {
      requireFeature(ev.settings, 'ca-derivations');
      path = downstreamPlaceholder(drvPath, [output]);
    }
    result.set(intern(output), makeString(path, [`!${output}!${drvPath}`]));
  }
  return result.build();
}

/** Puts one of `attrs` where it belongs; its name decides. */
function takeAttribute(ev: Evaluator, draft: DerivationDraft, key: string, slot: Slot, attrs: Attrs): void {
  // Errors get their "while evaluating attribute …" from the caller.
  switch (key) {
    case '__contentAddressed':
      if (ev.expectBool(slot, 0, '')) {
        draft.contentAddressed = true;
        requireFeature(ev.settings, 'ca-derivations');
      }
      return;
    case '__impure':
      if (ev.expectBool(slot, 0, '')) {
        draft.impure = true;
        requireFeature(ev.settings, 'impure-derivations');
      }
      return;
    case 'args':
      for (const element of ev.expectList(slot, 0, '')) {
        const why = 'while evaluating an element of the argument list';
        draft.args.push(ev.coerceToString(element, 0, draft.context, why, { more: true }));
      }
      return;
  }
  if (draft.json !== null) takeStructured(ev, draft, draft.json, key, slot, attrs);
  else takeVariable(ev, draft, key, slot, attrs);
}

/** Warns at an attribute, laid out as an error with a trace is. */
function warnAt(ev: Evaluator, draft: DerivationDraft, attrs: Attrs, key: string, message: string): void {
  const position = ev.positions.resolve(attrs.posOf(intern(key)));
  const place = position === undefined ? '' : showPlace(position).trimEnd();
  const trace = `${utf8('…')} while evaluating derivation '${draft.name}'`;
  const prefix = 'warning:';
  ev.io.log(indentLines(prefix, ' '.repeat(prefix.length + 1), `\n${trace}\n\n${prefix} ${message}\n${place}`));
}

function takeVariable(ev: Evaluator, draft: DerivationDraft, key: string, slot: Slot, attrs: Attrs): void {
  const text = ev.coerceToString(slot, 0, draft.context, '', { more: true });
  if (key === '__json') {
    warnAt(
      ev,
      draft,
      attrs,
      key,
      "setting structured attributes via '__json' is deprecated, and may be disallowed in future versions of Nix. Set '__structuredAttrs = true' instead.",
    );
    draft.env.set(key, canonicalJson(text));
    return;
  }
  draft.env.set(key, text);
  switch (key) {
    case 'builder':
      draft.builder = text;
      break;
    case 'system':
      draft.system = text;
      break;
    case 'outputHash':
      draft.outputHash = text;
      break;
    case 'outputHashAlgo':
      draft.outputHashAlgo = findHashAlgorithm(text);
      break;
    case 'outputHashMode':
      draft.outputHashMode = parseHashMode(ev, draft.name, text);
      break;
    case 'outputs':
      draft.outputs = checkOutputs(text.split(/[ \t\n\r]+/).filter((word) => word !== ''));
      break;
  }
}

function takeStructured(
  ev: Evaluator,
  draft: DerivationDraft,
  json: Map<string, string>,
  key: string,
  slot: Slot,
  attrs: Attrs,
): void {
  if (key === '__structuredAttrs') return;
  json.set(key, valueToJson(ev, slot, { context: draft.context }));
  switch (key) {
    case 'builder':
      draft.builder = ev.expectStringText(slot, 0, '', draft.context);
      break;
    case 'system':
      draft.system = ev.expectStringNoContext(slot, 0, '');
      break;
    case 'outputHash':
      draft.outputHash = ev.expectStringNoContext(slot, 0, '');
      break;
    case 'outputHashAlgo':
      draft.outputHashAlgo = findHashAlgorithm(ev.expectStringNoContext(slot, 0, ''));
      break;
    case 'outputHashMode':
      draft.outputHashMode = parseHashMode(ev, draft.name, ev.expectStringNoContext(slot, 0, ''));
      break;
    case 'outputs':
      draft.outputs = checkOutputs(ev.expectList(slot, 0, '').map((item) => ev.expectStringNoContext(item, 0, '')));
      break;
    case 'allowedReferences':
    case 'allowedRequisites':
    case 'disallowedReferences':
    case 'disallowedRequisites':
    case 'maxSize':
    case 'maxClosureSize':
      warnAt(
        ev,
        draft,
        attrs,
        key,
        `'structuredAttrs' disables the effect of the derivation attribute '${key}'; use 'outputChecks.<output>.${key}' instead`,
      );
  }
}

function parseHashMode(ev: Evaluator, drvName: string, mode: string): ContentAddressMethod {
  switch (mode) {
    case 'recursive': // the old name
    case 'nar':
      return 'nar';
    case 'flat':
      return 'flat';
    case 'text':
      requireFeature(
        ev.settings,
        'dynamic-derivations',
        `text-hashed derivation '${drvName}', outputHashMode = "text"`,
      );
      return 'text';
    case 'git':
      requireFeature(ev.settings, 'git-hashing');
      return 'git';
    default:
      throw new EvalError(`invalid value '${mode}' for 'outputHashMode' attribute`);
  }
}

function checkOutputs(names: readonly string[]): string[] {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw new EvalError(`duplicate derivation output '${name}'`);
    // The result has a drvPath already.
    if (name === 'drvPath') throw new EvalError("invalid derivation output name 'drvPath'");
    seen.add(name);
  }
  if (seen.size === 0) throw new EvalError('derivation cannot have an empty set of outputs');
  return [...seen];
}

export const derivationBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'derivationStrict',
    global: true,
    args: ['attrs'],
    doc:
      'Makes a store derivation of the attributes and returns a set of its `drvPath` and the path of each output. ' +
      '`derivation` is this with the attributes of a package around it, and lazy.',
    impl: derivationStrict,
  },
];
