// `nix-store`: the drop-in. One operation, its flags, its arguments, in any order.
import { readFileSync } from 'node:fs';
import { openStore } from '../../store/open.ts';
import { UsageError } from '../../util/errors.ts';
import { fromBuffer, utf8 } from '../../util/bytes.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { isTerminal } from '../output.ts';
import { openConfiguredStore } from '../session.ts';
import type { Operation, OperationFlag, RunOperation } from './nix-store/operation.ts';

interface OperationEntry {
  readonly flag: Flag;
  readonly load: () => Promise<RunOperation>;
  /** What it needs of the store; `none` for the store not to be opened. */
  readonly access: 'none' | 'read' | 'write';
}

const OPERATIONS: readonly OperationEntry[] = [
  {
    flag: flag('realise', 'build derivations, or fetch paths', { short: 'r', aliases: ['realize'] }),
    load: async () => (await import('./nix-store/realise.ts')).realise,
    access: 'write',
  },
  {
    flag: flag('query', 'print what the store knows about paths', { short: 'q' }),
    load: async () => (await import('./nix-store/query.ts')).query,
    access: 'read',
  },
  {
    flag: flag('add', 'copy files and directories to the store', { short: 'A' }),
    load: async () => (await import('./nix-store/add.ts')).add,
    access: 'write',
  },
  {
    flag: flag('add-fixed', 'copy what a fixed-output derivation would make: ALGORITHM FILE..'),
    load: async () => (await import('./nix-store/add.ts')).addFixed,
    access: 'write',
  },
  {
    flag: flag('print-fixed-path', 'print the path of a fixed output: ALGORITHM HASH NAME'),
    load: async () => (await import('./nix-store/add.ts')).printFixedPath,
    access: 'read',
  },
  {
    flag: flag('delete', 'delete paths that nothing needs'),
    load: async () => (await import('./nix-store/collect.ts')).deletePaths,
    access: 'write',
  },
  {
    flag: flag('gc', 'delete everything that nothing needs'),
    load: async () => (await import('./nix-store/collect.ts')).gc,
    access: 'write',
  },
  {
    flag: flag('print-env', "print a derivation's environment for a shell"),
    load: async () => (await import('./nix-store/query.ts')).printEnv,
    access: 'read',
  },
  {
    flag: flag('read-log', 'print logs of builds', { short: 'l' }),
    load: async () => (await import('./nix-store/query.ts')).readLog,
    access: 'read',
  },
  {
    flag: flag('generate-binary-cache-key', 'make a key pair: NAME SECRET-KEY-FILE PUBLIC-KEY-FILE'),
    load: async () => (await import('./nix-store/keys.ts')).generateBinaryCacheKey,
    access: 'none',
  },
  {
    flag: flag('dump-db', 'print the registration of paths, or of all'),
    load: async () => (await import('./nix-store/registration.ts')).dumpDb,
    access: 'read',
  },
  {
    flag: flag('load-db', 'register what --dump-db printed'),
    load: async () => (await import('./nix-store/registration.ts')).loadDb,
    access: 'write',
  },
  {
    flag: flag('register-validity', 'register paths whose files are there, from standard input'),
    load: async () => (await import('./nix-store/registration.ts')).registerValidity,
    access: 'write',
  },
  {
    flag: flag('check-validity', 'fail where a path is not valid'),
    load: async () => (await import('./nix-store/query.ts')).checkValidity,
    access: 'read',
  },
  {
    flag: flag('dump', 'write the NAR of a path to standard output'),
    load: async () => (await import('./nix-store/archives.ts')).dump,
    access: 'none',
  },
  {
    flag: flag('restore', 'unpack the NAR on standard input'),
    load: async () => (await import('./nix-store/archives.ts')).restore,
    access: 'none',
  },
  {
    flag: flag('export', 'write store paths to standard output'),
    load: async () => (await import('./nix-store/archives.ts')).exportStorePaths,
    access: 'read',
  },
  {
    flag: flag('import', 'add what --export wrote'),
    load: async () => (await import('./nix-store/archives.ts')).importStorePaths,
    access: 'write',
  },
  {
    flag: flag('init', 'make the store, if it is not there'),
    load: async () => (await import('./nix-store/maintain.ts')).init,
    access: 'write',
  },
  {
    flag: flag('verify', 'check that the database and the files agree'),
    load: async () => (await import('./nix-store/maintain.ts')).verify,
    access: 'write',
  },
  {
    flag: flag('verify-path', 'check the contents of paths'),
    load: async () => (await import('./nix-store/maintain.ts')).verifyPath,
    access: 'read',
  },
  {
    flag: flag('repair-path', 'fetch or build damaged paths again'),
    load: async () => (await import('./nix-store/maintain.ts')).repairPath,
    access: 'write',
  },
  {
    flag: flag('serve', 'answer nix-copy-closure and others on standard input and output'),
    load: async () => (await import('./nix-store/serve.ts')).serve,
    access: 'read',
  },
  {
    flag: flag('optimise', 'make hard links of files that are the same', { aliases: ['optimize'] }),
    load: async () => (await import('./nix-store/maintain.ts')).optimise,
    access: 'write',
  },
];

