// Files of binary caches with flipped bits and worse, a few of them (test/support/damage-caches.ts does many).
import { expect, it } from 'vitest';
import { damageCaches } from '../support/damage-caches.ts';
import { describeWith } from '../support/requirements.ts';
import { seed } from '../support/seed.ts';

describeWith(['perl', 'nix-store'], 'damaged binary caches', () => {
  it('give what was in them or an error, and leave nothing wrong', async () => {
    const { problems } = await damageCaches(12, seed);
    expect(problems, `seed ${seed}`).toEqual([]);
  });
});
