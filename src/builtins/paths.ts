// Files that become store objects.
import { ContextBuilder, parseContextElement } from '../eval/context.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import type { FileType, IngestionMethod } from '../eval/io.ts';
import { printAttrName } from '../eval/print-string.ts';
import { makeString, type BuiltinRecord, type Slot } from '../eval/value.ts';
import { parseHashAllowEmpty } from '../store/hash.ts';
import { isInStore, splitStorePath, tryParseStorePath } from '../store/store-path.ts';
import { EvalError, StoreError } from '../util/errors.ts';
import { symbolName, type Sym } from '../util/symbols.ts';
import { baseNameOf, resolveSymlinks } from './path-argument.ts';

function toPath(ev: Evaluator, _pos: number, slot: Slot): Slot {
  const context = new ContextBuilder();
  const path = ev.coerceToPath(slot, 0, context, 'while evaluating the first argument passed to builtins.toPath');
  return makeString(path, context.get());
}

function toFile(ev: Evaluator, _pos: number, nameSlot: Slot, contentsSlot: Slot): Slot {
  const name = ev.expectStringNoContext(nameSlot, 0, 'while evaluating the first argument passed to builtins.toFile');
  const context = new ContextBuilder();
  const contents = ev.expectStringText(
    contentsSlot,
    0,
    'while evaluating the second argument passed to builtins.toFile',
    context,
  );
  const references: string[] = [];
  for (const encoded of context.get() ?? []) {
    const element = parseContextElement(encoded);
    if (element.kind !== 'opaque') {
      const shown = encoded.replaceAll(`${ev.io.storeDir}/`, '');
      throw new EvalError(
        `files created by builtins.toFile may not reference derivations, but ${name} references ${shown}`,
      );
    }
    references.push(element.path);
  }
  const path = ev.io.addText(name, contents, references);
  return makeString(path, [path]);
}

function storePath(ev: Evaluator, _pos: number, slot: Slot): Slot {
  if (ev.settings.pureEval) {
    throw new EvalError("'builtins.storePath' is not allowed in pure evaluation mode");
  }
  const context = new ContextBuilder();
  const why = "while evaluating the first argument passed to 'builtins.storePath'";
  let path = ev.coerceToPath(slot, 0, context, why);
  if (tryParseStorePath(path, ev.io.storeDir) === undefined) path = ev.io.realPath(path);
  if (!isInStore(path, ev.io.storeDir)) throw new EvalError(`path '${path}' is not in the Nix store`);
  const object = splitStorePath(path, ev.io.storeDir).storePath;
  if (!ev.settings.readOnly) ev.io.ensurePath(object);
  context.addElement(object);
  return makeString(path, context.get());
}

interface PathRequest {
  readonly path: string;
  readonly name: string;
  readonly method: IngestionMethod;
  readonly filter: Slot | null;
  readonly sha256?: Uint8Array;
  /** Of `path`. */
  readonly context: ContextBuilder;
}

function addPath(ev: Evaluator, request: PathRequest): Slot {
  const { name, method, filter, sha256, context } = request;
  let { path } = request;
  try {
    let references: readonly string[] = [];
    if (context.get() !== null) path = ev.realiseContext(context, path);
    if (context.get() !== null && isInStore(path, ev.io.storeDir)) {
      references = knownReferences(ev, path);
    }
    const accepts = (entry: string, type: FileType): boolean => {
      const answer = ev.call(filter, [entry, type], 0);
      return ev.expectBool(answer, 0, 'while evaluating the return value of the path filter function');
    };
    const added = ev.io.addPath(resolveSymlinks(ev, path, 'full'), {
      name,
      method,
      ...(filter === null ? {} : { filter: accepts }),
      ...(sha256 === undefined ? {} : { sha256 }),
      ...(references.length === 0 ? {} : { references }),
    });
    return makeString(added, [added]);
  } catch (error) {
    throw ev.frame(error, `while adding path '${path}'`, 0);
  }
}

