// `tsnix flake lock | update | metadata`.
import type { LockedFlake } from '../../builtins/flake/lock-flake.ts';
import { inputsByName, isNode, parseInputPath, printLockFile, type LockNode } from '../../builtins/flake/lock-file.ts';
import { flakeRefToAttrs, showFlakeRef, type FlakeRef } from '../../builtins/flake-ref/flake-ref.ts';
import { intAttr, optional } from '../../builtins/flake-ref/schemes.ts';
import { splitStorePath } from '../../store/store-path.ts';
import { utf8 } from '../../util/bytes.ts';
import { UsageError } from '../../util/errors.ts';
import type { Config } from '../config.ts';
import { FLAKE_FLAGS, lockArgument } from '../flake-installable.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag, type ParsedFlags } from '../flags.ts';
import { print } from '../output.ts';
import { Session } from '../session.ts';

export const FLAGS: readonly Flag[] = [
  flag('json', 'print JSON (metadata)'),
  flag('flake', 'the flake (update; default: the current folder)', { args: ['REF'] }),
  flag('store', 'the store to use', { args: ['URI'] }),
  ...FLAKE_FLAGS,
  ...COMMON_FLAGS,
];

export async function flake(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  const [verb, ...args] = flags.positionals;
  if (verb !== 'lock' && verb !== 'update' && verb !== 'metadata') {
    throw new UsageError(
      verb === undefined
        ? "'tsnix flake' needs one of: lock, update, metadata"
        : `'${utf8(verb)}' is not a recognised command`,
    );
  }
  const session = new Session({ config, flags, readOnly: false });
  try {
    if (verb === 'update') {
      const updates = args.map((path) => parseInputPath(utf8(path)));
      const more = updates.length === 0 ? { recreate: true } : { updates };
      lockArgument(session.evaluator, flags.get('flake') ?? '.', flags, config, more);
    } else {
      if (args.length > 1) throw new UsageError(`unexpected argument '${utf8(args[1]!)}'`);
      const { locked } = lockArgument(session.evaluator, args[0] ?? '.', flags, config);
      if (verb === 'metadata') metadata(session, locked, flags);
    }
    return 0;
  } finally {
    await session.close();
  }
}

function metadata(session: Session, { flake: described, root }: LockedFlake, flags: ParsedFlags): void {
  const { original, resolved, locked, description, dir } = described;
  const { storePath } = splitStorePath(dir, session.store.storeDir);
  const facts = (ref: FlakeRef): Record<string, unknown> => {
    const attrs = flakeRefToAttrs(ref);
    attrs.delete('__final');
    return Object.fromEntries([...attrs].sort(([a], [b]) => (a < b ? -1 : 1)));
  };
  const revision = optional(locked.input, 'rev');
  const dirtyRevision = optional(locked.input, 'dirtyRev');
  const revCount = intAttr(locked.input, 'revCount');
  const lastModified = intAttr(locked.input, 'lastModified');
  if (flags.has('json')) {
    const json: Record<string, unknown> = {
      ...(description === null ? {} : { description }),
      ...(dirtyRevision === undefined ? {} : { dirtyRevision }),
      ...(lastModified === undefined ? {} : { lastModified }),
      locked: facts(locked),
      locks: JSON.parse(printLockFile(root).text) as unknown,
      original: facts(original),
      originalUrl: showFlakeRef(original),
      path: storePath,
      resolved: facts(resolved),
      resolvedUrl: showFlakeRef(resolved),
      ...(revCount === undefined ? {} : { revCount }),
      ...(revision === undefined ? {} : { revision }),
      url: showFlakeRef(locked),
    };
    print(`${JSON.stringify(json)}\n`);
    return;
  }
  const line = (name: string, value: string): void => {
    print(`${name.padEnd(14)}${value}\n`);
  };
  line('Resolved URL:', showFlakeRef(resolved));
  line('Locked URL:', showFlakeRef(locked));
  if (description !== null) line('Description:', description);
  line('Path:', storePath);
  if (revision !== undefined || dirtyRevision !== undefined) line('Revision:', (revision ?? dirtyRevision)!);
  if (revCount !== undefined) line('Revisions:', String(revCount));
  if (lastModified !== undefined) line('Last modified:', ` ${dateOf(lastModified)}`);
  if (root.inputs.size === 0) return;
  print('Inputs:\n');
  printTree(root, '', new Set([root]));
}

/** As the user's clock shows it. */
function dateOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
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
    print(`${prefix}${branch}${name}: ${showFlakeRef(edge.locked)}\n`);
    if (visited.has(edge)) return;
    visited.add(edge);
    printTree(edge, prefix + utf8(last ? '    ' : '│   '), visited);
  });
}
