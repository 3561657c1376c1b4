// The library's Evaluator: one evaluation state, its door to the world, and its limits, for programs in JavaScript.
import { allBuiltins } from '../builtins/index.ts';
import { Attrs } from '../eval/attrs.ts';
import { ContextBuilder } from '../eval/context.ts';
import { Evaluator as Engine } from '../eval/evaluator.ts';
import type { Limits } from '../eval/limits.ts';
import { MemoryEvalIo, type MemoryFile } from '../eval/memory-io.ts';
import { isDerivation } from '../eval/print.ts';
import { canonicalPath } from '../eval/search-path.ts';
import { defaultSettings, type EvalSettings } from '../eval/settings.ts';
import { Thunk } from '../eval/thunk.ts';
import type { Slot } from '../eval/value.ts';
import { fromUtf8, utf8 } from '../util/bytes.ts';
import { EvalError } from '../util/errors.ts';
import { intern } from '../util/symbols.ts';
import { Bridge } from './bridge.ts';
import { byteString, fromJs, textOf } from './from-js.ts';
import type { MachineIo } from './machine.ts';
import { NixValue } from './nix-value.ts';
import type { EvaluationLimits, EvaluatorOptions, FileContents, NixSettings } from './options.ts';
import { currentFolder, machineIo, memoryCheck } from './platform.ts';

/** What `instantiate` gives. Paths are logical store paths. */
export interface Instantiated {
  readonly name: string;
  readonly drvPath: string;
  /** Output name → store path; absent where it is known only after building (content-addressed derivations). */
  readonly outputs: Readonly<Record<string, string>>;
}

export interface EvaluateTextOptions {
  /** Variables in scope, as with builtins.scopedImport but on top of the globals: anything that `value()` takes. */
  readonly scope?: Readonly<Record<string, unknown>>;
  /** What relative paths are relative to, instead of the evaluator's baseDir. */
  readonly baseDir?: string;
}

export class Evaluator {
  readonly #bridge: EvaluatorBridge;
  readonly #machine: MachineIo;
  readonly #baseDir: string;

