// builtin:buildenv (Nix's own, for user environments) and builtin:tsnix-build-env (buildEnv): trees of symlinks.
import { mkdirSync, symlinkSync } from 'node:fs';
import { fsPath } from '../../util/bytes.ts';
import { BuildError } from '../../util/errors.ts';
import type { BuiltinJob } from '../builtin-builder.ts';
import { checkInside, flag, InputFiles, onlyOutput, wanted, words } from './job-files.ts';
import { LinkTree, type EnvPackage } from './link-tree.ts';

/** `derivations`: for each package "ACTIVE PRIORITY NUMBER-OF-OUTPUTS OUTPUT…"; `manifest`. */
export function buildenv(job: BuiltinJob): Promise<void> {
  const out = onlyOutput(job);
  const packages: EnvPackage[] = [];
  const all = words(wanted(job, 'derivations'));
  for (let i = 0; i < all.length;) {
    const [active, priority, count] = [all[i]!, leadingInt(all[i + 1]), leadingInt(all[i + 2])];
    if (priority === undefined || count === undefined || count < 0 || i + 3 + count > all.length) {
      throw new BuildError("the attribute 'derivations' is malformed");
    }
    for (const path of all.slice(i + 3, i + 3 + count)) if (active !== 'false') packages.push({ path, priority });
    i += 3 + count;
  }
  mkdirSync(fsPath(out));
  new LinkTree({
    files: new InputFiles(
      job,
      packages.map(({ path }) => path),
    ),
    out,
    shownOut: job.outputPaths.get('out') ?? out,
    warn: (message) => job.log(`warning: ${message}`),
  }).build(packages);
  symlinkSync(fsPath(wanted(job, 'manifest')), fsPath(`${out}/manifest.nix`));
  return Promise.resolve();
}

/** As C has it: what follows the digits does not count. */
function leadingInt(word: string | undefined): number | undefined {
  const digits = /^[+-]?\d+/.exec(word ?? '');
  return digits === null ? undefined : Number(digits[0]);
}

/** `chosenPaths`: JSON [{paths, priority}]; `pathsToLink`; `extraPrefix`; `ignoreCollisions`. */
export function buildEnv(job: BuiltinJob): Promise<void> {
  const out = onlyOutput(job);
  const chosen = JSON.parse(wanted(job, 'chosenPaths')) as { paths: string[]; priority: number }[];
  const packages = chosen.flatMap(({ paths, priority }) => paths.map((path) => ({ path, priority })));
  const prefix = (job.env.get('extraPrefix') ?? '').replace(/^\/+/, '');
  mkdirSync(fsPath(out));
  const target = prefix === '' ? out : `${out}/${checkInside(prefix)}`;
  mkdirSync(fsPath(target), { recursive: true });
  const subDirs = words(job.env.get('pathsToLink') ?? '/').map((path) => {
    const inside = path.replace(/^\/+/, '').replace(/\/+$/, '');
    return inside === '' ? '' : checkInside(inside);
  });
  new LinkTree({
    files: new InputFiles(
      job,
      packages.map(({ path }) => path),
    ),
    out: target,
    ignoreCollisions: flag(job, 'ignoreCollisions'),
    asBuildEnv: true,
    warn: (message) => job.log(`warning: ${message}`),
  }).build(packages, subDirs);
  return Promise.resolve();
}
