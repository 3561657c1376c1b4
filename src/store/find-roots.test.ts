// Roots of running programs, which name store paths by where they see them: in a mount namespace that may be another store.
import { spawn, type ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { describeWith } from '../../test/support/requirements.ts';
import { deletePath } from './delete-path.ts';
import { findRoots } from './find-roots.ts';
import type { StorePath } from './store.ts';

const dir = mkdtempSync(join(tmpdir(), 'tsnix-roots-'));
const started: ChildProcess[] = [];
afterAll(() => {
  for (const child of started) child.kill();
  deletePath(dir);
});

const storeDir = join(dir, 'logical');
const store = {
  storeDir,
  realStoreDir: join(dir, 'real'),
  stateDir: join(dir, 'state'),
  isValidPath: (path: StorePath) => path === tool,
};
const tool = join(storeDir, '00000000000000000000000000000000-tool') as StorePath;

/** A program that names `tool` in its environment, in a mount namespace that shows `shown`, if any, as the store. */
async function start(shown: string | undefined): Promise<string> {
  const show = shown === undefined ? '' : `mount --bind '${shown}' '${storeDir}'; cd '${tool}'; `;
  const child = spawn(
    'unshare',
    ['--user', '--map-root-user', '--mount', 'sh', '-c', `${show}echo ready; exec sleep 1000`],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env['PATH'], TOOL: tool } },
  );
  started.push(child);
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return String(child.pid);
}

describeWith(['unshare', 'mount'], 'roots of running programs', () => {
  it('are those that mean this store, and not another with the same path', async () => {
    for (const place of ['real', 'logical', 'state', 'other']) mkdirSync(join(dir, place));
    mkdirSync(join(store.realStoreDir, '00000000000000000000000000000000-tool'));
    writeFileSync(join(store.realStoreDir, '00000000000000000000000000000000-tool/file'), 'tool');
    cpSync(store.realStoreDir, join(dir, 'other'), { recursive: true });
    const ours = await start(store.realStoreDir);
    const theirs = await start(join(dir, 'other'));
    // It shows nothing there, and names the path: it may mean ours.
    const outside = await start(undefined);
    const found = [...(findRoots(store).get(tool) ?? [])].map((link) => link.split('/')[2]);
    expect(found).toContain(ours);
    expect(found).toContain(outside);
    expect(found).not.toContain(theirs);
  });
});
