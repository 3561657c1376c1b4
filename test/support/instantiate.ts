// The same expression instantiated by real Nix and by us, each into a chroot store of its own.
import { execFileSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { allBuiltins } from '../../src/builtins/index.ts';
import { Evaluator } from '../../src/eval/evaluator.ts';
import { NodeEvalIo } from '../../src/eval/node-io.ts';
import { defaultSettings } from '../../src/eval/settings.ts';
import type { Slot } from '../../src/eval/value.ts';
import { openStore } from '../../src/store/open.ts';
import { fromUtf8, utf8 } from '../../src/util/bytes.ts';

export interface Instantiated {
  readonly name: string;
  readonly drvPath: string;
  readonly outputName: string;
}

/**
 * `drv` or `drv!output` of each of `(expression).derivations`, in order, as nix-instantiate prints them. The store
 * lies below `root`.
 */
export function instantiateWithNix(root: string, expression: string, features: readonly string[] = []): string[] {
  const args = ['--store', `local?root=${root}`, '--extra-experimental-features', features.join(' ')];
  const out = execFileSync('nix-instantiate', [...args, '--expr', `(${expression}).derivations`], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, NIX_CONFIG: '', NIX_REMOTE: '' },
  });
  return out.trim().split('\n');
}

/** The same by our evaluator and store; names are `(expression).names`. */
export async function instantiateHere(
  root: string,
  expression: string,
  features: readonly string[] = [],
): Promise<Instantiated[]> {
  const store = openStore(`local?root=${root}`, {});
  const io = new NodeEvalIo({ store, system: 'x86_64-linux', log: () => undefined });
  const settings = { ...defaultSettings, experimentalFeatures: new Set(features) };
  const ev = new Evaluator({ io, settings, builtins: allBuiltins });
  const source = `let all = ${expression}; in
    map (d: map builtins.unsafeDiscardStringContext [ d.drvPath d.outputName ]) all.derivations
    ++ [ all.names ]`;
  const listOf = (slot: Slot): readonly Slot[] => ev.expectList(slot, 0, '');
  const result = listOf(ev.evalString(utf8(source), '/', { kind: 'string' })).map((item) =>
    listOf(item).map((text) => ev.expectStringNoContext(text, 0, '')),
  );
  const names = result.pop()!;
  await store.close();
  return result.map(([drvPath, outputName], i) => ({
    name: fromUtf8(names[i]!),
    drvPath: drvPath!,
    outputName: outputName!,
  }));
}

/** Every file, directory and link below a directory, as text; without what a store keeps for itself. */
export function listTree(dir: Buffer, prefix = ''): string[] {
  return readdirSync(dir, { encoding: 'latin1' })
    .sort()
    .flatMap((name) => {
      const path = Buffer.concat([dir, Buffer.from(`/${name}`, 'latin1')]);
      const stat = lstatSync(path);
      const shown = `${prefix}/${name}`;
      if (shown === '/.links' || (prefix === '' && name.endsWith('.lock'))) return [];
      if (stat.isSymbolicLink()) return [`${shown} -> ${readlinkSync(path, 'latin1')}`];
      if (stat.isDirectory()) return [`${shown}/`, ...listTree(path, shown)];
      return [`${shown} ${(stat.mode & 0o777).toString(8)} ${readFileSync(path, 'latin1')}`];
    });
}
