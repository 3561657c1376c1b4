// `tsnix image load` and `run` with the programs that keep images: podman, containerd and docker as Debian has them, each
// with a daemon and a place of its own where it needs one.
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, openSync, closeSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Workplace } from '../../support/cli.ts';
import { describeWith } from '../../support/requirements.ts';

const isRoot = process.getuid?.() === 0;

/** Daemons ask for the kernel's files and control groups: only root has them. */
const needs = (...programs: string[]): string[] => (isRoot ? programs : []);

let work: Workplace;
/** Digest of the image's configuration. */
let imageId: string;
const daemons: ChildProcess[] = [];

/** Starts a daemon that is ready when it opens its socket. */
async function startDaemon(words: readonly string[], socket: string): Promise<void> {
  const log = join(work.dir, `${words[0]!}.log`);
  const fd = openSync(log, 'w');
  // What it mounts goes with it.
  const child = spawn('unshare', ['-m', ...words], { stdio: ['ignore', fd, fd], env: { ...work.environment() } });
  closeSync(fd);
  daemons.push(child);
  for (let attempt = 0; attempt < 1200 && !existsSync(socket); attempt++) {
    if (child.exitCode !== null) break;
    await delay(50);
  }
  if (!existsSync(socket)) throw new Error(`${words[0]!} did not start: ${readFileSync(log, 'utf8').slice(-2000)}`);
}

const at = (name: string): string => join(work.dir, name);

beforeAll(async () => {
  work = new Workplace();
  mkdirSync(at('home'));
  work.write('data/file', 'from outside\n');
  const image = [
    'image',
    'build',
    '-A',
    'bash',
    '-A',
    'coreutils',
    '--env',
    'A=image',
    '--cmd',
    '["echo","the command"]',
  ];
  const built = await work.run([...image, '--env', 'PATH=/bin', '--output', 'docker-archive:image.tar']);
  expect(built.status, built.stderr).toBe(0);
  imageId = built.stdout.trim();
}, 120_000);

afterAll(async () => {
  for (const child of daemons.reverse()) {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    if (child.kill('SIGTERM')) await Promise.race([ended, delay(20_000)]);
    child.kill('SIGKILL');
  }
  work.close();
}, 120_000);