/** Flags of the operations. */
const OPERATION_FLAGS: readonly Flag[] = [
  flag('outputs', '--query: output paths of derivations (the default)'),
  flag('requisites', '--query: closures', { short: 'R' }),
  flag('references', '--query: what the paths refer to'),
  flag('referrers', '--query: what refers to the paths', { aliases: ['referers'] }),
  flag('referrers-closure', '--query: what would break without the paths', { aliases: ['referers-closure'] }),
  flag('deriver', '--query: the derivations that made the paths', { short: 'd' }),
  flag('valid-derivers', '--query: valid derivations that make the paths'),
  flag('binding', "--query: the derivations' variable NAME, the first argument", { short: 'b' }),
  flag('hash', '--query: hashes of the NARs'),
  flag('size', '--query: sizes of the NARs'),
  flag('tree', '--query: references as a tree'),
  flag('graph', '--query: references for GraphViz'),
  flag('graphml', '--query: references as GraphML'),
  flag('resolve', '--query: the store paths that links lead to'),
  flag('roots', '--query: roots of the collector that keep the paths'),
  flag('use-output', '--query: ask about outputs in place of derivations', { short: 'u' }),
  flag('force-realise', '--query: build first', { short: 'f', aliases: ['force-realize'] }),
  flag('include-outputs', '--query --requisites: outputs of derivations too'),
  flag('dry-run', '--realise: only show what would be built'),
  flag('check', '--realise: build again and compare'),
  flag('repair', '--realise, --verify: build or fetch again what is damaged'),
  flag('ignore-unknown', '--realise: leave out what there is no way to make'),
  flag('recursive', '--add-fixed, --print-fixed-path: directories, executables and links too'),
  flag('reregister', '--register-validity: valid paths too'),
  flag('hash-given', '--register-validity: the input has hashes'),
  flag('print-invalid', '--check-validity: print invalid paths'),
  flag('print-roots', '--gc: only print the roots'),
  flag('print-live', '--gc: only print what is needed'),
  flag('print-dead', '--gc: only print what would be deleted'),
  flag('max-freed', '--gc: stop after so many bytes (K, M, G, T)', { args: ['BYTES'] }),
  flag('ignore-liveness', '--delete: whatever the roots say'),
  flag('check-contents', '--verify: read everything'),
  flag('write', '--serve: may add paths and build'),
];

/** Flags for all operations. */
const GENERAL_FLAGS: readonly Flag[] = [
  flag('add-root', 'keep the result from being collected through the link PATH', { args: ['PATH'] }),
  flag('indirect', 'does nothing'),
  flag('stdin', 'read more arguments from standard input'),
  flag('no-output', '--realise: print no paths'),
  flag('no-build-output', 'show no build logs', { short: 'Q' }),
  flag('no-gc-warning', 'do not warn of results without a root'),
  flag('keep-failed', 'keep the build directory of failed builds', { short: 'K' }),
  flag('keep-going', 'go on with other builds after a failure', { short: 'k' }),
  flag('max-jobs', 'build at most N derivations at once', { short: 'j', args: ['N'] }),
  flag('cores', 'let each builder use N cores', { args: ['N'] }),
  flag('print-build-logs', 'does nothing: logs are shown', { short: 'L' }),
  flag('fallback', 'build where substitution fails'),
  flag('store', 'the store to use', { args: ['URI'] }),
  ...COMMON_FLAGS,
];

export const FLAGS: readonly Flag[] = [...OPERATIONS.map((entry) => entry.flag), ...OPERATION_FLAGS, ...GENERAL_FLAGS];

export async function nixStore(argv: readonly string[], config: Config): Promise<number> {
  let entry: OperationEntry | undefined;
  const opFlags: OperationFlag[] = [];
  const parsed = parseFlags(
    argv,
    FLAGS,
    config,
    (name, args, word) => {
      const operation = OPERATIONS.find((candidate) => candidate.flag.name === name);
      if (operation !== undefined) {
        if (entry !== undefined && entry !== operation) throw new UsageError('only one operation may be specified');
        entry = operation;
      } else if (OPERATION_FLAGS.some((known) => known.name === name)) opFlags.push({ name, word, args });
    },
    (word) => opFlags.push({ name: word, word, args: [] }),
  );
  if (entry === undefined) throw new UsageError('no operation specified');
  const args = parsed.positionals.map(utf8);
  if (parsed.has('stdin') && !isTerminal(0) && !['import', 'restore', 'serve'].includes(entry.flag.name)) {
    args.push(
      ...fromBuffer(readFileSync(0))
        .split(/[ \t\n\v\f\r]+/)
        .filter((word) => word !== ''),
    );
  }
  const run = await entry.load();
  const { access } = entry;
  const writes = access === 'write' || opFlags.some(({ name }) => name === 'force-realise' || name === 'write');
  const store = access === 'none' ? openStore('dummy://', process.env) : openConfiguredStore(config, !writes);
  const operation: Operation = { flags: opFlags, args, config, parsed, store };
  try {
    return await run(operation);
  } finally {
    await store.close();
  }
}
