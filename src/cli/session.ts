// One command's evaluator and store, made from its flags and settings.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { allBuiltins } from '../builtins/index.ts';
import { Attrs, AttrsBuilder } from '../eval/attrs.ts';
import { Evaluator, type EvaluatorOptions } from '../eval/evaluator.ts';
import { DebugEvaluator } from '../eval/debug-evaluator.ts';
import { fetchPseudoUrl, findFile, isPseudoUrl } from '../eval/search-path.ts';
import { hostTool } from '../builtins/host.ts';
import type { Look } from '../build/host/host-files.ts';
import { HostTools } from '../build/host/host-tool.ts';
import { autoCall, type AutoCallOptions } from '../eval/auto-call.ts';
import { DaemonStore } from '../store/daemon/daemon-store.ts';
import { LocalStore } from '../store/local-store.ts';
import { defaultStoreDir, parseStorePath, splitStorePath } from '../store/store-path.ts';
import { cacheDir } from './cache-dir.ts';
import { lookAt } from './cache/looks.ts';
import { Pack } from './cache/pack.ts';
import type { Recorder } from './cache/recorder.ts';
import { TreePack } from './cache/tree-pack.ts';
import { hostToolHash, RecordingIo, type RecordingOptions } from './cache/recording-io.ts';
import { outOfMemory } from '../eval/host-error.ts';
import { NodeEvalIo } from '../eval/node-io.ts';
import type { EvalSettings } from '../eval/settings.ts';
import { Primop, type Slot, type Value } from '../eval/value.ts';
import { openStore } from '../store/open.ts';
import { isBinaryCacheUri, splitStoreUri } from '../store/store-uri.ts';
import { CacheStore } from '../fetch/cache/cache-store.ts';
import type { QueriedStore } from '../store/queried-store.ts';
import type { StorePath, SyncStore } from '../store/store.ts';
import { fromBuffer, fromUtf8, fsPath, utf8 } from '../util/bytes.ts';
import { SearchPathError } from '../util/errors.ts';
import { hasHeapRoom } from '../util/heap-room.ts';
import type { PosTable } from '../util/positions.ts';
import type { HostToolRequest } from '../util/host-tool.ts';
import { intern } from '../util/symbols.ts';
import type { Config } from './config.ts';
import { evalSettings } from './eval-settings.ts';
import { applyRegistryFlags } from './flake-installable.ts';
import { downloadSettings, httpSettings } from './http.ts';
import type { ParsedFlags } from './flags.ts';
import { say } from './output.ts';
import { Observation } from './profile/observation.ts';
import { whatToObserve, type Observing } from './profile/observing.ts';
import { buildIdentity, embeddedLibrary, selfCommand } from './self.ts';
import { narInfoDiskCache, substituterUris } from './substituters.ts';
import { daemonSettings } from './daemon-settings.ts';

export interface SessionOptions {
  readonly config: Config;
  readonly flags: ParsedFlags;
  /** Nothing is written to the store. */
  readonly readOnly: boolean;
  /** The store will surely be written to: where it can't be opened, say so at once. */
  readonly writes?: boolean;
  /** Where to write where the time of evaluation goes. */
  readonly profileFile?: string | undefined;
  /** Show the logs of builds that evaluation asks for. */
  readonly logs?: boolean;
  /** Results may be kept (cached-evaluation.ts). */
  readonly keepsResults?: boolean;
  /** More is evaluated later, when files may have changed. */
  readonly interactive?: boolean;
  /** What paths in --arg are relative to; default: the current folder. */
  readonly baseDir?: string;
  /** Default: to standard error. */
  readonly say?: (line: string) => void;
}

export class Session {
  /** Of the last session: what positions in its errors mean. */
  static positions: PosTable | undefined;
  readonly config: Config;
  readonly flags: ParsedFlags;
  readonly store: QueriedStore;
  readonly io: NodeEvalIo;
  readonly settings: EvalSettings;
  /** Hears what is said while evaluating. */
  onLog: ((line: string) => void) | null = null;
  /** Tells the user. */
  readonly say: (line: string) => void;
  private readonly baseDir: string;
  private readonly hostTools: HostTools;
  private startedEvaluator: Evaluator | undefined;
  private readonly observing: Observing | undefined;
  private observation: Observation | undefined;
  private readonly pack: Pack | undefined;
  private readonly trees: TreePack | undefined;
  private packageSetValue: Attrs | undefined;
  private downloads: (LocalStore | DaemonStore) | null | undefined;
  private autoArgsValue: Attrs | undefined;
  /** The embedded package set was evaluated. */
  usesEmbeddedPackages = false;
  /** What evaluation calls to have something realised; `--` and what it is follow. */
  private readonly realiseCommand: string[];

