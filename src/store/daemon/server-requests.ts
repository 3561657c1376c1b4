// The requests of the worker protocol: each reads its arguments, and gives what does the work and writes the answer.
import { StoreError } from '../../util/errors.ts';
import { parseHash } from '../hash.ts';
import { printRealisation } from '../realisation.ts';
import { isDerivationPath, parseStorePath } from '../store-path.ts';
import type { PathInfo, StorePath } from '../store.ts';
import { WireInput } from '../wire-input.ts';
import { readBasicDerivation } from './basic-derivation.ts';
import type { RemoteBuildResult } from './build-result.ts';
import { operation } from './operations.ts';
import type { DaemonServer } from './server.ts';
import type { BuildMode, CollectRequest, ServedStore } from './served-store.ts';

type Work = () => void | Promise<void>;
type Request = (server: DaemonServer) => Work;

/** No setting or log line is longer. */
const maxSetting = 1 << 20;
/** No log that anybody reads is larger. */
const maxLogBytes = 1 << 28;
/** More than any client sets, or asks for. */
const maxEntries = 1 << 20;

/** A method of the store. @throws StoreError where it has not got it */
function supported<K extends keyof ServedStore>(
  store: ServedStore,
  name: K,
  told: string,
): NonNullable<ServedStore[K]> {
  const method = store[name];
  if (method === undefined) throw new StoreError(`operation '${told}' is not supported by store '${store.uri}'`);
  return (method as (...args: unknown[]) => unknown).bind(store) as NonNullable<ServedStore[K]>;
}

function requireTrust({ trusted }: DaemonServer, what: string): void {
  if (!trusted) throw new StoreError(`you are not privileged to ${what}`);
}

type Chunks = Generator<Buffer, void>;

/** Chunks of a request as `use` takes them; what it leaves is passed over. */
async function lend<T>(chunks: Chunks, use: (chunks: Chunks) => T | Promise<T>): Promise<T> {
  // A consumer that stops early would end the generator itself.
  const lent = { next: () => chunks.next(), [Symbol.iterator]: () => lent } as unknown as Chunks;
  try {
    return await use(lent);
  } finally {
    while (chunks.next().done !== true);
  }
}

function readInfo(input: WireInput, path: StorePath, storeDir: string): PathInfo {
  const deriver = input.text();
  const { digest } = parseHash(input.text(), 'sha256');
  return {
    path,
    deriver: deriver === '' ? null : parseStorePath(deriver, storeDir),
    narHash: digest,
    references: [...new Set(input.texts().map((text) => parseStorePath(text, storeDir)))].sort(),
    registrationTime: input.number(),
    narSize: input.number(),
    ultimate: input.number() !== 0,
    signatures: input.texts(),
    ca: input.text() || null,
  };
}

function readBuildMode(input: WireInput): BuildMode {
  const modes: readonly BuildMode[] = ['normal', 'repair', 'check'];
  const mode = modes[input.number()];
  if (mode === undefined) throw new StoreError('invalid build mode');
  return mode;
}

function writeBuildResult(server: DaemonServer, { status, message, outputs }: RemoteBuildResult): void {
  server.number(status);
  server.text(message);
  if (server.minor >= 29) for (let i = 0; i < 4; i++) server.number(0); // times built, determinism, start, stop
  if (server.minor >= 37) for (let i = 0; i < 2; i++) server.number(0); // CPU times are not known
  if (server.minor < 28) return;
  server.number(outputs.size);
  for (const [name, path] of outputs) {
    // Clients look at the name and the path only.
    const id = `sha256:${'0'.repeat(64)}!${name}`;
    server.text(id);
    const outPath = path.slice(server.store.storeDir.length + 1);
    server.text(JSON.stringify({ dependentRealisations: {}, id, outPath, signatures: [] }));
  }
}

/** A request with a single path. */
const ofPath =
  (work: (server: DaemonServer, path: StorePath) => void | Promise<void>): Request =>
  (server) => {
    const path = server.path();
    return () => work(server, path);
  };

