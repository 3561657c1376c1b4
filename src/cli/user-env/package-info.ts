// A package as `nix-env` sees it: what a derivation, or an element of a manifest, says of itself, asked for when needed.
import { Attrs, AttrsBuilder } from '../../eval/attrs.ts';
import { ContextBuilder } from '../../eval/context.ts';
import type { Evaluator } from '../../eval/evaluator.ts';
import { ContextString, NixFloat, type Slot, type Value } from '../../eval/value.ts';
import { baseName, isDerivationPath, tryParseStorePath } from '../../store/store-path.ts';
import type { StorePath } from '../../store/store.ts';
import { compareBytes } from '../../util/bytes.ts';
import { EvalError, NixError, StoreError, TypeMismatchError } from '../../util/errors.ts';
import { intern, symbolName, type Sym } from '../../util/symbols.ts';

const sName = intern('name');
const sSystem = intern('system');
const sDrvPath = intern('drvPath');
const sOutPath = intern('outPath');
const sOutputs = intern('outputs');
const sOutputName = intern('outputName');
const sOutputSpecified = intern('outputSpecified');
const sMeta = intern('meta');

/** Paths by name of the output, in order of names; null where they were not asked for. */
export type OutputPaths = ReadonlyMap<string, StorePath | null>;

/** What is known of a package that no expression describes. */
export interface KnownPackage {
  readonly name: string;
  readonly outPath: StorePath;
  readonly drvPath?: StorePath;
}

export class PackageInfo {
  /** As it was reached below the root. */
  readonly attrPath: string;
  /** Asking it failed an assertion: it is left out. */
  failed = false;
  private readonly ev: Evaluator;
  private readonly attrs: Attrs | undefined;
  private knownName: string | undefined;
  private knownSystem: string | undefined;
  private knownDrvPath: StorePath | null | undefined;
  private knownOutPath: StorePath | undefined;
  private knownOutputs: Map<string, StorePath | null> | undefined;
  private knownMeta: Attrs | undefined;

  constructor(ev: Evaluator, attrPath: string, from: Attrs | KnownPackage) {
    this.ev = ev;
    this.attrPath = attrPath;
    if (from instanceof Attrs) this.attrs = from;
    else {
      this.knownName = from.name;
      this.knownOutPath = from.outPath;
      this.knownDrvPath = from.drvPath ?? null;
    }
  }

  /** With the version. @throws EvalError */
  get name(): string {
    return this.readName();
  }
  set name(name: string) {
    this.knownName = name;
  }

  /** @throws EvalError */
  readName(): string {
    if (this.knownName !== undefined) return this.knownName;
    const slot = this.attrs!.get(sName);
    if (slot === undefined) throw new TypeMismatchError('derivation name missing');
    return (this.knownName = this.ev.expectStringNoContext(
      slot,
      0,
      "while evaluating the 'name' attribute of a derivation",
    ));
  }

  /** '' where no expression says. @throws EvalError */
  get system(): string {
    if (this.attrs === undefined) return '';
    const slot = this.attrs.get(sSystem);
    return (this.knownSystem ??=
      slot === undefined
        ? 'unknown'
        : this.ev.expectStringNoContext(
            slot,
            this.attrs.posOf(sSystem),
            "while evaluating the 'system' attribute of a derivation",
          ));
  }

  /** Null where it has none. @throws EvalError */
  get drvPath(): StorePath | null {
    if (this.knownDrvPath !== undefined) return this.knownDrvPath;
    const why = "while evaluating the 'drvPath' attribute of a derivation";
    const path = this.storePathAt(this.attrs!, sDrvPath, why);
    if (path === undefined) return (this.knownDrvPath = null);
    if (!isDerivationPath(path)) {
      const error = new StoreError(`store path '${baseName(path)}' is not a valid derivation path`);
      throw error.addFrame(why, this.attrs!.posOf(sDrvPath));
    }
    return (this.knownDrvPath = path);
  }

  /** @throws EvalError */
  get outPath(): StorePath {
    this.knownOutPath ??= this.storePathAt(this.attrs!, sOutPath, 'while evaluating the output path of a derivation');
    if (this.knownOutPath === undefined) throw new EvalError("derivation does not have attribute 'outPath'");
    return this.knownOutPath;
  }

  /** '' where it says none. @throws EvalError */
  get outputName(): string {
    const slot = this.attrs?.get(sOutputName);
    return slot === undefined
      ? ''
      : this.ev.expectStringNoContext(slot, 0, 'while evaluating the output name of a derivation');
  }

  /** @throws EvalError */
  outputs(withPaths: boolean): OutputPaths {
    if (this.knownOutputs !== undefined) return this.knownOutputs;
    const { ev, attrs } = this;
    const found = new Map<string, StorePath | null>();
    const list = attrs?.get(sOutputs);
    if (list === undefined) found.set('out', withPaths ? this.outPath : null);
    else {
      const pos = attrs!.posOf(sOutputs);
      for (const element of ev.expectList(list, pos, "while evaluating the 'outputs' attribute of a derivation")) {
        const name = ev.expectStringNoContext(element, pos, 'while evaluating the name of an output of a derivation');
        if (!withPaths) {
          found.set(name, null);
          continue;
        }
        const slot = attrs!.get(intern(name));
        if (slot === undefined) continue;
        const output = ev.expectAttrs(slot, pos, 'while evaluating an output of a derivation');
        const path = this.storePathAt(output, sOutPath, 'while evaluating an output path of a derivation');
        if (path !== undefined) found.set(name, path);
      }
    }
    return (this.knownOutputs = new Map([...found].sort(([a], [b]) => compareBytes(a, b))));
  }

