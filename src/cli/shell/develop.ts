// From a derivation to a shell in its environment: its inputs are realised, it is not built itself.
import { rmSync } from 'node:fs';
import { KnownOutputs, resolveDerivation, inputChains, shouldResolve } from '../../store/resolve-derivation.ts';
import type { BuildTarget } from '../../build/realise-options.ts';
import { findAlongAttrPath } from '../../eval/attr-path.ts';
import type { Slot } from '../../eval/value.ts';
import { fromUtf8, utf8 } from '../../util/bytes.ts';
import { NixError, SearchPathError, StoreError, UsageError } from '../../util/errors.ts';
import { sandboxShell } from '../commands/build.ts';
import { DerivationFinder, drvPathOf } from '../derivations.ts';
import { say } from '../output.ts';
import { asBuildStore, realiseTargets, type RealiseTargetsOptions } from '../realise-targets.ts';
import type { Session } from '../session.ts';
import { shellEnvironment } from './environment.ts';
import { runInStore } from './run-in-store.ts';

export interface DevelopOptions {
  readonly pure: boolean;
  readonly keep: readonly string[];
  /** Regular expressions: input derivations that are not realised. */
  readonly exclude: readonly string[];
  /** Shell text; empty for a prompt. */
  readonly command: string;
  /** With a prompt, rc file and all, even for a command. */
  readonly interactive: boolean;
  readonly name: string;
}

/** Realises targets for a command that then runs something; what is built is told on standard error. */
export async function realiseFor(session: Session, targets: readonly BuildTarget[]): ReturnType<typeof realiseTargets> {
  const { flags, config, store } = session;
  const logs = flags.has('print-build-logs');
  const options: RealiseTargetsOptions = {
    config,
    store,
    logs,
    announce: true,
    quiet: flags.has('quiet'),
    dryRun: flags.has('dry-run'),
    check: false,
    repair: flags.has('repair'),
    shell: () => sandboxShell(session, logs),
  };
  session.flush();
  return realiseTargets(targets, options);
}

/** Runs a shell in the environment of the derivation at `drvPath`; returns its exit status. */
export async function develop(session: Session, encoded: string, options: DevelopOptions): Promise<number> {
  const store = asBuildStore(session.store);
  const drvPath = session.asStorePath(encoded);
  session.flush();
  let drv = store.readDerivation(drvPath);
  const chosen = process.env['NIX_BUILD_SHELL'];
  const bash = chosen === undefined || chosen === '' ? bashInteractive(session) : undefined;
  const excluded = options.exclude.map(parseRegex);
  const targets: BuildTarget[] = [];
  for (const { drvPath: input, outputs } of inputChains(drv)) {
    if (excluded.some((regex) => regex.test(input))) continue;
    targets.push({
      kind: 'derivation',
      drvPath: input,
      through: outputs.slice(0, -1),
      outputs: [outputs.at(-1)!],
    });
  }
  for (const path of drv.inputSrcs) targets.push({ kind: 'path', path });
  if (bash !== undefined) targets.push({ kind: 'derivation', drvPath: session.asStorePath(bash), outputs: ['out'] });
  const made = await realiseFor(session, targets);
  if (made === null) return 0;
  const shell = bash === undefined ? (chosen ?? 'bash') : `${fromUtf8(made.at(-1)!.get('out')!)}/bin/bash`;

  const known = new KnownOutputs(store);
  if (shouldResolve(drv, false)) {
    const resolved = resolveDerivation(drv, (chain) => known.chain(chain), store.storeDir);
    if (resolved === undefined) throw new StoreError(`failed to resolve derivation '${drvPath}'`);
    drv = resolved;
  }
  const inputs = [...made].flatMap((outputs) => [...outputs.values()]);
  const environment = shellEnvironment({
    store,
    drv,
    inputs: new Set(store.closure(inputs)),
    cores: session.config.cores,
    pure: options.pure,
    keep: options.keep,
    callerEnv: { ...process.env, IN_NIX_SHELL: options.pure ? 'pure' : 'impure' },
    shell,
    command: options.command,
    name: options.name,
  });
  try {
    return await runInStore(session.store, {
      argv0: 'bash',
      program: shell,
      args: options.interactive ? ['--rcfile', environment.rcFile] : [environment.rcFile],
      env: environment.env,
    });
  } finally {
    rmSync(environment.dir, { recursive: true, force: true });
  }
}

/** @throws UsageError */
function parseRegex(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new UsageError(`invalid regular expression '${utf8(text)}'`);
  }
}

/** The derivation of a bash for people: from <nixpkgs>, else the embedded set's; undefined where neither has one. */
function bashInteractive(session: Session): string | undefined {
  const { evaluator: ev } = session;
  try {
    let set: Slot;
    try {
      session.findFile('nixpkgs');
      set = session.evalExpression('import <nixpkgs> {}');
    } catch (error) {
      if (!(error instanceof SearchPathError)) throw error;
      set = session.embeddedPackageSet();
    }
    const { slot } = findAlongAttrPath(ev, 'bashInteractive', set, { args: session.autoArgs() });
    const finder = new DerivationFinder(ev, { args: session.autoArgs() });
    finder.collect(slot, '');
    return finder.found.length === 1 ? drvPathOf(ev, finder.found[0]!.attrs) : undefined;
  } catch (error) {
    if (!(error instanceof NixError)) throw error;
    say(`error: ${error.message}`);
    say('uses bash from your environment');
    return undefined;
  }
}
