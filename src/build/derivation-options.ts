// What a derivation's own attributes ask of the builder: checks of outputs, files to pass, features. They are read from
// the environment or, with structured attributes, from their JSON, where some mean nothing at the top level.
// Follows Nix's libstore/derivation-options.cc.
import { StoreError } from '../util/errors.ts';
import type { Derivation } from '../store/derivation.ts';
import { splitStorePath, tryParseStorePath } from '../store/store-path.ts';
import type { StorePath } from '../store/store.ts';
import { isJsonObject, parseStructuredAttributes } from './structured-attributes.ts';
import type { Json, JsonObject } from './structured-attributes.ts';

/** Words are store paths or names of outputs; undefined where not given, which differs from an empty list. */
export interface OutputChecks {
  readonly maxSize?: number;
  readonly maxClosureSize?: number;
  readonly allowedReferences?: readonly string[];
  readonly allowedRequisites?: readonly string[];
  readonly disallowedReferences: readonly string[];
  readonly disallowedRequisites: readonly string[];
  /** The output itself never counts among its requisites. */
  readonly ignoreSelfReferences: boolean;
}

export interface DerivationOptions {
  readonly structured: JsonObject | undefined;
  checksOf(output: string): OutputChecks | undefined;
  readonly unsafeDiscardReferences: ReadonlySet<string>;
  /** Names of variables. */
  readonly passAsFile: ReadonlySet<string>;
  /** File name (or key of the JSON) to paths. */
  readonly exportReferencesGraph: ReadonlyMap<string, readonly StorePath[]>;
  readonly noChroot: boolean;
  readonly impureHostDeps: readonly string[];
  readonly impureEnvVars: readonly string[];
  readonly requiredSystemFeatures: readonly string[];
  readonly preferLocalBuild: boolean;
  readonly allowSubstitutes: boolean;
}

/** @throws StoreError where an attribute has a form that Nix refuses */
export function derivationOptions(
  drv: Derivation,
  storeDir: string,
  warn?: (message: string) => void,
): DerivationOptions {
  const json = drv.env.get('__json');
  return json === undefined
    ? fromEnvironment(drv, storeDir)
    : fromStructured(parseStructuredAttributes(json), storeDir, warn);
}

function fromEnvironment(drv: Derivation, storeDir: string): DerivationOptions {
  const words = (name: string): string[] | undefined => {
    const text = drv.env.get(name);
    return text === undefined ? undefined : tokenize(text);
  };
  const references = (name: string): string[] | undefined => words(name)?.map((word) => reference(word, storeDir));
  const checks: OutputChecks = {
    ...given('allowedReferences', references('allowedReferences')),
    ...given('allowedRequisites', references('allowedRequisites')),
    disallowedReferences: references('disallowedReferences') ?? [],
    disallowedRequisites: references('disallowedRequisites') ?? [],
    ignoreSelfReferences: true,
  };
  return {
    structured: undefined,
    checksOf: () => checks,
    unsafeDiscardReferences: new Set(),
    passAsFile: new Set(words('passAsFile')),
    exportReferencesGraph: graphsFromEnvironment(drv.env.get('exportReferencesGraph') ?? '', storeDir),
    noChroot: drv.env.get('__noChroot') === '1',
    impureHostDeps: words('__impureHostDeps') ?? [],
    impureEnvVars: words('impureEnvVars') ?? [],
    requiredSystemFeatures: words('requiredSystemFeatures') ?? [],
    preferLocalBuild: drv.env.get('preferLocalBuild') === '1',
    allowSubstitutes: (drv.env.get('allowSubstitutes') ?? '1') === '1',
  };
}

function graphsFromEnvironment(text: string, storeDir: string): Map<string, StorePath[]> {
  const words = tokenize(text);
  if (words.length % 2 !== 0) throw new StoreError(`odd number of tokens in 'exportReferencesGraph': '${text}'`);
  const graphs = new Map<string, StorePath[]>();
  for (let i = 0; i < words.length; i += 2) {
    const file = words[i]!;
    if (!/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(file)) {
      throw new StoreError(`invalid file name '${file}' in 'exportReferencesGraph'`);
    }
    graphs.set(file, [splitStorePath(words[i + 1]!, storeDir).storePath]);
  }
  return graphs;
}

