// What a Nix daemon is told of our settings: what the user set, but for what concerns evaluation and this end alone.
import type { DaemonSettings } from '../store/daemon/daemon-store.ts';
import { utf8 } from '../util/bytes.ts';
import type { Config } from './config.ts';

/** Told apart from the others, not the daemon's business, or unknown to it. */
const OURS: ReadonlySet<string> = new Set([
  'keep-failed',
  'keep-going',
  'fallback',
  'max-jobs',
  'max-silent-time',
  'cores',
  'substitute',
  'store',
  'show-trace',
  'experimental-features',
  'plugin-files',
  'nix-path',
  'pure-eval',
  'restrict-eval',
  'allow-import-from-derivation',
  'max-call-depth',
  'eval-system',
  'print-missing',
  'build-users-group',
]);

export function daemonSettings(config: Config): DaemonSettings {
  const others = new Map<string, string>();
  for (const [name, value] of config.explicit()) {
    if (!OURS.has(name) && !/^(eval|lint|bash-prompt)-/.test(name)) others.set(name, utf8(value));
  }
  return {
    keepFailed: config.bool('keep-failed'),
    keepGoing: config.bool('keep-going'),
    fallback: config.bool('fallback'),
    maxJobs: config.maxJobs,
    maxSilentTime: config.int('max-silent-time'),
    cores: config.int('cores'),
    substitute: config.bool('substitute'),
    others,
  };
}
