// Other files as expressions, and finding them.
import { AttrsBuilder, type Attrs } from '../eval/attrs.ts';
import { ContextBuilder } from '../eval/context.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import { importedDerivationSource } from '../eval/internal-files.ts';
import { findFile, resolveExprPath, type SearchPathEntry } from '../eval/search-path.ts';
import { makeString, PathValue, type BuiltinRecord, type Slot, type Value } from '../eval/value.ts';
import { staticOutputPath } from '../store/derivation.ts';
import { downstreamPlaceholder } from '../store/placeholder.ts';
import { tryParseStorePath } from '../store/store-path.ts';
import type { StorePath } from '../store/store.ts';
import { StoreError, EvalError } from '../util/errors.ts';
import { intern } from '../util/symbols.ts';
import { derivationStore } from './derivation-store.ts';
import { requireFeature } from './features.ts';
import { parentOf, realisePath } from './path-argument.ts';
import { requireAttr } from './required-attr.ts';

const sPrefix = intern('prefix');
const sPath = intern('path');

/** The function that makes a package of an imported `.drv`, per evaluator. */
const importedDerivations = new WeakMap<Evaluator, Value>();

function importDerivation(ev: Evaluator, drvPath: StorePath): Value {
  const drv = derivationStore(ev.io).read(drvPath);
  const known = new AttrsBuilder();
  known.set(intern('drvPath'), makeString(drvPath, [`=${drvPath}`]));
  known.set(intern('name'), drv.env.get('name') ?? '');
  known.set(intern('outputs'), [...drv.outputs.keys()]);
  for (const [output, value] of drv.outputs) {
    let path: string | undefined = staticOutputPath(value);
    if (path === undefined) {
      requireFeature(ev.settings, 'ca-derivations');
      path = downstreamPlaceholder(drvPath, [output]);
    }
    known.set(intern(output), makeString(path, [`!${output}!${drvPath}`]));
  }
  let wrap = importedDerivations.get(ev);
  if (wrap === undefined) {
    const origin = { kind: 'internal', name: 'imported-drv-to-derivation.nix' } as const;
    wrap = ev.evalString(importedDerivationSource, '/', origin);
    importedDerivations.set(ev, wrap);
  }
  return ev.expectAttrs(ev.call(wrap, [known.build()], 0), 0, 'while calling imported-drv-to-derivation.nix');
}

function importPath(ev: Evaluator, slot: Slot, scope: Slot | null): Value {
  const path = realisePath(ev, slot, 'none');
  if (path.endsWith('.drv')) {
    const drvPath = tryParseStorePath(path, ev.io.storeDir);
    if (drvPath !== undefined && ev.io.isValidPath(drvPath)) return importDerivation(ev, drvPath);
  }
  if (scope === null) return ev.evalFile(path);
  const attrs: Attrs = ev.expectAttrs(scope, 0, 'while evaluating the first argument passed to builtins.scopedImport');
  const file = resolveExprPath(ev.io, path);
  const source = ev.io.readFile(ev.io.realPath(file));
  return ev.evalString(source, parentOf(file), { kind: 'file', path: file }, attrs);
}

function findFileBuiltin(ev: Evaluator, _pos: number, searchPath: Slot, name: Slot): Slot {
  const list = ev.expectList(searchPath, 0, 'while evaluating the first argument passed to builtins.findFile');
  const entries: SearchPathEntry[] = list.map((item) => {
    const attrs = ev.expectAttrs(item, 0, 'while evaluating an element of the list passed to builtins.findFile');
    const prefix = attrs.get(sPrefix);
    const context = new ContextBuilder();
    const prefixText =
      prefix === undefined
        ? ''
        : ev.expectStringNoContext(
            prefix,
            0,
            'while evaluating the `prefix` attribute of an element of the list passed to builtins.findFile',
          );
    let path = ev.coerceToString(
      requireAttr(attrs, sPath, 'in an element of the __nixPath'),
      0,
      context,
      'while evaluating the `path` attribute of an element of the list passed to builtins.findFile',
      { copy: false },
    );
    try {
      if (context.get() !== null) path = ev.realiseContext(context, path);
    } catch (error) {
      if (error instanceof StoreError) throw new EvalError(`cannot find '${path}', since ${error.message}`);
      throw error;
    }
    return { prefix: prefixText, path };
  });
  const text = ev.expectStringNoContext(name, 0, 'while evaluating the second argument passed to builtins.findFile');
  return new PathValue(findFile(ev, entries, text));
}

export const importBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'import',
    args: ['path'],
    global: true,
    doc:
      'The value of the expression in a file; of `default.nix` for a directory. Evaluated once, however often it is ' +
      'imported. The file sees nothing of the place that imports it. A store derivation (`….drv`) gives the package ' +
      'that it describes.',
    impl: (ev, _pos, path) => importPath(ev, path, null),
  },
  {
    name: 'scopedImport',
    args: ['scope', 'path'],
    global: true,
    doc:
      'Like `import`, but the attributes of *scope* are variables in the file, in place of builtins of the same name. ' +
      'Evaluated anew each time.',
    impl: (ev, _pos, scope, path) => importPath(ev, path, scope),
  },
  {
    name: 'findFile',
    args: ['search-path', 'lookup-path'],
    doc:
      'The path of *lookup-path* in the first entry that has it. Entries are sets of `path` and `prefix`: ' +
      '`<nixpkgs/lib>` is `builtins.findFile builtins.nixPath "nixpkgs/lib"`.',
    impl: findFileBuiltin,
  },
];
