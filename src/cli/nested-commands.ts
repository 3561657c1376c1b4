// Commands of two words, `tsnix store ls`: how each is called, what it is for, and where it is. Loaded when they run.
import type { Config } from './config.ts';
import type { Flag } from './flags.ts';
import { table } from '../util/table.ts';

export type Command = (argv: readonly string[], config: Config) => Promise<number>;

export interface NestedCommand {
  /** Its arguments, as yargs has them. */
  readonly args: string;
  readonly describe: string;
  readonly load: () => Promise<Command>;
  readonly flags: () => Promise<readonly Flag[]>;
}

/** What the first words are for. */
export const GROUPS = table<string>({
  store: 'Work with the store and what is in it',
  derivation: 'Work with derivations',
  nar: 'Work with NAR files',
  hash: 'Compute and convert hashes',
  config: 'Look at the settings',
  key: 'Make keys that sign paths',
  flake: 'Work with flakes',
  formatter: "A flake's formatter: build or run the formatter",
  profile: "Work with a user's packages",
  registry: 'What short names of flakes mean',
});

export const NESTED_COMMANDS = table<NestedCommand>({
  'derivation show': {
    args: '[path..]',
    describe: 'Print derivations as JSON',
    load: async () => (await import('./commands/derivation.ts')).derivationShow,
    flags: async () => (await import('./commands/derivation.ts')).SHOW_FLAGS,
  },
  'derivation add': {
    args: '',
    describe: 'Add the derivation whose JSON is on standard input',
    load: async () => (await import('./commands/derivation.ts')).derivationAdd,
    flags: async () => (await import('./commands/derivation.ts')).ADD_FLAGS,
  },
  'flake archive': {
    args: '[flake]',
    describe: 'Copy a flake and all its inputs to a store',
    load: async () => (await import('./commands/flake/fetch.ts')).flakeArchive,
    flags: async () => (await import('./commands/flake/fetch.ts')).ARCHIVE_FLAGS,
  },
  'flake check': {
    args: '[flake]',
    describe: 'Check what a flake has, and build its checks',
    load: async () => (await import('./commands/flake/check.ts')).flakeCheck,
    flags: async () => (await import('./commands/flake/check.ts')).CHECK_FLAGS,
  },
  'flake clone': {
    args: '[flake]',
    describe: "Clone a flake's repository",
    load: async () => (await import('./commands/flake/fetch.ts')).flakeClone,
    flags: async () => (await import('./commands/flake/fetch.ts')).CLONE_FLAGS,
  },
  'flake info': {
    args: '[flake]',
    describe: 'As `flake metadata`',
    load: async () => (await import('./commands/flake/metadata.ts')).flakeInfo,
    flags: async () => (await import('./commands/flake/metadata.ts')).METADATA_FLAGS,
  },
  'flake init': {
    args: '',
    describe: 'Make a flake here, from a template',
    load: async () => (await import('./commands/flake/template.ts')).flakeInit,
    flags: async () => (await import('./commands/flake/template.ts')).TEMPLATE_FLAGS,
  },
  'flake lock': {
    args: '[flake]',
    describe: 'Lock inputs that are not locked yet',
    load: async () => (await import('./commands/flake/lock.ts')).flakeLock,
    flags: async () => (await import('./commands/flake/lock.ts')).LOCK_FLAGS,
  },
  'flake metadata': {
    args: '[flake]',
    describe: 'Say what a flake is, and which inputs it has',
    load: async () => (await import('./commands/flake/metadata.ts')).flakeMetadata,
    flags: async () => (await import('./commands/flake/metadata.ts')).METADATA_FLAGS,
  },
  'flake new': {
    args: 'directory',
    describe: 'Make a flake in a new directory, from a template',
    load: async () => (await import('./commands/flake/template.ts')).flakeNew,
    flags: async () => (await import('./commands/flake/template.ts')).TEMPLATE_FLAGS,
  },
  'flake prefetch': {
    args: '[flake]',
    describe: 'Download what a flake reference means to the store',
    load: async () => (await import('./commands/flake/fetch.ts')).flakePrefetch,
    flags: async () => (await import('./commands/flake/fetch.ts')).PREFETCH_FLAGS,
  },
  'flake show': {
    args: '[flake]',
    describe: 'Show what a flake has',
    load: async () => (await import('./commands/flake/show.ts')).flakeShow,
    flags: async () => (await import('./commands/flake/show.ts')).SHOW_FLAGS,
  },
  'flake update': {
    args: '[input..]',
    describe: 'Lock inputs anew',
    load: async () => (await import('./commands/flake/lock.ts')).flakeUpdate,
    flags: async () => (await import('./commands/flake/lock.ts')).UPDATE_FLAGS,
  },
  'formatter run': {
    args: '[args..]',
    describe: "Run a flake's formatter: reformat your code",
    load: async () => (await import('./commands/formatter.ts')).formatterRun,
    flags: async () => (await import('./commands/formatter.ts')).RUN_FLAGS,
  },
  'formatter build': {
    args: '',
    describe: "Build a flake's formatter",
    load: async () => (await import('./commands/formatter.ts')).formatterBuild,
    flags: async () => (await import('./commands/formatter.ts')).BUILD_FLAGS,
  },
  'key generate-secret': {
    args: '',
    describe: 'Print a new secret key',
    load: async () => (await import('./commands/key.ts')).generateSecret,
    flags: async () => (await import('./commands/key.ts')).GENERATE_FLAGS,
  },
  'key convert-secret-to-public': {
    args: '',
    describe: 'Print the public key of the secret one on standard input',
    load: async () => (await import('./commands/key.ts')).convertSecretToPublic,
    flags: async () => (await import('./commands/key.ts')).CONVERT_FLAGS,
  },
  'profile add': {
    args: 'installable..',
    describe: 'Add packages to a profile',
    load: async () => (await import('./commands/profile.ts')).profileAdd,
    flags: async () => (await import('./commands/profile.ts')).ADD_FLAGS,
  },
  'profile install': {
    args: 'installable..',
    describe: 'As `profile add`',
    load: async () => (await import('./commands/profile.ts')).profileAdd,
    flags: async () => (await import('./commands/profile.ts')).ADD_FLAGS,
  },
  'profile remove': {
    args: 'name..',
    describe: 'Remove packages from a profile',
    load: async () => (await import('./commands/profile.ts')).profileRemove,
    flags: async () => (await import('./commands/profile.ts')).REMOVE_FLAGS,
  },
  'profile upgrade': {
    args: 'name..',
    describe: 'Upgrade packages to what their flakes have now',
    load: async () => (await import('./commands/profile.ts')).profileUpgrade,
    flags: async () => (await import('./commands/profile.ts')).UPGRADE_FLAGS,
  },
  'profile list': {
    args: '',
    describe: 'List the packages of a profile',
    load: async () => (await import('./commands/profile.ts')).profileList,
    flags: async () => (await import('./commands/profile.ts')).LIST_FLAGS,
  },
  'profile history': {
    args: '',
    describe: 'Show all versions of a profile',
    load: async () => (await import('./commands/profile.ts')).profileHistory,
    flags: async () => (await import('./commands/profile.ts')).HISTORY_FLAGS,
  },
  'profile diff-closures': {
    args: '',
    describe: 'Show how closures of versions of a profile differ',
    load: async () => (await import('./commands/profile.ts')).profileDiffClosures,
    flags: async () => (await import('./commands/profile.ts')).DIFF_FLAGS,
  },
  'profile rollback': {
    args: '',
    describe: 'Go back to another version of a profile',
    load: async () => (await import('./commands/profile.ts')).profileRollback,
    flags: async () => (await import('./commands/profile.ts')).ROLLBACK_FLAGS,
  },
  'profile wipe-history': {
    args: '',
    describe: 'Delete versions of a profile that are not current',
    load: async () => (await import('./commands/profile.ts')).profileWipeHistory,
    flags: async () => (await import('./commands/profile.ts')).WIPE_FLAGS,
  },
  'registry list': {
    args: '',
    describe: 'Print all short names, and what they mean',
    load: async () => (await import('./commands/registry.ts')).registryList,
    flags: async () => (await import('./commands/registry.ts')).LIST_FLAGS,
  },
  'registry add': {
    args: 'name flake',
    describe: 'Let a name mean a flake',
    load: async () => (await import('./commands/registry.ts')).registryAdd,
    flags: async () => (await import('./commands/registry.ts')).EDIT_FLAGS,
  },
  'registry remove': {
    args: 'name',
    describe: 'Let a name mean nothing of its own',
    load: async () => (await import('./commands/registry.ts')).registryRemove,
    flags: async () => (await import('./commands/registry.ts')).EDIT_FLAGS,
  },
  'registry pin': {
    args: 'name [flake]',
    describe: 'Let a name mean what it, or a flake, is now',
    load: async () => (await import('./commands/registry.ts')).registryPin,
    flags: async () => (await import('./commands/registry.ts')).EDIT_FLAGS,
  },
  'registry resolve': {
    args: 'flake..',
    describe: 'Print what flakes are, by the registries',
    load: async () => (await import('./commands/registry.ts')).registryResolve,
    flags: async () => (await import('./commands/registry.ts')).LIST_FLAGS,
  },
  'store sign': {
    args: '[path..]',
    describe: 'Sign paths of the store',
    load: async () => (await import('./commands/signatures.ts')).storeSign,
    flags: async () => (await import('./commands/signatures.ts')).SIGN_FLAGS,
  },
  'store copy-sigs': {
    args: '[path..]',
    describe: 'Take signatures of paths from binary caches or other stores',
    load: async () => (await import('./commands/signatures.ts')).storeCopySigs,
    flags: async () => (await import('./commands/signatures.ts')).COPY_SIGS_FLAGS,
  },
  'store build-trace': {
    args: 'info [path..]',
    describe: 'Show what outputs of content-addressed derivations came to be',
    load: async () => (await import('./commands/build-trace.ts')).storeBuildTrace,
    flags: async () => (await import('./commands/build-trace.ts')).FLAGS,
  },
  'store copy-log': {
    args: 'path..',
    describe: 'Copy build logs between stores and binary caches',
    load: async () => (await import('./commands/log.ts')).storeCopyLog,
    flags: async () => (await import('./commands/log.ts')).COPY_LOG_FLAGS,
  },
  'store ls': {
    args: 'path',
    describe: 'List what is in an object',
    load: async () => (await import('./commands/trees.ts')).storeLs,
    flags: async () => (await import('./commands/trees.ts')).STORE_LS_FLAGS,
  },
  'store cat': {
    args: 'path',
    describe: 'Print a file of an object',
    load: async () => (await import('./commands/trees.ts')).storeCat,
    flags: async () => (await import('./commands/trees.ts')).STORE_CAT_FLAGS,
  },
  'store dump-path': {
    args: 'path',
    describe: 'Write the NAR of a store path to standard output',
    load: async () => (await import('./commands/trees.ts')).storeDumpPath,
    flags: async () => (await import('./commands/trees.ts')).STORE_DUMP_FLAGS,
  },
  'store diff-closures': {
    args: 'before after',
    describe: 'Show which packages and versions came and went',
    load: async () => (await import('./commands/diff-closures.ts')).diffClosures,
    flags: async () => (await import('./commands/diff-closures.ts')).FLAGS,
  },
  'store add': {
    args: 'path',
    describe: 'Copy a file or directory to the store',
    load: async () => (await import('./commands/store-admin.ts')).storeAdd,
    flags: async () => (await import('./commands/store-admin.ts')).ADD_FLAGS,
  },
  'store add-path': {
    args: 'path',
    describe: 'As `store add`',
    load: async () => (await import('./commands/store-admin.ts')).storeAdd,
    flags: async () => (await import('./commands/store-admin.ts')).ADD_FLAGS,
  },
  'store add-file': {
    args: 'path',
    describe: 'As `store add --mode flat`',
    load: async () => (await import('./commands/store-admin.ts')).storeAddFile,
    flags: async () => (await import('./commands/store-admin.ts')).ADD_FLAGS,
  },
  'store delete': {
    args: 'path..',
    describe: 'Delete paths that nothing needs',
    load: async () => (await import('./commands/store-admin.ts')).storeDelete,
    flags: async () => (await import('./commands/store-admin.ts')).DELETE_FLAGS,
  },
  'store gc': {
    args: '',
    describe: 'Delete everything that nothing needs',
    load: async () => (await import('./commands/store-admin.ts')).storeGc,
    flags: async () => (await import('./commands/store-admin.ts')).GC_FLAGS,
  },
  'store optimise': {
    args: '',
    describe: 'Make hard links of files that are the same',
    load: async () => (await import('./commands/store-admin.ts')).storeOptimise,
    flags: async () => (await import('./commands/store-admin.ts')).PLAIN_FLAGS,
  },
  'store optimize': {
    args: '',
    describe: 'As `store optimise`',
    load: async () => (await import('./commands/store-admin.ts')).storeOptimise,
    flags: async () => (await import('./commands/store-admin.ts')).PLAIN_FLAGS,
  },
  'store verify': {
    args: '[path..]',
    describe: 'Check contents and signatures of paths',
    load: async () => (await import('./commands/store-admin.ts')).storeVerify,
    flags: async () => (await import('./commands/store-admin.ts')).VERIFY_FLAGS,
  },
  'store repair': {
    args: '[path..]',
    describe: 'Fetch or build damaged paths again',
    load: async () => (await import('./commands/store-admin.ts')).storeRepair,
    flags: async () => (await import('./commands/store-admin.ts')).REPAIR_FLAGS,
  },
  'store info': {
    args: '',
    describe: 'Say which store is used, and whether it can be',
    load: async () => (await import('./commands/store-admin.ts')).storeInfo,
    flags: async () => (await import('./commands/store-admin.ts')).INFO_FLAGS,
  },
  'store ping': {
    args: '',
    describe: 'As `store info`',
    load: async () => (await import('./commands/store-admin.ts')).storeInfo,
    flags: async () => (await import('./commands/store-admin.ts')).INFO_FLAGS,
  },
  'store prefetch-file': {
    args: 'url',
    describe: 'Download a file to the store',
    load: async () => (await import('./commands/store-admin.ts')).storePrefetchFile,
    flags: async () => (await import('./commands/store-admin.ts')).PREFETCH_FLAGS,
  },
  'store path-from-hash-part': {
    args: 'hash-part',
    describe: 'Print the store path with this hash',
    load: async () => (await import('./commands/store-admin.ts')).storePathFromHashPart,
    flags: async () => (await import('./commands/store-admin.ts')).PLAIN_FLAGS,
  },
  'store make-content-addressed': {
    args: 'path..',
    describe: 'Copy closures to paths that their contents give',
    load: async () => (await import('./commands/store-admin.ts')).storeMakeContentAddressed,
    flags: async () => (await import('./commands/store-admin.ts')).CONTENT_ADDRESS_FLAGS,
  },
  'nar ls': {
    args: 'nar path',
    describe: 'List what is in a NAR file',
    load: async () => (await import('./commands/trees.ts')).narLs,
    flags: async () => (await import('./commands/trees.ts')).NAR_LS_FLAGS,
  },
  'nar cat': {
    args: 'nar path',
    describe: 'Print a file of a NAR file',
    load: async () => (await import('./commands/trees.ts')).narCat,
    flags: async () => (await import('./commands/trees.ts')).NAR_FLAGS,
  },
  'nar pack': {
    args: 'path',
    describe: 'Write the NAR of a file or directory to standard output',
    load: async () => (await import('./commands/trees.ts')).narPack,
    flags: async () => (await import('./commands/trees.ts')).NAR_FLAGS,
  },
  'nar dump-path': {
    args: 'path',
    describe: 'As `nar pack`',
    load: async () => (await import('./commands/trees.ts')).narDumpPath,
    flags: async () => (await import('./commands/trees.ts')).NAR_FLAGS,
  },
  'hash path': {
    args: 'path..',
    describe: 'Print hashes of files and directories',
    load: async () => (await import('./commands/hash.ts')).hashPath,
    flags: async () => (await import('./commands/hash.ts')).PATH_FLAGS,
  },
  'hash file': {
    args: 'path..',
    describe: 'Print hashes of the contents of files',
    load: async () => (await import('./commands/hash.ts')).hashFile,
    flags: async () => (await import('./commands/hash.ts')).FILE_FLAGS,
  },
  'hash convert': {
    args: 'hash..',
    describe: 'Print hashes in another form',
    load: async () => (await import('./commands/hash.ts')).hashConvert,
    flags: async () => (await import('./commands/hash.ts')).CONVERT_FLAGS,
  },
  'hash to-base16': {
    args: 'hash..',
    describe: 'Print hashes in hexadecimal',
    load: async () => (await import('./commands/hash.ts')).hashToBase16,
    flags: async () => (await import('./commands/hash.ts')).TO_FLAGS,
  },
  'hash to-base32': {
    args: 'hash..',
    describe: "Print hashes in Nix's base 32",
    load: async () => (await import('./commands/hash.ts')).hashToBase32,
    flags: async () => (await import('./commands/hash.ts')).TO_FLAGS,
  },
  'hash to-base64': {
    args: 'hash..',
    describe: 'Print hashes in base 64',
    load: async () => (await import('./commands/hash.ts')).hashToBase64,
    flags: async () => (await import('./commands/hash.ts')).TO_FLAGS,
  },
  'hash to-sri': {
    args: 'hash..',
    describe: 'Print hashes as ALGORITHM-BASE64',
    load: async () => (await import('./commands/hash.ts')).hashToSri,
    flags: async () => (await import('./commands/hash.ts')).TO_FLAGS,
  },
  'config check': {
    args: '',
    describe: 'Look for what may be wrong with this installation',
    load: async () => (await import('./commands/config-check.ts')).configCheck,
    flags: async () => (await import('./commands/config-check.ts')).FLAGS,
  },
  'config show': {
    args: '[name]',
    describe: 'Print the settings in force',
    load: async () => (await import('./commands/config.ts')).configShow,
    flags: async () => (await import('./commands/config.ts')).FLAGS,
  },
});
