// The native dockerTools, feature by feature, seen by other programs: GNU tar lists, skopeo and umoci unpack, crun
// runs, Nix reads the database.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { containerTools, runImage, unpackImage } from '../../support/container.ts';
import { imageConfig, imageManifest, imageMember, listLayer } from '../../support/docker-archive.ts';
import { describeWith } from '../../support/requirements.ts';
import { TestInstallation } from '../../support/tsnix.ts';

const FILE = `${import.meta.dirname}/features.nix`;

let tsnix: TestInstallation;

beforeAll(() => {
  tsnix = new TestInstallation();
});
afterAll(() => {
  tsnix.close();
}, 60_000);

function build(...names: string[]): string[] {
  return tsnix.build([FILE, ...names.flatMap((name) => ['-A', name])]);
}

function failure(name: string): string {
  const { status, stderr } = tsnix.run(['build', FILE, '-A', name, '--no-out-link']);
  expect(status).not.toBe(0);
  return stderr;
}

// mount(8), for steps as root, is a package of its own.
describeWith(['mount'], 'native dockerTools', () => {
  it('names and ids fit together', () => {
    const [image] = build('base');
    const { Layers, Config } = imageManifest(image!);
    expect(Config).toBe(`${createHash('sha256').update(imageMember(image!, Config)).digest('hex')}.json`);
    const diffIds = Layers.map(
      (name) => `sha256:${createHash('sha256').update(imageMember(image!, name)).digest('hex')}`,
    );
    expect(imageConfig(image!).rootfs.diff_ids).toEqual(diffIds);
    const repositories = JSON.parse(imageMember(image!, 'repositories').toString()) as unknown;
    expect(repositories).toEqual({ base: { latest: Layers.at(-1)!.split('/')[0] } });
  });

  it('whiteouts say what root deleted or replaced', () => {
    const names = listLayer(build('changed')[0]!).map((line) => line.split(/\s+/)[5] ?? '');
    expect(names).toContain('./data/.wh.gone');
    expect(names).toContain('./data/replaced/.wh.old');
    expect(names).toContain('./data/replaced/new');
    expect(names).not.toContain('./data/link');
    expect(names.filter((name) => /^\.\/(dev|proc|sys)/.test(name))).toEqual([]);
  });

  it('exportImage packs the file system that all layers make', () => {
    const [archive] = build('exported');
    const list = execFileSync('tar', ['-tf', archive!]).toString().split('\n');
    expect(list.filter((name) => name.startsWith('./data/'))).toEqual([
      './data/',
      './data/kept/',
      './data/kept/file',
      './data/link',
      './data/replaced/',
      './data/replaced/new',
    ]);
    expect(execFileSync('tar', ['-xOf', archive!, './data/kept/file']).toString()).toBe('changed\n');
  });

  it('runWithOverlay runs its steps on the layers in their order', () => {
    const [dir] = build('overlay');
    expect(readFileSync(`${dir!}/json`, 'utf8')).toBe('mnt/data:\nkept\nlink\nreplaced\n\nmnt/data/replaced:\nnew\n');
    const names = execFileSync('tar', ['-tf', `${dir!}/layer.tar`]).toString();
    expect(names).toBe('./\n./data/\n./data/kept/\n./data/kept/.wh.file\n./post\n./pre/\n');
  });

  it('buildImageWithNixDb registers contents and roots', () => {
    const [image] = build('withNixDbOnly');
    const lines = listLayer(image!, -1, '--numeric-owner');
    expect(lines.some((line) => /\.\/nix\/var\/nix\/gcroots\/docker\/\w+-bash -> \/nix\/store/.test(line))).toBe(true);
    expect(lines.some((line) => line.endsWith(' ./nix/var/nix/db/db.sqlite'))).toBe(true);
  });

  it('mergeDrvs merges directories and archives, later ones over earlier ones', () => {
    const [dir, names] = build('merged', 'mergedNames');
    expect(readdirSync(dir!).sort()).toEqual(['.hidden', 'bin']);
    const read = (name: string) => readFileSync(`${dir!}/bin/${name}`, 'utf8');
    expect([read('one'), read('two'), read('four'), readlinkSync(`${dir!}/bin/three`)]).toEqual([
      'a\n',
      'b\n',
      'c\n',
      'one',
    ]);
    expect(statSync(`${dir!}/bin/four`).mode & 0o777).toBe(0o555);
    expect(readFileSync(names!, 'utf8')).toMatch(/^\/nix\/store\/\w+-bash \/nix\/store\/\w+-coreutils\n$/);
  });

  it('created = "now" is the time of building', () => {
    for (const image of build('now', 'nowImage')) {
      const { created } = imageConfig(image);
      expect(created).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/);
      expect(Math.abs(Date.now() - Date.parse(created))).toBeLessThan(600_000);
    }
  });

  it('without a tag the tag is the hash of the image', () => {
    const [tags, ...images] = build('imageTags', 'untagged', 'untaggedImage');
    for (const image of images) {
      const hash = /store\/(\w{32})-/.exec(image)![1]!;
      expect(imageManifest(image).RepoTags).toEqual([`untagged:${hash}`]);
    }
    const hash = /store\/(\w{32})-/.exec(images[0]!)![1]!;
    expect(readFileSync(tags!, 'utf8')).toBe(`V1.0-RC ${hash}`);
  });

  it('a tag keeps its case where imageTag says the same', () => {
    expect(imageManifest(build('upperTag')[0]!).RepoTags).toEqual(['upper:V1.0-RC']);
  });

  it('maxLayers = 2 makes two layers, fewer is an error', () => {
    expect(imageManifest(build('twoLayers')[0]!).Layers).toHaveLength(2);
    expect(failure('tooFewLayers')).toContain('maxLayers must be at least 2, not 1');
  });

  it('symlinks to ./ stay as they are, owners without a name have none', () => {
    const [dots, owned] = build('dotLinks', 'ownedByNumber');
    expect(listLayer(dots!).some((line) => line.endsWith('share/dot-link -> ./here'))).toBe(true);
    expect(listLayer(owned!)[0]).toMatch(/^dr-xr-xr-x 1000\/100 /);
  });

  it('mkPureLayer and mkManyPureLayers leave layers; tarsum sums one as it was summed', () => {
    const [layer, many, sum] = build('layer', 'manyLayers', 'tarsum');
    expect(readdirSync(layer!).sort()).toEqual(['VERSION', 'json', 'layer.tar']);
    const json = JSON.parse(readFileSync(`${layer!}/json`, 'utf8')) as { checksum: string };
    expect(readFileSync(sum!, 'utf8')).toBe(`${json.checksum}\n`);
    expect(readdirSync(many!).sort()).toEqual(['1', '2', '3']);
    expect(JSON.parse(readFileSync(`${many!}/1/json`, 'utf8'))).toMatchObject({
      created: '1970-01-01T00:00:01Z',
      os: 'linux',
    });
    expect(readFileSync(`${many!}/1/json`, 'utf8')).not.toContain('config');
  });

  it('shellScript makes a script that finds coreutils', () => {
    const [script] = build('script');
    expect(readFileSync(script!, 'utf8')).toMatch(
      /^#!\/nix\/store\/\w+-bash\/bin\/bash\nset -e\nexport PATH=\/nix\/store/,
    );
    expect(lstatSync(script!).mode & 0o111).not.toBe(0);
  });

  it('mistakes are told', () => {
    expect(failure('fileAsContents')).toContain('cannot be the contents of a layer: not a directory');
    expect(failure('fileInLayers')).toMatch(/'\/nix\/store\/\w+-file' is not a directory/);
    expect(failure('damagedBase')).toMatch(/the base image '\/nix\/store\/\w+-no-image' is not a valid tar archive/);
    expect(failure('wrongName')).toMatch(/holds no image named 'other'/);
    expect(failure('failing')).toContain('about to fail');
  });
});

