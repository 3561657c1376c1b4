// Derivations as JSON, version 4 of Nix's format: store paths by their base names, inputs apart, structured attributes
// as they are. See the Nix manual, "Derivation" among the JSON formats.
import {
  isJsonArray,
  isJsonObject,
  parseStructuredAttributes,
  printJson,
  type Json,
  type JsonObject,
} from '../build/structured-attributes.ts';
import { outputPathName } from '../store/derivation.ts';
import type {
  ContentAddressMethod,
  Derivation,
  DerivationOutput,
  DynamicInput,
  HashAlgorithm,
} from '../store/derivation.ts';
import { parseHash, parseHashAlgorithm, printHash } from '../store/hash.ts';
import { baseName, makeFixedOutputPath, storePathFromBaseName } from '../store/store-path.ts';
import type { StorePath } from '../store/store.ts';
import { NixError, StoreError } from '../util/errors.ts';
import { JsonText, type JsonValue } from './print-json.ts';

export const derivationJsonVersion = 4;

function outputAsJson(output: DerivationOutput): JsonValue {
  switch (output.kind) {
    case 'inputAddressed':
      return { path: baseName(output.path) };
    case 'fixed':
      return { method: output.method, hash: printHash({ algorithm: output.algorithm, digest: output.hash }, 'sri') };
    case 'floating':
      return { method: output.method, hashAlgo: output.algorithm };
    case 'deferred':
      return {};
    case 'impure':
      return { method: output.method, hashAlgo: output.algorithm, impure: true };
  }
}

function inputAsJson(outputs: readonly string[], children: ReadonlyMap<string, DynamicInput> | undefined): JsonValue {
  const dynamic = [...(children ?? [])].map(([name, child]): [string, JsonValue] => [
    name,
    inputAsJson(child.outputs, child.children),
  ]);
  return { outputs: [...outputs].sort(), dynamicOutputs: new Map(dynamic) };
}

export function derivationAsJson(drv: Derivation): JsonValue {
  const env = new Map(drv.env);
  const structured = env.get('__json');
  env.delete('__json');
  const inputs = new Set([...drv.inputDrvs.keys(), ...(drv.dynamicInputs?.keys() ?? [])]);
  return {
    name: drv.name,
    version: derivationJsonVersion,
    outputs: new Map([...drv.outputs].map(([name, output]) => [name, outputAsJson(output)])),
    inputs: {
      srcs: drv.inputSrcs.map(baseName).sort(),
      drvs: new Map(
        [...inputs].map((path) => [
          baseName(path),
          inputAsJson(drv.inputDrvs.get(path) ?? [], drv.dynamicInputs?.get(path)),
        ]),
      ),
    },
    system: drv.system,
    builder: drv.builder,
    args: drv.args,
    env,
    ...(structured === undefined
      ? {}
      : { structuredAttrs: new JsonText(printJson(parseStructuredAttributes(structured))) }),
  };
}

// ---- reading ---------------------------------------------------------------------------------------------------

function typeName(value: Json): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return 'a string';
  if (typeof value === 'boolean') return 'a Boolean';
  return isJsonArray(value) ? 'an array' : isJsonObject(value) ? 'an object' : 'a number';
}

function wrongType(value: Json, wanted: string): StoreError {
  return new StoreError(`Expected JSON value to be ${wanted} but it is ${typeName(value)}: ${printJson(value)}`);
}

function field(object: JsonObject, name: string): Json {
  const value = object.get(name);
  if (value === undefined) throw new StoreError(`Expected JSON object to contain key '${name}' but it doesn't`);
  return value;
}

function asObject(value: Json): JsonObject {
  if (!isJsonObject(value)) throw wrongType(value, 'an object');
  return value;
}

function asString(value: Json): string {
  if (typeof value !== 'string') throw wrongType(value, 'a string');
  return value;
}

function asStrings(value: Json): string[] {
  if (!isJsonArray(value)) throw wrongType(value, 'an array');
  return value.map(asString);
}

/** Adds where it was to an error. */
function reading<T>(key: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof NixError) error.addFrame(`while reading key '${key}'`, 0);
    throw error;
  }
}

/** The derivation alone; whether its output paths are right is for the store to say. @throws StoreError */
export class DerivationReader {
  private readonly storeDir: string;
  private readonly features: ReadonlySet<string>;

  constructor(storeDir: string, features: ReadonlySet<string>) {
    this.storeDir = storeDir;
    this.features = features;
  }

