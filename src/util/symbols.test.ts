import { describe, expect, it } from 'vitest';
import { forgetSymbols, intern, recordNames, symbolCount, symbolName } from './symbols.ts';

describe('intern', () => {
  it('numbers names in order, and a name that comes again is the same', () => {
    const count = symbolCount();
    const ids = ['new-a', 'new-a', 'new-b', 'new-a', ['new-', 'b'].join('')].map(intern);
    expect(ids).toEqual([count, count, count + 1, count, count + 1]);
    expect(ids.map(symbolName)).toEqual(['new-a', 'new-a', 'new-b', 'new-a', 'new-b']);
  });

  it('forgets names, the last one too', () => {
    const count = symbolCount();
    intern('forgotten');
    forgetSymbols(count);
    expect([intern('other'), intern('forgotten'), symbolCount()]).toEqual([count, count + 1, count + 2]);
  });

  it('says which names were asked for, though they came again', () => {
    const last = intern('asked-before');
    const { names } = recordNames(() => [intern('asked-before'), intern('asked-now'), intern('asked-now')]);
    expect(names).toEqual([last, intern('asked-now')]);
  });
});
