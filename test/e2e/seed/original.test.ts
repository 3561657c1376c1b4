// The original dockerTools, unchanged, from its text to containers that run: every attribute builds, and what it makes
// is used.
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { containerTools, decompressed, runImage, unpackImage, type UnpackedImage } from '../../support/container.ts';
import { describeWith, seedDir } from '../../support/requirements.ts';
import { TestRegistry } from '../../support/registry.ts';
import { TestInstallation } from '../../support/tsnix.ts';

const needs = ['seed', 'jq', 'jshon', 'rsync', 'pigz', 'go', 'sponge', 'useradd', 'nix-store', 'python3', 'perl'];

const attributes = [
  ...['empty', 'single', 'several', 'now', 'below', 'equal', 'above', 'beyond', 'far'].map((name) => `layered.${name}`),
  ...[
    'none',
    'one',
    'many',
    'now',
    'dirlinks',
    'plain',
    'onBase',
    'onNamed',
    'onLayered',
    'onLayeredNamed',
    'asRoot',
  ].map((name) => `image.${name}`),
  'database',
  'small',
  ...[
    'tarsum',
    'merged',
    'onlyDeps',
    'pure',
    'many',
    'customisation',
    'script',
    'overlay',
    'root',
    'seen',
    'seenHere',
    'exportedHere',
  ].map((name) => `parts.${name}`),
  ...['bash', 'service', 'withUser', 'withExtra', 'layersOrder', 'withNixDb'].map((name) => `examples.${name}`),
];

