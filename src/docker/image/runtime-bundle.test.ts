import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { directory } from '../tree.ts';
import type { ImageConfig } from './documents.ts';
import { makeBundle } from './runtime-bundle.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsnix-bundle-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const CONFIG: ImageConfig = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] } };
const OPTIONS = {
  args: ['/bin/x'],
  entrypoint: undefined,
  env: [],
  workdir: undefined,
  binds: [],
  terminal: false,
  isolatedNetwork: true,
};

it('takes no user whose numbers are none', async () => {
  const passwd = 'bad:x:abc:1::/:\nshort:x\n';
  writeFileSync(join(dir, 'passwd'), passwd);
  const etc = directory(0o755);
  const path = Buffer.from(join(dir, 'passwd')).toString('latin1');
  etc.entries.set('passwd', { type: 'file', mode: 0o644, uid: 0, gid: 0, size: passwd.length, path });
  const tree = directory(0o755);
  tree.entries.set('etc', etc);
  for (const user of ['bad', 'short']) {
    await expect(makeBundle(dir, tree, CONFIG, { ...OPTIONS, user })).rejects.toThrow(`its user '${user}' has`);
  }
  await expect(makeBundle(dir, tree, CONFIG, { ...OPTIONS, user: 'nobody' })).rejects.toThrow("no user 'nobody'");
});
