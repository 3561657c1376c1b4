// Which machine builds what. As with Nix another machine is preferred to this one, a free and fast one to a busy and slow
// one; where all are busy this one builds what it can, and what it can't waits.
import type { Machine } from './machines.ts';
import { takes } from './machines.ts';

interface Load {
  readonly machine: Machine;
  running: number;
}

export interface Place {
  readonly machine: Machine;
  /** Gives the place back. */
  release(): void;
}

export class RemoteBuilders {
  private readonly loads: readonly Load[];
  private readonly waiting: (() => void)[] = [];

  constructor(machines: readonly Machine[]) {
    this.loads = machines.filter(({ maxJobs }) => maxJobs > 0).map((machine) => ({ machine, running: 0 }));
  }

  /**
   * A place on the best machine.
   * @param mayBuildHere then nothing waits for a machine
   * @returns undefined where this machine is to build, or none can
   */
  async place(
    system: string,
    features: readonly string[],
    mayBuildHere: boolean,
    signal: AbortSignal,
  ): Promise<Place | undefined> {
    const able = this.loads.filter(({ machine }) => takes(machine, system, features));
    if (able.length === 0) return undefined;
    for (;;) {
      signal.throwIfAborted();
      const free = able.filter(({ machine, running }) => running < machine.maxJobs);
      const best = free.reduce<Load | undefined>(
        (chosen, load) => (chosen === undefined || isBetter(load, chosen) ? load : chosen),
        undefined,
      );
      if (best !== undefined) return this.take(best);
      if (mayBuildHere) return undefined;
      await new Promise<void>((resolve) => {
        this.waiting.push(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  private take(load: Load): Place {
    load.running++;
    let released = false;
    return {
      machine: load.machine,
      release: () => {
        if (released) return;
        released = true;
        load.running--;
        for (const resolve of this.waiting.splice(0)) resolve();
      },
    };
  }
}

/** Nix's order: load, then speed, then what else runs there. */
function isBetter(a: Load, b: Load): boolean {
  const relative = ({ machine, running }: Load): number => running / machine.maxJobs / machine.speedFactor;
  if (relative(a) !== relative(b)) return relative(a) < relative(b);
  if (a.machine.speedFactor !== b.machine.speedFactor) return a.machine.speedFactor > b.machine.speedFactor;
  return a.running < b.running;
}