describeWith([...needs, ...containerTools, 'docker-registry'], 'the original dockerTools', () => {
  const installation = new TestInstallation();
  const built = new Map<string, string>();
  const unpacked = new Map<string, UnpackedImage>();
  const file = [join(import.meta.dirname, 'cases.nix'), '--arg', 'seed', seedDir];

  beforeAll(() => {
    const paths = installation.build([...file, ...attributes.flatMap((attribute) => ['-A', attribute])]);
    attributes.forEach((attribute, i) => built.set(attribute, paths[i]!));
  }, 900_000);
  afterAll(() => {
    installation.close();
  }, 120_000);

  /** The image of an attribute, unpacked by umoci. */
  const image = (attribute: string): UnpackedImage => {
    let found = unpacked.get(attribute);
    if (found === undefined) {
      found = unpackImage(built.get(attribute)!, join(installation.dir, 'unpacked', attribute));
      unpacked.set(attribute, found);
    }
    return found;
  };
  const archive = (attribute: string): string => decompressed(built.get(attribute)!, installation.dir);
  const tar = (...args: string[]): string => execFileSync('tar', args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  const layersOf = (attribute: string): string[] =>
    (JSON.parse(tar('-xOf', archive(attribute), 'manifest.json')) as [{ Layers: string[] }])[0].Layers;
  const listLayer = (path: string): string => tar('--numeric-owner', '-tvf', path);
  /** What the uppermost layer of an image holds. */
  const listTop = (attribute: string): string => {
    const input = execFileSync('tar', ['-xOf', archive(attribute), layersOf(attribute).at(-1)!]);
    return execFileSync('tar', ['--numeric-owner', '-tvf', '-'], { input, encoding: 'utf8' });
  };

  it('buildLayeredImage makes one layer for each path as long as there is room', () => {
    const all = ['below', 'equal', 'above', 'beyond', 'far'];
    expect(all.map((name) => layersOf(`layered.${name}`).length)).toEqual([9, 10, 10, 10, 10]);
    for (const name of all) {
      const texts = readdirSync(join(image(`layered.${name}`).rootfs, 'texts')).length;
      expect(texts).toBe({ below: 5, equal: 6, above: 7, beyond: 8, far: 17 }[name]);
    }
  });

  it('buildLayeredImage: names, tags and config', () => {
    const tags = (attribute: string): string[] =>
      (JSON.parse(tar('-xOf', archive(attribute), 'manifest.json')) as [{ RepoTags: string[] }])[0].RepoTags;
    expect(tags('layered.single')).toEqual(['registry.example:5000/team/single:V1']);
    // No tag: the hash of the output.
    expect(tags('layered.empty')).toEqual([`empty:${built.get('layered.empty')!.split('/').at(-1)!.slice(0, 32)}`]);
    expect(image('layered.single').config.config).toEqual({ Cmd: ['/bin/hello'], Env: ['A=1'] });
    expect(image('layered.single').config.created).toBe('1970-01-01T00:00:01Z');
    expect(Date.now() - Date.parse(image('layered.now').config.created)).toBeLessThan(24 * 3600 * 1000);
  });

  it('buildLayeredImage: commands and owners, in a container', () => {
    expect(listTop('layered.several')).toMatch(/1234\/5678 .* etc\/extra/);
    expect(runImage(image('layered.several')).output).toBe('Hello, world!\nextra\n');
  });

  it('buildImage: none, one and many contents', () => {
    expect(layersOf('image.none')).toHaveLength(1);
    expect(
      readdirSync(image('image.none').rootfs).filter((name) => !['dev', 'etc', 'proc', 'sys'].includes(name)),
    ).toEqual([]);
    expect(runImage(image('image.one')).output).toBe('Hello, world!\n');
    expect(runImage(image('image.many')).output).toBe('contents\n');
    expect(Date.now() - Date.parse(image('image.now').config.created)).toBeLessThan(24 * 3600 * 1000);
    // Links to directories become directories, unless they are to be kept.
    expect(lstatSync(join(image('image.dirlinks').rootfs, 'dir')).isSymbolicLink()).toBe(true);
    expect(lstatSync(join(image('image.plain').rootfs, 'dir')).isDirectory()).toBe(true);
    expect(listTop('image.plain')).toMatch(/ 7\/8 .* \.\/dir\/file$/m);
  });

  it('buildImage over other images', () => {
    expect(runImage(image('image.onBase')).output).toBe('Hello, world!\nupper\nbase\n');
    expect(layersOf('image.onBase')).toHaveLength(2);
    // Name and tag choose the same image as their absence: its layers lie below.
    expect(layersOf('image.onNamed')).toEqual([layersOf('image.onBase')[0], expect.any(String)]);
    expect(layersOf('image.onLayeredNamed').slice(0, -1)).toEqual(layersOf('image.onLayered').slice(0, -1));
    expect(layersOf('image.onLayeredNamed').length).toBeGreaterThan(2);
    expect(runImage(image('image.onLayered')).output).toBe('Hello, world!\n');
  });

  it('runAsRoot: files made, changed, owned and deleted', () => {
    const { output } = runImage(image('image.asRoot'));
    expect(output).toMatch(/^drwxr-sr-x +2 1000 1001 .* owned$/m);
    expect(output).toMatch(/ made$/m);
    expect(output).toMatch(/ pid$/m);
    expect(output).not.toMatch(/ (removed|gone)$/m);
    expect(output).toMatch(/^mine$/m);
  });

  it('buildImageWithNixDb: real Nix reads the database', () => {
    const { rootfs } = image('database');
    const roots = readdirSync(join(rootfs, 'nix/var/nix/gcroots/docker'));
    expect(roots.map((name) => name.slice(33)).sort()).toEqual(['bash', 'hello-1.0']);
    const env = { PATH: process.env['PATH'], HOME: installation.dir, USER: 'root', NIX_REMOTE: `local?root=${rootfs}` };
    const query = execFileSync('nix-store', ['--query', '--requisites', `/nix/store/${roots[0]!}`], {
      encoding: 'utf8',
      env,
    });
    for (const path of query.trim().split('\n')) expect(existsSync(join(rootfs, path))).toBe(true);
    execFileSync('nix-store', ['--verify', '--check-contents'], { env, stdio: 'pipe' });
  });

  it('tarsum prints Docker’s checksum', () => {
    const sum = execFileSync(join(built.get('parts.tarsum')!, 'bin/tarsum'), {
      input: Buffer.alloc(1024),
      encoding: 'utf8',
    });
    expect(sum).toBe('tarsum.v1+sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n');
  });

  it('mergeDrvs merges directories, or only lists them', () => {
    expect(readFileSync(join(built.get('parts.merged')!, 'extra/file'), 'utf8')).toBe('extra\n');
    expect(existsSync(join(built.get('parts.merged')!, 'bin/hello'))).toBe(true);
    expect(readFileSync(built.get('parts.onlyDeps')!, 'utf8')).toMatch(
      /^\/nix\/store\/\S+-hello-1\.0 \/nix\/store\/\S+-bash\n$/,
    );
  });

  it('layers by themselves', () => {
    expect(listLayer(join(built.get('parts.pure')!, 'layer.tar'))).toMatch(/ 3\/4 .* \.\/bin\/hello/);
    const pure = JSON.parse(readFileSync(join(built.get('parts.pure')!, 'json'), 'utf8')) as { checksum: string };
    expect(pure.checksum).toMatch(/^tarsum\.v1\+sha256:[0-9a-f]{64}$/);
    expect(readdirSync(built.get('parts.many')!).sort()).toEqual(['1', '2', '3']);
    expect(readFileSync(join(built.get('parts.many')!, '1/VERSION'), 'utf8')).toBe('1.0');
    expect(listLayer(join(built.get('parts.customisation')!, 'layer.tar'))).toMatch(/ 5\/6 .* added/);
    expect(execFileSync('sed', ['-n', '1p', built.get('parts.script')!], { encoding: 'utf8' })).toMatch(
      /^#!\/nix\/store\//,
    );
  });

  it('runWithOverlay: the base below, changes above, a disk of the size asked for', () => {
    const out = built.get('parts.overlay')!;
    expect(readFileSync(join(out, 'json'), 'utf8')).toBe('base\nbefore\n');
    expect(readFileSync(join(out, 'VERSION'), 'utf8')).toMatch(/\s64\s/);
    const layer = listLayer(join(out, 'layer.tar'));
    expect(layer).toMatch(/ \.\/before$/m);
    expect(layer).toMatch(/ \.\/srv\/\.wh\.removed$/m);
  });

  it('mkRootLayer keeps owners', () => {
    const layer = listLayer(join(built.get('parts.root')!, 'layer.tar'));
    expect(layer).toMatch(/ 12\/34 .* \.\/var\/x$/m);
    expect(layer).toMatch(/ 0\/0 .* \.\/after$/m);
  });

  it('exportImage fails, as the original must: it takes a tar file for a directory', () => {
    const { status, stderr } = installation.run(['build', '--no-out-link', ...file, '-A', 'parts.exported']);
    expect(status).toBe(100);
    expect(stderr).toMatch(/cd: \/nix\/store\/\S+: Not a directory/);
  });

  it('the original stacks base layers the wrong way round; lib/docker does not, and exports', () => {
    expect(readFileSync(join(built.get('parts.seen')!, 'json'), 'utf8')).toBe('base\ngone\nkept\nremoved\n');
    expect(readFileSync(join(built.get('parts.seenHere')!, 'json'), 'utf8')).toBe('upper\nkept\nremoved\n');
    const exported = built.get('parts.exportedHere')!;
    expect(tar('-xOf', exported, './srv/kept/file')).toBe('upper\n');
    expect(tar('-tf', exported)).not.toContain('./srv/gone');
    expect(tar('-tf', exported)).toContain('./bin/bash');
  });

  it('pullImage: by digest from a registry; a wrong hash fails with both and leaves nothing', async () => {
    const registry = await TestRegistry.start(join(installation.dir, 'registry'));
    try {
      const name = `docker://${registry.host}/team/small:latest`;
      const skopeo = (...args: string[]): string =>
        execFileSync('skopeo', ['--insecure-policy', ...args], { encoding: 'utf8' });
      skopeo('copy', '-q', '--dest-tls-verify=false', `docker-archive:${archive('small')}`, name);
      const { Digest } = JSON.parse(skopeo('inspect', '--tls-verify=false', name)) as { Digest: string };
      const pull = [...file, '-A', 'pulled', '--argstr', 'registry', registry.host, '--argstr', 'digest', Digest];

      const wrong = installation.run(['build', '--no-out-link', ...pull]);
      expect(wrong.status).toBe(102);
      expect(wrong.stderr).toMatch(/specified: sha256-A{43}=\n +got: +sha256-/);
      const got = /got: +(sha256-\S+)/.exec(wrong.stderr)![1]!;
      const [path] = installation.build([...pull, '--argstr', 'sha256', got]);
      const image = unpackImage(path!, join(installation.dir, 'unpacked/pulled'));
      expect(readFileSync(join(image.rootfs, 'etc/motd'), 'utf8')).toBe('pulled\n');
      const left = readdirSync(join(installation.dir, 'root/nix/store')).filter((entry) =>
        /docker-image-team-small-pinned\.tar($|\.chroot)/.test(entry),
      );
      expect(left).toEqual([path!.split('/').at(-1)]);
    } finally {
      registry.stop();
    }
  });

  it('examples: bash', () => {
    expect(runImage(image('examples.bash'), ['/bin/bash', '-c', 'echo "from bash $((6 * 7))"']).output).toBe(
      'from bash 42\n',
    );
  });

  it('examples: service', () => {
    expect(runImage(image('examples.service')).output).toBe('ready\n');
  });

  it('examples: withUser: the user that runAsRoot made owns files', () => {
    const run = runImage(image('examples.withUser'), [
      '/bin/bash',
      '-c',
      'id -un; echo x > /data/x && stat -c %U /data /data/x',
    ]);
    expect(run.output).toBe('app\napp\napp\n');
  });

  it('examples: withExtra', () => {
    const { rootfs } = image('examples.withExtra');
    expect(readFileSync(join(rootfs, 'etc/motd'), 'utf8')).toBe('made-by-extraCommands\n');
  });

  it('examples: layersOrder', () => {
    const run = runImage(image('examples.layersOrder'), ['/bin/bash', '-c', 'cat /tmp/layer1 /tmp/layer2 /tmp/layer3']);
    expect(run.output).toBe('layer1\nlayer2\nlayer3\n');
  });

  it('examples: withNixDb', () => {
    expect(existsSync(join(image('examples.withNixDb').rootfs, 'nix/var/nix/db/db.sqlite'))).toBe(true);
  });

  it('by the command line of the README, in the folder of the file', () => {
    const run = installation.run(['build', '-A', 'buildLayeredImage', '--argstr', 'name', 'hello', '--no-out-link'], {
      cwd: seedDir,
    });
    expect(run.stdout).toMatch(/^\/nix\/store\/\S+-docker-image-hello\.tar\.gz\n$/);
    const missing = installation.run(['build', '-A', 'buildLayeredImage', '--no-out-link'], { cwd: seedDir });
    expect(missing.status).toBe(1);
    expect(missing.stderr).toContain("cannot evaluate a function that has an argument without a value ('name')");
  });
});
