// What dockerTools has grown since 2019, in the native one, seen by other programs.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { containerTools, decompressed, runImage, unpackImage } from '../../support/container.ts';
import { imageConfig, imageManifest, layerFile, listLayer } from '../../support/docker-archive.ts';
import { describeWith } from '../../support/requirements.ts';
import { TestInstallation } from '../../support/tsnix.ts';

const FILE = `${import.meta.dirname}/layered.nix`;

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

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What is written by a script that only has the host's most basic programs. */
function runScript(script: string): Buffer {
  return execFileSync(script, { env: { PATH: '/usr/bin:/bin' }, cwd: '/', maxBuffer: 2 ** 28 });
}

describeWith([], 'layered images', () => {
  it('are the same archive whatever the compression, and from a script that stores none', () => {
    const [gz, none, zstd, stream, streamed] = build('gz', 'none', 'zstd', 'stream', 'streamed');
    const plain = readFileSync(none!);
    expect(sha256(gunzipSync(readFileSync(gz!)))).toBe(sha256(plain));
    expect(sha256(zstdDecompressSync(readFileSync(zstd!)))).toBe(sha256(plain));
    expect(sha256(runScript(stream!))).toBe(sha256(plain));
    expect(readFileSync(streamed!, 'utf8')).toBe(`${sha256(plain)}  -\n`);
    expect(statSync(stream!).size).toBeLessThan(1000);
    const extra = spawnSync(stream!, ['--now'], { encoding: 'utf8' });
    expect(extra.status).toBe(1);
    expect(extra.stderr).toContain("unexpected argument '--now'");
  });

  it('are made again of what they had, and come out as elsewhere', () => {
    const rebuilt = (at: TestInstallation, change: string, ...flags: string[]): string =>
      at.build([FILE, '-A', 'rebuilt', '--argstr', 'change', change, ...flags])[0]!;
    const other = new TestInstallation();
    try {
      const first = rebuilt(tsnix, '1');
      // Of this only the store's records are asked, and what the first image holds.
      const bulk = `${build('bulk')[0]!}/bulk`;
      const lines = readFileSync(bulk);
      chmodSync(bulk, 0o644);
      writeFileSync(bulk, Buffer.alloc(lines.length));
      const second = readFileSync(rebuilt(tsnix, '2'));
      expect(sha256(second)).not.toBe(sha256(readFileSync(first)));
      expect(sha256(second)).toBe(sha256(readFileSync(rebuilt(other, '2'))));
      // A merged image, too, has the layers as they are compressed elsewhere.
      const merged = (at: TestInstallation): Buffer =>
        readFileSync(at.build([FILE, '-A', 'mergedRebuilt', '--argstr', 'change', '2'])[0]!);
      const both = merged(tsnix);
      const slices = Array.from({ length: second.length / 10_000 }, (_, i) =>
        second.subarray(i * 10_000, i * 10_000 + 5000),
      );
      expect(slices.filter((slice) => both.includes(slice)).length).toBeGreaterThan(slices.length / 2);
      expect(sha256(both)).toBe(sha256(merged(other)));
      // To compare, all is read.
      const check = tsnix.run(['build', FILE, '-A', 'rebuilt', '--argstr', 'change', '2', '--check']);
      expect(check.stderr).toContain('may not be deterministic');
      writeFileSync(bulk, lines);
      expect(sha256(readFileSync(rebuilt(tsnix, '2', '--check')))).toBe(sha256(second));
    } finally {
      other.close();
    }
  });

  it('say what they are before they are built', () => {
    const [facts, tag, script] = build('streamFacts', 'untaggedTag', 'untaggedStream');
    expect(JSON.parse(readFileSync(facts!, 'utf8'))).toEqual({
      imageName: 'some/name',
      imageTag: 'T',
      isExe: true,
      name: 'docker-image-image.tar.gz',
      ending: 'docker-image-image.tar.zst',
    });
    const input = runScript(script!);
    const repositories = execFileSync('tar', ['-xOf', '-', 'repositories'], { input }).toString();
    expect(Object.keys(Object.values(JSON.parse(repositories) as Record<string, object>)[0]!)).toEqual([
      readFileSync(tag!, 'utf8'),
    ]);
  });

  it('belong to whom they should, at the time they should', () => {
    const [owned] = build('owned');
    expect(listLayer(owned!, 0, '--utc')[0]).toBe('drwxr-xr-x me/us 0 2020-01-02 03:04 nix/');
    expect(listLayer(owned!, 0, '--numeric-owner', '--utc')[1]).toBe(
      'drwxrwxr-t 1000/100 0 2020-01-02 03:04 nix/store/',
    );
    expect(listLayer(owned!, -1, '--utc')[0]).toBe('dr-xr-xr-x me/us 0 2020-01-02 03:04 ./');
  });

  it('take dates as date(1) does, and write them as others read them', () => {
    const [dated, image] = build('dated', 'datedImage');
    expect(imageConfig(dated!).created).toBe('2024-05-01T00:00:00+00:00');
    expect(listLayer(dated!, 0, '--utc')[0]).toContain(' 2024-05-01 12:30 nix/');
    expect(imageConfig(image!).created).toBe('2024-05-01T10:30:00+00:00');
    expect(failure('wrongDate')).toContain("'created' is not a date: 'yesterday'");
  });

  it('are scripts, too, of the same tag', () => {
    const [gz, script, untagged, ofUntagged, facts] = build('gz', 'ofImage', 'untagged', 'ofUntagged', 'facts');
    expect(sha256(runScript(script!))).toBe(sha256(gunzipSync(readFileSync(gz!))));
    expect(sha256(runScript(ofUntagged!))).toBe(sha256(gunzipSync(readFileSync(untagged!))));
    const imageTag = /store\/(\w{32})-/.exec(untagged!)![1]!;
    expect(JSON.parse(readFileSync(facts!, 'utf8'))).toEqual({ imageName: 'untagged', imageTag, isExe: true });
  });

  it('follow a layering pipeline of a file', () => {
    expect(imageManifest(build('plannedInFile')[0]!).Layers).toHaveLength(3);
    expect(failure('wrongFile')).toMatch(/layeringPipeline: '\/nix\/store\/\w{32}-no-json' is not JSON/);
  });

  it('follow a layering pipeline', () => {
    const [planned] = build('planned');
    const names = (which: number): (string | undefined)[] =>
      listLayer(planned!, which).flatMap((line) => / nix\/store\/\w{32}-([^/]+)\/?$/.exec(line)?.[1] ?? []);
    expect(imageManifest(planned!).Layers).toHaveLength(5);
    expect([0, 1, 2].flatMap(names).sort()).toEqual(['text-1', 'text-2', 'text-3', 'text-4', 'text-5']);
    expect([names(0).length, names(1).length, names(2).length]).toEqual([2, 2, 1]);
    expect(names(3)).toContain('listed');
    expect(failure('wrongPlan')).toContain("layeringPipeline: 'no_such_step': there is no such step");
  });

  it('leave the store out, or put in what commands mention', () => {
    const [without, mentions] = build('withoutStore', 'mentions');
    expect(imageManifest(without!).Layers).toHaveLength(1);
    const all = imageManifest(mentions!).Layers.flatMap((_, i) => listLayer(mentions!, i));
    expect(all.some((line) => /nix\/store\/\w{32}-hello-[^/]*\/bin\/hello/.test(line))).toBe(true);
    expect(all.some((line) => line.includes('customisation-layer'))).toBe(false);
  });

  it('mistakes are told', () => {
    expect(failure('uponTooMuch')).toMatch(/the base image has \d+ layers, .* none is left for store paths/);
    expect(failure('bothContents')).toContain('You can not specify both contents and copyToRoot');
    expect(failure('wrongCompressor')).toContain("compressor must be one of gz, none, zstd, not 'lzma'");
    expect(failure('noHash')).toContain('one of sha256 and hash must be given');
    expect(failure('bothCommands')).toContain("Can't specify both command and run");
  });

  it('buildImage knows the newer arguments', () => {
    const [copied] = build('copied');
    expect(imageConfig(copied!).architecture).toBe('riscv64');
    expect(listLayer(copied!, -1, '--utc')[0]).toContain('2020-01-02 03:04 ./');
    expect(listLayer(copied!).some((line) => line.endsWith('./nix/var/nix/db/db.sqlite'))).toBe(true);
  });

  it('certificates are where programs look for them', () => {
    const [dir] = build('certificates');
    for (const name of [
      'etc/ssl/certs/ca-bundle.crt',
      'etc/ssl/certs/ca-certificates.crt',
      'etc/pki/tls/certs/ca-bundle.crt',
    ]) {
      expect(readlinkSync(`${dir!}/${name}`)).toMatch(/^\/nix\/store\/\w{32}-cacert\/etc\/ssl\/certs\/ca-bundle.crt$/);
    }
  });
});

