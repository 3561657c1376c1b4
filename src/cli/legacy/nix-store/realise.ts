// `nix-store --realise`: makes paths valid, by building where they are derivations or outputs of them.
import { resolve } from 'node:path';
import type { BuildTarget } from '../../../build/realise-options.ts';
import type { Derivation } from '../../../store/derivation.ts';
import { canonPath, isDerivationPath } from '../../../store/store-path.ts';
import type { StorePath } from '../../../store/store.ts';
import { utf8 } from '../../../util/bytes.ts';
import { sandboxShell } from '../../commands/build.ts';
import { print, say } from '../../output.ts';
import { realiseTargets } from '../../realise-targets.ts';
import { Session } from '../../session.ts';
import { allowFlags, hasFlag, namedPath, type Operation } from './operation.ts';

/** `PATH`, `PATH!out,dev`. @throws StoreError */
function targetOf(operation: Operation, argument: string): BuildTarget {
  const bang = argument.indexOf('!');
  const path = namedPath(operation, bang < 0 ? argument : argument.slice(0, bang));
  if (!isDerivationPath(path)) return { kind: 'path', path };
  const names = bang < 0 ? [] : argument.slice(bang + 1).split(',');
  const outputs = [...new Set(names.filter((name) => name !== ''))].sort();
  return { kind: 'derivation', drvPath: path, outputs: outputs.length === 0 ? 'all' : outputs };
}

interface RealiseMode {
  readonly announce: boolean;
  /** Only what builders print. */
  readonly quiet?: boolean;
  readonly dryRun?: boolean;
  readonly check?: boolean;
  readonly repair?: boolean;
  /** Derivations that are not in the store. */
  readonly given?: ReadonlyMap<StorePath, Derivation>;
}

/** @returns what each target's outputs are, by name; null for a dry run */
export async function buildTargets(
  operation: Operation,
  targets: readonly BuildTarget[],
  mode: RealiseMode,
): Promise<ReadonlyMap<string, StorePath>[] | null> {
  const { config, parsed } = operation;
  const logs = !parsed.has('no-build-output') && !parsed.has('quiet');
  const session = new Session({ config, flags: parsed, readOnly: false, writes: true, logs });
  try {
    return await realiseTargets(targets, {
      config,
      store: session.store,
      logs,
      plainLogs: true,
      announce: mode.announce,
      quiet: mode.quiet ?? parsed.has('quiet'),
      dryRun: mode.dryRun ?? false,
      check: mode.check ?? false,
      repair: mode.repair ?? false,
      ...(mode.given === undefined ? {} : { given: mode.given }),
      shell: () => sandboxShell(session, logs),
    });
  } finally {
    await session.close();
  }
}

/** Builds for `--query --force-realise`. */
export async function realisePaths(operation: Operation, paths: readonly StorePath[]): Promise<void> {
  const targets = paths.map((path): BuildTarget =>
    isDerivationPath(path) ? { kind: 'derivation', drvPath: path, outputs: 'all' } : { kind: 'path', path },
  );
  await buildTargets(operation, targets, { announce: false });
  warnOfCollection(operation);
}

let warned = false;

function warnOfCollection(operation: Operation): void {
  if (warned || operation.parsed.has('no-gc-warning') || operation.parsed.has('add-root')) return;
  warned = true;
  say(`warning: you did not specify '--add-root'; the result might be removed by the garbage collector`);
}

export async function realise(operation: Operation): Promise<number> {
  allowFlags(operation, ['dry-run', 'repair', 'check', 'ignore-unknown']);
  const { store } = operation;
  let targets = operation.args.map((arg) => targetOf(operation, arg));
  const ignoreUnknown = hasFlag(operation, 'ignore-unknown');
  if (ignoreUnknown) {
    targets = targets.filter((target) => store.isValidPath(target.kind === 'path' ? target.path : target.drvPath));
  }
  const dryRun = hasFlag(operation, 'dry-run');
  const outputs = await buildTargets(operation, targets, {
    announce: true,
    dryRun,
    check: hasFlag(operation, 'check'),
    repair: hasFlag(operation, 'repair'),
  });
  if (outputs === null || ignoreUnknown) return 0;
  let number = 0;
  for (const paths of outputs) {
    number++;
    const shown = [...paths].map(([name, path]) => rootFor(operation, path, number, name));
    if (!operation.parsed.has('no-output'))
      print(
        [...new Set(shown)]
          .sort()
          .map((line) => `${line}\n`)
          .join(''),
      );
  }
  return 0;
}

/** Makes the link of --add-root, and gives its name; without one the path itself. */
function rootFor(operation: Operation, path: StorePath, number: number, output: string): string {
  const root = operation.parsed.get('add-root');
  if (root === undefined) {
    warnOfCollection(operation);
    return path;
  }
  const suffix = `${number > 1 ? `-${String(number)}` : ''}${output === 'out' ? '' : `-${output}`}`;
  const link = canonPath(utf8(resolve(root))) + suffix;
  operation.store.addIndirectRoot(link, path);
  return link;
}
