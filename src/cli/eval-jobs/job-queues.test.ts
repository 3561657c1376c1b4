import { describe, expect, it } from 'vitest';
import { JobQueues } from './job-queues.ts';

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

function rest(queues: JobQueues<number, string>, worker: string): number[] {
  const taken: number[] = [];
  for (let job = queues.next(worker); job !== undefined; job = queues.next(worker)) taken.push(job);
  return taken;
}

describe('queues of jobs', () => {
  it('gives who has nothing the later half of the longest', () => {
    const queues = new JobQueues<number, string>(0);
    queues.share('a');
    expect(queues.next('a')).toBe(0);
    queues.share('b');
    expect(queues.count('b')).toBe(0);
    queues.add('a', numbers(1, 101));
    queues.share('b');
    queues.share('c');
    expect(queues.next('a')).toBe(1);
    queues.share('a');
    expect([rest(queues, 'a'), rest(queues, 'b'), rest(queues, 'c')].map((jobs) => [jobs[0], jobs.at(-1)])).toEqual([
      [2, 25],
      [51, 100],
      [26, 50],
    ]);
    expect(queues.isEmpty).toBe(true);
  });

  it('evaluates what was found in a set before what comes after that set', () => {
    const queues = new JobQueues<number, string>(0);
    queues.share('a');
    queues.next('a');
    queues.add('a', [1, 5]);
    queues.next('a');
    queues.add('a', [2, 3, 4]);
    expect(rest(queues, 'a')).toEqual([2, 3, 4, 5]);
  });

  it('hands on what a worker leaves, before it halves another queue', () => {
    const queues = new JobQueues<number, string>(0);
    queues.share('a');
    queues.add('a', [1, 2]);
    queues.leave('a');
    queues.leave('stranger');
    expect(queues.isEmpty).toBe(false);
    queues.add('b', numbers(3, 50));
    queues.share('c');
    expect(rest(queues, 'c')).toEqual([1, 2, 0]);
    queues.share('c');
    expect(queues.next('c')).toBe(26);
  });
});
