// `tsnix image`: what skopeo, umoci, podman and a real registry make of its images, and it of theirs.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestRegistry } from '../../support/registry.ts';
import { describeWith, othersReachUs } from '../../support/requirements.ts';
import { Workplace } from '../../support/cli.ts';

/** Text files alone: nothing is to be built. */
const texts = (top: string): string => `
  let base = builtins.toFile "base" "the same each time";
      middle = builtins.toFile "middle" "\${base}";
  in builtins.toFile "top" "\${middle} ${top}"`;

function skopeo(...args: string[]): string {
  return execFileSync('skopeo', ['--insecure-policy', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

interface Inspected {
  readonly Digest: string;
  readonly Layers: readonly string[];
  readonly Architecture: string;
}

describeWith(['skopeo', 'umoci', 'docker-registry'], 'tsnix image', () => {
  let work: Workplace;
  let registry: TestRegistry;
  const image = async (...args: string[]) => {
    const ran = await work.run(['image', ...args]);
    expect(ran.stderr).not.toContain('internal error');
    return ran;
  };
  const succeed = async (...args: string[]): Promise<string> => {
    const { status, stdout, stderr } = await image(...args);
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    return stdout.trim();
  };
  beforeAll(async () => {
    work = new Workplace();
    registry = await TestRegistry.start(join(work.dir, 'registry'));
  }, 60_000);
  afterAll(() => {
    registry.stop();
    work.close();
  });

  it('builds layered images that others read and unpack', async () => {
    const flags = ['--entrypoint', '/bin/x', '--cmd', '["a","b"]', '--env', 'A=1', '--workdir', '/w', '--user', '7'];
    const more = ['--label', 'k=v', '--expose', '80', '--volume', '/data', '--created', '2001-02-03T04:05:06Z'];
    const outputs = ['--output', 'oci:oci', '--output', 'docker-archive:d.tar', '--output', 'oci-archive:o.tar'];
    await succeed('build', '-E', texts('one'), '-t', 'some/thing:v1', ...flags, ...more, ...outputs);
    const at = (name: string): string => join(work.project, name);
    const config = JSON.parse(skopeo('inspect', '--config', `oci:${at('oci')}:v1`)) as Record<string, unknown>;
    expect(config).toMatchObject({
      created: '2001-02-03T04:05:06Z',
      os: 'linux',
      config: {
        Entrypoint: ['/bin/x'],
        Cmd: ['a', 'b'],
        Env: ['A=1'],
        WorkingDir: '/w',
        User: '7',
        Labels: { k: 'v' },
        ExposedPorts: { '80/tcp': {} },
        Volumes: { '/data': {} },
      },
    });
    for (const reference of [`docker-archive:${at('d.tar')}`, `oci-archive:${at('o.tar')}:v1`]) {
      expect(JSON.parse(skopeo('inspect', '--config', reference))).toEqual(config);
    }
    skopeo('copy', '-q', `oci:${at('oci')}:v1`, `docker-archive:${at('skopeo.tar')}:some/thing:v1`);
    expect(readFileSync(at('d.tar')).equals(readFileSync(at('skopeo.tar')))).toBe(true);
    const rootless = process.getuid?.() === 0 ? [] : ['--rootless'];
    execFileSync('umoci', ['unpack', ...rootless, '--image', `${at('oci')}:v1`, at('bundle')], { stdio: 'pipe' });
    const store = join(at('bundle'), 'rootfs/nix/store');
    const files = readdirSync(store).sort((x, y) => x.slice(32).localeCompare(y.slice(32)));
    expect(files.map((name) => name.slice(33))).toEqual(['base', 'middle', 'top']);
    expect(readFileSync(join(store, files[0]!), 'utf8')).toBe('the same each time');
    const listed = await succeed('ls', 'docker-archive:d.tar');
    expect(listed.split('\n')).toEqual(['/', '/nix', '/nix/store', ...files.map((n) => `/nix/store/${n}`).sort()]);
  });

  it('is the same each time, wherever it is put', async () => {
    const made = async (to: string): Promise<unknown> =>
      JSON.parse(await succeed('build', '-E', texts('same'), '--output', to, '--json'));
    const [first] = (await made('oci:same1')) as [{ digest: string }];
    const [second] = (await made('oci-archive:same.tar')) as [{ digest: string }];
    expect(second.digest).toBe(first.digest);
    const elsewhere = await work.run(
      ['image', 'build', '-E', texts('same'), '--output', `registry:${registry.host}/same`],
      {
        env: { NIX_REMOTE: join(work.dir, 'other-store'), XDG_CACHE_HOME: join(work.dir, 'other-cache') },
      },
    );
    expect(elsewhere.stdout).toBe(`docker://${registry.host}/same:latest@${first.digest}\n`);
    const forms = ['none', 'zstd'].map(async (form) =>
      succeed('build', '-E', texts('same'), '--output', `oci:${form}`, '--compression', form),
    );
    await Promise.all(forms);
    for (const form of ['none', 'zstd']) {
      const file = join(work.project, `${form}.tar`);
      await succeed('copy', `oci:${form}`, `docker-archive:${form}.tar`);
      expect(skopeo('inspect', '--config', `docker-archive:${file}`)).toContain('diff_ids');
    }
    const raw = skopeo('inspect', '--raw', `oci:${join(work.project, 'zstd')}`);
    expect(raw).toContain('application/vnd.oci.image.layer.v1.tar+zstd');
  });

  it('pushes only what the registry has not got', async () => {
    const name = `${registry.host}/team/app`;
    const digestFile = join(work.dir, 'digest');
    const first = await image('push', '-v', '-E', texts('1'), `${name}:1`, '--digest-file', digestFile);
    expect(first.status).toBe(0);
    expect(first.stderr.match(/^copied/gm)).toHaveLength(4);
    const inspected = JSON.parse(skopeo('inspect', '--tls-verify=false', `docker://${name}:1`)) as Inspected;
    expect(inspected.Digest).toBe(readFileSync(digestFile, 'utf8'));
    expect(inspected.Layers).toHaveLength(3);
    const second = await image('push', '-v', '-E', texts('2'), `${name}:2`);
    expect(second.stderr).toMatch(/^there already +base$/m);
    expect(second.stderr).toMatch(/^there already +middle$/m);
    expect(second.stderr).toMatch(/^copied +top/m);
    const elsewhere = await image('copy', '-v', `docker://${name}:2`, `docker://${registry.host}/other`);
    expect(elsewhere.stderr.match(/^mounted/gm)).toHaveLength(3);
    expect(skopeo('inspect', '--raw', '--tls-verify=false', `docker://${registry.host}/other`)).toBe(
      (await image('inspect', '--raw', `docker://${name}:2`)).stdout,
    );
  });

  it('pulls what skopeo pulls', async () => {
    const name = `docker://${registry.host}/library/pulled:v1`;
    await succeed('push', '-E', texts('pulled'), `${registry.host}/library/pulled:v1`);
    const there = join(work.project, 'theirs.tar');
    skopeo('copy', '-q', '--src-tls-verify=false', name, `docker-archive:${there}:${registry.host}/library/pulled:v1`);
    await succeed('pull', `${registry.host}/library/pulled:v1`);
    expect(readFileSync(join(work.project, 'pulled.tar')).equals(readFileSync(there))).toBe(true);
  });

  it('makes one index for several machines', async () => {
    const expression = `builtins.toFile "for" builtins.currentSystem`;
    const name = `${registry.host}/many:v1`;
    const platforms = ['--platform', 'linux/amd64', '--platform', 'linux/arm64'];
    await succeed('build', '-E', expression, '-t', name, ...platforms, '--output', 'registry:', '--output', 'oci:many');
    const index = JSON.parse(skopeo('inspect', '--raw', '--tls-verify=false', `docker://${name}`)) as {
      manifests: { platform: object }[];
    };
    expect(index.manifests.map(({ platform }) => platform)).toEqual([
      { architecture: 'amd64', os: 'linux' },
      { architecture: 'arm64', os: 'linux' },
    ]);
    const arm = ['--override-arch', 'arm64', 'inspect', '--tls-verify=false', `docker://${name}`];
    expect((JSON.parse(skopeo(...arm)) as Inspected).Architecture).toBe('arm64');
    await succeed('copy', '--all', 'oci:many:v1', `docker://${registry.host}/copied:v1`);
    expect(skopeo('inspect', '--raw', '--tls-verify=false', `docker://${registry.host}/copied:v1`)).toBe(
      (await image('inspect', '--raw', 'oci:many')).stdout,
    );
    expect(await succeed('inspect', '--platform', 'arm64', 'oci:many')).toContain('linux/arm64');
    const absent = await image('copy', '--platform', 's390x', 'oci:many', 'docker-archive:x.tar');
    expect(absent).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('only for: linux/amd64, linux/arm64') as string,
    });
    const whole = await image('copy', '--all', 'oci:many', 'docker-archive:x.tar');
    expect(whole.stderr).toContain('a docker-archive holds no index of several images');
    expect(readdirSync(work.project).filter((file) => file.startsWith('x.tar'))).toEqual([]);
  });

  it('builds upon images, within the number of layers that Docker takes', async () => {
    await succeed('build', '-E', texts('base'), '--output', 'oci:base', '--env', 'A=1', '--env', 'B=1', '--cmd', 'old');
    const top = [
      'build',
      '-E',
      `builtins.toFile "upon" "x"`,
      '--base',
      'oci:base',
      '--output',
      'docker-archive:upon.tar',
    ];
    await succeed(...top, '--env', 'B=2', '--env', 'C=3');
    const config = JSON.parse(await succeed('inspect', '--config', 'upon.tar')) as {
      config: object;
      history: object[];
      rootfs: { diff_ids: string[] };
    };
    expect(config.config).toEqual({ Cmd: ['old'], Env: ['A=1', 'B=2', 'C=3'] });
    expect(config.rootfs.diff_ids).toHaveLength(4);
    expect(config.history).toHaveLength(4);
    const many = `builtins.foldl' (below: n: builtins.toFile "file-\${toString n}" below) "" (builtins.genList (n: n) 200)`;
    await succeed('build', '-E', many, '--output', 'oci:many-layers', '--max-layers', '500');
    const full = JSON.parse(await succeed('inspect', '--json', 'oci:many-layers')) as { layers: object[] };
    expect(full.layers).toHaveLength(126);
    const over = await image('build', '-E', texts('over'), '--base', 'oci:many-layers', '--output', 'oci:over');
    expect(over).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('Docker takes no more than 127') as string,
    });
  });

  it.each([
    [['build', '-E', '1', '--output', 'oci:x'], 'does not evaluate to a derivation'],
    [['build', '-E', 'builtins.toFile "a" ""'], 'where to?'],
    [['build', '-E', 'builtins.toFile "a" ""', '--output', 'registry:'], "needs the name of '--tag NAME:TAG'"],
    [['build', '-E', 'builtins.toFile "a" ""', '-t', 'Bad Name', '--output', 'oci:x'], 'not a legal name'],
    [['build', '-E', 'builtins.toFile "a" ""', '-t', 'a:b/c:?', '--output', 'oci:x'], 'not a legal'],
    [['build', '-E', 'builtins.toFile "a" ""', '--expose', '99999', '--output', 'oci:x'], 'is not a port'],
    [['build', '-E', 'builtins.toFile "a" ""', '--created', 'soon', '--output', 'oci:x'], 'is not a time'],
    [['build', '-E', 'builtins.toFile "a" ""', '--platform', 'plan9', '--output', 'oci:x'], 'system'],
    [['copy', 'nowhere.tar', 'oci:x'], "'nowhere.tar' does not exist"],
    [['copy', 'oci:nowhere', 'oci:x'], "'nowhere' does not exist"],
    [['copy', 'docker-daemon:x', 'oci:x'], "not read from or written to 'docker-daemon:'"],
    [['push', '-E', 'builtins.toFile "a" ""', '127.0.0.1:1/x'], 'cannot reach'],
    [['inspect', 'docker://127.0.0.1:1/x'], "cannot reach 'http://127.0.0.1:1/v2/x/manifests/latest'"],
    [['frobnicate'], "'image frobnicate' is not a recognised command"],
    [['ls', '--frob', 'x'], "unrecognised flag '--frob'"],
  ])(
    '%j fails clearly',
    async (args, message) => {
      const { status, stderr, stdout } = await image(...args);
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
      expect(stderr).toContain(message);
      expect(readdirSync(work.project)).not.toContain('x');
    },
    30_000,
  );

  it('takes store paths, and links to them', async () => {
    const built = await work.run(['build', '-E', texts('linked'), '--out-link', 'result']);
    const path = built.stdout.trim();
    for (const word of [path, './result']) {
      expect(await succeed('ls', word)).toContain(path);
      await succeed('push', word, `${registry.host}/linked`);
    }
  });

  it('takes the scripts of streamLayeredImage', async () => {
    const args = ['-A', 'dockerTools.streamLayeredImage', '--argstr', 'name', 'streamed'];
    await succeed('build', ...args, '--output', 'docker-archive:streamed.tar');
    expect(skopeo('inspect', '--config', `docker-archive:${join(work.project, 'streamed.tar')}`)).toContain('diff_ids');
    const odd = await image('build', ...args, '--output', 'oci:odd', '--env', 'A=1');
    expect(odd.stderr).toContain("'--env' is for images made of store paths");
  }, 60_000);

  it('says what a registry lacks', async () => {
    const { status, stderr } = await image('pull', `${registry.host}/no/such:thing`);
    expect(status).toBe(1);
    expect(stderr).toContain('answered 404 Not Found');
    expect(stderr).toContain('manifest unknown');
  });
});