  /** @throws UsageError, StoreError */
  constructor(options: SessionOptions) {
    const { config, flags, readOnly, logs = false } = options;
    this.config = config;
    this.flags = flags;
    this.say = options.say ?? say;
    this.baseDir = options.baseDir ?? process.cwd();
    this.store = openConfiguredStore(config, readOnly);
    // A store that can't be opened has nothing to do with the expression that first wants it.
    if (options.writes === true && (this.store instanceof LocalStore || this.store instanceof DaemonStore)) {
      this.store.open();
    }
    const settings = (this.settings = evalSettings(config, flags, readOnly));
    this.hostTools = new HostTools({ cacheDir: cacheDir(), searchPath: process.env['PATH'] ?? '' });
    this.realiseCommand = [
      ...selfCommand('tsnix'),
      'realise-for-evaluation',
      '--store',
      this.store.uri,
      ...config.flagArguments(),
      ...(logs ? ['--print-build-logs'] : []),
      ...(flags.has('quiet') ? ['--quiet'] : []),
      ...(config.logFormat === undefined ? [] : ['--log-format', config.logFormat]),
    ];
    this.observing = whatToObserve(config, process.env, options.profileFile);
    const build = flags.has('no-cache') ? undefined : buildIdentity();
    const keeps =
      build !== undefined &&
      !flags.has('debugger') &&
      options.keepsResults === true &&
      this.observing === undefined &&
      !flags.has('no-eval-cache') &&
      config.bool('eval-cache');
    const { warm } = config;
    const ioOptions: RecordingOptions = {
      store: this.store,
      system: config.string('eval-system') || config.system,
      readOnly,
      filesChange: options.interactive === true,
      ...(settings.pureEval || settings.restrictEval
        ? {
            restrict: {
              pure: settings.pureEval,
              allowed: [
                ...settings.nixPath.map(({ path }) => (isPseudoUrl(path) ? path : utf8(resolve(fromUtf8(path))))),
                utf8(embeddedLibrary()),
              ],
            },
          }
        : {}),
      realiseCommand: this.realiseCommand,
      treeHashes: () => this.trees,
      http: () => httpSettings(config),
      downloads: () => ({
        file: join(cacheDir(), 'downloads-1.sqlite'),
        ttl: config.int('tarball-ttl'),
        store: () => this.storeOfDownloads(),
      }),
      substitutes: () => substituterUris(config, this.store.storeDir, this.usesEmbeddedPackages).length > 0,
      log: (line) => {
        this.onLog?.(line);
        this.say(line);
      },
      hostTool: (request) => this.hostTools.hostTool(request),
    };
    this.io = keeps ? new RecordingIo(ioOptions, warm) : new NodeEvalIo(ioOptions);
    if (build !== undefined) {
      this.pack = new Pack({
        dir: join(cacheDir(), 'packs'),
        build,
        io: this.io,
        ...(warm === undefined ? {} : { known: (identity) => warm.unitsIn(identity) }),
      });
      this.trees = new TreePack(this.pack);
    }
  }

  /** Made when it is first needed: an answer from the cache needs none. */
  get evaluator(): Evaluator {
    return (this.startedEvaluator ??= this.startEvaluator());
  }

  private startEvaluator(): Evaluator {
    const { io, settings, pack } = this;
    const codeCache = pack === undefined ? {} : { codeCache: pack };
    const options = { io, settings, builtins: allBuiltins, ...codeCache };
    const evaluator = this.makeEvaluator(options);
    evaluator.checkRoom = (bytes) => {
      if (!hasHeapRoom(bytes)) throw outOfMemory();
    };
    Session.positions = evaluator.positions;
    if (this.flags.has('override-flake') || this.flags.has('inputs-from')) {
      applyRegistryFlags(evaluator, this.flags, this.config);
    }
    return evaluator;
  }

