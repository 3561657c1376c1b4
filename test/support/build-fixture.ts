// A throwaway store with a static busybox in it, and derivations whose builder is its shell: what tests of the
// builder need and nothing more.
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { realise } from '../../src/build/goals.ts';
import type { BuildObserver, BuildTarget } from '../../src/build/realise-options.ts';
import { defaultBuildSettings } from '../../src/build/settings.ts';
import type { BuildSettings } from '../../src/build/settings.ts';
import type { BuiltinBuilders } from '../../src/build/builtin-builder.ts';
import { deletePath } from '../../src/store/delete-path.ts';
import { isDerivationPath } from '../../src/store/store-path.ts';
import type { Derivation, DerivationOutput } from '../../src/store/derivation.ts';
import { DerivationHashes } from '../../src/store/hash-modulo.ts';
import { printDerivation } from '../../src/store/aterm.ts';
import { LocalStore } from '../../src/store/local-store.ts';
import { makeFixedOutputPath } from '../../src/store/store-path.ts';
import type { StorePath } from '../../src/store/store.ts';
import { toBuffer } from '../../src/util/bytes.ts';

/** Where Debian's busybox-static puts it. */
export const busybox = '/bin/busybox';
export const busyboxTools = [
  'sh', 'cat', 'chmod', 'cp', 'date', 'echo', 'env', 'false', 'find', 'grep', 'head', 'id', 'ifconfig', 'kill', 'ln', 'ls',
  'mkdir', 'mkfifo', 'mknod', 'mount', 'mv', 'ps', 'rm', 'sed', 'setsid', 'sleep', 'sort', 'stat', 'tail', 'tar', 'touch',
  'tr', 'true', 'umount', 'uname', 'unshare', 'wc', 'wget', 'yes', 'chown', 'awk', 'seq', 'tee', 'dd', 'hostname', 'nohup',
]; // prettier-ignore

export interface DerivationSpec {
  readonly name: string;
  readonly script?: string;
  readonly outputs?: readonly string[];
  readonly fixed?: Omit<Extract<DerivationOutput, { kind: 'fixed' }>, 'kind' | 'path'>;
  readonly env?: Readonly<Record<string, string>>;
  readonly inputs?: readonly Made[];
  readonly sources?: readonly StorePath[];
  readonly builder?: string;
  readonly args?: readonly string[];
  readonly system?: string;
}

export interface Made {
  readonly drvPath: StorePath;
  readonly drv: Derivation;
  readonly outputs: ReadonlyMap<string, StorePath>;
  readonly out: StorePath;
}

export interface BuildFixture {
  readonly dir: string;
  readonly store: LocalStore;
  readonly busybox: StorePath;
  derivation(spec: DerivationSpec): Made;
  build(targets: Made | readonly Made[], options?: FixtureBuildOptions): Promise<void>;
  close(): Promise<void>;
}

export interface FixtureBuildOptions {
  readonly settings?: Partial<BuildSettings>;
  readonly observer?: BuildObserver;
  readonly builtins?: BuiltinBuilders;
  readonly mode?: 'normal' | 'check';
  readonly signal?: AbortSignal;
}

export const noBuiltins: BuiltinBuilders = () => Promise.resolve(undefined);

