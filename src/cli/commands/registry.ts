// `tsnix registry list | add | remove | pin | resolve`: what short names of flakes mean.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fetchInput } from '../../builtins/fetch-input.ts';
import { parseFlakeRef, showFlakeRef, type FlakeRef } from '../../builtins/flake-ref/flake-ref.ts';
import {
  listRegistries,
  parseRegistry,
  printRegistry,
  resolveInRegistries,
  type RegistryEntry,
} from '../../builtins/flake-ref/registry.ts';
import { isLocked, sameAttrs, showInput, type FlakeAttrs } from '../../builtins/flake-ref/schemes.ts';
import { fromBuffer, fromUtf8, toBuffer, utf8 } from '../../util/bytes.ts';
import { UsageError } from '../../util/errors.ts';
import { makeDirs } from '../../util/make-dirs.ts';
import type { Config } from '../config.ts';
import { parseFlakeArgument } from '../flake-installable.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag, type ParsedFlags } from '../flags.ts';
import { print, say } from '../output.ts';
import { indentJson } from '../print-json.ts';
import { Session } from '../session.ts';

const STORE_FLAG = flag('store', 'the store to use', { args: ['URI'] });

export const LIST_FLAGS: readonly Flag[] = [STORE_FLAG, ...COMMON_FLAGS];

export const EDIT_FLAGS: readonly Flag[] = [
  flag('registry', "the registry to change, instead of the user's", { args: ['FILE'] }),
  ...LIST_FLAGS,
];

async function withSession<T>(flags: ParsedFlags, config: Config, body: (session: Session) => T): Promise<T> {
  const session = new Session({ config, flags, readOnly: false });
  try {
    return body(session);
  } finally {
    await session.close();
  }
}

function words(flags: ParsedFlags, least: number, most: number): string[] {
  const { positionals } = flags;
  if (positionals.length < least) throw new UsageError('more arguments are required');
  if (positionals.length > most) throw new UsageError(`unexpected argument '${utf8(positionals[most]!)}'`);
  return positionals.map(utf8);
}

export async function registryList(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, LIST_FLAGS, config);
  words(flags, 0, 0);
  return withSession(flags, config, ({ evaluator }) => {
    for (const { kind, entries } of listRegistries(evaluator)) {
      for (const { from, to, dir } of entries) {
        print(`${kind.padEnd(6)} ${showInput(from)} ${showFlakeRef({ input: to, dir: dir ?? '' })}\n`);
      }
    }
    return 0;
  });
}

export async function registryAdd(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, EDIT_FLAGS, config);
  const [from, to] = words(flags, 2, 2).map((text) => parseFlakeRef(text)) as [FlakeRef, FlakeRef];
  return withSession(flags, config, (session) => {
    edit(session, (entries) => [...without(entries, from.input), entryOf(from.input, to.input, to.dir)]);
    return 0;
  });
}

export async function registryRemove(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, EDIT_FLAGS, config);
  const { input } = parseFlakeRef(words(flags, 1, 1)[0]!);
  return withSession(flags, config, (session) => {
    edit(session, (entries) => without(entries, input));
    return 0;
  });
}

export async function registryPin(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, EDIT_FLAGS, config);
  const [url, target = url] = words(flags, 1, 2) as [string, string?];
  return withSession(flags, config, (session) => {
    const { evaluator: ev } = session;
    const pinned = parseFlakeArgument(url).ref;
    const resolved = resolveInRegistries(ev, parseFlakeArgument(target).ref.input, 'all').input;
    const locked = new Map(fetchInput(ev, resolved).locked);
    locked.delete('__final');
    if (!isLocked(locked, config.bool('trust-tarballs-from-git-forges')))
      say(`warning: flake '${showInput(locked)}' is not locked`);
    edit(session, (entries) => [...without(entries, pinned.input), entryOf(pinned.input, locked, pinned.dir)]);
    return 0;
  });
}

export async function registryResolve(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, LIST_FLAGS, config);
  return withSession(flags, config, ({ evaluator }) => {
    for (const text of flags.positionals) {
      const { ref } = parseFlakeArgument(text);
      const { input, dir } = resolveInRegistries(evaluator, ref.input, 'all');
      print(`${showFlakeRef({ input, dir: ref.dir === '' ? (dir ?? '') : ref.dir })}\n`);
    }
    return 0;
  });
}

const entryOf = (from: FlakeAttrs, to: FlakeAttrs, dir: string): RegistryEntry => ({
  from,
  to,
  dir: dir === '' ? undefined : dir,
  exact: false,
});

function without(entries: readonly RegistryEntry[], from: FlakeAttrs): RegistryEntry[] {
  return entries.filter((entry) => !sameAttrs(entry.from, from));
}

/** Changes the file of --registry, else the user's. @throws EvalError for a file that is none */
function edit(session: Session, change: (entries: readonly RegistryEntry[]) => readonly RegistryEntry[]): void {
  const file = session.flags.get('registry') ?? fromUtf8(session.settings.fetch.registries[0]!);
  const entries = existsSync(file) ? parseRegistry(fromBuffer(readFileSync(file)), utf8(file)) : [];
  makeDirs(utf8(dirname(file)));
  writeFileSync(file, toBuffer(indentJson(printRegistry(change(entries)))));
}