  /** @throws StoreError where `store` can't be opened, TypeError for globals that can't be converted */
  constructor(options: EvaluatorOptions = {}) {
    checkLimits(options.limits ?? {});
    const settings = engineSettings(options);
    this.#machine = openMachine(options, settings);
    this.#baseDir = options.baseDir ?? (options.files === undefined ? currentFolder() : '/');
    // Converting asks for the engine, which is made with them.
    const constants = Object.fromEntries(
      Object.entries(options.globals ?? {}).map(([name, value]) => [
        utf8(name),
        Thunk.native(() => fromJs(this.#bridge, value, name)),
      ]),
    );
    const engine = new Engine({ io: this.#machine.io, builtins: allBuiltins, settings, constants });
    engine.checkRoom = memoryCheck(options.limits?.maxMemoryBytes);
    this.#bridge = new EvaluatorBridge(engine, options);
    for (const constant of Object.values(constants)) engine.force(constant);
  }

  /** Evaluates an expression to where its type is known. @throws NixError: ParseError, EvalError … */
  evaluate(expression: string | Uint8Array, options: EvaluateTextOptions = {}): NixValue {
    const { engine } = this.#bridge;
    return this.#bridge.enter(() => {
      const source = textOf(expression, 'an expression');
      const scope = options.scope === undefined ? undefined : fromJs(this.#bridge, options.scope);
      if (scope !== undefined && !(scope instanceof Attrs)) throw new TypeError("'scope' is not an object");
      const base = canonicalPath(utf8(options.baseDir ?? this.#baseDir));
      return this.#bridge.wrap(engine.evalString(source, base, { kind: 'string' }, scope));
    });
  }

  /** Evaluates a file, or a folder's default.nix; relative to baseDir. A file is evaluated once. */
  evaluateFile(path: string): NixValue {
    return this.#bridge.enter(() => this.#bridge.wrap(this.#bridge.engine.evalFile(this.#absolute(path))));
  }

  /** A JavaScript value as a Nix value: docs/api.md has the rules. */
  value(value: unknown): NixValue {
    return this.#bridge.enter(() => this.#bridge.wrap(fromJs(this.#bridge, value)));
  }

  /** `builtins`. */
  get builtins(): NixValue {
    return this.#bridge.wrap(this.#bridge.engine.builtins);
  }

  /** The expression as `nix-instantiate --parse` prints it. @throws ParseError */
  parse(expression: string): string {
    const source = textOf(expression, 'an expression');
    return this.#bridge.enter(() =>
      fromUtf8(this.#bridge.engine.showParsed(source, utf8(this.#baseDir), { kind: 'string' })),
    );
  }

  /**
   * Makes the store derivation of a derivation (a value, or an expression that gives one): in the store where there is
   * one, else in memory.
   * @throws EvalError for what is no derivation
   */
  instantiate(derivation: NixValue | string): Instantiated {
    const { engine } = this.#bridge;
    const handle = typeof derivation === 'string' ? this.evaluate(derivation) : derivation;
    return this.#bridge.enter(() => {
      const set = engine.force(this.#bridge.slotOf(handle)!);
      if (!(set instanceof Attrs) || !isDerivation(engine, set)) {
        throw new EvalError(`expected a derivation but found ${engine.showType(set)}: ${engine.showValue(set)}`);
      }
      const text = (from: Attrs, name: string): string => {
        const slot = from.get(intern(name));
        if (slot === undefined) throw new EvalError(`attribute '${name}' missing in a derivation`);
        return engine.coerceToString(slot, 0, new ContextBuilder(), '', { copy: false });
      };
      const drvPath = fromUtf8(text(set, 'drvPath'));
      const outputs: Record<string, string> = {};
      const names = set.get(intern('outputs'));
      for (const slot of names === undefined ? ['out'] : engine.expectList(names, 0, '')) {
        const output = engine.expectStringNoContext(slot, 0, '');
        const path = text(outputOf(engine, set, output), 'outPath');
        if (path.startsWith(`${engine.io.storeDir}/`)) outputs[fromUtf8(output)] = fromUtf8(path);
      }
      const name = fromUtf8(text(set, 'name'));
      this.#machine.flush?.();
      return { name, drvPath, outputs };
    });
  }

  /** The text (ATerm) of a store derivation that was instantiated here, or is in the store. @throws StoreError */
  readDerivation(drvPath: string): string {
    return this.#bridge.enter(() => fromUtf8(this.#bridge.engine.io.readDerivation(utf8(drvPath))));
  }

  /** Forgets what files gave, so that they are read again. */
  resetFileCache(): void {
    this.#bridge.engine.resetFileCache();
  }

  /** Writes what is pending in the store, and closes it. Evaluators without a store need not be closed. */
  async close(): Promise<void> {
    this.#machine.flush?.();
    await this.#machine.close?.();
  }

  #absolute(path: string): string {
    const text = textOf(path, 'a path');
    return canonicalPath(text.startsWith('/') ? text : `${utf8(this.#baseDir)}/${text}`);
  }
}

class EvaluatorBridge extends Bridge {
  private readonly options: EvaluatorOptions;

  constructor(engine: Engine, options: EvaluatorOptions) {
    super(engine);
    this.options = options;
  }

  override wrap(slot: Slot): NixValue {
    return NixValue.of(this, slot);
  }

  protected override limits(): Limits | null {
    const { limits = {}, signal, cancel } = this.options;
    const stoppable = signal !== undefined || cancel !== undefined;
    if (!stoppable && Object.keys(limits).length === 0) return null;
    return {
      ...(limits.maxSteps === undefined ? {} : { steps: limits.maxSteps }),
      deadline: limits.timeoutMs === undefined ? undefined : performance.now() + limits.timeoutMs,
      stopped: !stoppable
        ? undefined
        : () => {
            if (signal?.aborted === true) return `evaluation was aborted: ${reasonOf(signal.reason)}`;
            return cancel !== undefined && Atomics.load(cancel, 0) !== 0 ? 'evaluation was cancelled' : undefined;
          },
    };
  }
}

/** @throws RangeError for what counts nothing down, as NaN */
function checkLimits(limits: EvaluationLimits): void {
  for (const [name, limit] of Object.entries(limits) as [string, unknown][]) {
    if (limit === undefined || (typeof limit === 'number' && limit >= 0)) continue;
    throw new RangeError(`the limit '${name}' must be a number, 0 or more`);
  }
}

function reasonOf(reason: unknown): string {
  return utf8(reason instanceof Error ? reason.message : String(reason));
}

/** The derivation of one output: `drv.out`, or the set itself. */
function outputOf(engine: Engine, set: Attrs, output: string): Attrs {
  const slot = set.get(intern(output));
  const value = slot === undefined ? set : engine.force(slot);
  return value instanceof Attrs && value.has(intern('outPath')) ? value : set;
}

/** With a quarter of Node's usual stack. */
const GENERATED_DEPTH = 1500;

function engineSettings({ settings = {}, limits = {}, store, generateCode = true }: EvaluatorOptions): EvalSettings {
  const { experimentalFeatures, nixPath, ...rest }: NixSettings = settings;
  return {
    ...defaultSettings,
    ...rest,
    ...(generateCode ? {} : { generateCode: 'never' }),
    generatedDepth: GENERATED_DEPTH,
    ...(limits.maxDepth === undefined ? {} : { maxCallDepth: limits.maxDepth }),
    experimentalFeatures: new Set(experimentalFeatures ?? []),
    nixPath: (nixPath ?? []).map((entry) => {
      if (typeof entry !== 'string') return { prefix: utf8(entry.prefix), path: utf8(entry.path) };
      const equals = entry.indexOf('=');
      return { prefix: utf8(entry.slice(0, Math.max(equals, 0))), path: utf8(entry.slice(equals + 1)) };
    }),
    readOnly: store === undefined,
  };
}

function openMachine(options: EvaluatorOptions, settings: EvalSettings): MachineIo {
  const { system = 'x86_64-linux', env = {}, storeDir, currentTime, files, store } = options;
  const common = {
    system,
    env,
    log: (line: string) => options.log?.(fromUtf8(line)),
    ...(storeDir === undefined ? {} : { storeDir: utf8(storeDir) }),
    ...(currentTime === undefined ? {} : { currentTime }),
  };
  if (files !== undefined) {
    if (store !== undefined) throw new TypeError("'files' and 'store' do not go together");
    const bytes = Object.fromEntries(Object.entries(env).map(([name, value]) => [utf8(name), utf8(value)]));
    return { io: new MemoryEvalIo({ ...common, env: bytes, files: memoryFiles(files) }) };
  }
  const { pureEval, restrictEval, nixPath } = settings;
  const restrict = { pure: pureEval, allowed: nixPath.map((entry) => entry.path) };
  return machineIo({
    ...common,
    ...(store === undefined ? {} : { store }),
    ...(pureEval || restrictEval ? { restrict } : {}),
  });
}

function memoryFiles(files: Readonly<Record<string, FileContents>>): Record<string, MemoryFile> {
  const out: Record<string, MemoryFile> = {};
  for (const [path, file] of Object.entries(files)) {
    if (!path.startsWith('/')) throw new TypeError(`paths of 'files' are absolute, '${path}' is not`);
    out[utf8(path)] = memoryFile(file);
  }
  return out;
}

function memoryFile(file: FileContents): MemoryFile {
  if (typeof file === 'string') return utf8(file);
  if (file instanceof Uint8Array) return byteString(file);
  if ('symlink' in file) return { symlink: utf8(file.symlink) };
  if ('directory' in file) return file;
  return { contents: memoryFile(file.contents) as string, executable: true };
}