function fromStructured(json: JsonObject, storeDir: string, warn?: (message: string) => void): DerivationOptions {
  const words = (name: string): string[] => {
    const value = json.get(name);
    return value === undefined ? [] : stringList(value, name);
  };
  const flag = (name: string, fallback: boolean): boolean => {
    const value = json.get(name);
    if (value === undefined) return fallback;
    if (typeof value !== 'boolean') throw new StoreError(`attribute '${name}' of a derivation must be a Boolean`);
    return value;
  };
  const checks = new Map<string, OutputChecks>();
  const given = json.get('outputChecks');
  if (given !== undefined) {
    for (const [output, value] of objectOf(given, 'outputChecks')) {
      checks.set(output, structuredChecks(objectOf(value, `outputChecks.${output}`), output, storeDir));
    }
  }
  const discard = new Set<string>();
  const discards = json.get('unsafeDiscardReferences');
  if (discards !== undefined) {
    for (const [output, value] of objectOf(discards, 'unsafeDiscardReferences'))
      if (value === true) discard.add(output);
  }
  const graphs = new Map<string, StorePath[]>();
  const exported = json.get('exportReferencesGraph');
  if (exported !== undefined && !isJsonObject(exported)) {
    warn?.("'exportReferencesGraph' in structured attrs is not a JSON object, ignoring");
  } else if (exported !== undefined) {
    for (const [key, value] of exported) {
      const paths: string[] = [];
      flattenStrings(value, paths);
      graphs.set(
        key,
        [...new Set(paths)].sort().map((path) => splitStorePath(path, storeDir).storePath),
      );
    }
  }
  return {
    structured: json,
    checksOf: (output) => checks.get(output),
    unsafeDiscardReferences: discard,
    passAsFile: new Set(),
    exportReferencesGraph: graphs,
    noChroot: flag('__noChroot', false),
    impureHostDeps: words('__impureHostDeps'),
    impureEnvVars: words('impureEnvVars'),
    requiredSystemFeatures: words('requiredSystemFeatures'),
    preferLocalBuild: flag('preferLocalBuild', false),
    allowSubstitutes: flag('allowSubstitutes', true),
  };
}

function structuredChecks(json: JsonObject, output: string, storeDir: string): OutputChecks {
  const references = (name: string): string[] | undefined => {
    const value = json.get(name);
    return value === undefined
      ? undefined
      : stringList(value, `outputChecks."${output}".${name}`).map((word) => reference(word, storeDir));
  };
  const size = (name: 'maxSize' | 'maxClosureSize'): { maxSize?: number; maxClosureSize?: number } => {
    const value = json.get(name);
    return isNumber(value) ? { [name]: Number(value.number) } : {};
  };
  return {
    ...size('maxSize'),
    ...size('maxClosureSize'),
    ...given('allowedReferences', references('allowedReferences')),
    ...given('allowedRequisites', references('allowedRequisites')),
    disallowedReferences: references('disallowedReferences') ?? [],
    disallowedRequisites: references('disallowedRequisites') ?? [],
    ignoreSelfReferences: false,
  };
}

/** An optional property, absent rather than undefined. */
function given<Name extends string>(name: Name, value: string[] | undefined): Partial<Record<Name, string[]>> {
  return value === undefined ? {} : ({ [name]: value } as Partial<Record<Name, string[]>>);
}

/** A path below a store path stands for the store path; other words are names of outputs. */
function reference(word: string, storeDir: string): string {
  return tryParseStorePath(word, storeDir) ?? word;
}

function isNumber(value: Json | undefined): value is { readonly number: string } {
  return typeof value === 'object' && value !== null && 'number' in value;
}

function objectOf(value: Json, name: string): JsonObject {
  if (!isJsonObject(value)) throw new StoreError(`attribute '${name}' of a derivation must be an object`);
  return value;
}

function stringList(value: Json, name: string): string[] {
  const list: string[] = [];
  if (!Array.isArray(value)) throw new StoreError(`attribute '${name}' of a derivation must be a list of strings`);
  for (const item of value as readonly Json[]) {
    if (typeof item !== 'string') throw new StoreError(`attribute '${name}' of a derivation must be a list of strings`);
    list.push(item);
  }
  return list;
}

function flattenStrings(value: Json, out: string[]): void {
  if (typeof value === 'string') out.push(value);
  else if (Array.isArray(value)) for (const item of value as readonly Json[]) flattenStrings(item, out);
  else throw new StoreError("'exportReferencesGraph' value is not an array or a string");
}

/** Words between blanks, as Nix cuts them. */
export function tokenize(text: string): string[] {
  return text.split(/[ \t\n\r]+/).filter((word) => word !== '');
}
