// `nix-env`: the drop-in. One operation; what else stands on the command line is read as Nix reads it.
import { resolve } from 'node:path';
import { utf8 } from '../../util/bytes.ts';
import { UsageError } from '../../util/errors.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { say } from '../output.ts';
import { Session } from '../session.ts';
import { defaultProfile, prepareDefaultExpressions } from '../user-env/profile-dirs.ts';
import { expressionsOf, type NixEnvContext } from './nix-env/context.ts';

type Operation = (context: NixEnvContext) => Promise<void> | void;

interface OperationEntry {
  readonly flag: Flag;
  readonly load: () => Promise<Operation>;
  /** Whether evaluation writes to the store. */
  readonly writes: boolean;
}

const changing = () => import('./nix-env/change.ts');
const generations = () => import('./nix-env/generations.ts');

const OPERATIONS: readonly OperationEntry[] = [
  {
    flag: flag('install', 'install packages', { short: 'i' }),
    load: async () => (await changing()).install,
    writes: true,
  },
  {
    flag: flag('upgrade', 'install newer versions of packages', { short: 'u' }),
    load: async () => (await changing()).upgrade,
    writes: true,
  },
  {
    flag: flag('uninstall', 'remove packages', { short: 'e' }),
    load: async () => (await changing()).uninstall,
    writes: true,
  },
  { flag: flag('set', 'make the profile one package'), load: async () => (await changing()).set, writes: true },
  {
    flag: flag('set-flag', 'set a meta attribute of installed packages: NAME VALUE PACKAGE..'),
    load: async () => (await changing()).setFlag,
    writes: true,
  },
  {
    flag: flag('query', 'list packages', { short: 'q' }),
    load: async () => (await import('./nix-env/query.ts')).query,
    writes: false,
  },
  {
    flag: flag('switch-profile', 'make PATH the profile', { short: 'S' }),
    load: async () => (await generations()).switchProfile,
    writes: false,
  },
  {
    flag: flag('list-generations', 'list the generations of the profile'),
    load: async () => (await generations()).listGenerations,
    writes: false,
  },
  {
    flag: flag('delete-generations', 'delete generations: numbers, old, 30d, +5'),
    load: async () => (await generations()).deleteSomeGenerations,
    writes: false,
  },
  {
    flag: flag('switch-generation', 'switch to a generation', { short: 'G' }),
    load: async () => (await generations()).switchToGeneration,
    writes: false,
  },
  {
    flag: flag('rollback', 'switch to the generation before'),
    load: async () => (await generations()).rollback,
    writes: false,
  },
];

/** Of single operations. */
const OPERATION_FLAGS: readonly Flag[] = [
  flag('from-expression', '--install: the arguments are functions of FILE', { short: 'E' }),
  flag('from-profile', '--install: take packages of the profile PATH', { args: ['PATH'] }),
  flag('preserve-installed', '--install: keep other versions'),
  flag('remove-all', '--install: remove everything else', { short: 'r' }),
  flag('priority', '--install: of the packages; small ones win', { args: ['PRIORITY'] }),
  ...['lt', 'leq', 'eq', 'always'].map((name) => flag(name, '--upgrade: which versions are taken')),
  flag('installed', '--query: packages of the profile (the default)'),
  flag('available', '--query: packages of FILE', { short: 'a' }),
  flag('status', '--query: installed, present, substitutable', { short: 's' }),
  flag('no-name', '--query: no names'),
  flag('attr-path', '--query: attribute paths'),
  flag('compare-versions', '--query: compare installed and available versions', { short: 'c' }),
  flag('system', '--query: systems'),
  flag('drv-path', '--query: derivations'),
  flag('out-path', '--query: output paths'),
  flag('description', '--query: descriptions'),
  flag('meta', '--query --xml, --json: all meta attributes'),
  flag('xml', '--query: print XML'),
  flag('json', '--query: print JSON'),
];

const P_FLAG = flag('P', '--install: --preserve-installed; --query: --attr-path', { short: 'P' });

