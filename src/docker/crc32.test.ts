import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { combineCrc32 } from './crc32.ts';

it('is the CRC of both run together', () => {
  const bytes = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(bytes, bytes, (first, second) => {
      const both = crc32(Buffer.concat([first, second]));
      expect(combineCrc32(crc32(first), crc32(second), second.length)).toBe(both);
    }),
  );
});

it('knows lengths beyond 32 bits', () => {
  // Zeros one after the other, doubled: 1, 2, 4 … bytes, up to 8 GiB.
  let crc = crc32(Buffer.alloc(1));
  for (let size = 1; size < 2 ** 33; size *= 2) {
    crc = combineCrc32(crc, crc, size);
    if (size < 2 ** 20) expect(crc).toBe(crc32(Buffer.alloc(size * 2)));
  }
  // All at once is the same as in two halves.
  const head = crc32(Buffer.from('head'));
  const zeros = (size: number): number => {
    let made = crc32(Buffer.alloc(1));
    for (let at = 1; at < size; at *= 2) made = combineCrc32(made, made, at);
    return made;
  };
  const halves = combineCrc32(combineCrc32(head, zeros(2 ** 32), 2 ** 32), zeros(2 ** 32), 2 ** 32);
  expect(combineCrc32(head, zeros(2 ** 33), 2 ** 33)).toBe(halves);
});
