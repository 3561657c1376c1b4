import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseMachines, takes } from './machines.ts';
import { RemoteBuilders } from './remote-builders.ts';

describe('machines', () => {
  it('are read from lines, semicolons and files', () => {
    const dir = mkdtempSync(join(tmpdir(), 'tsnix-machines-'));
    const file = join(dir, 'machines');
    writeFileSync(file, 'ssh-ng://b?compress=true - - 4 2.5 kvm # fast\n\n');
    try {
      const [a, b, c] = parseMachines(`me@a x86_64-linux,i686-linux /key 3 1 kvm,big only aGk=;@${file}\n/c`, 'sys');
      expect(a).toMatchObject({
        uri: 'ssh://me@a?ssh-key=%2Fkey&base64-ssh-public-host-key=aGk%3D&system-features=kvm%20big%20only',
        label: 'ssh://me@a',
        systems: ['x86_64-linux', 'i686-linux'],
        maxJobs: 3,
        mandatoryFeatures: ['only'],
      });
      expect(b).toMatchObject({ uri: 'ssh-ng://b?compress=true&system-features=kvm', maxJobs: 4, speedFactor: 2.5 });
      expect(c).toMatchObject({ uri: '/c', systems: ['sys'], maxJobs: 1, speedFactor: 1, supportedFeatures: [] });
      expect(takes(a!, 'i686-linux', ['only', 'big'])).toBe(true);
      expect(takes(a!, 'i686-linux', ['big'])).toBe(false);
      expect(takes(b!, 'sys', ['only'])).toBe(false);
      expect(takes(b!, 'i686-linux', [])).toBe(false);
    } finally {
      rmSync(dir, { recursive: true });
    }
    expect(parseMachines('@/does/not/exist', 'sys')).toEqual([]);
    expect(() => parseMachines('a - - many', 'sys')).toThrow('failed to convert the number of jobs');
  });

  it('are chosen by load and speed; what no other can build waits for one', async () => {
    const builders = new RemoteBuilders(parseMachines('/slow - - 2 1; /fast - - 2 4', 'sys'));
    const { signal } = new AbortController();
    const places = [];
    for (let i = 0; i < 4; i++) places.push((await builders.place('sys', [], false, signal))!);
    expect(places.map(({ machine }) => machine.uri)).toEqual(['/fast', '/slow', '/fast', '/slow']);
    expect(await builders.place('sys', [], true, signal)).toBeUndefined();
    expect(await builders.place('other', [], false, signal)).toBeUndefined();
    const waiting = builders.place('sys', [], false, signal);
    places[1]!.release();
    places[1]!.release();
    expect((await waiting)!.machine.uri).toBe(places[1]!.machine.uri);
    const abort = new AbortController();
    const given = builders.place('sys', [], false, abort.signal);
    abort.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
  });
});