/** What is done for the store's sake, and answered with 1. */
const done =
  (work: (server: DaemonServer, path: StorePath) => unknown): Request =>
  (server) => {
    const path = server.path();
    return async () => {
      await work(server, path);
      server.number(1);
    };
  };

const addToStore: Request = (server) => {
  const { input, store } = server;
  const [name, method] = [input.text(), input.text()];
  const references = server.paths();
  input.number(); // repair
  return async () => {
    const info = await lend(input.frames(), (frames) => {
      return supported(store, 'addContents', 'addToStore')(name, method, references, frames);
    });
    server.text(info.path);
    server.info(info);
  };
};

const addToStoreNar: Request = (server) => {
  const { input, store } = server;
  const info = readInfo(input, server.path(), store.storeDir);
  input.number(); // repair
  const unchecked = input.number() !== 0;
  return () =>
    lend(input.frames(), async (frames) => {
      const add = supported(store, 'addNar', 'addToStore');
      await add({ ...info, ultimate: info.ultimate && server.trusted }, frames, !(unchecked && server.trusted));
    });
};

const addMultipleToStore: Request = (server) => {
  const { input, store } = server;
  input.number(); // repair
  const unchecked = input.number() !== 0 && server.trusted;
  return () =>
    lend(input.frames(), async (frames) => {
      const add = supported(store, 'addNar', 'addMultipleToStore');
      const inner = new WireInput(readerOf(frames));
      for (let left = inner.number(maxEntries); left > 0; left--) {
        const info = readInfo(inner, parseStorePath(inner.text(), store.storeDir), store.storeDir);
        // Where it is there already nobody looks.
        await lend(inner.archiveChunks(), (archive) => add({ ...info, ultimate: false }, archive, !unchecked));
      }
    });
};

/** Fills buffers with what comes in chunks. */
function readerOf(chunks: Iterator<Uint8Array, void>): (buffer: Buffer) => number {
  let chunk: Uint8Array = new Uint8Array(0);
  return (buffer) => {
    if (chunk.length === 0) {
      const next = chunks.next();
      if (next.done === true) return 0;
      chunk = next.value;
    }
    const count = Math.min(buffer.length, chunk.length);
    buffer.set(chunk.subarray(0, count));
    chunk = chunk.subarray(count);
    return count;
  };
}

const addBuildLog: Request = (server) => {
  const { input, store } = server;
  const drvPath = server.path();
  return async () => {
    await lend(input.frames(), async (frames) => {
      requireTrust(server, 'add logs');
      if (!isDerivationPath(drvPath)) throw new StoreError(`path '${drvPath}' is not a derivation`);
      const parts: Buffer[] = [];
      let length = 0;
      for (const chunk of frames) {
        length += chunk.length;
        if (length > maxLogBytes) throw new StoreError('the log is too long');
        parts.push(Buffer.from(chunk));
      }
      await supported(store, 'addBuildLog', 'addBuildLog')(drvPath, Buffer.concat(parts).toString('latin1'));
    });
    server.number(1);
  };
};

const setOptions: Request = (server) => {
  const { input, store } = server;
  const boolean = (): boolean => input.number() !== 0;
  const [keepFailed, keepGoing, fallback] = [boolean(), boolean(), boolean()];
  input.number(); // verbosity
  const [maxJobs, maxSilentTime] = [input.number(), input.number()];
  for (let i = 0; i < 4; i++) input.number(); // build hook, verbosity of builds, log type, trace, all of old
  const cores = input.number();
  const substitute = boolean();
  const others = new Map<string, string>();
  for (let left = input.number(maxEntries); left > 0; left--) {
    const name = input.text();
    others.set(name, input.text(maxSetting));
  }
  return () => {
    store.setOptions?.({ keepFailed, keepGoing, fallback, maxJobs, maxSilentTime, cores, substitute, others });
  };
};

const queryValidPaths: Request = (server) => {
  const { input, store } = server;
  const paths = server.paths();
  const substitute = server.minor >= 27 && input.number() !== 0;
  return async () => {
    if (substitute) await store.substitute?.(paths);
    const valid: StorePath[] = [];
    for (const path of paths) if (await store.isValidPath(path)) valid.push(path);
    server.texts(valid);
  };
};

