// `tsnix flake prefetch | clone | archive`: a flake's sources, into the store, into a folder, or with all inputs elsewhere.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fetchInput } from '../../../builtins/fetch-input.ts';
import { isNode, inputsByName, type LockNode } from '../../../builtins/flake/lock-file.ts';
import { showFlakeRef, type FlakeRef } from '../../../builtins/flake-ref/flake-ref.ts';
import { resolveInRegistries } from '../../../builtins/flake-ref/registry.ts';
import {
  isRelativePath,
  optional,
  showInput,
  stringAttr,
  type FlakeAttrs,
} from '../../../builtins/flake-ref/schemes.ts';
import { requireFeature } from '../../../builtins/features.ts';
import { filePathOfUrl } from '../../../fetch/file-url.ts';
import { narChunks } from '../../../store/nar.ts';
import { restoreChunks } from '../../../store/nar-ingest.ts';
import { LocalStore } from '../../../store/local-store.ts';
import { makeFixedOutputPath } from '../../../store/store-path.ts';
import { parseSri, printHash } from '../../../store/hash.ts';
import type { StorePath } from '../../../store/store.ts';
import { fromUtf8, utf8 } from '../../../util/bytes.ts';
import { EvalError, NotImplementedError, StoreError, UsageError } from '../../../util/errors.ts';
import type { Config } from '../../config.ts';
import { lockArgument, parseFlakeArgument } from '../../flake-installable.ts';
import { flag, parseFlags, type Flag } from '../../flags.ts';
import { say } from '../../output.ts';
import { JSON_FLAGS, printJson, type JsonValue } from '../../print-json.ts';
import type { Session } from '../../session.ts';
import { flakeArgument, PLAIN_FLAGS, withSession } from './flags.ts';
import { factsOf } from './metadata.ts';

export const PREFETCH_FLAGS: readonly Flag[] = [
  flag('out-link', 'name of a link to the tree (default: none)', { short: 'o', args: ['LINK'] }),
  ...JSON_FLAGS,
  ...PLAIN_FLAGS,
];

export const CLONE_FLAGS: readonly Flag[] = [
  flag('dest', 'the folder to make', { short: 'f', args: ['PATH'] }),
  ...PLAIN_FLAGS,
];

export const ARCHIVE_FLAGS: readonly Flag[] = [
  flag('to', 'the store or binary cache to copy to', { args: ['URI'] }),
  flag('dry-run', 'fetch and copy nothing'),
  flag('no-check-sigs', 'take paths in that no trusted key has signed'),
  ...JSON_FLAGS,
  ...PLAIN_FLAGS,
];

/** What a flake reference is by the registries. */
function resolveRef(session: Session, argument: string): FlakeRef {
  requireFeature(session.settings, 'flakes');
  const { ref } = parseFlakeArgument(argument);
  const { input, dir = ref.dir } = resolveInRegistries(session.evaluator, ref.input, 'all');
  return { input, dir };
}

export async function flakePrefetch(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, PREFETCH_FLAGS, config);
  return withSession(flags, config, (session) => {
    const resolved = resolveRef(session, flakeArgument(flags));
    const { storePath, locked: input } = fetchInput(session.evaluator, resolved.input);
    const locked = { input, dir: resolved.dir };
    const { evaluator: ev, store } = session;
    session.flush();
    const digest = ev.io.narHash?.(storePath);
    if (digest === undefined) throw new StoreError(`path '${storePath}' is not valid`);
    const hash = printHash({ algorithm: 'sha256', digest }, 'sri');
    if (flags.has('json')) {
      printJson({ hash, locked: factsOf(locked), original: factsOf(resolved), storePath }, flags);
    } else say(`Downloaded '${showFlakeRef(locked)}' to '${storePath}' (hash '${hash}').`);
    const link = flags.get('out-link');
    if (link !== undefined) {
      if (!(store instanceof LocalStore)) throw new StoreError("'--out-link' is not supported for this Nix store");
      store.addIndirectRoot(utf8(resolve(link)), storePath as StorePath);
    }
    return 0;
  });
}