  /** Those that an installation is to have. @throws EvalError */
  outputsToInstall(): ReadonlyMap<string, StorePath> {
    const all = this.outputs(true) as ReadonlyMap<string, StorePath>;
    if (this.attrs === undefined) return all;
    const specified = this.attrs.get(sOutputSpecified);
    const why = "while evaluating the 'outputSpecified' attribute of a derivation";
    if (specified !== undefined && this.ev.expectBool(specified, this.attrs.posOf(sOutputSpecified), why)) {
      const path = all.get(this.outputName);
      if (path === undefined) throw new EvalError(`derivation does not have output '${this.outputName}'`);
      return new Map([[this.outputName, path]]);
    }
    const chosen = this.metaValue('outputsToInstall');
    if (chosen === undefined) return all;
    const bad = (): EvalError => new EvalError("this derivation has bad 'meta.outputsToInstall'");
    if (!Array.isArray(chosen)) throw bad();
    const names = new Set<string>();
    for (const element of chosen as Slot[]) {
      const text = stringText(this.ev.force(element));
      if (text === undefined || !all.has(text)) throw bad();
      names.add(text);
    }
    return new Map([...all].filter(([name]) => names.has(name)));
  }

  /** In order. @throws EvalError */
  metaNames(): string[] {
    const meta = this.meta();
    return meta === undefined ? [] : Array.from(meta.keys.ids, (id) => symbolName(id as Sym)).sort(compareBytes);
  }

  /** Forced throughout; undefined where it is missing or holds what no manifest can: functions, derivations. @throws EvalError */
  metaValue(name: string): Value | undefined {
    const slot = this.meta()?.get(intern(name));
    return slot === undefined || !this.isPlain(slot) ? undefined : this.ev.force(slot);
  }

  metaString(name: string): string {
    const value = this.metaValue(name);
    return value === undefined ? '' : (stringText(value) ?? '');
  }

  /** Also where it is a string. */
  metaInt(name: string, otherwise: number | bigint): number | bigint {
    const value = this.metaValue(name);
    if (typeof value === 'number' || typeof value === 'bigint') return value;
    const text = value === undefined ? undefined : stringText(value);
    return text !== undefined && /^-?\d{1,18}$/.test(text) ? BigInt(text) : otherwise;
  }

  /** Also where it is a string. */
  metaBool(name: string, otherwise: boolean): boolean {
    const value = this.metaValue(name);
    if (typeof value === 'boolean') return value;
    const text = value === undefined ? undefined : stringText(value);
    return text === 'true' ? true : text === 'false' ? false : otherwise;
  }

  setMeta(name: string, value: string): void {
    const meta = this.meta() ?? new AttrsBuilder().build();
    this.knownMeta = meta.update(Attrs.from([[name, value]]));
  }

  private meta(): Attrs | undefined {
    if (this.knownMeta !== undefined) return this.knownMeta;
    const slot = this.attrs?.get(sMeta);
    if (slot === undefined) return undefined;
    const why = "while evaluating the 'meta' attribute of a derivation";
    return (this.knownMeta = this.ev.expectAttrs(slot, this.attrs!.posOf(sMeta), why));
  }

  private isPlain(slot: Slot): boolean {
    const { ev } = this;
    if (ev.depth > ev.maxDepth || --ev.fuel < 0) ev.checkLimits(ev.determinePos(slot));
    ev.depth++;
    try {
      const value = ev.force(slot);
      if (Array.isArray(value)) return (value as Slot[]).every((element) => this.isPlain(element));
      if (value instanceof Attrs) {
        return !value.has(sOutPath) && value.values.every((element) => this.isPlain(element));
      }
      return (
        typeof value === 'number' ||
        typeof value === 'bigint' ||
        typeof value === 'boolean' ||
        value instanceof NixFloat ||
        stringText(value) !== undefined
      );
    } finally {
      ev.depth--;
    }
  }

  private storePathAt(attrs: Attrs, sym: Sym, why: string): StorePath | undefined {
    const slot = attrs.get(sym);
    if (slot === undefined) return undefined;
    const text = this.ev.coerceToString(slot, attrs.posOf(sym), new ContextBuilder(), why, { copy: false });
    const path = tryParseStorePath(text, this.ev.io.storeDir);
    if (path !== undefined) return path;
    throw new EvalError(`path '${text}' is not in the Nix store`).addFrame(why, attrs.posOf(sym));
  }
}

/** Undefined for what is no string. */
export function stringText(value: Value): string | undefined {
  return typeof value === 'string' ? value : value instanceof ContextString ? value.text : undefined;
}

/** @throws what `compute` throws, with a frame */
export function withFrame<T>(hint: () => string, compute: () => T): T {
  try {
    return compute();
  } catch (error) {
    if (error instanceof NixError) error.addFrame(hint(), 0);
    throw error;
  }
}
