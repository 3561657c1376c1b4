// Whether this machine may build a derivation: system, features, job limit.
import type { Derivation } from '../store/derivation.ts';
import type { DerivationOptions } from './derivation-options.ts';
import type { BuildSettings } from './settings.ts';

/** What keeps this machine from building it, in Nix's words; empty where nothing does. */
export function reasonsAgainst(drv: Derivation, options: DerivationOptions, settings: BuildSettings): string {
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
  return reasons;
}
