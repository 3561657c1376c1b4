// The environment of a builder: variables in Nix's order of precedence and the files that lie in its build directory.
// Follows Nix's initEnv() and build/derivation-env-desugar.cc.
import { parseDerivation } from '../store/aterm.ts';
import { isFixedOutput, mayReachOut, staticOutputPath } from '../store/derivation.ts';
import type { Derivation } from '../store/derivation.ts';
import { hashString, printDigest } from '../store/hash.ts';
import { outputPlaceholder } from '../store/placeholder.ts';
import { isDerivationPath, storePathName } from '../store/store-path.ts';
import type { PathInfo, StorePath, SyncStore } from '../store/store.ts';
import type { DerivationOptions } from './derivation-options.ts';
import { BuildFailure } from './failure.ts';
import { printJson, shellAttributes } from './structured-attributes.ts';
import type { Json } from './structured-attributes.ts';
import { readFileSync } from 'node:fs';
import { fromBuffer } from '../util/bytes.ts';

export interface BuilderEnvironment {
  /** Sorted by name: builders that print their environment print it in this order. */
  readonly variables: readonly (readonly [string, string])[];
  /** Name in the build directory to contents. */
  readonly files: ReadonlyMap<string, string>;
  readonly args: readonly string[];
  /** The working directory. */
  readonly buildTop: string;
}

export interface EnvironmentOptions {
  readonly drv: Derivation;
  readonly options: DerivationOptions;
  readonly store: SyncStore;
  /** The closure of the inputs. */
  readonly inputs: ReadonlySet<StorePath>;
  /** As the builder sees it: `/build`. */
  readonly buildTop: string;
  readonly cores: number;
  /** Where this build writes each output (differs from the final path only when hashes are rewritten afterwards). */
  readonly outputPaths: ReadonlyMap<string, StorePath>;
  /** Texts to replace everywhere, besides placeholders. */
  readonly rewrites?: ReadonlyMap<string, string>;
  /** For impureEnvVars. */
  readonly callerEnv: Readonly<Record<string, string | undefined>>;
}

/** @throws BuildFailure where a graph is asked of a path that is not among the inputs */
export function builderEnvironment(options: EnvironmentOptions): BuilderEnvironment {
  const { drv, buildTop } = options;
  const env = new Map<string, string>([
    ['PATH', '/path-not-set'],
    ['HOME', '/homeless-shelter'],
    ['NIX_STORE', options.store.storeDir],
    ['NIX_BUILD_CORES', String(options.cores)],
  ]);
  const files = new Map<string, string>();
  if (options.options.structured === undefined) addAttributes(options, env, files);
  else addStructured(options, env, files);

  env.set('NIX_BUILD_TOP', buildTop);
  for (const name of ['TMPDIR', 'TEMPDIR', 'TMP', 'TEMP', 'PWD']) env.set(name, buildTop);
  if (isFixedOutput(drv)) {
    env.set('NIX_OUTPUT_CHECKED', '1');
  }
  if (mayReachOut(drv)) {
    for (const name of options.options.impureEnvVars) {
      env.set(name, Buffer.from(options.callerEnv[name] ?? '', 'utf8').toString('latin1'));
    }
  }
  env.set('NIX_LOG_FD', '2');
  env.set('TERM', 'xterm-256color');

  const rewrite = rewriter(options);
  const names = [...env.keys()].sort();
  for (const [name, contents] of files) files.set(name, rewrite(contents));
  return {
    variables: names.map((name) => [name, rewrite(env.get(name)!)] as const),
    files,
    args: drv.args.map(rewrite),
    buildTop,
  };
}

function rewriter(options: EnvironmentOptions): (text: string) => string {
  const pairs: [string, string][] = [...(options.rewrites ?? [])];
  for (const [output, path] of options.outputPaths) pairs.push([outputPlaceholder(output), path]);
  return (text) => {
    for (const [from, to] of pairs) if (text.includes(from)) text = text.replaceAll(from, to);
    return text;
  };
}

function addAttributes(options: EnvironmentOptions, env: Map<string, string>, files: Map<string, string>): void {
  for (const [name, value] of options.drv.env) {
    if (!options.options.passAsFile.has(name)) {
      env.set(name, value);
      continue;
    }
    const file = `.attr-${printDigest(hashString('sha256', name), 'nix32')}`;
    files.set(file, value);
    env.set(`${name}Path`, `${options.buildTop}/${file}`);
  }
  for (const [file, paths] of options.options.exportReferencesGraph) {
    let text = '';
    for (const path of exportedPaths(options, paths)) {
      const references = pathInfo(options.store, path).references;
      // The empty line is the deriver's, which is never told.
      text += `${path}\n\n${references.length}\n${references.map((reference) => `${reference}\n`).join('')}`;
    }
    files.set(file, text);
  }
}

function addStructured(options: EnvironmentOptions, env: Map<string, string>, files: Map<string, string>): void {
  const json = new Map<string, Json>(options.options.structured);
  json.set('outputs', new Map([...options.drv.outputs.keys()].map((name) => [name, outputPlaceholder(name)])));
  for (const [key, paths] of options.options.exportReferencesGraph) {
    json.set(
      key,
      exportedPaths(options, paths).map((path) => describePath(options.store, path)),
    );
  }
  files.set('.attrs.sh', shellAttributes(json));
  files.set('.attrs.json', printJson(json));
  env.set('NIX_ATTRS_SH_FILE', `${options.buildTop}/.attrs.sh`);
  env.set('NIX_ATTRS_JSON_FILE', `${options.buildTop}/.attrs.json`);
}

function describePath(store: SyncStore, path: StorePath): Json {
  const info = pathInfo(store, path);
  let closureSize = 0;
  for (const member of store.closure([path])) closureSize += pathInfo(store, member).narSize;
  const json = new Map<string, Json>([
    ['narHash', `sha256:${printDigest(info.narHash, 'nix32')}`],
    ['narSize', { number: String(info.narSize) }],
    ['references', info.references],
    ['path', path],
    ['valid', true],
    ['closureSize', { number: String(closureSize) }],
  ]);
  if (info.ca !== null) json.set('ca', info.ca);
  return json;
}

/** Closure of `roots`; where that holds derivations, also the closures of their outputs. Sorted. */
function exportedPaths(options: EnvironmentOptions, roots: readonly StorePath[]): StorePath[] {
  const { store } = options;
  for (const root of roots) {
    if (!options.inputs.has(root)) {
      throw new BuildFailure(
        'inputRejected',
        `cannot export references of path '${root}' because it is not in the input closure of the derivation`,
      );
    }
  }
  const paths = new Set(store.closure(roots));
  const outputs: StorePath[] = [];
  for (const path of paths) {
    if (!isDerivationPath(path)) continue;
    const name = storePathName(path).slice(0, -'.drv'.length);
    const drv = parseDerivation(fromBuffer(readFileSync(store.realPath(path))), name, store.storeDir);
    for (const output of drv.outputs.values()) {
      const outputPath = staticOutputPath(output);
      if (outputPath === undefined)
        throw new BuildFailure('inputRejected', 'exportReferences on CA derivations is not yet implemented');
      outputs.push(outputPath);
    }
  }
  for (const path of store.closure(outputs)) paths.add(path);
  return [...paths].sort();
}

function pathInfo(store: SyncStore, path: StorePath): PathInfo {
  const info = store.pathInfo(path);
  if (info === undefined) throw new BuildFailure('misc', `path '${path}' is not valid`);
  return info;
}