describeWith(['podman'], 'tsnix image load', () => {
  it('loads into podman', async () => {
    const work = new Workplace();
    try {
      const conf = join(work.dir, 'storage.conf');
      const roots = `runroot = "${work.dir}/podman/run"\ngraphroot = "${work.dir}/podman/root"`;
      writeFileSync(conf, `[storage]\ndriver = "vfs"\n${roots}\n`);
      mkdirSync(join(work.dir, 'home'), { recursive: true });
      const env = { CONTAINERS_STORAGE_CONF: conf };
      const args = ['image', 'load', '-E', texts('loaded'), '-t', 'loaded:v1', '--cmd', '/x', '--into', 'podman'];
      const { status, stderr } = await work.run(args, { env });
      expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
      const inspected = spawnSync('podman', ['image', 'inspect', 'loaded:v1'], {
        encoding: 'utf8',
        env: { ...work.environment(), ...env },
      });
      const [found] = JSON.parse(inspected.stdout) as [{ Config: object; RootFS: { Layers: string[] } }];
      expect(found.Config).toMatchObject({ Cmd: ['/x'] });
      expect(found.RootFS.Layers).toHaveLength(3);
    } finally {
      work.close();
    }
  }, 60_000);
});

describeWith(['crun', 'unshare'], 'tsnix image run', () => {
  it('runs an image of the embedded package set, with its settings, and gives its status', async () => {
    const work = new Workplace();
    try {
      const words = [
        '--env',
        'WHO=you',
        '--entrypoint',
        '/bin/bash',
        '-A',
        'images.bash',
        '--',
        '-c',
        'echo $WHO $0; exit 7',
        'x',
      ];
      const run = await work.run(['image', 'run', ...words]);
      expect({ ...run, stderr: '' }).toEqual({ status: 7, stdout: 'you x\n', stderr: '' });
      await work.run([
        'image',
        'build',
        '-A',
        'bash',
        '-A',
        'coreutils',
        '--cmd',
        '["/bin/cat","/data/f"]',
        '--output',
        'oci:i',
      ]);
      if (process.getuid?.() === 0 && othersReachUs()) {
        const through = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
        const rootless = await work.start(['image', 'run', 'oci:i', '/bin/id', '-u'], { through }).ended;
        expect(rootless).toEqual({ status: 0, stdout: '0\n', stderr: '' });
      }
      work.write('shown/f', 'from outside\n');
      // A -- behind the image says no more than one before it.
      const dashed = await work.run(['image', 'run', 'oci:i', '--', '/bin/echo', '--', 'x']);
      expect({ ...dashed, stderr: '' }).toEqual({ status: 0, stdout: '-- x\n', stderr: '' });
      const bound = await work.run(['image', 'run', '--volume', 'shown:/data:ro', '--network=none', 'oci:i']);
      expect({ ...bound, stderr: '' }).toEqual({ status: 0, stdout: 'from outside\n', stderr: '' });
    } finally {
      work.close();
    }
  }, 120_000);
});
