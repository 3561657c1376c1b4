// Fetching instead of building: each path once, whoever asks for it.
import { NixError } from '../util/errors.ts';
import type { StorePath } from '../store/store.ts';
import type { BuildStore } from './build-store.ts';
import { BuildFailure } from './failure.ts';
import type { Substituter } from './realise-options.ts';

export class Fetching {
  private readonly store: BuildStore;
  private readonly substituter: Substituter | undefined;
  private readonly signal: AbortSignal;
  private readonly running = {
    substitute: new Map<StorePath, Promise<boolean>>(),
    repair: new Map<StorePath, Promise<boolean>>(),
  };

  constructor(store: BuildStore, substituter: Substituter | undefined, signal: AbortSignal) {
    this.store = store;
    this.substituter = substituter;
    this.signal = signal;
  }

  /** Makes a path valid. @returns false where it can't be had @throws StoreError where that fails */
  async substitute(path: StorePath): Promise<boolean> {
    return this.store.isValidPath(path) || this.once('substitute', path);
  }

  /** Also where the path is valid: what is there is damaged then. */
  async fetchAnew(path: StorePath): Promise<boolean> {
    return this.once(this.store.isValidPath(path) ? 'repair' : 'substitute', path);
  }

  private async once(how: 'substitute' | 'repair', path: StorePath): Promise<boolean> {
    if (this.substituter === undefined) return false;
    let running = this.running[how].get(path);
    if (running === undefined) {
      running = this.substituter[how](path);
      this.running[how].set(path, running);
    }
    return running;
  }

  /** Fetches outputs, by one of the two above. @returns false where some have to be built @throws BuildFailure */
  async outputs(
    drvPath: StorePath,
    paths: readonly StorePath[],
    how: 'substitute' | 'fetchAnew' = 'substitute',
  ): Promise<boolean> {
    const fetched = await Promise.allSettled(paths.map((path) => this[how](path)));
    this.signal.throwIfAborted();
    const failed = fetched.find((outcome) => outcome.status === 'rejected');
    if (failed === undefined) return fetched.every((outcome) => outcome.status === 'fulfilled' && outcome.value);
    if (!(failed.reason instanceof NixError)) throw failed.reason;
    throw new BuildFailure(
      'misc',
      `some substitutes for the outputs of derivation '${drvPath}' failed (usually happens due to networking issues); try '--fallback' to build derivation from source `,
      { cause: failed.reason },
    );
  }
}
