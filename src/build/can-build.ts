// Whether this machine may build a derivation: system, features, job limit.
import type { Derivation } from '../store/derivation.ts';
import type { StorePath } from '../store/store.ts';
import type { DerivationOptions } from './derivation-options.ts';
import { BuildFailure } from './failure.ts';
import type { BuildSettings } from './settings.ts';

/** @throws BuildFailure where this machine is not what the derivation asks for */
export function checkCanBuild(
  drvPath: StorePath,
  drv: Derivation,
  options: DerivationOptions,
  settings: BuildSettings,
): void {
  const builtin = drv.builder.startsWith('builtin:');
  let reasons = '';
  if (settings.maxJobs === 0 && !builtin) {
    reasons +=
      "\nReason: local builds are disabled (max-jobs = 0)\nHint: set 'max-jobs' to a non-zero value to enable local " +
      "builds, or configure remote builders via 'builders'";
  }
  const systems = [settings.system, ...settings.extraPlatforms];
  if (!builtin && drv.system !== 'builtin' && !systems.includes(drv.system)) {
    reasons += `\nReason: platform mismatch\nRequired system: '${drv.system}'\nCurrent system: '${settings.system}'`;
  }
  const features = [...options.requiredSystemFeatures].sort();
  if (!features.every((feature) => settings.systemFeatures.includes(feature))) {
    const available = [...settings.systemFeatures].sort();
    reasons += `\nReason: missing system features\nRequired features: {${features.join(', ')}}\nAvailable features: {${available.join(', ')}}`;
  }
  if (reasons !== '') throw new BuildFailure('inputRejected', `Cannot build '${drvPath}'.${reasons}`);
}
