// Remote builders: ours building on machines of Nix 2.8 by both protocols and on a store of its own, and Nix 2.8 building
// on ours.
import { readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { derivations, program, Workplace, type Ended } from '../support/cli.ts';
import { describeWith } from '../support/requirements.ts';

const work = new Workplace({
  'default.nix': derivations(`
    foo = mk "foo" "echo working on foo; echo \${./file} > $out; echo dev > $dev" { outputs = [ "out" "dev" ]; requiredSystemFeatures = [ "foo" ]; };
    bar = mk "bar" "echo working on bar; read x < \${foo}; echo $x \${foo.dev} > $out" { requiredSystemFeatures = [ "bar" ]; };
    top = mk "top" "echo \${bar} $out > $out" {};
    fails = mk "fails" "echo before; exit 3" { requiredSystemFeatures = [ "foo" ]; };
    nowhere = mk "nowhere" "echo > $out" { requiredSystemFeatures = [ "nothing-has-it" ]; };
    elsewhere = mk "elsewhere" "echo > $out" { system = "other-os"; };
    floating = mk "floating" "echo \${foo} > $out" { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; };
  `),
  file: 'contents\n',
});
afterAll(() => {
  work.close();
});

const settings = ['sandbox = true', 'sandbox-paths = /bin /usr /lib /lib64', 'substituters =', 'build-users-group ='];
const place = (name: string): string => join(work.dir, name);
const environment = (store: string, more: readonly string[] = []): Record<string, string> => ({
  NIX_REMOTE: place(store),
  NIX_PATH: '',
  NIX_CONFIG: [...settings, ...more].join('\n'),
});
const start = (words: readonly string[], env: Record<string, string>): Promise<Ended> =>
  work.startProgram(words, { env }).ended;
const which = async (name: string): Promise<string> =>
  realpathSync(dirname((await start(['sh', '-c', `command -v ${name}`], {})).stdout.trim())) + `/${name}`;

const built = async (store: string): Promise<string[]> => {
  const { stdout } = await start([program, 'path-info', '--all'], environment(store));
  const names = stdout.split('\n').map((path) => /-(foo|bar|top|floating)$/.exec(path)?.[1]);
  return names.filter((name) => name !== undefined).sort();
};

describeWith(['nix', 'nix-store', 'nix-daemon', 'perl'], 'remote builders', () => {
  const machines: Record<string, string> = {};
  beforeAll(async () => {
    const uri = (scheme: string, remoteProgram: string, store: string): string =>
      `${scheme}://localhost?remote-program=${remoteProgram}&remote-store=${place(store)}?system-features=foo`;
    machines['ssh'] = uri('ssh', await which('nix-store'), 'ssh');
    machines['ssh-ng'] = uri('ssh-ng', await which('nix-daemon'), 'ssh-ng');
    machines['own'] = place('own');
    machines['ours'] = uri('ssh', join(dirname(program), '../libexec/nix-store'), 'ours');
  });

  describe.each(['ssh', 'ssh-ng', 'own', 'ours'])('by %s', (kind) => {
    const client = `for-${kind}`;
    const build = async (attribute: string, ...more: string[]): Promise<Ended> => {
      const builders = `${machines[kind]!} - - 2 1 foo ; ${place(`bar-${kind}`)} - - 1 1 bar bar`;
      const words = [program, 'nix-build', '-A', attribute, '--no-out-link', '--builders', builders, ...more];
      return await start(words, environment(client));
    };

    it('builds where the features are, and brings back what real Nix finds whole', async () => {
      const { status, stdout, stderr } = await build('top');
      expect(status, stderr).toBe(0);
      expect(stderr).toContain('working on foo');
      expect(stderr).toMatch(/building '.*-bar\.drv' on '.*\/bar-/);
      const top = stdout.trim();
      const bar = /^(\S+) /.exec(readFileSync(place(client) + top, 'utf8'))![1]!;
      expect(readFileSync(place(client) + bar, 'utf8')).toMatch(/-file \/nix\/store\/\S+-foo-dev\n$/);
      expect(await built(kind)).toEqual(['bar', 'foo', 'top']);
      expect(await built(`bar-${kind}`)).toEqual(['bar', 'foo']);
      const verified = await start(['nix-store', '--verify', '--check-contents'], environment(client));
      expect(verified.status, verified.stderr).toBe(0);
      const log = await start([program, 'log', bar], environment(client));
      expect(log.stdout).toBe('working on bar\n');
    });

    it('fails as a build here does', async () => {
      const { status, stderr } = await build('fails');
      expect([status, stderr]).toEqual([100, expect.stringContaining('failed with exit code 3')]);
      expect(stderr).toContain('before');
    });
  });

  it('builds here what no machine takes, if it may', async () => {
    const build = (attribute: string, ...more: string[]): Promise<Ended> => {
      const words = ['nix-build', '-A', attribute, '--no-out-link', '--builders', `${place('own')} other-os`, ...more];
      return start([program, ...words], environment('here'));
    };
    const nowhere = await build('nowhere');
    expect(nowhere.stderr).toContain('Reason: missing system features');
    expect((await build('bar', '--max-jobs', '0')).stderr).toContain('Reason: local builds are disabled');
    const elsewhere = await build('elsewhere');
    expect(elsewhere.stderr).toContain(`on '${place('own')}'`);
    expect(elsewhere.stderr).toContain('Reason: platform mismatch');
  });

  it('brings back content-addressed outputs', async () => {
    const more = ['experimental-features = ca-derivations nix-command'];
    const words = ['nix-build', '-A', 'floating', '--no-out-link', '--builders', `${place('own')} - - 2 1 foo`];
    const { status, stdout, stderr } = await start([program, ...words], environment('ca', more));
    expect(status, stderr).toBe(0);
    expect(readFileSync(place('ca') + stdout.trim(), 'utf8')).toMatch(/-foo\n$/);
    const info = await start([program, 'path-info', '--sigs', stdout.trim()], environment('ca', more));
    expect(info.stdout).toContain('ca:fixed:r:sha256:');
    const again = await start([program, ...words], environment('ca', more));
    expect(again).toMatchObject({ stdout, stderr: '' });
  });

  it('serves Nix 2.8', async () => {
    const builders = `${machines['ours']!.replace(place('ours'), place('served'))} x86_64-linux - 2 1 foo`;
    const words = ['nix-build', '-A', 'foo', '--no-out-link', '--max-jobs', '0', '--builders', builders];
    const { status, stdout, stderr } = await start(words, environment('theirs'));
    expect(status, stderr).toBe(0);
    expect(stderr).toContain('working on foo');
    expect(readFileSync(place('theirs') + stdout.trim(), 'utf8')).toMatch(/-file\n$/);
    expect(await built('served')).toEqual(['foo']);
    const failed = await start(
      ['nix-build', '-A', 'fails', '--no-out-link', '--max-jobs', '0', '--builders', builders],
      environment('theirs'),
    );
    expect(failed.status).not.toBe(0);
    expect(failed.stderr).toContain('failed with exit code 3');
  });
});