interface Ways {
  /** Runs what follows. */
  readonly through?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Runs the image in all ways; `images` says what the engine has. */
async function runs(engine: string, { env, through = [] }: Ways, images: () => string): Promise<void> {
  const run = (...words: string[]) =>
    work.run(['image', 'run', '--runtime', engine, ...words], { env, through: [...through] });
  const settings = ['--env', 'A=given', '--workdir', '/nix', '--volume', `${work.project}/data:/data:ro`, 'image.tar'];
  const script = 'echo $A $PWD; cat /data/file; echo x 2>/dev/null >/data/new || exit 7';
  const words = await run(...settings, 'bash', '-c', script);
  expect({ ...words, stderr: '' }).toEqual({ status: 7, stdout: 'given /nix\nfrom outside\n', stderr: '' });
  const own = await run('image.tar');
  expect({ ...own, stderr: '' }).toEqual({ status: 0, stdout: 'the command\n', stderr: '' });
  // Nothing of it is left.
  expect(images()).not.toContain('tsnix-run');
}

async function load(engine: string, env: Readonly<Record<string, string>>): Promise<void> {
  const loaded = await work.run(['image', 'load', '--into', engine, '-t', 'loaded:v1', 'image.tar'], { env });
  expect({ ...loaded, stdout: '', stderr: loaded.status === 0 ? '' : loaded.stderr }).toEqual({
    status: 0,
    stdout: '',
    stderr: '',
  });
}

describeWith(needs('podman', 'unshare', 'mount'), 'podman', () => {
  it.skipIf(!isRoot)(
    'runs images',
    async () => {
      const roots = `runroot = "${at('podman/run')}"\ngraphroot = "${at('podman/root')}"`;
      writeFileSync(at('storage.conf'), `[storage]\ndriver = "vfs"\n${roots}\n`);
      // It asks for limits and control groups that not every machine gives.
      writeFileSync(
        at('containers.conf'),
        '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\ncgroups = "disabled"\n[engine]\ncgroup_manager = "cgroupfs"\n',
      );
      const env = { CONTAINERS_STORAGE_CONF: at('storage.conf'), CONTAINERS_CONF: at('containers.conf') };
      const script =
        'umount -R /sys/fs/cgroup 2>/dev/null; mount -t cgroup2 none /sys/fs/cgroup; mount -t proc proc /proc; exec "$@"';
      await runs('podman', { env, through: ['unshare', '-m', 'sh', '-c', script, 'sh'] }, () =>
        execFileSync('podman', ['images'], { env: { ...work.environment(), ...env } }).toString(),
      );
    },
    120_000,
  );
});

describeWith(needs('containerd', 'ctr', 'runc', 'unshare'), 'containerd', () => {
  it.skipIf(!isRoot)(
    'loads and runs images',
    async () => {
      const socket = at('containerd.sock');
      const plugins = ['grpc.v1.cri', 'snapshotter.v1.btrfs', 'snapshotter.v1.zfs', 'snapshotter.v1.devmapper'];
      const disabled = JSON.stringify(plugins.map((name) => `io.containerd.${name}`));
      writeFileSync(
        at('containerd.toml'),
        `version = 2\nroot = "${at('containerd')}"\nstate = "${at('containerd-state')}"\ndisabled_plugins = ${disabled}\n[grpc]\naddress = "${socket}"\n`,
      );
      await startDaemon(['containerd', '--config', at('containerd.toml')], socket);
      const env = { CONTAINERD_ADDRESS: socket, CONTAINERD_SNAPSHOTTER: 'native' };
      const ctr = (...words: string[]): string =>
        execFileSync('ctr', words, { env: { ...work.environment(), ...env } }).toString();
      await load('containerd', env);
      expect(ctr('images', 'list', '-q')).toBe('docker.io/library/loaded:v1\n');
      expect(ctr('run', '--rm', 'docker.io/library/loaded:v1', 'id', 'bash', '-c', 'echo $A')).toBe('image\n');
      await runs('containerd', { env }, () => ctr('images', 'list', '-q'));
      expect(ctr('containers', 'list', '-q')).toBe('');
      const refused = await work.run(
        ['image', 'run', '--runtime', 'containerd', '--entrypoint', '/bin/bash', 'image.tar'],
        { env },
      );
      expect(refused).toMatchObject({
        status: 1,
        stderr: expect.stringContaining("ctr has no '--entrypoint'") as string,
      });
    },
    120_000,
  );
});

describeWith(needs('dockerd', 'docker', 'containerd', 'runc', 'unshare'), 'docker', () => {
  it.skipIf(!isRoot)(
    'loads and runs images',
    async () => {
      const socket = at('docker.sock');
      // No network of its own: it needs rules of a firewall for that.
      const flags = ['--iptables=false', '--ip6tables=false', '--bridge=none', '--storage-driver=vfs'];
      const places = ['--data-root', at('docker'), '--exec-root', at('docker-state'), '--pidfile', at('docker.pid')];
      await startDaemon(['dockerd', ...flags, ...places, '-H', `unix://${socket}`], socket);
      const env = { DOCKER_HOST: `unix://${socket}` };
      const docker = (...words: string[]): string =>
        execFileSync('docker', words, { env: { ...work.environment(), ...env } }).toString();
      await load('docker', env);
      expect(docker('image', 'inspect', '--format', '{{.Id}}', 'loaded:v1').trim()).toBe(imageId);
      await runs('docker', { env }, () => docker('images'));
      const entry = await work.run(
        ['image', 'run', '--runtime', 'docker', '--entrypoint', '/bin/bash', 'image.tar', '-c', 'echo $0 $A', 'x'],
        { env },
      );
      expect({ ...entry, stderr: '' }).toEqual({ status: 0, stdout: 'x image\n', stderr: '' });
    },
    120_000,
  );
});
