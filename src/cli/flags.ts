// The flags of every command, as data: the quick parser below, yargs' help and completion, and the manual all read
// them. Nix's rules: `-kK` is `-k -K`, `-j4` is `-j 4`, any setting is a flag (`--timeout 5`, `--no-sandbox`).
import { allowBlake3 } from '../store/blake3.ts';
import { verbosity } from '../util/activity.ts';
import { UsageError } from '../util/errors.ts';
import { utf8 } from '../util/bytes.ts';
import type { Config } from './config.ts';
import { applyLogging, parseLogFormat } from './log/formats.ts';
import { say } from './output.ts';
import { SETTING_ALIASES, SETTINGS } from './settings-table.ts';

export interface Flag {
  readonly name: string;
  readonly short?: string;
  readonly aliases?: readonly string[];
  /** Names of the arguments that follow; none for a switch. */
  readonly args: readonly string[];
  readonly describe: string;
  /** A switch that `--no-NAME` turns off. */
  readonly negatable?: boolean;
}

export const flag = (name: string, describe: string, more: Partial<Flag> = {}): Flag => ({
  name,
  describe,
  args: [],
  ...more,
});

/** Flags that every command takes. */
export const COMMON_FLAGS: readonly Flag[] = [
  flag('option', 'set a Nix setting', { args: ['NAME', 'VALUE'] }),
  flag('show-trace', 'show the whole trace of evaluation errors', { negatable: true }),
  flag('verbose', 'say more', { short: 'v' }),
  flag('quiet', 'say less'),
  flag('debug', 'say all'),
  flag('log-format', 'the form of logs: raw, raw-with-logs, internal-json, bar or bar-with-logs', { args: ['FORMAT'] }),
  flag('offline', 'ask no substituters; what was downloaded before is taken, however old', { aliases: ['no-net'] }),
  flag('refresh', 'ask servers and caches again, whatever they said before'),
  flag('help', 'show help', { short: 'h' }),
  flag('version', 'show the version'),
];

/** Flags of commands that evaluate. */
export const EVAL_FLAGS: readonly Flag[] = [
  flag('arg', 'pass the expression EXPR as argument NAME', { args: ['NAME', 'EXPR'] }),
  flag('argstr', 'pass the string TEXT as argument NAME', { args: ['NAME', 'TEXT'] }),
  flag('arg-from-file', 'pass the contents of a file as argument NAME', { args: ['NAME', 'PATH'] }),
  flag('arg-from-stdin', 'pass standard input as argument NAME', { args: ['NAME'] }),
  flag('include', 'look for <NAME> (or everything) in PATH first', { short: 'I', args: ['PATH'] }),
  flag('attr', 'select the attribute ATTR.PATH', { short: 'A', args: ['ATTR.PATH'] }),
  flag('store', 'the store to use', { args: ['URI'] }),
  flag('pkgs', 'the package set that fills missing arguments, instead of <nixpkgs> or the embedded one', {
    args: ['FILE'],
  }),
  flag('no-cache', 'use and keep neither code nor results of earlier evaluations'),
  flag('no-eval-cache', 'evaluate, even where a result is kept and nothing it depends on has changed'),
  flag('explain-cache', 'say whether a kept result was used, and what has changed if not'),
  flag('debugger', 'where evaluation fails, or at builtins.break, start a repl that sees what it saw'),
  flag('impure', 'allow access to the environment (the default)'),
];

export const WATCH_FLAG = flag('watch', 'do it again whenever a file that it depends on changes; say what changed');

/** Flags of commands that build. */
export const BUILD_FLAGS: readonly Flag[] = [
  flag('dry-run', 'only show what would be built'),
  flag('keep-failed', 'keep the build directory of failed builds', { short: 'K' }),
  flag('keep-going', 'go on with other builds after a failure', { short: 'k' }),
  flag('max-jobs', 'build at most N derivations at once', { short: 'j', args: ['N'] }),
  flag('cores', 'let each builder use N cores', { args: ['N'] }),
  flag('print-build-logs', 'show full build logs', { short: 'L' }),
  flag('check', 'build again and compare with what the store has', { aliases: ['rebuild'] }),
  flag('repair', 'rebuild what is missing or corrupted'),
  flag('fallback', 'build where substitution fails'),
];

/** What stood on the command line. */
export class ParsedFlags {
  private readonly values = new Map<string, (readonly string[])[]>();
  private readonly off = new Set<string>();
  readonly positionals: string[] = [];

  add(name: string, args: readonly string[]): void {
    this.off.delete(name);
    const list = this.values.get(name);
    if (list === undefined) this.values.set(name, [args]);
    else list.push(args);
  }
  negate(name: string): void {
    this.values.delete(name);
    this.off.add(name);
  }
  /** The same for command lines that mean the same; flags that are only about caching left out. */
  signature(): string {
    const all = [...this.values].filter(([name]) => name !== 'explain-cache');
    return JSON.stringify([this.positionals, all, [...this.off]]);
  }
  has(name: string): boolean {
    return this.values.has(name);
  }
  /** Which of two flags was used first. */
  isBefore(name: string, other: string): boolean {
    const names = [...this.values.keys()];
    return names.indexOf(name) < names.indexOf(other);
  }
  /** `--no-NAME` was given (last). */
  isOff(name: string): boolean {
    return this.off.has(name);
  }
  /** The last argument of a one-argument flag. */
  get(name: string): string | undefined {
    return this.values.get(name)?.at(-1)?.[0];
  }
  all(name: string): readonly (readonly string[])[] {
    return this.values.get(name) ?? [];
  }
  /** The sole arguments of every use of a one-argument flag. */
  list(name: string): string[] {
    return this.all(name).map((args) => args[0]!);
  }
}

