// The text form of derivations, `.drv` files: `Derive([outputs],[inputs],[sources],"system","builder",[args],[env])`.
// Printing gives exactly the bytes of C++ Nix: they are hashed. Parsing takes hostile input: it never recurses on
// it and says what is wrong.
// See the Nix manual, "Derivation ATerm format".
import { StoreError } from '../util/errors.ts';
import { compareBytes } from '../util/bytes.ts';
import {
  methodPrefix,
  outputPathName,
  sortedKeys,
  sortedMap,
  type ContentAddressMethod,
  type Derivation,
  type DerivationOutput,
  type DynamicInput,
  type HashAlgorithm,
} from './derivation.ts';
import { findHashAlgorithm, parseHash, printDigest } from './hash.ts';
import { canonicalJson } from './json.ts';
import { makeFixedOutputPath, storePathFromBaseName } from './store-path.ts';
import type { StorePath } from './store.ts';

const NEEDS_ESCAPE = /["\\\n\r\t]/;
const ESCAPE = /["\\\n\r\t]/g;
const ESCAPED: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

/** A string literal; only `" \ LF CR TAB` are escaped. */
function printString(text: string): string {
  return NEEDS_ESCAPE.test(text) ? `"${text.replace(ESCAPE, (c) => ESCAPED[c]!)}"` : `"${text}"`;
}

function printStrings(strings: readonly string[]): string {
  let out = '[';
  for (let i = 0; i < strings.length; i++) out += (i === 0 ? '' : ',') + printString(strings[i]!);
  return out + ']';
}

// Nix quirk: paths, output names and the system are not escaped at all.
function printUnescapedStrings(strings: readonly string[]): string {
  return strings.length === 0 ? '[]' : `["${strings.join('","')}"]`;
}

/** Path, method and algorithm, hash of an output, as derivations are written. */
export type OutputFields = readonly [path: string, algorithm: string, hash: string];

export function outputFields(output: DerivationOutput): OutputFields {
  switch (output.kind) {
    case 'inputAddressed':
      return [output.path, '', ''];
    case 'fixed':
      return [output.path, methodPrefix(output.method) + output.algorithm, printDigest(output.hash, 'base16')];
    case 'floating':
      return ['', methodPrefix(output.method) + output.algorithm, ''];
    case 'deferred':
      return ['', '', ''];
    case 'impure':
      return ['', methodPrefix(output.method) + output.algorithm, 'impure'];
  }
}

/** @throws StoreError for fields that do not go together */
export function outputOfFields(
  drvName: string,
  name: string,
  [path, algorithmField, hash]: OutputFields,
  storeDir: string,
): DerivationOutput {
  if (algorithmField === '') {
    if (path === '') return { kind: 'deferred' };
    return { kind: 'inputAddressed', path: canonicalStorePath(path, storeDir) };
  }
  const { method, algorithm } = parseMethodAlgorithm(algorithmField);
  if (hash === 'impure') {
    if (path !== '') throw new StoreError('impure derivation output should not specify output path');
    return { kind: 'impure', method, algorithm };
  }
  if (hash === '') {
    if (path !== '') throw new StoreError('content-addressing derivation output should not specify output path');
    return { kind: 'floating', method, algorithm };
  }
  const bytes = parseHash(hash, algorithm).digest;
  const stated = canonicalStorePath(path, storeDir);
  const fixed = { name: outputPathName(drvName, name), method, algorithm, hash: bytes };
  const computed = makeFixedOutputPath(fixed, storeDir);
  if (stated !== computed) {
    throw new StoreError(`derivation output '${name}' has path '${path}', which does not match its content address`);
  }
  return { kind: 'fixed', path: stated, method, algorithm, hash: bytes };
}

function printOutput(name: string, output: DerivationOutput): string {
  return `("${name}",${outputFields(output)
    .map((field) => `"${field}"`)
    .join(',')})`;
}

function printDynamicInput(outputs: readonly string[], children: ReadonlyMap<string, DynamicInput>): string {
  if (children.size === 0) return printUnescapedStrings(outputs);
  const printed = [...sortedMap(children)].map(
    ([output, node]) => `("${output}",${printDynamicInput(node.outputs, node.children)})`,
  );
  return `(${printUnescapedStrings(outputs)},[${printed.join(',')}])`;
}

/** A derivation's variables as its ATerm has them. A derivation is printed three times until its path is known. */
export class PrintedVariables {
  /** Sorted. */
  private readonly names: readonly string[];
  /** `("name","value")` each. */
  private readonly texts: readonly string[];

  private constructor(names: readonly string[], texts: readonly string[]) {
    this.names = names;
    this.texts = texts;
  }

  static of(env: ReadonlyMap<string, string>): PrintedVariables {
    const names = sortedKeys(env);
    const texts = new Array<string>(names.length);
    for (let i = 0; i < names.length; i++) texts[i] = printVariable(names[i]!, env.get(names[i]!)!);
    return new PrintedVariables(names, texts);
  }

  /** With other values for some of the names. */
  with(values: ReadonlyMap<string, string>): PrintedVariables {
    const texts = this.texts.slice();
    for (const [name, value] of values) {
      const i = this.names.indexOf(name);
      if (i >= 0) texts[i] = printVariable(name, value);
    }
    return new PrintedVariables(this.names, texts);
  }

  print(): string {
    return this.texts.join(',');
  }
}

function printVariable(name: string, value: string): string {
  return `(${printString(name)},${printString(value)})`;
}

/** The parts of a derivation's ATerm that hash-modulo.ts varies. */
export interface AtermParts {
  /** Instead of the derivation's own outputs: all paths empty, and so the variables named like outputs. */
  readonly maskOutputs?: boolean;
  /** Instead of the derivation's inputs: what printInputs() gave. */
  readonly inputs?: string;
  /** The derivation's variables, where they were printed before. */
  readonly variables?: PrintedVariables | undefined;
}

/** The list of inputs: path (or hex hash) → output names, sorted. */
export function printInputs(inputs: ReadonlyMap<string, readonly string[]>): string {
  let text = '';
  for (const input of sortedKeys(inputs)) {
    text += `${text === '' ? '' : ','}("${input}",${printUnescapedStrings(inputs.get(input)!)})`;
  }
  return text;
}

/** A derivation's ATerm: byte string, no final newline. */
export function printDerivation(drv: Derivation, parts: AtermParts = {}): string {
  const mask = parts.maskOutputs === true;
  const dynamic = drv.dynamicInputs;
  const pieces: string[] = [
    parts.inputs === undefined && dynamic !== undefined && dynamic.size > 0
      ? 'DrvWithVersion("xp-dyn-drv",['
      : 'Derive([',
  ];
  let separator = '';
  for (const name of sortedKeys(drv.outputs)) {
    pieces.push(separator, mask ? `("${name}","","","")` : printOutput(name, drv.outputs.get(name)!));
    separator = ',';
  }
  pieces.push('],[');
  separator = '';
  if (parts.inputs !== undefined) pieces.push(parts.inputs);
  else if (dynamic === undefined || dynamic.size === 0) pieces.push(printInputs(drv.inputDrvs));
  else {
    for (const path of [...new Set([...drv.inputDrvs.keys(), ...dynamic.keys()])].sort(compareBytes)) {
      const outputs = drv.inputDrvs.get(path) ?? [];
      pieces.push(separator, `("${path}",${printDynamicInput(outputs, dynamic.get(path) ?? new Map())})`);
      separator = ',';
    }
  }
  let variables = parts.variables ?? PrintedVariables.of(drv.env);
  if (mask) variables = variables.with(new Map(Array.from(drv.outputs.keys(), (name) => [name, ''])));
  pieces.push('],', printUnescapedStrings([...drv.inputSrcs].sort(compareBytes)));
  pieces.push(
    `,"${drv.system}",`,
    printString(drv.builder),
    ',',
    printStrings(drv.args),
    ',[',
    variables.print(),
    '])',
  );
  return pieces.join('');
}

class DerivationReader {
  private readonly text: string;
  private readonly storeDir: string;
  private offset = 0;
  constructor(text: string, storeDir: string) {
    this.text = text;
    this.storeDir = storeDir;
  }

  expect(token: string): void {
    if (!this.text.startsWith(token, this.offset)) throw new StoreError(`expected string '${token}'`);
    this.offset += token.length;
  }

  startsWith(token: string): boolean {
    return this.text.startsWith(token, this.offset);
  }

  /** Steps over `,` (more to come) or `]` (true); the first element has nothing before it. */
  endOfList(): boolean {
    const c = this.text.charCodeAt(this.offset);
    if (c === 0x2c /* , */) {
      this.offset++;
      return false;
    }
    if (c === 0x5d /* ] */) {
      this.offset++;
      return true;
    }
    return false;
  }

  string(): string {
    this.expect('"');
    const text = this.text;
    const start = this.offset;
    let end = text.indexOf('"', start);
    // A quote with an odd number of backslashes before it belongs to the string.
    while (end >= 0) {
      let backslash = end;
      while (backslash > start && text.charCodeAt(backslash - 1) === 0x5c) backslash--;
      if ((end - backslash) % 2 === 0) break;
      end = text.indexOf('"', end + 1);
    }
    if (end < 0) throw new StoreError('unterminated string in derivation');
    this.offset = end + 1;
    const raw = text.slice(start, end);
    if (!raw.includes('\\')) return raw;
    return raw.replace(/\\([^])/g, (_, c: string) => (c === 'n' ? '\n' : c === 'r' ? '\r' : c === 't' ? '\t' : c));
  }

  strings(): string[] {
    this.expect('[');
    const out: string[] = [];
    while (!this.endOfList()) out.push(this.string());
    return out;
  }

  sortedStrings(): string[] {
    return [...new Set(this.strings())].sort(compareBytes);
  }

  storePath(): StorePath {
    return canonicalStorePath(this.string(), this.storeDir);
  }

  output(drvName: string, name: string): DerivationOutput {
    this.expect(',');
    const path = this.string();
    this.expect(',');
    const algorithmField = this.string();
    this.expect(',');
    const hash = this.string();
    this.expect(')');
    return outputOfFields(drvName, name, [path, algorithmField, hash], this.storeDir);
  }

  /** Wanted outputs of an input derivation; with `dynamic`, the newer form `(["out"],[("out",…)])` too. */
  input(dynamic: boolean, depth = 0): DynamicInput {
    if (!dynamic || this.startsWith('[')) return { outputs: this.sortedStrings(), children: new Map() };
    if (!this.startsWith('(')) throw new StoreError('invalid inputDrvs entry in derivation');
    // Each level is one more round of building a derivation that makes a derivation.
    if (depth > 100) throw new StoreError('inputDrvs entry in derivation is nested too deeply');
    this.expect('(');
    const outputs = this.sortedStrings();
    this.expect(',[');
    const children = new Map<string, DynamicInput>();
    while (!this.endOfList()) {
      this.expect('(');
      const name = this.string();
      this.expect(',');
      children.set(name, this.input(dynamic, depth + 1));
      this.expect(')');
    }
    this.expect(')');
    return { outputs, children: sortedMap(children) };
  }
}

function parseMethodAlgorithm(field: string): { method: ContentAddressMethod; algorithm: HashAlgorithm } {
  let method: ContentAddressMethod = 'flat';
  let rest = field;
  for (const candidate of ['nar', 'text', 'git'] as const) {
    const prefix = methodPrefix(candidate);
    if (field.startsWith(prefix)) {
      method = candidate;
      rest = field.slice(prefix.length);
      break;
    }
  }
  const algorithm = findHashAlgorithm(rest);
  if (algorithm === undefined) throw new StoreError(`unknown hash algorithm '${rest}' in derivation`);
  return { method, algorithm };
}

/** Store paths in derivations must be written as they are hashed: no `//`, no `..`. */
function canonicalStorePath(path: string, storeDir: string): StorePath {
  if (!path.startsWith(`${storeDir}/`)) throw new StoreError(`path '${path}' is not in the Nix store`);
  return storePathFromBaseName(path.slice(storeDir.length + 1), storeDir);
}

/**
 * Reads a `.drv` file's contents. `name` is the derivation's name, which only the file's name tells.
 * @throws StoreError where the text is not a derivation
 */
export function parseDerivation(text: string, name: string, storeDir: string): Derivation {
  const reader = new DerivationReader(text, storeDir);
  let dynamic = false;
  if (reader.startsWith('De')) reader.expect('Derive(');
  else if (reader.startsWith('Dr')) {
    reader.expect('DrvWithVersion(');
    const version = reader.string();
    if (version !== 'xp-dyn-drv') throw new StoreError(`Unknown derivation ATerm format version '${version}'`);
    reader.expect(',');
    dynamic = true;
  } else throw new StoreError("derivation does not start with 'Derive' or 'DrvWithVersion'");

  const outputs = new Map<string, DerivationOutput>();
  reader.expect('[');
  while (!reader.endOfList()) {
    reader.expect('(');
    const id = reader.string();
    const output = reader.output(name, id);
    if (!outputs.has(id)) outputs.set(id, output);
  }
  const inputDrvs = new Map<StorePath, readonly string[]>();
  const dynamicInputs = new Map<StorePath, ReadonlyMap<string, DynamicInput>>();
  reader.expect(',[');
  while (!reader.endOfList()) {
    reader.expect('(');
    const path = reader.storePath();
    reader.expect(',');
    const node = reader.input(dynamic);
    if (node.outputs.length === 0 && node.children.size === 0) {
      throw new StoreError(`inputDrvs entry for '${path}' specifies no outputs`);
    }
    if (node.outputs.length > 0) inputDrvs.set(path, node.outputs);
    if (node.children.size > 0) dynamicInputs.set(path, node.children);
    reader.expect(')');
  }
  reader.expect(',');
  const inputSrcs = [...new Set(reader.strings())].sort(compareBytes).map((path) => canonicalStorePath(path, storeDir));
  reader.expect(',');
  const system = reader.string();
  reader.expect(',');
  const builder = reader.string();
  reader.expect(',');
  const args = reader.strings();
  const env = new Map<string, string>();
  reader.expect(',[');
  while (!reader.endOfList()) {
    reader.expect('(');
    const key = reader.string();
    reader.expect(',');
    const value = reader.string();
    env.set(key, key === '__json' ? canonicalJson(value) : value);
    reader.expect(')');
  }
  reader.expect(')');
  return {
    name,
    outputs: sortedMap(outputs),
    inputDrvs: sortedMap(inputDrvs),
    ...(dynamicInputs.size > 0 ? { dynamicInputs: sortedMap(dynamicInputs) } : {}),
    inputSrcs,
    system,
    builder,
    args,
    env: sortedMap(env),
  };
}
