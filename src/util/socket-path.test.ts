import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { shortSocketPath } from './socket-path.ts';

it.each([
  ['short', 1],
  ['longer than the kernel takes', 12],
])('both ends of a socket whose path is %s', async (_, depth) => {
  const dir = mkdtempSync(join(tmpdir(), 'tsnix-socket-'));
  try {
    const folder = join(dir, ...Array<string>(depth).fill('deep-folder'));
    mkdirSync(folder, { recursive: true });
    const path = join(folder, 'socket');
    const server = createServer((client) => client.end('hello'));
    await new Promise<void>((resolve, reject) => server.on('error', reject).listen(shortSocketPath(path), resolve));
    let heard = '';
    for await (const chunk of connect(shortSocketPath(path)).setEncoding('utf8')) heard += String(chunk);
    server.close();
    expect(heard).toBe('hello');
  } finally {
    rmSync(dir, { recursive: true });
  }
});
