// Settings: defaults, then nix.conf files, then NIX_CONFIG, then flags; `extra-NAME` appends. Same files and rules as
// Nix's (manual, nix.conf(5)).
import { readFileSync } from 'node:fs';
import { availableParallelism, machine, platform } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { UsageError } from '../util/errors.ts';
import type { DebugHost } from '../eval/debug-evaluator.ts';
import type { Session } from './session.ts';
import { isThere, noteRead } from './cache/looks.ts';
import type { WarmFiles } from './cache/warm-files.ts';
import type { LogFormat } from './log/formats.ts';
import { EXPERIMENTAL_FEATURES, SETTING_ALIASES, SETTING_FEATURES, SETTINGS } from './settings-table.ts';
import { nixHome, systemConfDir } from '../util/user-dirs.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The file for all users. */
export function systemFile(env: Environment): string {
  return join(systemConfDir(env), 'nix.conf');
}

/** The user's own, those that win first; not all need be there. */
export function userFiles(env: Environment): string[] {
  if (env['NIX_USER_CONF_FILES'] !== undefined)
    return env['NIX_USER_CONF_FILES'].split(':').filter((file) => file !== '');
  const folders = (env['XDG_CONFIG_DIRS'] ?? '/etc/xdg').split(':').filter((dir) => dir !== '');
  return [join(nixHome(env, 'CONFIG'), 'nix.conf'), ...folders.map((dir) => join(dir, 'nix', 'nix.conf'))];
}

export class Config {
  private readonly values = new Map<string, string>();
  private readonly flags = new Set<string>();
  private readonly appended = new Map<string, string>();
  private fromFlag = false;
  /** The command line is `nix`'s: positional arguments are installables, evaluation is pure. */
  nixCommand = false;
  /** Loaded where there is --debugger. */
  makeDebugHost: ((session: Session) => DebugHost) | undefined;
  /** What earlier rounds of --watch know. */
  warm: WarmFiles | undefined;
  /** `--log-format`, where it was given. */
  logFormat: LogFormat | undefined;
  /** What is said goes where it goes now: to a client. */
  logIsFixed = false;
  /** How much more (or less) is said than by default. */
  moreVerbose = 0;
  /** What to tell the user, each once. */
  private warnings: string[] = [];

  /** Reads the files and NIX_CONFIG. @throws UsageError for a file that can't be understood */
  static load(env: Environment): Config {
    const config = new Config();
    const system = systemFile(env);
    if (isThere(system)) config.applyFile(system);
    // The first file has the last word.
    for (const file of userFiles(env).toReversed()) if (isThere(file)) config.applyFile(file);
    if (env['NIX_CONFIG'] !== undefined) config.applyText(env['NIX_CONFIG'], 'NIX_CONFIG', process.cwd());
    config.dropDisabled();
    return config;
  }

  /** Of files, not of flags: settings of features that are off. */
  private dropDisabled(): void {
    for (const name of this.values.keys()) {
      const feature = SETTING_FEATURES[name];
      if (feature === undefined || this.list('experimental-features').includes(feature)) continue;
      this.values.delete(name);
      this.warnings.push(`Ignoring setting '${name}' because experimental feature '${feature}' is not enabled`);
    }
  }

  /** Whether there is a setting of this name, and the feature that it belongs to is on. */
  has(name: string): boolean {
    const feature = SETTING_FEATURES[name];
    return SETTINGS[name] !== undefined && (feature === undefined || this.experimentalFeatures.has(feature));
  }

  private applyFile(file: string): void {
    let text: string;
    noteRead(file);
    try {
      text = readFileSync(file, 'utf8');
    } catch {
      return; // Nix, too, goes on without a file that it may not read
    }
    this.applyText(text, file, dirname(file));
  }