/** Builds, and answers with what came of it. */
const building =
  (
    answer: (server: DaemonServer, results: readonly RemoteBuildResult[], targets: readonly string[]) => void,
  ): Request =>
  (server) => {
    const targets = server.input.texts();
    const mode = readBuildMode(server.input);
    return async () => {
      if (mode === 'repair') requireTrust(server, 'repair paths');
      answer(server, await supported(server.store, 'build', 'buildPaths')(targets, mode), targets);
    };
  };

const buildPaths = building((server, results) => {
  const failed = results.find(({ status }) => status > 2 && status !== 13);
  if (failed !== undefined) throw new StoreError(failed.message);
  server.number(1);
});

const buildPathsWithResults = building((server, results, targets) => {
  server.number(results.length);
  results.forEach((result, i) => {
    server.text(targets[i]!);
    writeBuildResult(server, result);
  });
});

const buildDerivation: Request = (server) => {
  const { input, store } = server;
  const drvPath = server.path();
  const drv = readBasicDerivation(input, drvPath, store.storeDir);
  const mode = readBuildMode(input);
  return async () => {
    writeBuildResult(server, await supported(store, 'buildDerivation', 'buildDerivation')(drvPath, drv, mode));
  };
};

const collectGarbage: Request = (server) => {
  const { input, store } = server;
  const actions: readonly CollectRequest['action'][] = ['live', 'dead', 'delete', 'delete-specific'];
  const action = actions[input.number()];
  const paths = server.paths();
  const ignoreLiveness = input.number() !== 0;
  const maxFreed = input.take(8).readBigUInt64LE();
  for (let i = 0; i < 3; i++) input.number(); // of old
  return () => {
    if (action === undefined) throw new StoreError('invalid garbage collector action');
    if (ignoreLiveness) throw new StoreError('you are not allowed to ignore liveness');
    const maxFreedBytes = maxFreed > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(maxFreed);
    const result = supported(
      store,
      'collectGarbage',
      'collectGarbage',
    )({ action, paths, ignoreLiveness, maxFreedBytes });
    server.texts(result.paths);
    server.number(result.bytesFreed);
    server.number(0);
  };
};

const queryMissing: Request = (server) => {
  const targets = server.input.texts();
  return async () => {
    const missing = await supported(server.store, 'missing', 'queryMissing')(targets);
    for (const paths of [missing.willBuild, missing.willSubstitute, missing.unknown]) server.texts(paths);
    server.number(missing.downloadSize);
    server.number(missing.narSize);
  };
};

/** Other stores are nobody's business here: whoever asks has substituters of its own. */
const nothingSubstitutable: Request = (server) => {
  server.paths();
  return () => {
    server.number(0);
  };
};

const noSubstitutableInfos: Request = (server) => {
  for (let left = server.input.number(maxEntries); left > 0; left--) {
    server.path();
    server.input.text(); // content address
  }
  return () => {
    server.number(0);
  };
};

const addIndirectRoot: Request = (server) => {
  const link = server.input.text();
  return () => {
    supported(server.store, 'addIndirectRoot', 'addIndirectRoot')(link);
    server.number(1);
  };
};

const findRoots: Request = (server) => () => {
  const roots = supported(server.store, 'findRoots', 'findRoots')();
  server.number(roots.length);
  for (const root of roots) for (const text of root) server.text(text);
};

const queryAllValidPaths: Request = (server) => async () => {
  server.texts(await supported(server.store, 'validPaths', 'queryAllValidPaths')());
};

const queryReferenceGraph: Request = (server) => {
  const paths = server.paths();
  return async () => {
    const graph = await supported(server.store, 'referenceGraph', 'queryReferenceGraph')(paths);
    server.number(graph.size);
    for (const [path, references] of graph) {
      server.text(path);
      server.texts(references);
    }
  };
};

