// From a flake to a flake whose inputs are all locked: what flake.lock says is kept where it still is what flake.nix
// asks for, the rest is fetched. Fetches no more than it must: inputs that are locked stay unread.
import type { Evaluator } from '../../eval/evaluator.ts';
import { canonicalPath } from '../../eval/search-path.ts';
import { EvalError } from '../../util/errors.ts';
import { fetchInput, forgetFetched } from '../fetch-input.ts';
import { canonicalFlakeRef, sameFlakeRef, showFlakeRef, type FlakeRef } from '../flake-ref/flake-ref.ts';
import { resolveInRegistries, type RegistryUse } from '../flake-ref/registry.ts';
import { isLocked, isRelativePath, sameAttrs, showInput, type FlakeAttrs } from '../flake-ref/schemes.ts';
import {
  checkFollows,
  diffLockFiles,
  inputsByName,
  isNode,
  parseLockFile,
  printLockFile,
  showInputPath,
  unlockedInput,
  type InputPath,
  type LockedNode,
  type LockNode,
} from './lock-file.ts';
import { readFlake, type Flake, type FlakeInput } from './read-flake.ts';

export interface LockOptions {
  /** May inputs be fetched that flake.lock does not know, or knows differently? */
  readonly allowUnlocked: boolean;
  readonly useRegistries: boolean;
  /** Forget the old lock file. */
  readonly recreate?: boolean;
  /** Inputs to be looked up anew. */
  readonly updates?: readonly InputPath[];
  /** `--override-input PATH REF`. */
  readonly overrides?: readonly { readonly path: InputPath; readonly ref: FlakeRef }[];
  /** Fail where the lock file would change. */
  readonly noUpdate?: boolean;
  /** What is taken for flake.lock; `path` for messages. */
  readonly lockFile?: { readonly path: string; readonly text: string };
  /** Write what has not changed, too. */
  readonly alwaysWrite?: boolean;
  /** Fail, rather than warn, where the lock file cannot be written because an input is not locked. */
  readonly failOnUnlocked?: boolean;
  /** Told the settings that the flake asks for (`nixConfig`) before its inputs are locked. */
  readonly configure?: ((settings: Flake['config']) => void) | undefined;
  /** Writes the new lock file; absent: it is only used. Tells whether it did. */
  readonly write?: ((flake: Flake, text: string, diff: string) => void) | undefined;
}

export interface LockedFlake {
  readonly flake: Flake;
  readonly root: LockNode;
  /** What was read on the way: folders of flakes and trees, in the store. */
  readonly places: ReadonlyMap<LockNode, string>;
  /** The lock file in the tree is not the one that is used. */
  readonly isChanged: boolean;
}

interface Override {
  readonly path: InputPath;
  readonly input: FlakeInput;
  /** The folder that relative paths are relative to. */
  readonly base: string;
  readonly parent: InputPath | null;
}

function fetchResolved(
  ev: Evaluator,
  input: FlakeAttrs,
  use: RegistryUse | 'none',
): { storePath: string; resolved: FlakeAttrs; locked: FlakeAttrs; dir: string | undefined } {
  let resolved = input;
  let dir: string | undefined;
  if (input.get('type') === 'indirect') {
    if (use === 'none') {
      throw new EvalError(`'${showInput(input)}' is an indirect flake reference, but registry lookups are not allowed`);
    }
    ({ input: resolved, dir } = resolveInRegistries(ev, input, use));
  }
  return { ...fetchInput(ev, resolved), resolved, dir };
}

const SELF_ATTRS = ['submodules', 'lfs'];

/** Fetches a flake and reads its flake.nix. @throws NixError */
export function fetchFlake(ev: Evaluator, original: FlakeRef, use: RegistryUse | 'none', prefix: InputPath): Flake {
  const fetched = fetchResolved(ev, original.input, use);
  const { dir = original.dir } = fetched;
  let { storePath, resolved: input, locked } = fetched;
  const resolved: FlakeRef = { input, dir };
  const flake = readFlake(ev, { original, resolved, locked: { input: locked, dir } }, storePath, prefix);
  for (const name of flake.self.keys()) {
    if (!SELF_ATTRS.includes(name)) throw new EvalError(`flake 'self' attribute '${name}' is not supported`);
  }
  // The flake may ask to be fetched in another way than it was.
  input = new Map([...locked, ...flake.self]);
  if (sameAttrs(input, locked)) return flake;
  input.delete('narHash');
  input.delete('__final');
  ({ storePath, locked } = fetchInput(ev, input));
  return readFlake(ev, { original, resolved, locked: { input: locked, dir } }, storePath, prefix);
}