describeWith(['mount'], 'fakeRootCommands', () => {
  it('decide owners and modes, after extraCommands', () => {
    const [image] = build('asRoot');
    const lines = listLayer(image!, -1, '--numeric-owner');
    const find = (name: string): string | undefined => lines.find((line) => line.split(' ')[5] === name);
    expect(find('var/lib/app/file')).toMatch(/^-rws--x--x 12\/34 /);
    expect(find('var/lib/')).toMatch(/^drwxr-xr-x 0\/0 /);
    expect(find('data/user')).toMatch(/^hrw-r--r-- 0\/0 .* data\/linked/);
    const id = layerFile(image!, -1, 'data/id').split('\n');
    expect(id).toEqual([expect.not.stringMatching(/^0$/), '0', '']);
  });

  it('run inside the image with enableFakechroot, and leave nothing of it', () => {
    const [image] = build('inside');
    const names = listLayer(image!).map((line) => line.split(' ')[5]);
    expect(names).toEqual(expect.arrayContaining(['data/', 'data/hello', 'data/listing']));
    expect(names.filter((name) => name !== undefined && /^(dev|proc|sys|nix)\//.test(name))).toEqual([]);
    expect(layerFile(image!, -1, 'data/listing')).toBe('bin\ndata\ndev\nnix\nproc\nsys\n');
    // The commands mention it, so it is there.
    const all = imageManifest(image!).Layers.flatMap((_, i) => listLayer(image!, i));
    expect(all.some((line) => line.includes('/bin/hello'))).toBe(true);
  });
});

describeWith([...containerTools, 'mount'], 'layered images in other hands', () => {
  const unpack = (name: string) => unpackImage(build(name)[0]!, `${tsnix.dir}/unpacked-${name}`);

  it('lie upon a base image, with its environment', () => {
    const image = unpack('upon');
    expect(image.config.config?.['Env']).toEqual(['PATH=/bin', 'A=changed', 'B=2']);
    expect(runImage(image).output).toMatch(/^Hello/i);
    expect(runImage(image, ['/bin/bash', '-c', 'echo $A$B']).output).toBe('changed2\n');
  });

  it('several images are in a merged archive', () => {
    const archive = decompressed(build('merged')[0]!, tsnix.dir);
    for (const name of ['image:latest', 'upon:latest', 'third:x']) {
      const source = `docker-archive:${archive}:docker.io/library/${name}`;
      expect(execFileSync('skopeo', ['--insecure-policy', 'inspect', '--config', source]).toString()).toContain(
        'rootfs',
      );
    }
  });

  it('have shells, users and env at their places', () => {
    const image = unpack('wellKnown');
    expect(runImage(image).output).toContain('done');
    expect(runImage(image, ['/usr/bin/env', 'sh', '-c', 'echo from env']).output).toBe('from env\n');
    const passwd = runImage(image, ['/bin/sh', '-c', 'while read line; do echo $line; done < /etc/passwd']).output;
    expect(passwd).toContain('app:x:12:34:app:/:/bin/sh\nnobody:x:65534');
  });

  // Only root has the id that the container's user needs.
  it.skipIf(process.getuid?.() !== 0)('are the environment of a derivation', () => {
    expect(runImage(unpack('environment')).output).toMatch(/^Hello.*\nfrom the shell yes\n1000\nwritten\n$/is);
    expect(runImage(unpack('builds')).output).toContain('made\n');
    expect(runScript(build('environmentScript')[0]!).length).toBeGreaterThan(1_000_000);
  });
});

describeWith([...containerTools, 'nix-store'], "the layered image's Nix database in Nix's hands", () => {
  it('knows the contents and finds them intact', () => {
    const { rootfs } = unpackImage(build('withNixDb')[0]!, `${tsnix.dir}/unpacked-db`);
    expect(existsSync(`${rootfs}/nix/var/nix/marker`)).toBe(true);
    mkdirSync(`${tsnix.dir}/home`, { recursive: true });
    const run = spawnSync('nix-store', ['--store', rootfs, '--verify', '--check-contents'], {
      env: { PATH: process.env['PATH'], HOME: `${tsnix.dir}/home` },
      encoding: 'utf8',
    });
    expect([run.status, run.stderr]).toEqual([0, expect.not.stringMatching(/error|modified|missing/)]);
  });
});

// Only root can build as several users.
const isRoot = process.getuid?.() === 0;
describeWith(isRoot ? ['setpriv', 'faked-sysv', 'other-users'] : [], 'layered images by whoever builds them', () => {
  let nobody: TestInstallation;
  beforeAll(() => {
    nobody = new TestInstallation(isRoot ? 65534 : undefined);
  });
  afterAll(() => {
    nobody.close();
  }, 60_000);

  it.skipIf(!isRoot)('are the same file, owners included', () => {
    const names = ['asRoot', 'inside'];
    const theirs = nobody.build([FILE, ...names.flatMap((name) => ['-A', name])]);
    build(...names).forEach((path, i) => {
      expect(readFileSync(path).equals(readFileSync(theirs[i]!))).toBe(true);
    });
  });
});