  private makeEvaluator(options: EvaluatorOptions): Evaluator {
    const { makeDebugHost } = this.config;
    if (this.flags.has('debugger') && makeDebugHost !== undefined) {
      const { io, settings, builtins } = options; // stored code has no names
      return new DebugEvaluator({ io, builtins, ...(settings === undefined ? {} : { settings }) }, makeDebugHost(this));
    }
    if (this.observing !== undefined) return this.startObservation(options, this.observing);
    return new Evaluator({ ...options, program: this.config.warm?.lendProgram() });
  }

  private startObservation(options: EvaluatorOptions, observing: Observing): Evaluator {
    this.observation = new Observation(options, observing, this.config);
    return this.observation.evaluator;
  }

  /** What notes the inputs of evaluation; null where results are not kept, or something was evaluated already. */
  takeRecorder(): Recorder | null {
    return this.io instanceof RecordingIo && this.startedEvaluator === undefined ? this.io.recorder : null;
  }

  /** What was asked since the evaluation was answered from the cache, if anything. */
  askedSince(): Recorder | null {
    return this.io instanceof RecordingIo ? this.io.recorder : null;
  }

  /** The result depends on more than is noted. */
  doubtResult(reason: string): void {
    if (this.io instanceof RecordingIo) this.io.recorder?.uncertain(reason);
  }

  stopRecording(): void {
    if (this.io instanceof RecordingIo) this.io.recorder = null;
  }

  /** Hash of what a request for a host tool gives now; '' where it fails. */
  describeHostTool(request: string): string {
    try {
      return hostToolHash(this.hostTools.hostTool(JSON.parse(request) as HostToolRequest));
    } catch {
      return '';
    }
  }

  /** What the answer to a request for a host tool depends on; undefined where that is not known. */
  looksOfHostTool(request: string): readonly Look[] | undefined {
    return this.hostTools.looks(JSON.parse(request) as HostToolRequest);
  }

  /** What --arg and --argstr pass. */
  autoArgs(): Attrs {
    if (this.autoArgsValue !== undefined) return this.autoArgsValue;
    const builder = new AttrsBuilder();
    const cwd = utf8(this.baseDir);
    for (const [name, text] of this.flags.all('arg')) {
      const source = utf8(text!);
      builder.set(
        intern(utf8(name!)),
        this.evaluator.lazy(() => this.evaluator.evalString(source, cwd, { kind: 'string' })),
      );
    }
    for (const [name, text] of this.flags.all('argstr')) builder.set(intern(utf8(name!)), utf8(text!));
    for (const [name, file] of this.flags.all('arg-from-file'))
      builder.set(intern(utf8(name!)), fromBuffer(readFileSync(file!)));
    for (const [name] of this.flags.all('arg-from-stdin')) builder.set(intern(utf8(name!)), this.readStdin());
    return (this.autoArgsValue = builder.build());
  }

  /** The value of a file: `./x.nix`, a folder, `<name>`, or a URL of a tarball. */
  evalFileArgument(argument: string): Value {
    const path = this.resolveFileArgument(argument);
    return this.config.nixCommand ? this.evaluator.evalFile(path) : this.evaluator.evalRootFile(path);
  }

  /** The path that a command line's FILE means. */
  resolveFileArgument(argument: string): string {
    if (/^<.+>$/.test(argument)) {
      return this.findFile(utf8(argument.slice(1, -1)));
    }
    if (argument.startsWith('flake:')) return this.evaluator.flakeTree(utf8(argument.slice('flake:'.length)));
    if (isPseudoUrl(argument)) return fetchPseudoUrl(this.io, utf8(argument));
    const path = resolve(argument);
    return utf8(lookAt(path) === 'folder' ? join(path, 'default.nix') : path);
  }

  /** `<name>`. @throws SearchPathError */
  findFile(name: string): string {
    return findFile(this.evaluator, this.evaluator.settings.nixPath, name);
  }

  evalExpression(text: string): Value {
    return this.evaluator.evalString(utf8(text), utf8(process.cwd()), { kind: 'string' });
  }

  evalStdin(): Value {
    return this.evaluator.evalString(this.readStdin(), utf8(process.cwd()), { kind: 'stdin' });
  }

  readStdin(): string {
    return fromBuffer(readFileSync(0));
  }

  asStorePath(path: string): StorePath {
    return parseStorePath(path, this.store.storeDir);
  }

  /** How functions on the way to what is wanted are called: --arg, their defaults, the package set. */
  calls(): AutoCallOptions {
    if (this.config.nixCommand) return { args: this.autoArgs() };
    return { args: this.autoArgs(), packageSet: () => this.packageSet() };
  }

