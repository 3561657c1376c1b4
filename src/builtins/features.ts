// Experimental features of Nix: off unless `experimental-features` names them.
import type { EvalSettings } from '../eval/settings.ts';
import { EvalError } from '../util/errors.ts';

/** @throws EvalError as Nix says it, where `feature` is off */
export function requireFeature(
  settings: Pick<EvalSettings, 'experimentalFeatures'>,
  feature: string,
  reason = '',
): void {
  if (settings.experimentalFeatures.has(feature)) return;
  const why = reason === '' ? '' : ` (${reason})`;
  throw new EvalError(
    `experimental Nix feature '${feature}' is disabled${why}; add '--extra-experimental-features ${feature}' to enable it`,
  );
}