describeWith(containerTools, 'native images in other hands', () => {
  const unpack = (name: string) => unpackImage(build(name)[0]!, `${tsnix.dir}/unpacked-${name}`);

  it('layers lie over one another as they should', () => {
    const image = unpack('again');
    expect(runImage(image, ['/bin/cat', '/listing'])).toEqual({
      status: 0,
      output: '/data:\nkept\nlink\nreplaced\n\n/data/kept:\nfile\n\n/data/replaced:\nnew\nchanged\nchanged\nnew\n',
    });
  });

  it('a shell runs', () => {
    expect(runImage(unpack('changed'), ['/bin/bash', '-c', 'echo hello from $0; ls /data'])).toEqual({
      status: 0,
      output: 'hello from /bin/bash\nkept\nlink\nreplaced\n',
    });
    expect(runImage(unpack('twoLayers'), ['/bin/bash', '-c', 'echo two'])).toEqual({ status: 0, output: 'two\n' });
  });

  it('a user made by runAsRoot owns its files', () => {
    const image = unpack('user');
    const file = /^app:x:(\d+):(\d+)/m.exec(readFileSync(`${image.rootfs}/etc/passwd`, 'utf8'))!;
    if (process.getuid?.() === 0) {
      const { uid, gid } = statSync(`${image.rootfs}/data/file`);
      expect([uid, gid]).toEqual([Number(file[1]), Number(file[2])]);
      expect(runImage(image)).toEqual({ status: 0, output: 'app\napp\n' });
    }
  });
});

describeWith([...containerTools, 'nix-store'], "the image's Nix database in Nix's hands", () => {
  it('knows the contents and finds them intact', () => {
    const { rootfs } = unpackImage(build('withNixDb')[0]!, `${tsnix.dir}/unpacked-db`);
    expect(existsSync(`${rootfs}/nix/var/nix/marker`)).toBe(true);
    mkdirSync(`${tsnix.dir}/home`, { recursive: true });
    const nix = (...args: string[]): string =>
      execFileSync('nix-store', ['--store', rootfs, ...args], {
        env: { PATH: process.env['PATH'], HOME: `${tsnix.dir}/home` },
        stdio: ['ignore', 'pipe', 'pipe'],
      }).toString();
    const roots = readdirSync(`${rootfs}/nix/var/nix/gcroots/docker`);
    expect(roots.map((name) => name.slice(33)).sort()).toEqual(['bash', 'coreutils']);
    const bash = `/nix/store/${roots.find((name) => name.endsWith('-bash'))!}`;
    expect(nix('--query', '--requisites', bash)).toContain('-glibc');
    expect(() => nix('--verify', '--check-contents')).not.toThrow();
  });
});

// Only root can build as several users.
const isRoot = process.getuid?.() === 0;
describeWith(isRoot ? ['setpriv', 'faked-sysv', 'other-users'] : [], 'native images by whoever builds them', () => {
  let nobody: TestInstallation;
  beforeAll(() => {
    nobody = new TestInstallation(isRoot ? 65534 : undefined);
  });
  afterAll(() => {
    nobody.close();
  }, 60_000);

  it.skipIf(!isRoot)('are the same file, owners and whiteouts included', () => {
    const names = ['user', 'again', 'exported'];
    const theirs = nobody.build([FILE, ...names.flatMap((name) => ['-A', name])]);
    build(...names).forEach((path, i) => {
      expect(readFileSync(path).equals(readFileSync(theirs[i]!))).toBe(true);
    });
  });
});