  /**
   * The package set that fills arguments which nothing else gives: --pkgs, else <nixpkgs> where the user has one,
   * else the embedded one.
   */
  packageSet(): Attrs {
    return (this.packageSetValue ??= this.loadPackageSet());
  }

  private loadPackageSet(): Attrs {
    const ev = this.evaluator;
    const chosen = this.flags.get('pkgs');
    let file: string;
    try {
      file = chosen !== undefined ? this.resolveFileArgument(chosen) : this.findFile('nixpkgs');
    } catch (error) {
      if (chosen === undefined && error instanceof SearchPathError) return this.embeddedPackageSet();
      throw error;
    }
    const set = autoCall(ev, ev.evalFile(file), { args: Attrs.EMPTY });
    return ev.expectAttrs(set, 0, 'while evaluating the package set');
  }

  /** lib/default.nix, called with the doors that it has to the host. */
  embeddedPackageSet(): Attrs {
    if (!this.usesEmbeddedPackages && !this.config.isSet('substituters')) {
      this.realiseCommand.push('--option', 'substituters', '');
    }
    this.usesEmbeddedPackages = true;
    const ev = this.evaluator;
    const fn = ev.evalFile(join(embeddedLibrary(), 'default.nix'));
    const args: [string, Slot][] = [
      ['system', this.io.system],
      ['hostTool', new Primop(hostTool)],
    ];
    return ev.expectAttrs(ev.call(fn, [Attrs.from(args)], 0), 0, 'while evaluating the embedded package set');
  }

  /** Whether a file is there, below a store path too. `path` is text. */
  fileExists(path: string): boolean {
    return existsSync(fsPath(this.store.realPath(utf8(path))));
  }

  /** Writes what evaluation left pending in the store. */
  flush(): void {
    if (this.store instanceof LocalStore) this.store.flush();
  }

  /** The store path that a path is or lies in. @throws InvalidStorePathError */
  storePathHolding(path: string): StorePath {
    return splitStorePath(path, this.store.storeDir).storePath;
  }

  /** As in Nix, what evaluation downloads is written also where nothing else is. Null: it can't be. */
  private storeOfDownloads(): SyncStore | null {
    if (this.downloads !== undefined) return this.downloads;
    this.downloads = null;
    try {
      const store = openConfiguredStore(this.config, false);
      if (!(store instanceof LocalStore || store instanceof DaemonStore)) return null;
      store.open();
      return (this.downloads = store);
    } catch {
      return null;
    }
  }

  async close(): Promise<void> {
    this.observation?.end();
    this.pack?.close();
    // At once: who evaluates next, perhaps without waiting, is to find in the store what was added.
    await Promise.all([this.store.close(), this.downloads?.close()]);
  }
}

/** The store that --store, a setting, NIX_REMOTE or the rule `auto` says. @throws StoreError */
export function openConfiguredStore(config: Config, readOnly: boolean): QueriedStore {
  return openStoreAt(storeUri(config), config, readOnly);
}

/** A store of any kind, with the settings. @throws StoreError */
export function openStoreAt(uri: string | undefined, config: Config, readOnly: boolean): QueriedStore {
  const warn = (message: string): void => {
    // Who only looks needs no advice on where things would be written.
    if (!readOnly) say(`warning: ${message}`);
  };
  if (uri !== undefined && isBinaryCacheUri(uri)) return openCacheStore(utf8(uri), config);
  return openStore(uri, process.env, {
    readOnly,
    warn,
    fsyncMetadata: config.bool('fsync-metadata'),
    autoOptimise: config.bool('auto-optimise-store'),
    daemonSettings: () => daemonSettings(config),
    daemonMessage: say,
  });
}

function openCacheStore(uri: string, config: Config): CacheStore {
  const storeDir = splitStoreUri(uri).params.get('store') ?? utf8(process.env['NIX_STORE_DIR'] ?? defaultStoreDir);
  return new CacheStore({
    uri,
    storeDir,
    settings: downloadSettings(config),
    diskCache: narInfoDiskCache(config),
    message: say,
  });
}

export function storeUri(config: Config): string | undefined {
  if (config.isSet('store')) return config.string('store');
  const remote = process.env['NIX_REMOTE'];
  return remote === undefined || remote === '' ? undefined : remote;
}
