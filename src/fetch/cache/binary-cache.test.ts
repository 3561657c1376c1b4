// Where a cache may say that its archives lie.
import { expect, it } from 'vitest';
import { parseNarInfo } from '../../store/narinfo.ts';
import { BinaryCache } from './binary-cache.ts';
import type { CacheTransport } from './transport.ts';

const path = '/nix/store/00000000000000000000000000000000-x';

/** What was asked for, of a cache at `uri` whose narinfo names `url`; or the error. */
async function asked(uri: string, url: string): Promise<string> {
  const names: string[] = [];
  const transport = {
    uri,
    remote: false,
    readFile: () => Promise.resolve(Buffer.from('StoreDir: /nix/store\n')),
    stream: (name: string) => {
      names.push(name);
      return [];
    },
  } as unknown as CacheTransport;
  const cache = await BinaryCache.open(transport, { storeDir: '/nix/store' });
  const text = `StorePath: ${path}\nURL: ${url}\nCompression: none\nNarHash: sha256:${'0'.repeat(52)}\nNarSize: 1\nReferences: \n`;
  try {
    for await (const chunk of cache.nar(parseNarInfo(text, 'test', '/nix/store'))) names.push(String(chunk.length));
  } catch (error) {
    return (error as Error).message;
  }
  return names.join();
}

it.each([
  ['file:///cache', 'nar/x', true],
  ['file:///cache', 'http://other/nar/x', false],
  ['file:///cache', 'https://other/nar/x', false],
  ['http://cache', 'http://other/nar/x', true],
  ['http://cache', 'https://other/nar/x', true],
  ['https://cache', 'https://other/nar/x', true],
  ['https://cache', 'http://other/nar/x', false],
])('%s may send to %s: %s', async (uri, url, may) => {
  expect(await asked(uri, url)).toBe(may ? url : `binary cache '${uri}' keeps '${path}' elsewhere, in '${url}'`);
});