  private applyText(text: string, source: string, dir: string): void {
    for (const rawLine of text.split('\n')) {
      const line = rawLine.replace(/#.*/, '');
      const words = line.split(/[ \t\r]+/).filter((word) => word !== '');
      if (words.length === 0) continue;
      const [name, second] = words as [string, string | undefined];
      if (name === 'include' || name === '!include') {
        if (words.length !== 2 || second === undefined)
          throw new UsageError(`syntax error in configuration line '${line}' in '${source}'`);
        const file = isAbsolute(second) ? second : join(dir, second);
        if (isThere(file)) this.applyFile(file);
        else if (name === 'include') throw new UsageError(`file '${file}' included from '${source}' not found`);
        continue;
      }
      if (second !== '=') throw new UsageError(`syntax error in configuration line '${line}' in '${source}'`);
      this.set(name, words.slice(2).join(' '));
    }
  }

  /** Sets (or, as `extra-NAME`, appends to) a setting. Unknown names only warn, as in Nix. */
  set(name: string, value: string): void {
    name = SETTING_ALIASES[name] ?? name;
    if (SETTINGS[name] !== undefined) {
      if (name === 'experimental-features') this.checkFeatures(value);
      this.values.set(name, this.check(name, value));
      return;
    }
    const base = name.startsWith('extra-') ? (SETTING_ALIASES[name.slice(6)] ?? name.slice(6)) : '';
    if (SETTINGS[base]?.kind === 'list') {
      if (base === 'experimental-features') this.checkFeatures(value);
      if (this.fromFlag) this.appended.set(base, `${this.appended.get(base) ?? ''} ${value}`);
      const old = this.string(base);
      this.values.set(base, old === '' ? value : `${old} ${value}`);
      return;
    }
    const warning = `unknown setting '${name}'`;
    if (!this.warnings.includes(warning)) this.warnings.push(warning);
  }

  private checkFeatures(value: string): void {
    for (const feature of value.split(/\s+/)) {
      if (feature === '' || EXPERIMENTAL_FEATURES.includes(feature)) continue;
      this.warnings.push(
        feature === 'no-url-literals'
          ? `experimental feature '${feature}' has been stabilized and renamed; use 'lint-url-literals = fatal' setting instead`
          : `unknown experimental feature '${feature}'`,
      );
    }
  }

  private check(name: string, value: string): string {
    if (name === 'max-jobs' && !/^(auto|\d+)$/.test(value)) {
      throw new UsageError(`configuration setting 'max-jobs' should be 'auto' or an integer`);
    }
    switch (SETTINGS[name]!.kind) {
      case 'bool':
        if (['true', 'yes', '1'].includes(value)) return 'true';
        if (['false', 'no', '0'].includes(value)) return 'false';
        throw new UsageError(`Boolean setting '${name}' has invalid value '${value}'`);
      case 'sandbox':
        if (['true', 'yes', '1'].includes(value)) return 'true';
        if (['false', 'no', '0'].includes(value)) return 'false';
        if (value === 'relaxed') return value;
        throw new UsageError(`option '${name}' has invalid value '${value}'`);
      case 'int': {
        if (!/^-?\d+[KMGT]?$/i.test(value)) throw new UsageError(`setting '${name}' has invalid value '${value}'`);
        const unit = 'KMGT'.indexOf(value.slice(-1).toUpperCase());
        return unit < 0 ? value : String(Number(value.slice(0, -1)) * 1024 ** (unit + 1));
      }
      default:
        return value;
    }
  }

  /** `set` on behalf of the command line. */
  setByFlag(name: string, value: string): void {
    this.flags.add(name);
    this.fromFlag = true;
    this.set(name, value);
    this.fromFlag = false;
  }
  /** What the user has not been told yet. */
  takeWarnings(): string[] {
    const warnings = this.warnings;
    this.warnings = [];
    return warnings;
  }
  /** @throws UsageError for flags whose feature is off */
  requireFeaturesOfFlags(): void {
    for (const name of this.flags) {
      if (SETTINGS[name] === undefined || this.has(name)) continue;
      const feature = SETTING_FEATURES[name]!;
      throw new UsageError(
        `experimental Nix feature '${feature}' is disabled; add '--extra-experimental-features ${feature}' to enable it`,
      );
    }
  }
  /** What the command line appended to a list. */
  appendedByFlag(name: string): string[] {
    return (this.appended.get(name) ?? '').split(/\s+/).filter((word) => word !== '');
  }
  /** Whether the command line said something about a setting. */
  flagged(name: string): boolean {
    return this.flags.has(name);
  }
  /** Arguments that give another process the settings of this command line. */
  flagArguments(): string[] {
    const names = new Set([...this.flags].map((name) => SETTING_ALIASES[name] ?? name));
    return [...names].flatMap((name) => {
      const known = SETTINGS[name] === undefined ? name.replace(/^extra-/, '') : name;
      return SETTINGS[known] === undefined || known === 'store' ? [] : ['--option', known, this.string(known)];
    });
  }
  /** What was set, by files, NIX_CONFIG or flags. */
  explicit(): Iterable<readonly [name: string, value: string]> {
    return this.values;
  }
  isSet(name: string): boolean {
    return this.values.has(name);
  }
  string(name: string): string {
    return this.values.get(name) ?? SETTINGS[name]!.default;
  }
  bool(name: string): boolean {
    return this.string(name) === 'true';
  }
  int(name: string): number {
    return Number(this.string(name));
  }
  list(name: string): string[] {
    return this.string(name)
      .split(/\s+/)
      .filter((word) => word !== '');
  }

  /** `x86_64-linux`: the setting, or this machine. */
  get system(): string {
    const configured = this.string('system');
    return configured === '' ? hostSystem() : configured;
  }
  /** Experimental features; flakes bring fetch-tree. */
  get experimentalFeatures(): ReadonlySet<string> {
    const features = new Set(this.list('experimental-features'));
    if (features.has('flakes')) features.add('fetch-tree');
    return features;
  }
  get maxJobs(): number {
    const value = this.string('max-jobs');
    if (value === 'auto') return availableParallelism();
    return Number(value);
  }
  get cores(): number {
    return this.int('cores') || availableParallelism();
  }
}

export function hostSystem(): string {
  const cpu = machine() === 'arm64' ? 'aarch64' : machine();
  return `${cpu}-${platform()}`;
}