function readLockFile(ev: Evaluator, dir: string): LockNode {
  const path = `${dir}/flake.lock`;
  return ev.io.fileType(path) === null ? { inputs: new Map() } : parseGiven(ev, { path, text: ev.io.readFile(path) });
}

function parseGiven(ev: Evaluator, { path, text }: NonNullable<LockOptions['lockFile']>): LockNode {
  const warn = (message: string): void => ev.io.log(`warning: ${message}`);
  return parseLockFile(text, path, ev.settings.fetch, warn);
}

class Locker {
  private readonly ev: Evaluator;
  private readonly options: LockOptions;
  private readonly use: RegistryUse | 'none';
  private readonly overrides = new Map<string, Override>();
  private readonly explicit = new Set<string>();
  private readonly usedOverrides = new Set<string>();
  private readonly seen = new Set<string>();
  private readonly updates: ReadonlySet<string>;
  private readonly parents: FlakeRef[] = [];
  readonly places = new Map<LockNode, string>();

  constructor(ev: Evaluator, options: LockOptions, flake: Flake) {
    this.ev = ev;
    this.options = options;
    this.use = options.useRegistries ? 'limited' : 'none';
    this.updates = new Set((options.updates ?? []).map(showInputPath));
    for (const { path, ref } of options.overrides ?? []) {
      const key = showInputPath(path);
      const input = { ref, isFlake: true, overrides: new Map<string, FlakeInput>() };
      this.overrides.set(key, { path, input, base: flake.dir, parent: null });
      this.explicit.add(key);
    }
  }

  private warn(message: string): void {
    this.ev.io.log(`warning: ${message}`);
  }

  /** Notes what `inputs.a.inputs.b` says; what an outer flake said counts more. */
  private collectOverrides(input: FlakeInput, path: InputPath, base: string, parent: InputPath): void {
    for (const [id, override] of input.overrides) {
      const at = [...path, id];
      const key = showInputPath(at);
      if ((override.ref !== undefined || override.follows !== undefined) && !this.overrides.has(key)) {
        this.overrides.set(key, { path: at, input: override, base, parent });
      }
      this.collectOverrides(override, at, base, parent);
    }
  }