function knownReferences(ev: Evaluator, path: string): readonly string[] {
  try {
    return ev.io.references(splitStorePath(path, ev.io.storeDir).storePath);
  } catch (error) {
    if (error instanceof StoreError) return []; // not valid: nothing known of it
    throw error;
  }
}

function filterSource(ev: Evaluator, _pos: number, filter: Slot, pathSlot: Slot): Slot {
  const context = new ContextBuilder();
  const path = ev.coerceToPath(
    pathSlot,
    0,
    context,
    "while evaluating the second argument (the path to filter) passed to 'builtins.filterSource'",
  );
  const fn = ev.expectFunction(filter, 0, 'while evaluating the first argument passed to builtins.filterSource');
  return addPath(ev, { path, name: baseNameOf(path), method: 'nar', filter: fn, context });
}

function pathBuiltin(ev: Evaluator, _pos: number, argument: Slot): Slot {
  const attrs = ev.expectAttrs(argument, 0, "while evaluating the argument passed to 'builtins.path'");
  const context = new ContextBuilder();
  let path: string | null = null;
  let name = '';
  let filter: Slot | null = null;
  let method: IngestionMethod = 'nar';
  let sha256: Uint8Array | undefined;
  for (let i = 0; i < attrs.size; i++) {
    const key = symbolName(attrs.keys.ids[i] as Sym);
    const slot = attrs.values[i]!;
    const pos = attrs.positionOf(i);
    switch (key) {
      case 'path':
        path = ev.coerceToPath(slot, pos, context, "while evaluating the 'path' attribute passed to 'builtins.path'");
        break;
      case 'name':
        name = ev.expectStringNoContext(slot, pos, 'while evaluating the `name` attribute passed to builtins.path');
        break;
      case 'filter':
        filter = ev.expectFunction(slot, pos, 'while evaluating the `filter` parameter passed to builtins.path');
        break;
      case 'recursive': {
        const why = 'while evaluating the `recursive` attribute passed to builtins.path';
        method = ev.expectBool(slot, pos, why) ? 'nar' : 'flat';
        break;
      }
      case 'sha256': {
        const why = 'while evaluating the `sha256` attribute passed to builtins.path';
        const text = ev.expectStringNoContext(slot, pos, why);
        sha256 = parseHashAllowEmpty(text, 'sha256', (message) => ev.io.log(`warning: ${message}`)).digest;
        break;
      }
      default:
        throw new EvalError(`unsupported argument '${printAttrName(key)}' to 'builtins.path'`, { pos });
    }
  }
  if (path === null) {
    throw new EvalError("missing required 'path' attribute in the first argument to 'builtins.path'");
  }
  return addPath(ev, {
    path,
    name: name === '' ? baseNameOf(path) : name,
    method,
    filter,
    ...(sha256 === undefined ? {} : { sha256 }),
    context,
  });
}

export const pathBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'toPath',
    args: ['s'],
    doc: 'Deprecated: the string, which must be an absolute path, made canonical. Use `/. + "/path"` for a path.',
    impl: toPath,
  },
  {
    name: 'toFile',
    args: ['name', 's'],
    doc:
      'Writes the string to a file in the store and returns its path. The string may refer to store paths, but not to ' +
      'outputs of derivations: they may not exist yet.',
    impl: toFile,
  },
  {
    name: 'storePath',
    args: ['path'],
    doc: 'A dependency on a store path that exists already. Not in pure evaluation mode.',
    impl: storePath,
  },
  {
    name: 'filterSource',
    args: ['e1', 'e2'],
    doc:
      'Copies the tree *e2* to the store without the entries for which `e1 path type` is false. What a refused ' +
      'directory holds is not asked about. `builtins.path` does more.',
    impl: filterSource,
  },
  {
    name: 'path',
    args: ['args'],
    doc:
      'Copies `path` to the store: as `name` (default: its last component), without what `filter` refuses, flat with ' +
      '`recursive = false` (a single file then), and with `sha256` checked.',
    impl: pathBuiltin,
  },
];
