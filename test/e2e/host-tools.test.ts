// Programs of the host in a store path each: they run with nothing else around them.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseElf } from '../../src/build/host/elf.ts';
import { describeWith, findProgram } from '../support/requirements.ts';
import { TestInstallation } from '../support/tsnix.ts';

/** A tool, the Debian program that it needs, and a command with what it prints. */
const tools: readonly (readonly [attribute: string, host: string, command: string, output: RegExp])[] = [
  ['bash', 'bash', 'bash -c "echo $((40 + 2))"', /^42\n$/],
  ['bash', 'bash', 'sh -c "echo sh"', /^sh\n$/],
  ['dash', 'dash', 'dash -c "echo dash"', /^dash\n$/],
  ['coreutils', 'ls', 'ls -d /', /^\/\n$/],
  ['coreutils', 'ls', 'sha256sum /dev/null', /^e3b0c442/],
  ['gnutar', 'tar', 'tar --version', /GNU tar/],
  ['gzip', 'gzip', 'gzip --version', /gzip/],
  ['findutils', 'find', 'find / -maxdepth 0', /^\/\n$/],
  ['gnused', 'sed', 'sed --version', /GNU sed/],
  ['gnugrep', 'grep', 'grep --version', /GNU grep/],
  ['gawk', 'awk', 'awk "BEGIN { print 6 * 7 }"', /^42\n$/],
  ['perl', 'perl', 'perl -MPOSIX -MList::Util=sum -e "print sum(40, 2)"', /^42$/],
  ['jq', 'jq', 'jq -n "1 + 1"', /^2\n$/],
  ['rsync', 'rsync', 'rsync --version', /rsync +version/],
  ['pigz', 'pigz', 'pigz --version', /pigz/],
  ['git', 'git', 'git --exec-path', /^\/nix\/store\/[^/]+\/libexec\/git-core\n$/],
  ['go', 'go', 'go version', /^go version go1/],
  ['skopeo', 'skopeo', 'skopeo --version', /skopeo version/],
  ['nix', 'nix-store', 'nix-store --version', /nix-store \(Nix\)/],
  ['shadow', 'useradd', 'useradd --help', /Usage: useradd/],
  ['utillinux', 'unshare', 'unshare --version', /util-linux/],
  ['xz', 'xz', 'xz --version', /XZ Utils/],
];

describeWith(['mount'], 'host tools', () => {
  const installation = new TestInstallation();
  const present = tools.filter(([, host]) => findProgram(host) !== undefined);
  const paths = new Map<string, string>();
  let root: string;

  beforeAll(() => {
    if (process.env['CI'] && present.length < tools.length) throw new Error('.ci/run must install the tools');
    const attributes = [...new Set(present.map(([attribute]) => attribute))];
    const built = installation.build(attributes.flatMap((attribute) => ['-A', attribute]));
    attributes.forEach((attribute, i) => paths.set(attribute, built[i]!));
    root = join(installation.dir, 'root');
    // The root of the world below: no file but the store's and the kernel's.
    for (const dir of ['dev', 'proc', 'tmp']) mkdirSync(join(root, dir), { recursive: true });
  }, 600_000);
  afterAll(() => {
    installation.close();
  }, 60_000);

  it.each(present)('%s: %s: %s', (attribute, _host, command, output) => {
    const logical = paths.get(attribute)!.slice(root.length);
    const script = `mount --rbind /dev "$1/dev" && mount -t proc proc "$1/proc" && exec chroot "$1" ${logical}/bin/${command}`;
    const run = spawnSync('unshare', ['-rmpf', 'sh', '-c', script, 'sh', root], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], HOME: '/tmp', USER: 'root' },
    });
    expect(`${run.stdout}${run.status === 0 ? '' : run.stderr}`).toMatch(output);
  });

  it('name no file outside the store, loader and libraries included', () => {
    let checked = 0;
    const visit = (path: string): void => {
      for (const entry of readdirSync(path, { withFileTypes: true })) {
        const file = join(path, entry.name);
        // libc.so.6 can be run too, and then names the usual loader; nobody does.
        if (entry.isDirectory() && !/^[a-z0-9]{32}-glibc$/.test(entry.name)) visit(file);
        // Go's sources hold objects for other machines.
        if (!entry.isFile() || entry.name.endsWith('.syso')) continue;
        const bytes = readFileSync(file);
        if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46) continue;
        checked++;
        const elf = parseElf(bytes);
        const names = [elf.interpreter, ...(elf.rpath ?? '').split(':')].filter((name) => name !== null && name !== '');
        for (const name of names) expect(name, file).toMatch(/^\/nix\/store\//);
        expect(elf.runpath).toBeNull();
      }
    };
    visit(join(root, 'nix/store'));
    expect(checked).toBeGreaterThan(100);
  });

  it('share libraries: one C library for all of them', () => {
    const names = readdirSync(join(root, 'nix/store')).map((name) => name.slice(33));
    expect(names.filter((name) => name === 'glibc')).toHaveLength(1);
    expect(names.filter((name) => name === 'libtinfo.so.6')).toHaveLength(1);
  });

  it('have no setuid bit, whatever the host has', () => {
    if (!paths.has('utillinux')) return;
    expect(statSync(join(paths.get('utillinux')!, 'bin/mount')).mode & 0o7777).toBe(0o555);
  });

  it('leave a missing program to who uses it, and name its package', () => {
    const missing = installation.run(['build', '-A', 'busybox', '--no-out-link']);
    if (findProgram('busybox') === undefined) {
      expect(missing.stderr).toContain("tsnix: the host has no 'busybox'; install the Debian package busybox-static");
      expect(missing.status).toBe(1);
    }
  });

  it('are evaluated from what is known about the host, the second time', () => {
    const first = installation.run(['instantiate', '-A', 'coreutils']);
    expect(first.status).toBe(0);
    const cache = readdirSync(join(installation.dir, '.cache/tsnix/host-tools'));
    expect(cache.length).toBeGreaterThan(0);
    const second = installation.run(['instantiate', '-A', 'coreutils']);
    expect(second.stdout).toBe(first.stdout);
  });
});