/**
 * Parses `argv` against `flags`; settings go to `config`.
 * @param onFlag sees every flag in order (where order matters: -A after -E …), as it was written too
 * @param onUnknown gets flags that are neither in `flags` nor a setting, where the command itself says what is wrong
 * @throws UsageError in Nix's words for what it does not know
 */
export function parseFlags(
  argv: readonly string[],
  flags: readonly Flag[],
  config: Config,
  onFlag?: (name: string, args: readonly string[], word: string) => void,
  onUnknown?: (word: string) => void,
): ParsedFlags {
  const byName = new Map<string, Flag>();
  for (const f of flags) {
    byName.set(`--${f.name}`, f);
    if (f.short !== undefined) byName.set(`-${f.short}`, f);
    for (const alias of f.aliases ?? []) byName.set(`--${alias}`, f);
  }
  const parsed = new ParsedFlags();
  const queue = [...argv];
  let onlyPositionals = false;
  while (queue.length > 0) {
    const word = queue.shift()!;
    if (onlyPositionals || word === '' || word === '-' || !word.startsWith('-')) {
      parsed.positionals.push(word);
      continue;
    }
    if (word === '--') {
      onlyPositionals = true;
      continue;
    }
    if (/^-[A-Za-z]./.test(word) && !byName.has(word)) {
      queue.unshift(...expandShort(word));
      continue;
    }
    const known = byName.get(word);
    if (known !== undefined) {
      const args = take(queue, word, known.args.length);
      parsed.add(known.name, args);
      applyCommon(known.name, args, config);
      onFlag?.(known.name, args, word);
      continue;
    }
    const negated = word.startsWith('--no-') ? byName.get(`--${word.slice(5)}`) : undefined;
    if (negated?.negatable === true) {
      parsed.negate(negated.name);
      if (negated.name === 'show-trace') config.setByFlag('show-trace', 'false');
      continue;
    }
    if (applySetting(word, queue, config)) continue;
    if (onUnknown === undefined) throw new UsageError(`unrecognised flag '${word}'`);
    onUnknown(word);
  }
  applyLogging(config);
  for (const warning of config.takeWarnings()) say(`warning: ${utf8(warning)}`);
  config.requireFeaturesOfFlags();
  if (config.experimentalFeatures.has('blake3-hashes')) allowBlake3();
  return parsed;
}

function expandShort(word: string): string[] {
  const out: string[] = [];
  for (let i = 1; i < word.length; i++) {
    if (/[A-Za-z]/.test(word[i]!)) out.push(`-${word[i]!}`);
    else {
      out.push(word.slice(i));
      break;
    }
  }
  return out;
}

function take(queue: string[], word: string, count: number): string[] {
  if (queue.length < count) {
    throw new UsageError(
      count === 1
        ? `flag '${word}' requires 1 argument(s), but only ${queue.length} were given`
        : `flag '${word}' requires ${count} argument(s), but only ${queue.length} were given`,
    );
  }
  return queue.splice(0, count);
}

/** Flags that are settings under another name. */
function applyCommon(name: string, args: readonly string[], config: Config): void {
  switch (name) {
    case 'option':
      config.setByFlag(args[0]!, args[1]!);
      break;
    case 'offline': {
      const settings = {
        substitute: 'false',
        'tarball-ttl': '4294967295',
        'download-attempts': '1',
        'connect-timeout': '1',
      };
      for (const [setting, value] of Object.entries(settings)) {
        if (!config.flagged(setting)) config.setByFlag(setting, value);
      }
      break;
    }
    case 'refresh':
      for (const setting of ['tarball-ttl', 'narinfo-cache-negative-ttl', 'narinfo-cache-positive-ttl'])
        config.setByFlag(setting, '0');
      break;
    case 'log-format':
      config.logFormat = parseLogFormat(args[0]!);
      applyLogging(config);
      break;
    case 'verbose':
      config.moreVerbose++;
      break;
    case 'quiet':
      config.moreVerbose--;
      break;
    case 'debug':
      config.moreVerbose = verbosity.debug;
      break;
    case 'show-trace':
    case 'keep-failed':
    case 'keep-going':
    case 'fallback':
      config.setByFlag(name, 'true');
      break;
    case 'max-jobs':
    case 'cores':
    case 'store':
      config.setByFlag(name, args[0]!);
      break;
  }
}

/** `--NAME value`, `--NAME` and `--no-NAME` of a setting. */
function applySetting(word: string, queue: string[], config: Config): boolean {
  if (!word.startsWith('--')) return false;
  const name = word.slice(2);
  const setting = SETTINGS[SETTING_ALIASES[name] ?? name];
  if (setting !== undefined) {
    if (setting.kind === 'bool' || setting.kind === 'sandbox') config.setByFlag(name, 'true');
    else config.setByFlag(name, take(queue, word, 1)[0]!);
    return true;
  }
  if (name.startsWith('no-')) {
    const base = SETTINGS[name.slice(3)];
    if (base?.kind !== 'bool' && base?.kind !== 'sandbox') return false;
    config.setByFlag(name.slice(3), 'false');
    return true;
  }
  if (name === 'relaxed-sandbox') {
    config.setByFlag('sandbox', 'relaxed');
    return true;
  }
  if (name.startsWith('extra-') && SETTINGS[name.slice(6)]?.kind === 'list') {
    config.setByFlag(name, take(queue, word, 1)[0]!);
    return true;
  }
  return false;
}