  /**
   * Locks the inputs of a node.
   * @param old the node of the old lock file, if any
   * @param followsPrefix what `follows` in `old` is relative to
   * @param base the folder of the flake whose inputs these are
   * @param trust `inputs` comes from the lock file, and what it follows need not be confirmed by the flake
   */
  lock(
    inputs: ReadonlyMap<string, FlakeInput>,
    node: LockNode,
    prefix: InputPath,
    old: LockNode | undefined,
    followsPrefix: InputPath,
    base: string,
    trust: boolean,
  ): void {
    const byName = [...inputs].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [id, input] of byName) this.collectOverrides(input, [...prefix, id], base, prefix);
    const here = showInputPath(prefix);
    for (const { path } of this.overrides.values()) {
      const id = path.at(-1)!;
      if (showInputPath(path.slice(0, -1)) === here && !inputs.has(id)) {
        this.warn(`input '${here}' has an override for a non-existent input '${id}'`);
      }
    }
    for (const [id, input] of byName) {
      const path = [...prefix, id];
      try {
        this.lockInput(id, input, node, path, old, followsPrefix, base, trust);
      } catch (error) {
        throw this.ev.frame(error, `while updating the flake input '${showInputPath(path)}'`, 0);
      }
    }
  }

  private lockInput(
    id: string,
    declared: FlakeInput,
    node: LockNode,
    path: InputPath,
    oldParent: LockNode | undefined,
    followsPrefix: InputPath,
    parentBase: string,
    trust: boolean,
  ): void {
    const key = showInputPath(path);
    const override = this.overrides.get(key);
    if (override !== undefined) this.usedOverrides.add(key);
    this.seen.add(key);
    const input = override?.input ?? declared;
    if (input.follows !== undefined) {
      node.inputs.set(id, input.follows);
      return;
    }
    const { isFlake } = declared;
    const ref: FlakeRef = input.ref ?? {
      input: new Map([
        ['type', 'indirect'],
        ['id', id],
      ]),
      dir: '',
    };
    const base = override?.base ?? parentBase;
    const isRelative = isRelativePath(ref.input);
    const parent = isRelative ? (override === undefined ? path.slice(0, -1) : override.parent) : null;
    const relative = isRelative ? canonicalPath(`${base}/${String(ref.input.get('path'))}`) : null;
    const oldEdge = this.updates.has(key) ? undefined : oldParent?.inputs.get(id);
    const old = oldEdge !== undefined && isNode(oldEdge) ? oldEdge : undefined;
    const isExplicit = this.explicit.has(key);
    const isKept =
      old !== undefined &&
      !isExplicit &&
      sameFlakeRef(canonicalFlakeRef(old.original), canonicalFlakeRef(ref)) &&
      sameParent(old.parent, parent);
    const read = (from: FlakeRef, use: RegistryUse | 'none'): Flake =>
      relative === null
        ? fetchFlake(this.ev, from, use, path)
        : readFlake(this.ev, { original: from, resolved: from, locked: from }, relative, path);

    if (isKept) {
      const child: LockedNode = { ...old, inputs: new Map() };
      node.inputs.set(id, child);
      const known = this.isUpdatedBelow(key) ? null : this.inputsInLock(old, path, followsPrefix, trust);
      if (known !== null) {
        this.lock(known, child, path, old, followsPrefix, parentBase, true);
        return;
      }
      const flake = read(old.locked, this.use);
      this.places.set(child, flake.dir);
      this.lock(flake.inputs, child, path, old, followsPrefix, flake.dir, false);
      return;
    }

    const { trustArchives } = this.ev.settings.fetch;
    if (!this.options.allowUnlocked && !isLocked(ref.input, trustArchives) && !isRelative) {
      throw new EvalError(`cannot update unlocked flake input '${key}' in pure mode`);
    }
    // An override of the command line is not remembered as what flake.nix asks for.
    const original = isExplicit && declared.ref !== undefined ? declared.ref : ref;
    if (!isFlake) {
      let storePath = relative;
      let locked = ref;
      if (storePath === null) {
        const fetched = fetchResolved(this.ev, ref.input, this.use);
        ({ storePath } = fetched);
        locked = { input: fetched.locked, dir: ref.dir };
      }
      const child: LockedNode = { inputs: new Map(), locked, original, isFlake, parent };
      this.places.set(child, storePath);
      node.inputs.set(id, child);
      return;
    }
    const flake = read(ref, isExplicit && this.use !== 'none' ? 'all' : this.use);
    const child: LockedNode = { inputs: new Map(), locked: flake.locked, original, isFlake, parent };
    node.inputs.set(id, child);
    const circular = this.parents.find((other) => sameFlakeRef(other, ref));
    if (circular !== undefined) throw new EvalError(`found circular import of flake '${showFlakeRef(circular)}'`);
    this.parents.push(ref);
    try {
      this.places.set(child, flake.dir);
      this.lock(flake.inputs, child, path, readLockFile(this.ev, flake.dir), path, flake.dir, false);
    } finally {
      this.parents.pop();
    }
  }

  private isUpdatedBelow(key: string): boolean {
    return [...this.updates].some((update) => update.startsWith(`${key}/`));
  }

  /**
   * The inputs of a kept flake as the lock file has them: it need not be fetched. Null where something is followed
   * that nothing says any more: the flake itself must be asked.
   */
  private inputsInLock(
    old: LockedNode,
    path: InputPath,
    followsPrefix: InputPath,
    trust: boolean,
  ): Map<string, FlakeInput> | null {
    const inputs = new Map<string, FlakeInput>();
    const overrides = new Map<string, FlakeInput>();
    for (const [id, edge] of inputsByName(old)) {
      if (isNode(edge)) {
        inputs.set(id, { ref: edge.original, isFlake: edge.isFlake, overrides });
        continue;
      }
      if (!trust && !this.overrides.has(showInputPath([...path, id]))) return null;
      inputs.set(id, { follows: [...followsPrefix, ...edge], isFlake: true, overrides });
    }
    return inputs;
  }

  warnUnused(): void {
    for (const { path, ref } of this.options.overrides ?? []) {
      if (this.usedOverrides.has(showInputPath(path))) continue;
      this.warn(`the flag '--override-input ${showInputPath(path)} ${showFlakeRef(ref)}' does not match any input`);
    }
    for (const update of this.updates) {
      if (!this.seen.has(update)) this.warn(`'${update}' does not match any input of this flake`);
    }
  }
}

