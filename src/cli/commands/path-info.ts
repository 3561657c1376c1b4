// `tsnix path-info`: what the store knows of paths.
import type { QueriedStore } from '../../store/queried-store.ts';
import { parseContentAddress } from '../../store/content-address.ts';
import { printHash } from '../../store/hash.ts';
import { computeClosure, requirePathInfo } from '../../store/query.ts';
import { baseName } from '../../store/store-path.ts';
import type { PathInfo, StorePath } from '../../store/store.ts';
import { utf8 } from '../../util/bytes.ts';
import { UsageError } from '../../util/errors.ts';
import { renderSize } from '../../util/render-size.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { STORE_PATHS_FLAGS, storePathsOf } from '../installables.ts';
import { print, say } from '../output.ts';
import { JSON_FLAGS, printJson, type JsonValue } from '../print-json.ts';
import { openConfiguredStore } from '../session.ts';

export const FLAGS: readonly Flag[] = [
  ...STORE_PATHS_FLAGS,
  flag('size', 'print the size of the NAR', { short: 's' }),
  flag('closure-size', 'print the sum of the NAR sizes of the closure', { short: 'S' }),
  flag('human-readable', 'print sizes in units', { short: 'h' }),
  flag('sigs', 'print signatures'),
  ...JSON_FLAGS,
  flag('json-format', 'version of the JSON: 1, 2 or 3', { args: ['VERSION'] }),
  ...COMMON_FLAGS.filter((common) => common.name !== 'help'),
  flag('help', 'show help'),
];

/** @throws StoreError */
function closureSize(store: QueriedStore, path: StorePath): number {
  let sum = 0;
  for (const member of computeClosure(store, [path])) sum += requirePathInfo(store, member).narSize;
  return sum;
}

export async function pathInfo(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  const store = openConfiguredStore(config, true);
  try {
    if (flags.has('json')) {
      const format = jsonFormat(flags.get('json-format'));
      const paths = await jsonPathsOf(store, { flags, config });
      printJson(asJson(store, paths, format, flags.has('closure-size')), flags);
      return 0;
    }
    const paths = await storePathsOf(store, { flags, config });
    const width = Math.max(0, ...paths.map((path) => path.length));
    const number = (bytes: number): string =>
      `\t${flags.has('human-readable') ? renderSize(bytes, true) : String(bytes).padStart(11)}`;
    for (const path of paths) {
      const info = requirePathInfo(store, path);
      let line: string = path;
      if (flags.has('size') || flags.has('closure-size') || flags.has('sigs')) line = line.padEnd(width);
      if (flags.has('size')) line += number(info.narSize);
      if (flags.has('closure-size')) line += number(closureSize(store, path));
      if (flags.has('sigs')) {
        const claims = [...(info.ultimate ? ['ultimate'] : []), ...(info.ca === null ? [] : [`ca:${info.ca}`])];
        line += `\t${[...claims, ...info.signatures].join(' ')}`;
      }
      print(`${line}\n`);
    }
    return 0;
  } finally {
    await store.close();
  }
}

/** As storePathsOf(), with paths that are not valid: they are null in JSON. */
async function jsonPathsOf(
  store: QueriedStore,
  options: Parameters<typeof storePathsOf>[1],
): Promise<readonly StorePath[]> {
  if (options.flags.has('all') || options.flags.has('recursive')) return await storePathsOf(store, options);
  const { findInstallables, pathsOf } = await import('../installables.ts');
  const found = await findInstallables(store, options);
  return found.flatMap((installable) => pathsOf(store, installable, options.flags.has('derivation')));
}

type Format = 1 | 2 | 3;

function jsonFormat(text: string | undefined): Format {
  if (text === undefined) {
    say(
      "warning: '--json' without '--json-format' is deprecated; please specify '--json-format 1' or '--json-format 2'. This will become an error in a future release.",
    );
    return 1;
  }
  if (text !== '1' && text !== '2' && text !== '3') {
    throw new UsageError(`unsupported path info JSON format version ${utf8(text)}; supported versions are 1, 2 and 3`);
  }
  return Number(text) as Format;
}

function asJson(store: QueriedStore, paths: readonly StorePath[], format: Format, withClosure: boolean): JsonValue {
  const key = (path: StorePath): string => (format === 1 ? path : baseName(path));
  const all = new Map<string, JsonValue>();
  for (const path of paths) {
    const info = store.pathInfo(path);
    if (info === undefined) all.set(key(path), null);
    else {
      const closure = withClosure ? { closureSize: closureSize(store, path) } : {};
      all.set(key(path), { ...infoAsJson(store.storeDir, info, format, key), ...closure });
    }
  }
  return format === 1 ? all : { version: format, storeDir: store.storeDir, info: all };
}

function infoAsJson(
  storeDir: string,
  info: PathInfo,
  format: Format,
  key: (path: StorePath) => string,
): Record<string, JsonValue> {
  const narHash = printHash({ algorithm: 'sha256', digest: info.narHash }, 'sri');
  return {
    version: format,
    storeDir,
    narHash,
    narSize: info.narSize,
    references: info.references.map(key),
    ca: info.ca === null || format === 1 ? info.ca : contentAddressAsJson(info.ca),
    deriver: info.deriver === null ? null : key(info.deriver),
    registrationTime: info.registrationTime === 0 ? null : info.registrationTime,
    ultimate: info.ultimate,
    signatures: [...info.signatures].sort().map((signature) => (format === 3 ? signatureAsJson(signature) : signature)),
  };
}

function contentAddressAsJson(text: string): JsonValue {
  const { method, algorithm, digest } = parseContentAddress(text);
  return { method, hash: printHash({ algorithm, digest }, 'sri') };
}

function signatureAsJson(text: string): JsonValue {
  const colon = text.indexOf(':');
  return { keyName: text.slice(0, colon), sig: text.slice(colon + 1) };
}
