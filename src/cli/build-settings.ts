// Settings of the builder from the configuration.
import { defaultBuildSettings, type BuildSettings } from '../build/settings.ts';
import { parseSandboxPaths } from '../build/sandbox/layout.ts';
import { SecretKey } from '../store/signatures.ts';
import { utf8 } from '../util/bytes.ts';
import type { Config } from './config.ts';
import { downloadSettings } from './http.ts';

export function buildSettings(config: Config, shell: BuildSettings['shell']): BuildSettings {
  const defaults = defaultBuildSettings();
  const buildDir = config.string('build-dir');
  const caFile = config.string('ssl-cert-file');
  const hook = (setting: string, key: 'preBuildHook' | 'postBuildHook' | 'diffHook'): Partial<BuildSettings> => {
    const program = config.string(setting);
    return program === '' ? {} : { [key]: program };
  };
  return {
    ...defaults,
    ...hook('pre-build-hook', 'preBuildHook'),
    ...hook('post-build-hook', 'postBuildHook'),
    ...(config.bool('run-diff-hook') ? hook('diff-hook', 'diffHook') : {}),
    allowedImpureHostDeps: config.list('allowed-impure-host-deps').map(utf8),
    sandbox: config.string('sandbox') as BuildSettings['sandbox'],
    sandboxFallback: config.bool('sandbox-fallback'),
    sandboxPaths: parseSandboxPaths(config.list('sandbox-paths')),
    sandboxBuildDir: config.string('sandbox-build-dir'),
    shmSize: config.string('sandbox-dev-shm-size'),
    ...(shell === undefined ? {} : { shell }),
    filterSyscalls: config.bool('filter-syscalls'),
    useCgroups: config.bool('use-cgroups'),
    ...(buildDir === '' ? {} : { buildDir }),
    cores: config.int('cores'),
    maxJobs: config.maxJobs,
    maxSilentTime: config.int('max-silent-time'),
    timeout: config.int('timeout'),
    maxLogSize: config.int('max-build-log-size'),
    logLines: config.int('log-lines'),
    keepLog: config.bool('keep-build-log'),
    compressLog: config.bool('compress-build-log'),
    keepFailed: config.bool('keep-failed'),
    secretKeys: () => config.list('secret-key-files').map((file) => SecretKey.read(utf8(file))),
    keepGoing: config.bool('keep-going'),
    system: config.system,
    hashedMirrors: config.list('hashed-mirrors').map(utf8),
    callerEnv: { ...defaults.callerEnv, ...impureEnv(config) },
    extraPlatforms: config.isSet('extra-platforms') ? config.list('extra-platforms') : defaults.extraPlatforms,
    systemFeatures: config.isSet('system-features') ? config.list('system-features') : defaults.systemFeatures,
    experimentalFeatures: config.experimentalFeatures,
    ...(caFile === '' ? {} : { caFile }),
    http: downloadSettings(config),
  };
}

/** Variables for impureEnvVars that the user's environment need not have: `NAME=VALUE`, the first of a name counts. */
function impureEnv(config: Config): Record<string, string> {
  const entries = config.list('impure-env').filter((entry) => entry.includes('='));
  return Object.fromEntries(
    entries.toReversed().map((entry): [string, string] => {
      const equals = entry.indexOf('=');
      return [entry.slice(0, equals), entry.slice(equals + 1)];
    }),
  );
}
