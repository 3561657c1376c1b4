// FLAKEREF#ATTR on command lines: `.`, `./sub#hello`, `nixpkgs#legacyPackages`, `git+file:///src?ref=x`. The flake is
// locked first, and its lock file written where it is a work tree; then attributes are looked for where flakes keep
// packages. Evaluation is pure, unless the user says otherwise.
import { existsSync, lstatSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { findAlongAttrPath } from '../eval/attr-path.ts';
import { Attrs } from '../eval/attrs.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import type { Slot, Value } from '../eval/value.ts';
import { callFlake } from '../builtins/flake/call-flake.ts';
import { findInput, isNode, parseInputPath, type InputPath } from '../builtins/flake/lock-file.ts';
import { lockFlakeRef, type LockedFlake, type LockOptions } from '../builtins/flake/lock-flake.ts';
import type { Flake } from '../builtins/flake/read-flake.ts';
import { requireFeature } from '../builtins/features.ts';
import {
  flakeRefOfUrl,
  parseFlakeRefWithFragment,
  showFlakeRef,
  type FlakeRef,
} from '../builtins/flake-ref/flake-ref.ts';
import { overrideRegistry } from '../builtins/flake-ref/registry.ts';
import type { FlakeAttrs } from '../builtins/flake-ref/schemes.ts';
import {
  BadUrlError,
  decodeQuery,
  dubiousQueries,
  fileUrl,
  percentDecode,
  type Url,
} from '../builtins/flake-ref/url.ts';
import { fromBuffer, fromUtf8, toBuffer, utf8 } from '../util/bytes.ts';
import { EvalError, InternalError, TypeMismatchError, UsageError } from '../util/errors.ts';
import { isThere } from './cache/looks.ts';
import type { Config } from './config.ts';
import { applySettings } from './eval-settings.ts';
import { applyFlakeConfig } from './flake-config.ts';
import { flag, type Flag, type ParsedFlags } from './flags.ts';
import { say } from './output.ts';
import { writeLockFile } from './write-lock-file.ts';

export const FLAKE_FLAGS: readonly Flag[] = [
  flag('override-input', 'use REF for an input of the flake; its lock file is not written', { args: ['INPUT', 'REF'] }),
  flag('no-write-lock-file', "do not write the flake's lock file"),
  flag('no-update-lock-file', "fail where the flake's lock file would change"),
  flag('commit-lock-file', 'commit changes to the lock file'),
  flag('reference-lock-file', 'read FILE instead of the lock file', { args: ['FILE'] }),
  flag('output-lock-file', 'write FILE instead of the lock file', { args: ['FILE'] }),
  flag('update-input', 'lock an input anew (better: `flake update`)', { args: ['INPUT'] }),
  flag('recreate-lock-file', 'lock all inputs anew (better: `flake update`)'),
  flag('no-registries', 'do without flake registries'),
  flag('override-flake', 'REF means NEWREF, whatever the flake registries say', { args: ['REF', 'NEWREF'] }),
  flag('inputs-from', "names of a flake's inputs mean those inputs", { args: ['REF'] }),
];

const SCHEME = /^(?:path|flake|github|gitlab|sourcehut|git|(?:git|hg|tarball|file)\+[a-z]+):/;

/** Whether an argument means a flake rather than a file. */
export function isFlakeArgument(argument: string, config: Config): boolean {
  if (!config.experimentalFeatures.has('flakes')) return false;
  if (SCHEME.test(argument)) return true;
  if (/^[^<(]*#/.test(argument)) return true;
  return isThere(join(argument, 'flake.nix')) && !isThere(join(argument, 'default.nix'));
}

/** Flakes are evaluated purely, whatever else is on the command line; by `nix` all but files. @throws UsageError */
export function preferPure(flags: ParsedFlags, config: Config): void {
  if (config.nixCommand && flags.has('file') && config.isSet('pure-eval') && config.bool('pure-eval')) {
    throw new UsageError("'--file' is not compatible with '--pure-eval'");
  }
  if (flags.has('impure')) config.setByFlag('pure-eval', 'false');
  if (config.isSet('pure-eval')) return;
  if (config.nixCommand) {
    if (!flags.has('file')) config.setByFlag('pure-eval', 'true');
    return;
  }
  if (flags.has('expr')) return;
  const isFlake =
    flags.positionals.length > 0
      ? flags.positionals.some((argument) => isFlakeArgument(argument, config))
      : flags.list('file').length === 0 && !isThere('default.nix') && isFlakeArgument('.', config);
  if (isFlake) config.setByFlag('pure-eval', 'true');
}

/** What the user wrote, paths taken from the current folder. @throws BadUrlError, EvalError */
export function parseFlakeArgument(text: string): { readonly ref: FlakeRef; readonly fragment: string } {
  for (const warning of dubiousQueries(utf8(text))) say(`warning: ${warning}`);
  const [, path = '', query = '', fragment = ''] = /^([^?#]*)(?:\?([^#]*))?(?:#([^]*))?$/.exec(text) ?? [];
  const isPath = /^(?:\.|\/|~\/|$)/.test(path);
  if (!isPath) {
    try {
      return withAbsolutePath(parseFlakeRefWithFragment(utf8(text), { keepRelative: true }));
    } catch (error) {
      if (!(error instanceof BadUrlError) || !existsSync(path)) throw error;
    }
  }
  const url = urlOfFolder(resolve(path === '' ? '.' : path), new Map(decodeQuery(utf8(query))));
  return { ref: flakeRefOfUrl(url, utf8(text)), fragment: percentDecode(utf8(fragment)) };
}

function withAbsolutePath(parsed: { readonly ref: FlakeRef; readonly fragment: string }): typeof parsed {
  const path = parsed.ref.input.get('path');
  if (typeof path !== 'string' || path.startsWith('/')) return parsed;
  const input = new Map(parsed.ref.input).set('path', utf8(resolve(fromUtf8(path))));
  return { ...parsed, ref: { ...parsed.ref, input } };
}

/** The flake that a folder is or lies in; one in a git repository is that repository. @throws BadUrlError, EvalError */
function urlOfFolder(path: string, query: Map<string, string>): Url {
  const shown = (path: string): string => `"${utf8(path)}"`;
  if (!existsSync(path)) throw new EvalError(`getting status of '${utf8(path)}': No such file or directory`);
  let dir = realpathSync(path);
  if (!lstatSync(dir).isDirectory()) {
    if (basename(dir) !== 'flake.nix') {
      throw new BadUrlError(`path ${shown(dir)} is not a flake (because it's not a directory)`);
    }
    const folder = dirname(dir);
    say(
      `warning: Path ${shown(dir)} should point at the directory containing the 'flake.nix' file, not the file itself. ` +
        `Pretending that you meant ${shown(folder)}`,
    );
    dir = folder;
  }
  if (!existsSync(join(dir, 'flake.nix'))) say(`path ${shown(dir)} does not contain a 'flake.nix', searching up`);
  while (!existsSync(join(dir, 'flake.nix'))) {
    if (existsSync(join(dir, '.git'))) {
      throw new EvalError(
        `path ${shown(dir)} is not part of a flake (neither it nor its parent directories contain a 'flake.nix' file)`,
      );
    }
    if (dirname(dir) === dir) throw new BadUrlError('could not find a flake.nix file');
    dir = dirname(dir);
  }
  for (let root = dir; root !== dirname(root); root = dirname(root)) {
    if (!existsSync(join(root, '.git'))) continue;
    if (root !== dir) query.set('dir', utf8(relative(root, dir)));
    if (existsSync(join(root, '.git/shallow'))) query.set('shallow', '1');
    return { ...fileUrl(utf8(root)), scheme: 'git+file', query };
  }
  return { ...fileUrl(utf8(dir)), scheme: 'path', query };
}

/** @param writesOverrides the lock file is written even where --override-input says otherwise than flake.nix */
function lockOptions(
  ev: Evaluator,
  ref: FlakeRef,
  flags: ParsedFlags,
  config: Config,
  writesOverrides = false,
): LockOptions {
  const inputPath = (name: string, text: string): InputPath => {
    if (text !== '') return parseInputPath(utf8(text));
    throw new UsageError(
      `--${name} was passed a zero-length input path, which would refer to the flake itself, not an input`,
    );
  };
  const overrides = flags.all('override-input').map(([path, target]) => ({
    path: inputPath('override-input', path!),
    ref: parseFlakeArgument(target!).ref,
  }));
  const updates = flags.list('update-input').map((path) => inputPath('update-input', path));
  const reference = flags.get('reference-lock-file');
  const output = flags.get('output-lock-file');
  if (flags.has('update-input')) {
    say("warning: '--update-input' is a deprecated alias for 'flake update' and will be removed in a future version.");
  }
  if (flags.has('recreate-lock-file')) {
    say(
      "warning: '--recreate-lock-file' is deprecated and will be removed in a future version; use 'nix flake update' instead.",
    );
  }
  if (output !== undefined && flags.has('commit-lock-file')) {
    throw new EvalError("'--commit-lock-file' and '--output-lock-file' are incompatible");
  }
  const writes = !flags.has('no-write-lock-file') && (writesOverrides || overrides.length === 0);
  const write = (flake: Flake, text: string, diff: string): void => {
    if (output === undefined) writeLockFile(ref, text, diff, commitSummary(flags, config));
    else writeFileSync(output, toBuffer(text));
  };
  return {
    allowUnlocked: true,
    useRegistries: config.bool('use-registries') && !flags.has('no-registries'),
    noUpdate: flags.has('no-update-lock-file'),
    recreate: flags.has('recreate-lock-file'),
    alwaysWrite: output !== undefined,
    updates,
    overrides,
    configure: (settings) => {
      applyFlakeConfig(settings, config);
      applySettings(ev, flags, config);
    },
    ...(reference === undefined
      ? {}
      : { lockFile: { path: utf8(reference), text: fromBuffer(readFileSync(reference)) } }),
    ...(writes || output !== undefined ? { write } : {}),
  };
}

/** --override-flake and --inputs-from. @throws NixError */
export function applyRegistryFlags(ev: Evaluator, flags: ParsedFlags, config: Config): void {
  for (const [from, to] of flags.all('override-flake')) {
    const { input, dir } = parseFlakeArgument(to!).ref;
    overrideRegistry(ev, parseFlakeArgument(from!).ref.input, input, dir);
  }
  for (const [flake] of flags.all('inputs-from')) {
    const { root } = lockFlakeRef(ev, parseFlakeArgument(flake!).ref, {
      allowUnlocked: true,
      useRegistries: config.bool('use-registries'),
    });
    for (const id of root.inputs.keys()) {
      const node = findInput(root, [id]);
      if (node === undefined || !isNode(node)) continue;
      const { input, dir } = node.locked;
      const name: FlakeAttrs = new Map([
        ['type', 'indirect'],
        ['id', id],
      ]);
      overrideRegistry(ev, name, input, dir);
    }
  }
}

/** What commits are called; undefined: nothing is committed. */
function commitSummary(flags: ParsedFlags, config: Config): string | undefined {
  return flags.has('commit-lock-file') ? utf8(config.string('commit-lockfile-summary')) : undefined;
}

/** Locks what an argument means. @throws NixError */
export function lockArgument(
  ev: Evaluator,
  argument: string,
  flags: ParsedFlags,
  config: Config,
  more: Partial<LockOptions> & { readonly writesOverrides?: boolean } = {},
): { readonly locked: LockedFlake; readonly fragment: string } {
  requireFeature(ev.settings, 'flakes');
  const { ref, fragment } = parseFlakeArgument(argument);
  const options = { ...lockOptions(ev, ref, flags, config, more.writesOverrides), ...more };
  return { locked: lockFlakeRef(ev, ref, options), fragment };
}

/** Where a command looks for what FLAKEREF#ATTR names; relative to `SET.SYSTEM`. */
export interface FlakeAttributes {
  /** Without ATTR. */
  readonly defaults: readonly string[];
  /** Before ATTR itself. */
  readonly prefixes: readonly string[];
}

/** Those of most commands. `more`: sets that come first. */
export function flakeAttributes(system: string, ...more: readonly ('devShell' | 'app')[]): FlakeAttributes {
  const sets = [...more, 'package'];
  return {
    defaults: sets.flatMap((set) => [
      `${set}s.${system}.default`,
      set === 'devShell' ? `devShell.${system}` : `default${set[0]!.toUpperCase()}${set.slice(1)}.${system}`,
    ]),
    prefixes: [...sets.map((set) => `${set}s.${system}.`), `legacyPackages.${system}.`],
  };
}

export interface FlakeOutput {
  readonly value: Value;
  /** Where it was found. */
  readonly attrPath: string;
  readonly locked: LockedFlake;
}

/** What FLAKEREF#ATTR selects among the outputs: the first that is there. @throws EvalError */
export function loadFlakeArgument(...args: Parameters<typeof loadFlakeArguments>): FlakeOutput {
  for (const output of loadFlakeArguments(...args)) return output;
  throw new InternalError('an output was found, and is none');
}

/** Everything that FLAKEREF#ATTR may mean. @throws EvalError where there is nothing */
export function* loadFlakeArguments(
  ev: Evaluator,
  argument: string,
  flags: ParsedFlags,
  config: Config,
  attributes: FlakeAttributes,
  more: Partial<LockOptions> = {},
): Generator<FlakeOutput, void> {
  if (flags.has('arg') || flags.has('argstr')) {
    throw new UsageError("'--arg' and '--argstr' are incompatible with flakes");
  }
  const { locked, fragment } = lockArgument(ev, argument, flags, config, more);
  const similar = new Set<string>();
  const flake = ev.expectAttrs(callFlake(ev, locked), 0, 'while evaluating a flake');
  const outputs = Attrs.from([['outputs', flake]]);
  const candidates =
    fragment === ''
      ? attributes.defaults
      : fragment.startsWith('.')
        ? [fragment.slice(1)]
        : [...attributes.prefixes.map((prefix) => `${prefix}${fragment}`), fragment];
  let found = false;
  for (const path of candidates) {
    const slot = select(ev, path, outputs, similar);
    if (slot === undefined) continue;
    found = true;
    yield { value: ev.force(slot), attrPath: path, locked };
  }
  if (found) return;
  const shown = candidates.map((path) => `'${path}'`);
  const list = shown.length === 1 ? shown[0]! : `${shown.slice(0, -1).join(', ')} or ${shown.at(-1)!}`;
  const shownRef = showFlakeRef(parseFlakeArgument(argument).ref);
  throw new EvalError(`flake '${shownRef}' does not provide attribute ${list}`, {
    suggestions: [...similar].slice(0, 5),
  });
}

/** undefined where an attribute is missing on the way, with those like it; what fails otherwise, fails. */
function select(ev: Evaluator, path: string, root: Slot, similar: Set<string>): Slot | undefined {
  try {
    return findAlongAttrPath(ev, `outputs.outputs.${path}`, root, { args: Attrs.EMPTY }).slot;
  } catch (error) {
    const isMissing =
      error instanceof EvalError && /^attribute '.*' in selection path '.*' not found$/s.test(error.message);
    if (!isMissing && !(error instanceof TypeMismatchError)) throw error;
    for (const name of error.suggestions) similar.add(name);
    return undefined;
  }
}