const GENERAL_FLAGS: readonly Flag[] = [
  flag('file', 'the expressions: a file, folder, <name> or URL (default: ~/.nix-defexpr)', {
    short: 'f',
    args: ['FILE'],
  }),
  flag('profile', 'the profile', { short: 'p', args: ['PATH'] }),
  flag('dry-run', 'only say what would be done'),
  flag('prebuilt-only', 'only what needs no building', { short: 'b' }),
  flag('system-filter', 'only packages of SYSTEM', { args: ['SYSTEM'] }),
  flag('force-name', 'what packages are called', { args: ['NAME'] }),
  flag('arg', 'pass the expression EXPR as argument NAME', { args: ['NAME', 'EXPR'] }),
  flag('argstr', 'pass the string TEXT as argument NAME', { args: ['NAME', 'TEXT'] }),
  flag('arg-from-file', 'pass the contents of a file as argument NAME', { args: ['NAME', 'PATH'] }),
  flag('arg-from-stdin', 'pass standard input as argument NAME', { args: ['NAME'] }),
  flag('include', 'look for <NAME> (or everything) in PATH first', { short: 'I', args: ['PATH'] }),
  flag('store', 'the store to use', { args: ['URI'] }),
  flag('no-cache', 'use and keep no code of earlier evaluations'),
  flag('impure', 'allow access to the environment (the default)'),
  flag('repair', 'rebuild what is missing or corrupted'),
  flag('no-build-output', 'show no build logs', { short: 'Q' }),
  flag('keep-failed', 'keep the build directory of failed builds', { short: 'K' }),
  flag('keep-going', 'go on with other builds after a failure', { short: 'k' }),
  flag('max-jobs', 'build at most N derivations at once', { short: 'j', args: ['N'] }),
  flag('cores', 'let each builder use N cores', { args: ['N'] }),
  flag('fallback', 'build where substitution fails'),
];

/** --query has the attribute path as its argument; elsewhere the arguments are attribute paths. */
const attrFlag = (isQuery: boolean): Flag =>
  flag('attr', 'the arguments are attributes of FILE; --query: only those below ATTR', {
    short: 'A',
    args: isQuery ? ['ATTR'] : [],
  });

export const FLAGS: readonly Flag[] = [
  ...OPERATIONS.map((entry) => entry.flag),
  ...GENERAL_FLAGS,
  attrFlag(false),
  P_FLAG,
  ...OPERATION_FLAGS,
  ...COMMON_FLAGS,
];

/** Whether a word asks for --query, perhaps among other short flags. */
const asksForQuery = (word: string): boolean => word === '--query' || /^-[A-Za-z]*q[A-Za-z]*$/.test(word);

export async function nixEnv(argv: readonly string[], config: Config): Promise<number> {
  const isQuery = argv.some(asksForQuery);
  const table = [...FLAGS.filter(({ name }) => name !== 'attr'), attrFlag(isQuery)];
  const ofOperation = new Set(['attr', 'P', ...OPERATION_FLAGS.map(({ name }) => name)]);
  const used: [string, ...string[]][] = [];
  let operation: OperationEntry | undefined;
  const flags = parseFlags(
    argv,
    table,
    config,
    (name, args, word) => {
      const entry = OPERATIONS.find((candidate) => candidate.flag.name === name);
      if (entry !== undefined) {
        if (operation !== undefined && operation !== entry) {
          throw new UsageError('only one operation may be specified');
        }
        operation = entry;
      } else if (name === 'dry-run') say('(dry run; not doing anything)');
      else if (ofOperation.has(name)) used.push([word, ...args.map(utf8)]);
    },
    (word) => used.push([utf8(word)]),
  );
  const expressions = prepareDefaultExpressions(config);
  if (operation === undefined) throw new UsageError('no operation specified');
  const session = new Session({ config, flags, readOnly: !operation.writes, writes: operation.writes });
  try {
    const file = flags.get('file');
    const chosen = flags.get('profile');
    const fromEnvironment = process.env['NIX_PROFILE'] ?? '';
    const run = await operation.load();
    await run({
      session,
      profile:
        chosen !== undefined
          ? utf8(resolve(chosen))
          : fromEnvironment !== ''
            ? utf8(fromEnvironment)
            : defaultProfile(config),
      expressions: file === undefined || file === '' ? expressions : expressionsOf(session, file),
      systemFilter: utf8(flags.get('system-filter') ?? '*'),
      dryRun: flags.has('dry-run'),
      prebuiltOnly: flags.has('prebuilt-only'),
      forceName: utf8(flags.get('force-name') ?? ''),
      flags: used,
      args: flags.positionals.map(utf8),
      info: flags.has('quiet') ? () => undefined : say,
    });
    return 0;
  } finally {
    await session.close();
  }
}
