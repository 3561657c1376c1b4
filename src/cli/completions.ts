// What may stand where the cursor is, for shells: as Nix answers NIX_GET_COMPLETIONS=N, N being the number of the word.
// Nothing that goes wrong on the way is told: there is nobody to read it.
import { readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { callFlake } from '../builtins/flake/call-flake.ts';
import { fetchFlake } from '../builtins/flake/lock-flake.ts';
import { listRegistries } from '../builtins/flake-ref/registry.ts';
import { showInput } from '../builtins/flake-ref/schemes.ts';
import { findAlongAttrPath, parseAttrPath } from '../eval/attr-path.ts';
import { Attrs } from '../eval/attrs.ts';
import { autoCall } from '../eval/auto-call.ts';
import type { Slot } from '../eval/value.ts';
import { fromUtf8, utf8 } from '../util/bytes.ts';
import { NixError } from '../util/errors.ts';
import { intern, symbolName, type Sym } from '../util/symbols.ts';
import type { Config } from './config.ts';
import { flakeAttributes, lockArgument, parseFlakeArgument, preferPure } from './flake-installable.ts';
import { COMMON_FLAGS, parseFlags, type Flag } from './flags.ts';
import { commandNames, flagsOf } from './help.ts';
import { argumentsOf } from './nix-command.ts';
import { GROUPS, NESTED_COMMANDS } from './nested-commands.ts';
import { print } from './output.ts';
import { Session } from './session.ts';
import { SETTINGS } from './settings-table.ts';

type Kind = 'normal' | 'filenames' | 'attrs';

/** The place of the cursor: an argument of a flag, or a positional one. */
interface Place {
  readonly prefix: string;
  readonly flag?: string;
  readonly index: number;
}

/** Commands whose positional arguments are installables; of `run` only the first. */
const INSTALLABLES = [
  'build', 'copy', 'derivation show', 'develop', 'edit', 'eval', 'log', 'path-info', 'print-dev-env', 'repl', 'run',
  'search', 'shell', 'store copy-log', 'store copy-sigs', 'store delete', 'store diff-closures',
  'store make-content-addressed', 'store repair', 'store sign', 'store verify', 'why-depends',
]; // prettier-ignore
const OUTPUTS = intern('outputs');
const ONLY_FIRST = ['run', 'search'];
const PATHS = ['hash path', 'hash file', 'nar cat', 'nar ls', 'nar pack', 'nar dump-path', 'store ls', 'store cat', 'store dump-path', 'store add', 'store add-path', 'store add-file']; // prettier-ignore
const FLAKES = ['archive', 'check', 'clone', 'info', 'lock', 'metadata', 'prefetch', 'show'].map((verb) => `flake ${verb}`); // prettier-ignore
/** Arguments of flags: [all, or the second one]. */
const PATH_FLAGS = ['file', 'out-link', 'profile', 'arg-from-file', 'key-file', 'reference-lock-file', 'output-lock-file']; // prettier-ignore
const FLAKE_FLAGS = ['inputs-from', 'override-flake', 'flake', 'bundler'];

/**
 * @param words what follows the program's name
 * @param cursor which of them is to be completed
 */
export async function printCompletions(
  words: readonly string[],
  cursor: number,
  config: Config,
  program: string,
): Promise<number> {
  const completer = new Completer(words, cursor, config, program);
  await completer.run();
  completer.print();
  return 0;
}

class Completer {
  private kind: Kind = 'normal';
  private readonly found = new Map<string, string>();
  private readonly words: readonly string[];
  private readonly cursor: number;
  private readonly config: Config;
  private readonly program: string;
  private command = '';
  private flags: readonly Flag[] = COMMON_FLAGS;
  private readonly positionals: string[] = [];
  /** What is given besides what is being completed. */
  private readonly given: string[] = [];

  constructor(words: readonly string[], cursor: number, config: Config, program: string) {
    this.words = words;
    this.cursor = cursor;
    this.config = config;
    this.program = program;
  }

  print(): void {
    const lines = [...this.found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([text, about]) => `${text}\t${about}\n`);
    print(utf8(`${this.kind}\n${lines.join('')}`));
  }

  private add(text: string, about = ''): void {
    const plain = about.trim();
    const end = plain.search(/[.\n]/);
    this.found.set(text, end < 0 ? plain : plain.slice(0, end) + (end < plain.length - 1 ? ' [...]' : ''));
  }

  private addAll(names: Iterable<string>, prefix: string): void {
    for (const name of names) if (name.startsWith(prefix)) this.add(name);
  }

  async run(): Promise<void> {
    const place = await this.findPlace();
    if (place === undefined) return;
    try {
      if (place.flag === undefined) await this.completeArgument(place);
      else await this.completeFlagArgument(place.flag, place);
    } catch (error) {
      if (!(error instanceof NixError) && !(error instanceof Error && 'code' in error)) throw error;
    }
  }

  /** Goes through the words as commands do. Names of commands and flags are completed on the way. */
  private async findPlace(): Promise<Place | undefined> {
    let place: Place | undefined;
    let onlyArguments = false;
    for (let i = 0; i < this.words.length; i++) {
      const word = this.words[i]!;
      if (!onlyArguments && word.startsWith('-')) {
        if (i === this.cursor) {
          this.completeFlag(word);
          return undefined;
        }
        if (word === '--') {
          onlyArguments = true;
          this.given.push(word);
          continue;
        }
        const name = word.replace(/^--?/, '');
        const flag = this.flags.find((f) => f.name === name || f.short === name || f.aliases?.includes(name) === true);
        const count = flag?.args.length ?? argumentsOf(word);
        const at = this.cursor - i - 1;
        if (at >= 0 && at < count) place = { prefix: this.words[this.cursor]!, flag: flag?.name ?? name, index: at };
        else this.given.push(...this.words.slice(i, i + 1 + count));
        i += count;
      } else if (this.command === '' || GROUPS[this.command] !== undefined) {
        if (i === this.cursor) {
          this.completeCommand(word);
          return undefined;
        }
        this.command = this.command === '' ? word : `${this.command} ${word}`;
        if (GROUPS[this.command] !== undefined) continue;
        const flags = await flagsOf(this.command);
        if (flags === undefined) return undefined;
        this.flags = flags;
      } else if (i === this.cursor) place = { prefix: word, index: this.positionals.length };
      else {
        this.positionals.push(word);
        this.given.push(word);
      }
    }
    return place;
  }

  private completeCommand(prefix: string): void {
    const nested = Object.keys(NESTED_COMMANDS).flatMap((name) => {
      const [group, verb] = name.split(' ');
      return group === this.command ? [verb!] : [];
    });
    this.addAll(this.command === '' ? commandNames(this.program) : nested, prefix);
  }

  private completeFlag(prefix: string): void {
    if (prefix === '-') {
      this.add('--');
      for (const { short, describe } of this.flags) if (short !== undefined) this.add(`-${short}`, describe);
    }
    if (!prefix.startsWith('--')) return;
    for (const { name, aliases, describe, negatable } of this.flags) {
      const names = [name, ...(aliases ?? []), ...(negatable === true ? [`no-${name}`] : [])];
      for (const each of names) if (`--${each}`.startsWith(prefix)) this.add(`--${each}`, describe);
    }
  }

  private async completeFlagArgument(flag: string, { prefix, index }: Place): Promise<void> {
    if (flag === 'option' && index === 0) {
      for (const name of Object.keys(SETTINGS)) {
        if (name.startsWith(prefix)) this.add(name, `Set the \`${name}\` setting.`);
      }
    } else if (flag === 'update-input' || (flag === 'override-input' && index === 0)) await this.completeInput(prefix);
    else if (flag === 'override-input' || FLAKE_FLAGS.includes(flag)) await this.completeFlake(prefix);
    else if (PATH_FLAGS.includes(flag)) this.completePath(prefix, false);
  }

  private async completeArgument({ prefix, index }: Place): Promise<void> {
    if (this.command === 'flake update') await this.completeInput(prefix);
    else if (FLAKES.includes(this.command)) await this.completeFlake(prefix);
    else if (PATHS.includes(this.command) || (this.command === 'run' && index > 0)) this.completePath(prefix, false);
    else if (INSTALLABLES.includes(this.command) && !(ONLY_FIRST.includes(this.command) && index > 0)) {
      await this.completeInstallable(prefix);
    }
  }

  private completePath(prefix: string, onlyFolders: boolean): void {
    this.kind = 'filenames';
    const path = expandTilde(prefix);
    const slash = path.lastIndexOf('/') + 1;
    const [folder, start] = [path.slice(0, slash), path.slice(slash)];
    for (const name of ['.', '..', ...readdirSync(folder === '' ? '.' : folder)]) {
      if (!name.startsWith(start) || (name.startsWith('.') && !start.startsWith('.'))) continue;
      const stat = statSync(folder + name, { throwIfNoEntry: false });
      if (!onlyFolders || stat?.isDirectory() === true) this.add(folder + name);
    }
  }

  private async session<T>(use: (session: Session) => T): Promise<T> {
    const flags = parseFlags(this.given, this.flags, this.config);
    preferPure(flags, this.config);
    const session = new Session({ config: this.config, flags, readOnly: true, say: () => undefined });
    try {
      return use(session);
    } finally {
      await session.close();
    }
  }

  private async completeFlake(prefix: string): Promise<void> {
    if (!this.config.experimentalFeatures.has('flakes')) return;
    if (prefix === '') this.add('.');
    try {
      this.completePath(prefix, true);
    } catch {
      // no such folder
    }
    await this.session(({ evaluator }) => {
      for (const { entries } of listRegistries(evaluator)) {
        for (const entry of entries) {
          const from = fromUtf8(showInput(entry.from));
          const name = !prefix.startsWith('flake:') && from.startsWith('flake:') ? from.slice('flake:'.length) : from;
          if (name.startsWith(prefix)) this.add(name);
        }
      }
    });
  }

  /** Names of inputs of the flakes that the command line names. */
  private async completeInput(prefix: string): Promise<void> {
    await this.session(({ evaluator, flags }) => {
      const flake = this.command === 'flake update' ? [flags.get('flake') ?? '.'] : this.positionals;
      for (const argument of flake.length === 0 ? ['.'] : flake) {
        const { ref } = parseFlakeArgument(expandTilde(argument));
        this.addAll(Array.from(fetchFlake(evaluator, ref, 'all', []).inputs.keys(), fromUtf8), prefix);
      }
    });
  }

  private async completeInstallable(prefix: string): Promise<void> {
    const hasFile = this.given.some((word) => word === '--file' || word === '-f');
    if (hasFile) {
      this.kind = 'attrs';
      await this.session((session) => {
        const dot = prefix.lastIndexOf('.');
        const [path, start] = dot < 0 ? ['', prefix] : [prefix.slice(0, dot), prefix.slice(dot + 1)];
        const root = session.evalFileArgument(session.flags.get('file')!);
        const options = { args: session.autoArgs() };
        const { slot } = findAlongAttrPath(session.evaluator, utf8(path), root, options);
        const value = autoCall(session.evaluator, slot, options);
        if (!(value instanceof Attrs)) return;
        for (const name of namesOf(value)) {
          if (name.startsWith(start)) this.add(path === '' ? name : `${path}.${name}`);
        }
      });
    } else if (!prefix.includes('#')) await this.completeFlake(prefix);
    else await this.completeFragment(prefix);
  }

  private async completeFragment(prefix: string): Promise<void> {
    this.kind = 'attrs';
    await this.session((session) => {
      const { evaluator: ev, flags, config } = session;
      const hash = prefix.indexOf('#');
      const flake = prefix.slice(0, hash);
      let fragment = prefix.slice(hash + 1);
      const atRoot = fragment.startsWith('.') ? '.' : '';
      if (atRoot !== '') fragment = fragment.slice(1);
      const { locked } = lockArgument(ev, expandTilde(flake), flags, config, { write: () => undefined });
      const value = ev.expectAttrs(callFlake(ev, locked), 0, '');
      const outputs = ev.expectAttrs(value.get(OUTPUTS) ?? value, 0, '');
      const more = this.command === 'develop' ? ['devShell' as const] : this.command === 'run' ? ['app' as const] : [];
      const { defaults, prefixes } = flakeAttributes(config.system, ...more);
      for (const before of atRoot === '' ? [...prefixes, ''] : ['']) {
        const whole = before + fragment;
        const path = parseAttrPath(utf8(whole)).map(fromUtf8);
        const start = path.length > 0 && !whole.endsWith('.') ? path.pop()! : '';
        const set = this.attrsAt(session, outputs, path);
        const shown = path.slice(parseAttrPath(before).length);
        for (const name of set === undefined ? [] : namesOf(set)) {
          if (name.startsWith(start)) this.add(`${flake}#${atRoot}${[...shown, name].join('.')}`);
        }
      }
      if (fragment !== '') return;
      for (const path of defaults) {
        if (this.slotAt(session, outputs, path.split('.')) !== undefined) this.add(`${flake}#${atRoot}`);
      }
    });
  }

  private slotAt({ evaluator }: Session, root: Attrs, path: readonly string[]): Slot | undefined {
    let slot: Slot = root;
    for (const name of path) {
      const value = evaluator.force(slot);
      const i: number =
        value instanceof Attrs ? value.keys.ids.findIndex((id) => symbolName(id as Sym) === utf8(name)) : -1;
      if (i < 0) return undefined;
      slot = (value as Attrs).values[i]!;
    }
    return slot;
  }

  private attrsAt(session: Session, root: Attrs, path: readonly string[]): Attrs | undefined {
    try {
      const slot = this.slotAt(session, root, path);
      const value = slot === undefined ? undefined : session.evaluator.force(slot);
      return value instanceof Attrs ? value : undefined;
    } catch (error) {
      if (error instanceof NixError) return undefined;
      throw error;
    }
  }
}

function namesOf(set: Attrs): string[] {
  return Array.from(set.keys.ids, (id) => fromUtf8(symbolName(id as Sym)));
}

function expandTilde(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(process.env['HOME'] ?? homedir(), path.slice(1)) : path;
}