/** `inPlace`: the store lies where its paths say, so that builds without a sandbox are possible. */
export function buildFixture(inPlace = false): BuildFixture {
  const dir = mkdtempSync(join(tmpdir(), 'tsnix-build-'));
  chmodSync(dir, 0o755);
  const storeDir = inPlace ? `${dir}/nix/store` : '/nix/store';
  const store = new LocalStore({
    uri: `local?root=${dir}`,
    storeDir,
    realStoreDir: `${dir}/nix/store`,
    stateDir: `${dir}/nix/var/nix`,
    logDir: `${dir}/nix/var/log/nix`,
    fsyncMetadata: false,
  });
  const hashes = new DerivationHashes(storeDir, (drvPath) => store.readDerivation(drvPath));
  const busyboxPath = addBusybox(store, dir);

  const derivation = (spec: DerivationSpec): Made => {
    const names = spec.outputs ?? ['out'];
    const env = new Map<string, string>(Object.entries(spec.env ?? {}));
    for (const [key, value] of [
      ['name', spec.name],
      ['system', spec.system ?? defaultBuildSettings().system],
      ['builder', spec.builder ?? `${busyboxPath}/bin/sh`],
    ] as const) {
      if (!env.has(key)) env.set(key, value);
    }
    if (!env.has('PATH')) env.set('PATH', `${busyboxPath}/bin`);
    const outputs = new Map<string, DerivationOutput>();
    for (const name of names) {
      env.set(name, '');
      outputs.set(name, { kind: 'deferred' });
    }
    const draft = (): Derivation => ({
      name: spec.name,
      outputs: new Map([...outputs].sort(([a], [b]) => (a < b ? -1 : 1))),
      inputDrvs: new Map(
        [...(spec.inputs ?? [])]
          .sort((a, b) => (a.drvPath < b.drvPath ? -1 : 1))
          .map((input) => [input.drvPath, [...input.outputs.keys()].sort()]),
      ),
      inputSrcs: [...new Set([busyboxPath, ...(spec.sources ?? [])])].sort(),
      system: env.get('system')!,
      builder: env.get('builder')!,
      args: spec.args ?? ['-e', '-c', spec.script ?? 'echo hi > $out'],
      env: new Map([...env].sort(([a], [b]) => (a < b ? -1 : 1))),
    });
    const paths = new Map<string, StorePath>();
    if (spec.fixed !== undefined) {
      const path = makeFixedOutputPath({ name: spec.name, ...spec.fixed }, storeDir);
      outputs.set('out', { kind: 'fixed', path, ...spec.fixed });
      paths.set('out', path);
    } else {
      for (const [name, path] of hashes.inputAddressedPaths(draft())!) {
        outputs.set(name, { kind: 'inputAddressed', path });
        paths.set(name, path);
      }
    }
    for (const [name, path] of paths) env.set(name, path);
    const drv = draft();
    const references = [...drv.inputSrcs, ...drv.inputDrvs.keys()];
    const drvPath = store.addText(`${spec.name}.drv`, toBuffer(printDerivation(drv)), references);
    if (!isDerivationPath(drvPath)) throw new Error('no derivation path');
    return { drvPath, drv, outputs: paths, out: paths.get('out') ?? [...paths.values()][0]! };
  };

  return {
    dir,
    store,
    busybox: busyboxPath,
    derivation,
    async build(targets, options = {}) {
      const wanted = (Array.isArray(targets) ? targets : [targets]) as readonly Made[];
      await realise(
        store,
        wanted.map((made): BuildTarget => ({ kind: 'derivation', drvPath: made.drvPath, outputs: 'all' })),
        {
          settings: { ...defaultBuildSettings(), compressLog: false, ...options.settings },
          builtins: options.builtins ?? noBuiltins,
          ...(options.observer === undefined ? {} : { observer: options.observer }),
          ...(options.mode === undefined ? {} : { mode: options.mode }),
          ...(options.signal === undefined ? {} : { signal: options.signal }),
        },
      );
    },
    async close() {
      await store.close();
      deletePath(dir);
    },
  };
}

function addBusybox(store: LocalStore, dir: string): StorePath {
  const source = join(dir, 'busybox');
  mkdirSync(join(source, 'bin'), { recursive: true });
  copyFileSync(busybox, join(source, 'bin', 'busybox'));
  chmodSync(join(source, 'bin', 'busybox'), 0o755);
  for (const tool of busyboxTools) symlinkSync('busybox', join(source, 'bin', tool));
  try {
    return store.addPath(source, { name: 'busybox', method: 'nar' });
  } finally {
    rmSync(source, { recursive: true });
  }
}