function sameParent(a: InputPath | null, b: InputPath | null): boolean {
  return a === null || b === null ? a === b : showInputPath(a) === showInputPath(b);
}

/** Fetches and locks the flake that `ref` means. @throws NixError */
export function lockFlakeRef(ev: Evaluator, ref: FlakeRef, options: LockOptions): LockedFlake {
  const use = options.useRegistries ? 'all' : 'none';
  const fetchTop = (): Flake => fetchFlake(ev, ref, use, []);
  return lockFlake(ev, fetchTop(), ref, options, fetchTop);
}

/** Locks a flake that lies in the store already. @throws NixError */
export function lockFlakeDir(ev: Evaluator, dir: string, options: LockOptions): LockedFlake {
  // Nothing asks where it came from.
  const ref: FlakeRef = {
    input: new Map([
      ['type', 'indirect'],
      ['id', 'get-flake'],
    ]),
    dir: '',
  };
  return lockFlake(ev, readFlake(ev, { original: ref, resolved: ref, locked: ref }, dir, []), ref, options, null);
}

function lockFlake(
  ev: Evaluator,
  flake: Flake,
  ref: FlakeRef,
  options: LockOptions,
  again: (() => Flake) | null,
): LockedFlake {
  options.configure?.(flake.config);
  try {
    const old = options.lockFile === undefined ? readLockFile(ev, flake.dir) : parseGiven(ev, options.lockFile);
    const root: LockNode = { inputs: new Map() };
    const locker = new Locker(ev, options, flake);
    locker.places.set(root, flake.dir);
    locker.lock(flake.inputs, root, [], options.recreate === true ? undefined : old, [], flake.dir, false);
    locker.warnUnused();
    checkFollows(root);
    const { places } = locker;
    const { text } = printLockFile(root);
    if (text === printLockFile(old).text && options.alwaysWrite !== true)
      return { flake, root, places, isChanged: false };
    const diff = diffLockFiles(old, root).trimEnd();
    if (options.write === undefined) {
      ev.io.log(`warning: not writing modified lock file of flake '${showFlakeRef(ref)}':\n${diff}`);
      return { flake, root, places, isChanged: true };
    }
    const unlocked = unlockedInput(root, ev.settings.fetch);
    if (unlocked !== undefined) {
      if (options.failOnUnlocked === true) {
        throw new EvalError(
          `Not writing lock file of flake '${showFlakeRef(ref)}' because it has an unlocked input ('${showFlakeRef(unlocked)}'). Use '--allow-dirty-locks' to allow this anyway.`,
        );
      }
      if (ev.settings.fetch.warnDirty) {
        ev.io.log(
          `warning: not writing lock file of flake '${showFlakeRef(ref)}' because it has an unlocked input ('${showFlakeRef(unlocked)}')`,
        );
      }
      return { flake, root, places, isChanged: false };
    }
    if (options.noUpdate === true) {
      throw new EvalError(
        `flake '${showFlakeRef(ref)}' requires lock file changes but they're not allowed due to '--no-update-lock-file'`,
      );
    }
    options.write(flake, `${text}\n`, diff);
    forgetFetched(ev);
    // The lock file is part of the flake: it is another tree now.
    const written = again?.() ?? flake;
    places.set(root, written.dir);
    return { flake: written, root, places, isChanged: false };
  } catch (error) {
    throw ev.frame(error, `while updating the lock file of flake '${showFlakeRef(flake.locked)}'`, 0);
  }
}
