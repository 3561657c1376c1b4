// What is to be evaluated, in a queue for each worker. One that has nothing left gets the later half of the longest
// queue: neighbours, which share more than others do, are evaluated by the same worker.

/** Next last. */
type Queue<T> = T[];

export class JobQueues<T, Worker> {
  private readonly owned = new Map<Worker, Queue<T>>();
  /** Of workers that have ended, or of nobody yet. */
  private readonly left: Queue<T>[] = [];

  constructor(first: T) {
    this.left.push([first]);
  }

  get isEmpty(): boolean {
    return this.left.length === 0 && [...this.owned.values()].every((queue) => queue.length === 0);
  }

  /** These come before all that the worker has, in this order. */
  add(worker: Worker, jobs: readonly T[]): void {
    let queue = this.owned.get(worker);
    if (queue === undefined) this.owned.set(worker, (queue = []));
    for (let i = jobs.length - 1; i >= 0; i--) queue.push(jobs[i]!);
  }

  /** The worker has ended: what it leaves is for the next that has nothing. */
  leave(worker: Worker): void {
    const queue = this.owned.get(worker) ?? [];
    this.owned.delete(worker);
    if (queue.length > 0) this.left.push(queue);
  }

  /** Sees to it that the worker has something to do, if there is anything. */
  share(worker: Worker): void {
    if (this.count(worker) > 0) return;
    const queue = this.left.pop() ?? this.takeHalf();
    if (queue.length > 0) this.owned.set(worker, queue);
  }

  count(worker: Worker): number {
    return this.owned.get(worker)?.length ?? 0;
  }

  next(worker: Worker): T | undefined {
    return this.owned.get(worker)?.pop();
  }

  private takeHalf(): Queue<T> {
    let longest: Queue<T> = [];
    for (const queue of this.owned.values()) if (queue.length > longest.length) longest = queue;
    return longest.splice(0, Math.ceil(longest.length / 2));
  }
}
