// Settings of Nix that concern building, with Nix's defaults.
import { availableParallelism, arch, platform } from 'node:os';
import { existsSync } from 'node:fs';
import { certificatesFile, defaultHttpSettings, type DownloadSettings } from '../fetch/http-settings.ts';
import type { BackendName } from './sandbox/backend.ts';
import type { SandboxPath } from './sandbox/layout.ts';
import { BuildFailure } from './failure.ts';
import type { SecretKey } from '../store/signatures.ts';
import type { StorePath } from '../store/store.ts';

export type { BuildMode } from '../store/daemon/served-store.ts';

export interface BuildSettings {
  /** relaxed: fixed-output derivations and those with __noChroot build outside. */
  readonly sandbox: 'true' | 'false' | 'relaxed';
  /** Build without a sandbox, saying so, where none can be made. */
  readonly sandboxFallback: boolean;
  readonly sandboxPaths: readonly SandboxPath[];
  /** `sandbox-build-dir`. */
  readonly sandboxBuildDir: string;
  /** `sandbox-dev-shm-size`. */
  readonly shmSize: string;
  /** Shown as /bin/sh; a store path's program with the closure that it needs. */
  readonly shell?: { readonly path: string; readonly closure: readonly StorePath[] };
  readonly filterSyscalls: boolean;
  /** `use-cgroups`. */
  readonly useCgroups: boolean;
  /** Only this backend; for tests and for who knows better. */
  readonly backend?: BackendName;
  /** Where build directories lie; by default in the state directory. */
  readonly buildDir?: string;
  /** 0: as many as the machine has. */
  readonly cores: number;
  readonly maxJobs: number;
  /** Seconds; 0: none. */
  readonly maxSilentTime: number;
  readonly timeout: number;
  /** Bytes; 0: any. */
  readonly maxLogSize: number;
  readonly logLines: number;
  /** What the user may run, with a derivation, to see all of its log. */
  readonly logCommand: string;
  readonly keepLog: boolean;
  readonly compressLog: boolean;
  readonly keepFailed: boolean;
  /** Keys that sign outputs, read when there is one. @throws StoreError */
  readonly secretKeys: () => readonly SecretKey[];
  readonly keepGoing: boolean;
  readonly system: string;
  readonly extraPlatforms: readonly string[];
  readonly systemFeatures: readonly string[];
  /** `experimental-features`. */
  readonly experimentalFeatures: ReadonlySet<string>;
  /** Programs, see hooks.ts; the diff hook only where run-diff-hook is on. */
  readonly preBuildHook?: string;
  readonly postBuildHook?: string;
  readonly diffHook?: string;
  /** Where `__impureHostDeps` may point. */
  readonly allowedImpureHostDeps: readonly string[];
  /** Shown to builders that have the network. */
  readonly caFile?: string;
  /** How builtin builders download; `ssl-cert-file`, `netrc-file` … */
  readonly http: DownloadSettings;
  /** Where builtin:fetchurl looks first, by hash. URLs, byte strings. */
  readonly hashedMirrors: readonly string[];
  /** The environment that impureEnvVars reads. */
  readonly callerEnv: Readonly<Record<string, string | undefined>>;
}

/** Feature that vmTools asks for: the builder is root of a range of ids, see sandbox/backend.ts. */
export const vmFeature = 'tsnix-vm';

export function currentSystem(): string {
  const cpus: Record<string, string> = { x64: 'x86_64', arm64: 'aarch64', ia32: 'i686', arm: 'armv7l' };
  return `${cpus[arch()] ?? arch()}-${platform()}`;
}

export function defaultBuildSettings(): BuildSettings {
  const system = currentSystem();
  const caFile = certificatesFile(process.env);
  return {
    sandbox: 'true',
    sandboxFallback: true,
    sandboxPaths: [],
    sandboxBuildDir: '/build',
    shmSize: '50%',
    filterSyscalls: true,
    useCgroups: false,
    cores: 0,
    maxJobs: 1,
    maxSilentTime: 0,
    timeout: 0,
    maxLogSize: 0,
    logLines: 25,
    logCommand: 'tsnix log',
    keepLog: true,
    compressLog: true,
    keepFailed: false,
    secretKeys: () => [],
    keepGoing: false,
    system,
    extraPlatforms: system === 'x86_64-linux' ? ['i686-linux', 'x86_64-v1-linux'] : [],
    systemFeatures: ['nixos-test', 'benchmark', 'big-parallel', vmFeature, ...(existsSync('/dev/kvm') ? ['kvm'] : [])],
    experimentalFeatures: new Set(),
    allowedImpureHostDeps: [],
    ...(existsSync(caFile) ? { caFile } : {}),
    http: { ...defaultHttpSettings, caFile },
    hashedMirrors: [],
    callerEnv: process.env,
  };
}

/** @throws BuildFailure where an experimental feature is not on */
export function requireFeature(settings: BuildSettings, feature: string): void {
  if (settings.experimentalFeatures.has(feature)) return;
  throw new BuildFailure(
    'misc',
    `experimental Nix feature '${feature}' is disabled; add '--extra-experimental-features ${feature}' to enable it`,
  );
}

export function buildCores(settings: BuildSettings): number {
  return settings.cores === 0 ? availableParallelism() : settings.cores;
}
