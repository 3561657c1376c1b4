// The commands that look into images: diff, explain, lint, sbom.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Validation } from '@cyclonedx/cyclonedx-library';
import { Ajv } from 'ajv';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBrowser } from '../../support/browser.ts';
import { decompressed } from '../../support/container.ts';
import { TestRegistry } from '../../support/registry.ts';
import { describeWith } from '../../support/requirements.ts';
import { TestInstallation } from '../../support/tsnix.ts';
import type { Ran } from '../../support/tsnix.ts';

const FILE = `${import.meta.dirname}/inspect.nix`;

let tsnix: TestInstallation;
let one: string;
let two: string;

beforeAll(() => {
  tsnix = new TestInstallation();
  one = tsnix.build([FILE, '-A', 'image'])[0]!;
  two = tsnix.build([FILE, '-A', 'image', '--argstr', 'version', '2'])[0]!;
}, 300_000);
afterAll(() => {
  tsnix.close();
}, 60_000);

const image = (...args: string[]): Ran => tsnix.run(['image', ...args]);

function json(...args: string[]): unknown {
  const { stdout, stderr } = image(...args, '--json');
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

interface Diff {
  same: boolean;
  config: { field: string }[];
  layers: { change: string }[];
  paths: { name: string; why?: { causes: { name: string; changes: { what: string }[] }[] } }[];
  files: { path: string; change: string; fields: { field: string }[] }[];
}

describe('tsnix image diff', () => {
  it('says nothing of an image and itself, whatever its form', () => {
    const layout = `${tsnix.dir}/layout`;
    expect(image('copy', one, `oci:${layout}`).status).toBe(0);
    expect(image('diff', one, `oci:${layout}`)).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it('tells what differs, and why', () => {
    const { status, stdout, stderr } = image('diff', one, two);
    expect([status, stderr]).toEqual([1, '']);
    expect(stdout).toContain('config.Env[1]: VERSION=1 -> VERSION=2');
    expect(stdout).toMatch(/because of greeting-2\n.*\n? *env\.buildCommand: .*hello 1.* -> .*hello 2/);
    const diff = json('diff', one, two) as Diff;
    expect(diff.paths.map(({ name }) => name)).toContain('greeting');
    expect(diff.paths.find(({ name }) => name === 'greeting')!.why!.causes.map(({ name }) => name)).toEqual([
      'greeting-2',
    ]);
    // What only follows from it is not called a cause.
    expect(diff.paths.find(({ name }) => name === 'bulk-layers')!.why!.causes.map(({ name }) => name)).toEqual([
      'greeting-2',
    ]);
    expect(diff.files.map(({ path, change, fields }) => [path, change, ...fields.map(({ field }) => field)])).toEqual([
      ['/share/greeting', 'changed', 'target'],
    ]);
    expect(diff.layers.filter(({ change }) => change === 'same').length).toBeGreaterThan(2);
  });

  it('compares with what an expression would build', () => {
    expect(image('diff', one, '-f', FILE, '-A', 'image').status).toBe(0);
    expect(image('diff', one, '-f', FILE, '-A', 'image', '--argstr', 'version', '2', '--brief')).toMatchObject({
      status: 1,
      stdout: 'the images differ\n',
    });
  });

  it('has trouble of its own status', () => {
    expect(image('diff', one, '/nothing')).toMatchObject({ status: 2, stdout: '' });
    expect(image('diff', one).status).toBe(2);
    writeFileSync(`${tsnix.dir}/damaged.tar`, readFileSync(decompressed(one, tsnix.dir)).subarray(0, 100_000));
    expect(image('diff', one, `${tsnix.dir}/damaged.tar`)).toMatchObject({ status: 2, stdout: '' });
  });
});

describeWith(['umoci', 'skopeo'], 'tsnix image diff and a layer that others made', () => {
  it('sees mode, owner, time, contents, and what is gone', () => {
    const layout = `${tsnix.dir}/changed`;
    expect(image('copy', one, `oci:${layout}:base`).status).toBe(0);
    const bundle = `${tsnix.dir}/bundle`;
    const rootless = process.getuid?.() === 0 ? [] : ['--rootless'];
    const umoci = (...args: string[]): unknown => execFileSync('umoci', args, { stdio: 'pipe' });
    umoci('unpack', ...rootless, '--image', `${layout}:base`, bundle);
    execFileSync('sh', [
      '-ec',
      `cd ${bundle}/rootfs; chmod 700 tmp; mkdir new; echo x > new/file; chmod u+w share bin; rm share/greeting; touch -d @5 new/file`,
    ]);
    umoci('repack', '--image', `${layout}:changed`, bundle);
    const { files, layers, config } = json('diff', `oci:${layout}:base`, `oci:${layout}:changed`) as Diff;
    const found = new Map(
      files.map(({ path, change, fields }) => [path, [change, ...fields.map(({ field }) => field)]]),
    );
    expect(found.get('/tmp')).toEqual(expect.arrayContaining(['changed', 'mode']));
    expect(found.get('/share/greeting')).toEqual(['removed']);
    expect(found.get('/new/file')).toEqual(['added']);
    expect([...found.keys()].filter((path) => path.startsWith('/nix'))).toEqual([]);
    expect(layers.at(-1)).toMatchObject({ change: 'added' });
    expect(config.filter(({ field }) => field.startsWith('config.'))).toEqual([]);
  });
});

interface Explained {
  title: string;
  layers: { paths: number[] }[];
  paths: { name: string; chain: string[]; size: number; closureSize: number; references: number[] }[];
  layerings: { name: string; layers: number; afterTopChange: number }[];
}

describe('tsnix image explain', () => {
  it('tells what brought each store path in, and what layers cost', () => {
    const { title, paths, layerings, layers } = json('explain', one) as Explained;
    expect(title).toBe('demo:v1');
    const glibc = paths.find(({ name }) => name === 'glibc')!;
    expect(glibc.chain.at(-1)).toBe('glibc');
    expect(glibc.chain[0]).toMatch(/^\/bin\//);
    expect(paths.find(({ name }) => name === 'bash')!.closureSize).toBeGreaterThan(glibc.size);
    expect(layerings[0]).toMatchObject({ name: 'as it is', layers: layers.length });
    expect(new Set(layers.flatMap((layer) => layer.paths)).size).toBe(paths.length);
  });

  it('agrees with the store on what refers to what', () => {
    const { paths } = json('explain', one) as Explained & { paths: { path: string }[] };
    for (const { path, references } of paths) {
      const { stdout } = tsnix.run(['nix-store', '--query', '--references', path]);
      const known = stdout.split('\n').filter((line) => line !== '' && line !== path);
      expect(references.map((i) => paths[i]!.path).sort(), path).toEqual(known.sort());
    }
  });

  it('as text, whole and of one path', () => {
    const { status, stdout } = image('explain', one);
    expect(status).toBe(0);
    for (const part of [
      'Layers',
      'Store paths',
      'What brought them in',
      'Bytes to send again',
      'by popularity, 100 layers',
    ]) {
      expect(stdout).toContain(part);
    }
    expect(image('explain', one, 'greeting').stdout).toMatch(/because +\/share\/greeting -> greeting-1/);
    expect(image('explain', one, 'no-such')).toMatchObject({ status: 1, stdout: '' });
  });
});

describeWith(['chromium'], 'the page that explains an image', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  }, 120_000);
  afterAll(async () => {
    await browser.close();
  });

  it('shows the map, the graph and the list; finds, selects and walks by keyboard', async () => {
    const file = `${tsnix.dir}/page.html`;
    expect(image('explain', one, '--html', file).status).toBe(0);
    const page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
    const errors: string[] = [];
    const requests: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('request', (request) => requests.push(request.url()));
    await page.goto(`file://${file}`);
    expect(await page.locator('#title').textContent()).toBe('demo:v1');
    const tiles = page.locator('#map .tile[data-path]');
    const count = await tiles.count();
    expect(count).toBeGreaterThan(3);
    // Tiles fill the map: what is drawn has the area of what is there.
    const area = Number(
      await page.evaluate(
        "[...document.querySelectorAll('#map .layer')].reduce((sum, layer) => sum + layer.offsetWidth * layer.offsetHeight, 0)",
      ),
    );
    const box = (await page.locator('#map').boundingBox())!;
    expect(area / (box.width * box.height)).toBeGreaterThan(0.9);
    await page.locator('#map .tile', { hasText: /^bash/ }).first().click();
    expect(await page.locator('#details').textContent()).toContain('What brought it in');
    expect(decodeURIComponent(page.url())).toMatch(/#\/nix\/store\/\w{32}-bash$/);
    await page.keyboard.press('g');
    expect(await page.locator('#graph .node').count()).toBe(count);
    expect(await page.locator('#graph .node.selected').count()).toBe(1);
    expect(await page.locator('#graph .edge.on').count()).toBeGreaterThan(1);
    await page.keyboard.press('/');
    await page.keyboard.type('glibc');
    expect(await page.locator('#matches').textContent()).toBe(`1 of ${count}`);
    await page.keyboard.press('Escape');
    await page.keyboard.press('l');
    await page.keyboard.press('ArrowDown');
    expect(await page.locator('#list tr[aria-selected="true"]').count()).toBe(1);
    await page.locator('#list th button', { hasText: 'Closure' }).click();
    expect(await page.locator('#list th').nth(2).getAttribute('aria-sort')).toBe('descending');
    const background = (): Promise<string> => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const before = await background();
    await page.keyboard.press('d');
    expect(await background()).not.toBe(before);
    expect(errors).toEqual([]);
    // It is one file: nothing else is loaded.
    expect(requests.filter((url) => !url.startsWith('file:'))).toEqual([]);
  });
});

describe('tsnix image lint', () => {
  it('has no error to tell of an image that is as it should be', () => {
    const { status, stdout } = image('lint', one, '--strict', '--ignore', 'duplicate-contents');
    expect([status, stdout]).toEqual([0, '']);
  });
  it('tells of traps, and fails for errors', () => {
    const expression = 'docker: docker { name = "x"; config.Cmd = [ "/bin/nothing" ]; }';
    const { status, stdout } = image('lint', '-E', `{ dockerTools }: (${expression}) dockerTools.buildImage`);
    expect(status).toBe(1);
    for (const rule of ['missing-command', 'root-user', 'no-tmp']) expect(stdout).toContain(`[${rule}]`);
    expect(image('lint', one, '--ignore', 'nonsense').stderr).toContain("there is no rule 'nonsense'");
  });
});

describe('tsnix image sbom', () => {
  interface SpdxDocument {
    packages: { SPDXID: string; name: string; versionInfo?: string }[];
    relationships: { spdxElementId: string; relationshipType: string; relatedSpdxElement: string }[];
  }

  it('as CycloneDX, by its own schema', async () => {
    const { stdout } = image('sbom', one, '--format', 'cyclonedx');
    const problem: unknown = await new Validation.JsonStrictValidator('1.6' as never).validate(stdout);
    expect(problem).toBeNull();
    const bill = JSON.parse(stdout) as { components: { name: string; version?: string }[]; dependencies: object[] };
    expect(bill.components).toContainEqual(expect.objectContaining({ name: 'greeting', version: '1' }));
    expect(bill.dependencies).toHaveLength(bill.components.length + 1);
  });

  it('as SPDX, by its own schema', () => {
    const schema = readFileSync(`${import.meta.dirname}/../../schemas/spdx-2.3.schema.json`, 'utf8');
    const valid = new Ajv({ strict: false, allErrors: true }).compile(JSON.parse(schema) as object);
    const bill = JSON.parse(image('sbom', one).stdout) as SpdxDocument;
    valid(bill);
    expect(valid.errors).toBeNull();
    // The schema does look at it.
    const [first, ...packages] = bill.packages;
    expect(valid({ ...bill, packages: [{ ...first, name: 1 }, ...packages] })).toBe(false);
    expect(valid({ ...bill, more: 1 })).toBe(false);
    expect(valid({ ...bill, relationships: [{ ...bill.relationships[0], relationshipType: 'KNOWS' }] })).toBe(false);
  });

  it('as SPDX: every element that is named is there, once', () => {
    const { packages, relationships } = JSON.parse(image('sbom', one).stdout) as SpdxDocument;
    const ids = packages.map(({ SPDXID }) => SPDXID);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every((id) => /^SPDXRef-[A-Za-z0-9.-]+$/.test(id))).toBe(true);
    for (const { spdxElementId, relatedSpdxElement } of relationships) {
      expect([...ids, 'SPDXRef-DOCUMENT']).toContain(spdxElementId);
      expect(ids).toContain(relatedSpdxElement);
    }
    const name = (id: string): string => packages.find(({ SPDXID }) => SPDXID === id)!.name;
    const needs = relationships
      .filter(
        ({ relationshipType, spdxElementId }) => relationshipType === 'DEPENDS_ON' && name(spdxElementId) === 'bash',
      )
      .map(({ relatedSpdxElement }) => name(relatedSpdxElement));
    expect(needs.sort()).toEqual(['glibc', 'libtinfo.so.6']);
  });

  it('is the same each time', () => {
    expect(image('sbom', one).stdout).toBe(image('sbom', one).stdout);
  });
});

describeWith(['docker-registry', 'skopeo'], 'a bill attached to an image in a registry', () => {
  let registry: TestRegistry;
  beforeAll(async () => {
    mkdirSync(`${tsnix.dir}/registry`, { recursive: true });
    registry = await TestRegistry.start(`${tsnix.dir}/registry`);
  });
  afterAll(() => {
    registry.stop();
  });

  it('is found by the digest of the image, with others', async () => {
    const reference = `docker://${registry.host}/demo:v1`;
    const pushed = image('push', one, reference);
    expect(pushed.stderr).not.toContain('error');
    expect(image('sbom', reference, '--attach').status).toBe(0);
    expect(image('sbom', reference, '--attach', '--format', 'cyclonedx').status).toBe(0);
    const manifest = execFileSync('skopeo', ['inspect', '--raw', '--tls-verify=false', reference]);
    const digest = createHash('sha256').update(manifest).digest('hex');
    const get = (path: string, accept: string): Promise<Response> =>
      fetch(`http://${registry.host}/v2/demo/${path}`, { headers: { accept } });
    const index = (await (
      await get(`manifests/sha256-${digest}`, 'application/vnd.oci.image.index.v1+json')
    ).json()) as {
      manifests: { digest: string; artifactType: string }[];
    };
    expect(index.manifests.map(({ artifactType }) => artifactType).sort()).toEqual([
      'application/spdx+json',
      'application/vnd.cyclonedx+json',
    ]);
    const spdx = index.manifests.find(({ artifactType }) => artifactType.includes('spdx'))!;
    const attached = (await (
      await get(`manifests/${spdx.digest}`, 'application/vnd.oci.image.manifest.v1+json')
    ).json()) as {
      subject: { digest: string };
      layers: { digest: string }[];
    };
    expect(attached.subject.digest).toBe(`sha256:${digest}`);
    const bill = (await (await get(`blobs/${attached.layers[0]!.digest}`, '*/*')).json()) as { spdxVersion: string };
    expect(bill.spdxVersion).toBe('SPDX-2.3');
    expect(image('sbom', one, '--attach').stderr).toContain("'--attach' is for images in a registry");
  });
});
