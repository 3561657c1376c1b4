// `tsnix flake metadata`: what a flake is, and which inputs it has.
import type { LockedFlake } from '../../../builtins/flake/lock-flake.ts';
import { inputsByName, isNode, printLockFile, type LockNode } from '../../../builtins/flake/lock-file.ts';
import { flakeRefToAttrs, showFlakeRef, type FlakeRef } from '../../../builtins/flake-ref/flake-ref.ts';
import { intAttr, isLocked, optional } from '../../../builtins/flake-ref/schemes.ts';
import { splitStorePath } from '../../../store/store-path.ts';
import { utf8 } from '../../../util/bytes.ts';
import type { Config } from '../../config.ts';
import { lockArgument } from '../../flake-installable.ts';
import { parseFlags, type Flag, type ParsedFlags } from '../../flags.ts';
import { print, say } from '../../output.ts';
import { JSON_FLAGS, JsonText, printJson, type JsonValue } from '../../print-json.ts';
import type { Session } from '../../session.ts';
import { fingerprintOf } from './fingerprint.ts';
import { flakeArgument, PLAIN_FLAGS, withSession } from './flags.ts';

export const METADATA_FLAGS: readonly Flag[] = [...JSON_FLAGS, ...PLAIN_FLAGS];

export async function flakeMetadata(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, METADATA_FLAGS, config);
  return withSession(flags, config, (session) => {
    metadata(
      session,
      lockArgument(session.evaluator, flakeArgument(flags), flags, config, { configure: undefined }).locked,
      flags,
    );
    return 0;
  });
}

export async function flakeInfo(argv: readonly string[], config: Config): Promise<number> {
  say("warning: 'nix flake info' is a deprecated alias for 'nix flake metadata'");
  return flakeMetadata(argv, config);
}

function metadata(session: Session, lockedFlake: LockedFlake, flags: ParsedFlags): void {
  const { flake: described, root } = lockedFlake;
  const { original, resolved, locked, description, dir } = described;
  const { storePath } = splitStorePath(dir, session.store.storeDir);
  const revision = optional(locked.input, 'rev');
  const dirtyRevision = optional(locked.input, 'dirtyRev');
  const revCount = intAttr(locked.input, 'revCount');
  const lastModified = intAttr(locked.input, 'lastModified');
  const fingerprint = fingerprintOf(lockedFlake, session.settings.fetch);
  if (flags.has('json')) {
    const json: Record<string, JsonValue> = {
      ...(description === null ? {} : { description }),
      ...(dirtyRevision === undefined ? {} : { dirtyRevision }),
      ...(lastModified === undefined ? {} : { lastModified }),
      ...(fingerprint === undefined ? {} : { fingerprint }),
      locked: factsOf(locked),
      locks: new JsonText(JSON.stringify(JSON.parse(printLockFile(root).text))),
      original: factsOf(original),
      originalUrl: showFlakeRef(original),
      path: storePath,
      resolved: factsOf(resolved),
      resolvedUrl: showFlakeRef(resolved),
      ...(revCount === undefined ? {} : { revCount }),
      ...(revision === undefined ? {} : { revision }),
      url: showFlakeRef(locked),
    };
    printJson(json, flags);
    return;
  }
  const line = (name: string, value: string): void => {
    print(`${name.padEnd(15)}${value}\n`);
  };
  line('Resolved URL:', showFlakeRef(resolved));
  if (isLocked(locked.input, session.settings.fetch.trustArchives)) line('Locked URL:', showFlakeRef(locked));
  if (description !== null) line('Description:', description);
  line('Path:', storePath);
  if (revision !== undefined || dirtyRevision !== undefined) line('Revision:', (revision ?? dirtyRevision)!);
  if (revCount !== undefined) line('Revisions:', String(revCount));
  if (lastModified !== undefined) line('Last modified:', dateOf(new Date(lastModified * 1000)));
  if (fingerprint !== undefined) line('Fingerprint:', fingerprint);
  if (root.inputs.size === 0) return;
  print('Inputs:\n');
  printTree(root, '', new Set([root]));
}

/** A reference as JSON has it. */
export function factsOf(ref: FlakeRef): JsonValue {
  const facts = new Map<string, JsonValue>();
  for (const [name, value] of flakeRefToAttrs(ref)) {
    if (name !== '__final') facts.set(name, typeof value === 'bigint' ? new JsonText(String(value)) : value);
  }
  return facts;
}

const two = (n: number): string => String(n).padStart(2, '0');

/** As the user's clock shows it. */
function dateOf(date: Date): string {
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** As Greenwich's does. */
function utcOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ');
}

function printTree(node: LockNode, prefix: string, visited: Set<LockNode>): void {
  const inputs = inputsByName(node);
  inputs.forEach(([name, edge], i) => {
    const last = i === inputs.length - 1;
    const branch = utf8(last ? '└───' : '├───');
    if (!isNode(edge)) {
      print(`${prefix}${branch}${name} follows input '${edge.join('/')}'\n`);
      return;
    }
    const lastModified = intAttr(edge.locked.input, 'lastModified');
    const date = lastModified === undefined ? '' : ` (${utcOf(lastModified)})`;
    print(`${prefix}${branch}${name}: ${showFlakeRef(edge.locked)}${date}\n`);
    if (visited.has(edge)) return;
    visited.add(edge);
    printTree(edge, prefix + utf8(last ? '    ' : '│   '), visited);
  });
}
