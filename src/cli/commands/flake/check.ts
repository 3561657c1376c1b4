// `tsnix flake check`: is every output of a flake what its name says, and do its checks build?
import { BuildFailure } from '../../../build/failure.ts';
import type { BuildTarget } from '../../../build/realise-options.ts';
import type { Attrs } from '../../../eval/attrs.ts';
import type { Slot } from '../../../eval/value.ts';
import type { StorePath } from '../../../store/store.ts';
import { EvalError, NixError } from '../../../util/errors.ts';
import { renderError } from '../../../util/render-error.ts';
import type { Config } from '../../config.ts';
import { lockArgument } from '../../flake-installable.ts';
import { BUILD_FLAGS, flag, parseFlags, type Flag } from '../../flags.ts';
import { isTerminal, print, say, wantsColor } from '../../output.ts';
import { realiseTargets, type RealiseTargetsOptions } from '../../realise-targets.ts';
import type { Session } from '../../session.ts';
import { link, sandboxShell } from '../build.ts';
import { flakeArgument, outputsOf, PLAIN_FLAGS, withSession } from './flags.ts';
import { OutputCheck } from './output-check.ts';

export const CHECK_FLAGS: readonly Flag[] = [
  flag('no-build', 'do not build checks'),
  flag('all-systems', 'check the outputs for all systems'),
  flag('out-link', 'name of the links to the results of checks (default: none)', { short: 'o', args: ['LINK'] }),
  flag('print-out-paths', 'print the output paths of checks'),
  ...BUILD_FLAGS.filter(({ name }) => name !== 'check' && name !== 'repair' && name !== 'dry-run'),
  ...PLAIN_FLAGS,
];

export async function flakeCheck(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, CHECK_FLAGS, config);
  return withSession(flags, config, async (session) => {
    const { evaluator: ev } = session;
    const { settings } = ev;
    let failed = false;
    const report = (error: unknown): void => {
      if (!(error instanceof NixError) || !config.bool('keep-going')) throw error;
      const options = { showTrace: config.bool('show-trace'), color: wantsColor() };
      say(renderError(error, error.positions ?? ev.positions, options));
      failed = true;
    };
    const progress = (what: string): void => {
      // On a terminal Nix shows them for as long as they last.
      if (!isTerminal(2) && !flags.has('quiet')) say(what.startsWith('derivation ') ? what : `${what}...`);
    };
    const check = new OutputCheck(ev, config.system, { allSystems: flags.has('all-systems'), report, progress });
    const { locked } = lockArgument(ev, flakeArgument(flags), flags, config);
    progress('evaluating flake');
    const asked = config.isSet('allow-import-from-derivation');
    for (const [name, slot, pos] of hydraJobsFirst(outputsOf(ev, locked))) {
      if (!asked) settings.allowImportFromDerivation = name !== 'hydraJobs' && !flags.has('no-build');
      check.output(name, slot, pos);
    }
    if (!flags.has('no-build') && check.derivations.size > 0) {
      await build(session, check.derivations, { report, progress });
    }
    if (failed) throw new EvalError('some errors were encountered during the evaluation');
    if (!flags.has('quiet')) say(wantsColor() ? '\x1b[32;1mall checks passed!\x1b[0m' : 'all checks passed!');
    if (check.omitted.size > 0) {
      const systems = [...check.omitted].sort().join(', ');
      say(`warning: The check omitted these incompatible systems: ${systems}\nUse '--all-systems' to check all.`);
    }
    return 0;
  });
}

type Member = readonly [name: string, slot: Slot, pos: number];

/** Those must not need builds, and what was evaluated before could have made them. */
function hydraJobsFirst(outputs: Attrs): Member[] {
  const members: Member[] = [];
  outputs.forEachByName((name, slot, pos) => members.push([name, slot, pos]));
  const isJobs = ([name]: Member): boolean => name === 'hydraJobs';
  return [...members.filter(isJobs), ...members.filter((member) => !isJobs(member))];
}

interface Reporting {
  readonly report: (error: unknown) => void;
  readonly progress: (what: string) => void;
}

/**
 * Builds the checks that no cache has: those of others were built somewhere already.
 * @param checks attributes by .drv
 */
async function build(
  session: Session,
  checks: ReadonlyMap<string, readonly string[]>,
  { report, progress }: Reporting,
): Promise<void> {
  const { flags, config, store } = session;
  session.flush();
  const targetOf = (drvPath: string): BuildTarget => ({
    kind: 'derivation',
    drvPath: session.asStorePath(drvPath),
    outputs: 'all',
  });
  const all = [...checks.keys()].map(targetOf);
  const logs = flags.has('print-build-logs');
  const realise = (
    targets: readonly BuildTarget[],
    more: Partial<RealiseTargetsOptions>,
  ): ReturnType<typeof realiseTargets> =>
    realiseTargets(targets, {
      config,
      store,
      logs,
      announce: false,
      quiet: flags.has('quiet'),
      dryRun: false,
      check: false,
      shell: () => sandboxShell(session, logs),
      ...more,
    });
  let missing: readonly StorePath[] = [];
  await realise(all, { dryRun: true, planned: (plan) => (missing = plan.willBuild) });
  progress(`running ${missing.length} flake checks`);
  const wantsPaths = flags.has('print-out-paths') || flags.has('out-link');
  const targets = wantsPaths ? all : missing.map(targetOf);
  try {
    const outputs = await realise(targets, {});
    if (outputs === null || !wantsPaths) return;
    if (flags.has('print-out-paths')) {
      for (const paths of outputs) for (const path of paths.values()) print(`${path}\n`);
    }
    const wanted = all.map((target) => ({ target, suffix: '', attrPath: '' }));
    if (flags.has('out-link')) link(session, flags, wanted, outputs);
  } catch (error) {
    if (!(error instanceof BuildFailure)) throw error;
    for (const part of error.parts.length === 0 ? [error] : error.parts) {
      const drvPath = /'([^']*\.drv)'/.exec(part.message)?.[1] ?? '';
      const attributes = checks.get(drvPath);
      if (attributes === undefined) report(part);
      for (const attribute of attributes ?? []) {
        report(
          new EvalError(`failed to build attribute '${attribute}', build of '${drvPath}^*' failed: ${part.message}`),
        );
      }
    }
  }
}
