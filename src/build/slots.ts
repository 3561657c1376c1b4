// How many things go on at once.

interface Waiting {
  grant: () => void;
  /** It does not want its turn any more. */
  gone: boolean;
}

/** At most so many at a time; of those that wait the deepest first, else first come first served. */
export class Slots {
  private free: number;
  /** By depth. */
  private readonly queues: Waiting[][] = [];
  constructor(count: number) {
    this.free = count;
  }

  /** Starts `work` at once, which awaits its turn when it has prepared what it can; the turn ends with it. */
  async use<T>(depth: number, work: (turn: Promise<void>) => Promise<T>): Promise<T> {
    let granted = this.free > 0;
    const place: Waiting = { grant: () => undefined, gone: false };
    let turn = Promise.resolve();
    if (granted) this.free--;
    else {
      turn = new Promise((resolve) => {
        place.grant = () => {
          granted = true;
          resolve();
        };
      });
      (this.queues[depth] ??= []).push(place);
    }
    try {
      return await work(turn);
    } finally {
      place.gone = true;
      if (granted) this.next();
    }
  }

  private next(): void {
    while (this.queues.length > 0) {
      const place = this.queues.at(-1)?.shift();
      if (place === undefined) this.queues.pop();
      else if (!place.gone) {
        place.grant();
        return;
      }
    }
    this.free++;
  }
}