const queryBuildTrace: Request = (server) => {
  const [drvPath, output] = [server.path(), server.input.text()];
  return async () => {
    const realisation = await supported(server.store, 'buildTrace', 'queryBuildTrace')(drvPath, output);
    server.text(realisation === undefined ? '' : printRealisation(realisation));
  };
};

const queryPathFromHashPart: Request = (server) => {
  const hashPart = server.input.text();
  return async () => {
    server.text((await supported(server.store, 'pathFromHashPart', 'queryPathFromHashPart')(hashPart)) ?? '');
  };
};

const addSignatures: Request = (server) => {
  const path = server.path();
  const signatures = server.input.texts();
  return async () => {
    await supported(server.store, 'addSignatures', 'addSignatures')(path, signatures);
    server.number(1);
  };
};

const verifyStore: Request = (server) => {
  const [checkContents, repair] = [server.input.number() !== 0, server.input.number() !== 0];
  return async () => {
    if (repair) requireTrust(server, 'repair paths');
    server.boolean(await supported(server.store, 'verify', 'verifyStore')({ checkContents, repair }));
  };
};

const optimiseStore: Request = (server) => () => {
  supported(server.store, 'optimise', 'optimiseStore')();
  server.number(1);
};

export const requests: ReadonlyMap<number, Request> = new Map<number, Request>([
  [
    operation.isValidPath,
    ofPath(async (server, path) => {
      server.boolean(await server.store.isValidPath(path));
    }),
  ],
  [
    operation.queryPathInfo,
    ofPath(async (server, path) => {
      const info = await server.store.pathInfo(path);
      server.boolean(info !== undefined);
      if (info !== undefined) server.info(info);
    }),
  ],
  [
    operation.narFromPath,
    ofPath(async (server, path) => {
      await server.store.dumpPath(path, server.bytes);
    }),
  ],
  [
    operation.queryReferrers,
    ofPath(async (server, path) => {
      server.texts(await supported(server.store, 'referrers', 'queryReferrers')(path));
    }),
  ],
  [
    operation.queryValidDerivers,
    ofPath(async (server, path) => {
      server.texts((await server.store.validDerivers?.(path)) ?? []);
    }),
  ],
  [
    operation.queryDerivationOutputMap,
    ofPath(async (server, path) => {
      const outputs = await supported(server.store, 'derivationOutputs', 'queryDerivationOutputMap')(path);
      server.number(outputs.size);
      for (const [name, output] of outputs) {
        server.text(name);
        server.text(output ?? '');
      }
    }),
  ],
  [
    operation.ensurePath,
    done(async ({ store }, path) => {
      if (await store.isValidPath(path)) return;
      await store.substitute?.([path]);
      if (await store.isValidPath(path)) return;
      throw new StoreError(`path '${path}' does not exist and cannot be created`);
    }),
  ],
  [operation.addTempRoot, done(({ store }, path) => store.addTempRoot?.(path))],
  [operation.addIndirectRoot, addIndirectRoot],
  [operation.findRoots, findRoots],
  [operation.queryAllValidPaths, queryAllValidPaths],
  [operation.queryReferenceGraph, queryReferenceGraph],
  [operation.queryBuildTrace, queryBuildTrace],
  [operation.queryPathFromHashPart, queryPathFromHashPart],
  [operation.addSignatures, addSignatures],
  [operation.verifyStore, verifyStore],
  [operation.optimiseStore, optimiseStore],
  [operation.addToStore, addToStore],
  [operation.addToStoreNar, addToStoreNar],
  [operation.addMultipleToStore, addMultipleToStore],
  [operation.addBuildLog, addBuildLog],
  [operation.setOptions, setOptions],
  [operation.queryValidPaths, queryValidPaths],
  [operation.querySubstitutablePaths, nothingSubstitutable],
  [operation.querySubstitutablePathInfos, noSubstitutableInfos],
  [operation.buildPaths, buildPaths],
  [operation.buildPathsWithResults, buildPathsWithResults],
  [operation.buildDerivation, buildDerivation],
  [operation.collectGarbage, collectGarbage],
  [operation.queryMissing, queryMissing],
]);
