// Kinds of failures as Nix's protocols number them.
import type { RemoteBuildResult } from '../store/daemon/build-result.ts';
import type { FailureKind } from './failure.ts';

/** In Nix's order of kinds. */
export const failureNumbers: Readonly<Record<FailureKind, number>> = {
  permanent: 3,
  inputRejected: 4,
  outputRejected: 5,
  hashMismatch: 5,
  transient: 6,
  timedOut: 8,
  misc: 9,
  dependencyFailed: 10,
  logLimitExceeded: 11,
  notDeterministic: 12,
};

/** By Nix's numbers; undefined for success. */
export function failureKind({
  status,
  message,
}: Pick<RemoteBuildResult, 'status' | 'message'>): FailureKind | undefined {
  switch (status) {
    case 0: // built
    case 1: // substituted
    case 2: // already valid
    case 13: // resolves to one that is
      return undefined;
    case 3:
    case 7: // it failed before
      return 'permanent';
    case 4:
      return 'inputRejected';
    case 5:
      // The protocol has no number for it.
      return message.includes('hash mismatch in fixed-output derivation') ? 'hashMismatch' : 'outputRejected';
    case 6:
      return 'transient';
    case 8:
      return 'timedOut';
    case 10:
      return 'dependencyFailed';
    case 11:
      return 'logLimitExceeded';
    case 12:
      return 'notDeterministic';
    default:
      return 'misc';
  }
}