export async function flakeClone(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, CLONE_FLAGS, config);
  const target = flags.get('dest');
  if (target === undefined) throw new UsageError("missing flag '--dest'");
  return withSession(flags, config, (session) => {
    clone(session, resolveRef(session, flakeArgument(flags)).input, target);
    return 0;
  });
}

/** @throws EvalError */
function clone(session: Session, input: FlakeAttrs, target: string): void {
  const url = gitUrl(input);
  if (url !== undefined) {
    const ref = optional(input, 'ref');
    if (input.has('rev')) throw new NotImplementedError('cloning a specific revision is not implemented');
    const args = ['clone', fromUtf8(url), ...(ref === undefined ? [] : ['--branch', fromUtf8(ref)]), target];
    const { status } = spawnSync('git', args, { stdio: 'inherit' });
    if (status !== 0) throw new EvalError(`program 'git' failed with exit code ${String(status)}`);
    return;
  }
  if (input.get('type') === 'hg') throw new NotImplementedError(`cannot clone '${showInput(input)}'`);
  if (existsSync(target)) throw new EvalError(`cannot clone into existing path "${utf8(target)}"`);
  const { storePath } = fetchInput(session.evaluator, input);
  session.flush();
  restoreChunks(utf8(resolve(target)), narChunks(session.store.realPath(storePath)));
}

/** Where git clones from; undefined for what is no repository. */
function gitUrl(input: FlakeAttrs): string | undefined {
  const forge = (host: string): string => {
    const place = optional(input, 'host') ?? host;
    const owner = stringAttr(input, 'owner');
    return `https://${place}/${owner}/${stringAttr(input, 'repo')}${host === 'git.sr.ht' ? '' : '.git'}`;
  };
  switch (input.get('type')) {
    case 'git': {
      const url = stringAttr(input, 'url');
      return filePathOfUrl(url) ?? url;
    }
    case 'github':
      return forge('github.com');
    case 'gitlab':
      return forge('gitlab.com');
    case 'sourcehut':
      return forge('git.sr.ht');
    default:
      return undefined;
  }
}

export async function flakeArchive(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, ARCHIVE_FLAGS, config);
  const sources = new Set<string>();
  await withSession(flags, config, (session) => {
    const { evaluator: ev } = session;
    const { locked } = lockArgument(ev, flakeArgument(flags), flags, config, { configure: undefined });
    const pathOf = ({ input }: FlakeRef): string => {
      const path = flags.has('dry-run') ? computedPath(session, input) : fetchInput(ev, input).storePath;
      sources.add(path);
      return path;
    };
    const path = pathOf(locked.flake.locked);
    const below = (node: LockNode): JsonValue => {
      const inputs = new Map<string, JsonValue>();
      for (const [name, edge] of inputsByName(node)) {
        if (!isNode(edge)) continue;
        const own = isRelativePath(edge.locked.input) ? {} : { path: pathOf(edge.locked) };
        inputs.set(name, { ...own, inputs: below(edge) });
      }
      return inputs;
    };
    const inputs = below(locked.root);
    if (flags.has('json')) printJson({ path, inputs }, flags);
  });
  const to = flags.get('to');
  if (to === undefined || flags.has('dry-run')) return 0;
  const { copy } = await import('../copy.ts');
  const options = flags.has('no-check-sigs') ? ['--no-check-sigs'] : [];
  return copy(['--to', to, ...options, '--', ...[...sources].map(fromUtf8)], config);
}

/** Where a locked input lies, without asking for it. @throws EvalError */
function computedPath(session: Session, input: FlakeAttrs): string {
  const narHash = optional(input, 'narHash');
  if (narHash === undefined) {
    throw new EvalError(`cannot compute store path for unlocked input '${showInput(input)}'`);
  }
  const name = optional(input, 'name') ?? 'source';
  const hash = parseSri(narHash).digest;
  return makeFixedOutputPath({ name, method: 'nar', algorithm: 'sha256', hash }, session.store.storeDir);
}