  private require(feature: string, why: string): void {
    if (this.features.has(feature)) return;
    throw new StoreError(
      `experimental Nix feature '${feature}' is disabled${why === '' ? '' : `, ${why}`}; add '--extra-experimental-features ${feature}' to enable it`,
    );
  }

  private path(base: string): StorePath {
    return storePathFromBaseName(base, this.storeDir);
  }

  read(text: string): Derivation {
    const json = parseStructuredAttributes(text);
    const version = field(json, 'version');
    const number = typeof version === 'object' && version !== null && 'number' in version ? version.number : undefined;
    if (number === undefined) throw wrongType(version, 'an unsigned integer');
    if (number !== String(derivationJsonVersion)) {
      throw new StoreError(
        `Unsupported derivation JSON format version ${number}, only format version ${String(derivationJsonVersion)} is currently supported.`,
      );
    }
    const name = asString(field(json, 'name'));
    const outputs = reading('outputs', () => {
      const found = new Map<string, DerivationOutput>();
      for (const [output, value] of asObject(field(json, 'outputs')))
        found.set(output, this.output(name, output, value));
      return found;
    });
    const inputs = reading('inputs', () => {
      const object = asObject(field(json, 'inputs'));
      const srcs = reading('srcs', () => asStrings(field(object, 'srcs')).map((base) => this.path(base)));
      const drvs = reading('drvs', () =>
        [...asObject(field(object, 'drvs'))].map(([base, value]) => [this.path(base), this.input(value)] as const),
      );
      return { srcs: [...new Set(srcs)].sort(), drvs };
    });
    const env = reading('env', () => {
      const found = new Map<string, string>();
      for (const [key, value] of asObject(field(json, 'env'))) found.set(key, asString(value));
      return found;
    });
    const structured = json.get('structuredAttrs');
    if (structured !== undefined && structured !== null) env.set('__json', printJson(asObject(structured)));
    const dynamic = inputs.drvs.filter(([, input]) => input.children.size > 0);
    return {
      name,
      outputs,
      inputSrcs: inputs.srcs,
      inputDrvs: new Map(inputs.drvs.map(([path, input]) => [path, input.outputs])),
      ...(dynamic.length === 0
        ? {}
        : { dynamicInputs: new Map(dynamic.map(([path, input]) => [path, input.children])) }),
      system: asString(field(json, 'system')),
      builder: asString(field(json, 'builder')),
      args: asStrings(field(json, 'args')),
      env,
    };
  }

  private output(drvName: string, name: string, value: Json): DerivationOutput {
    const object = asObject(value);
    const keys = [...object.keys()].sort().join(',');
    const method = (): ContentAddressMethod => this.method(asString(field(object, 'method')));
    const algorithm = (): HashAlgorithm => parseHashAlgorithm(asString(field(object, 'hashAlgo')));
    switch (keys) {
      case 'path':
        return { kind: 'inputAddressed', path: this.path(asString(field(object, 'path'))) };
      case 'hash,method': {
        const { algorithm: algo, digest } = parseHash(asString(field(object, 'hash')));
        const how = { method: method(), algorithm: algo, hash: digest };
        return {
          kind: 'fixed',
          ...how,
          path: makeFixedOutputPath({ name: outputPathName(drvName, name), ...how }, this.storeDir),
        };
      }
      case 'hashAlgo,method':
        this.require('ca-derivations', '');
        return { kind: 'floating', method: method(), algorithm: algorithm() };
      case 'hashAlgo,impure,method':
        this.require('impure-derivations', '');
        return { kind: 'impure', method: method(), algorithm: algorithm() };
      case '':
        return { kind: 'deferred' };
      default:
        throw new StoreError('invalid JSON for derivation output');
    }
  }

  private method(text: string): ContentAddressMethod {
    if (text === 'text') this.require('dynamic-derivations', 'text-hashed derivation output in JSON');
    if (text === 'flat' || text === 'nar' || text === 'text' || text === 'git') return text;
    throw new StoreError(`Unknown content addressing method with prefix '${text}'`);
  }

  private input(value: Json): DynamicInput {
    const object = asObject(value);
    const outputs = [...new Set(asStrings(field(object, 'outputs')))].sort();
    const children = new Map<string, DynamicInput>();
    for (const [name, child] of asObject(field(object, 'dynamicOutputs'))) {
      this.require('dynamic-derivations', `dynamic output '${name}' in JSON`);
      children.set(name, this.input(child));
    }
    return { outputs, children };
  }
}
