// How builds fail: Nix's kinds, which decide the exit status and whether a failure counts as the derivation's fault.
// See Nix's libstore/build-result.cc.
import { BuildError } from '../util/errors.ts';

export type FailureKind =
  /** The builder failed: it will again. */
  | 'permanent'
  /** The builder of a fixed output failed, or the disk is full: it may not again. */
  | 'transient'
  /** What it made can't be accepted. */
  | 'outputRejected'
  /** It can't be built here: system, features. */
  | 'inputRejected'
  | 'timedOut'
  | 'hashMismatch'
  /** --check found a difference. */
  | 'notDeterministic'
  | 'dependencyFailed'
  | 'logLimitExceeded'
  | 'misc';

export class BuildFailure extends BuildError {
  override readonly code = 'BUILD_FAILURE';
  readonly kind: FailureKind;
  /** Of several targets: why each of them failed. */
  readonly parts: readonly BuildFailure[];
  constructor(kind: FailureKind, message: string, options: { cause?: unknown; parts?: readonly BuildFailure[] } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : {});
    this.kind = kind;
    this.parts = options.parts ?? [];
    this.exitStatus = exitStatusOf([kind]);
  }
}

/** Exit status of a command in which these failures happened: bits of 100, 101, 102, 104; 1 for all else. */
export function exitStatusOf(kinds: Iterable<FailureKind>): number {
  let mask = 0;
  for (const kind of kinds) {
    if (kind === 'permanent' || kind === 'inputRejected') mask |= 0b1100100;
    else if (kind === 'timedOut') mask |= 0b1100101;
    else if (kind === 'hashMismatch') mask |= 0b1100110;
    else if (kind === 'notDeterministic') mask |= 0b1101000;
  }
  return mask === 0 ? 1 : mask;
}
