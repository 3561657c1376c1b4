// Build traces of content-addressed derivations in binary caches: their form (Nix 2.36's), who is believed, and that
// nothing is built of which a cache tells what it came to be.
import { createPublicKey, verify } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { derivations, program, Workplace, type Ended } from '../../support/cli.ts';
import { describeWith } from '../../support/requirements.ts';

const work = new Workplace({
  'default.nix': derivations(`
    ca = name: script: more: mk name script ({ __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; } // more);
    first = ca "first" "echo first > $out" {};
    second = ca "second" "echo \${first} > $out; echo more > $dev" { outputs = [ "out" "dev" ]; };
    third = mk "third" "echo \${second} \${first} > $out" {};
    dev = mk "dev" "echo \${second.dev} > $out" {};
  `),
});
afterAll(() => {
  work.close();
});

describeWith(['perl'], 'build traces', () => {
  const cache = `file://${join(work.dir, 'cache')}`;
  const features = ['--extra-experimental-features', 'ca-derivations'];
  const file = (name: string): string => join(work.dir, name);
  const on = (store: string, ...words: string[]): Promise<Ended> =>
    work.run([...words, ...features, '--store', file(store)]);
  const noBuilds = (uri: string): string[] => [
    '--max-jobs',
    '0',
    '--substituters',
    uri,
    '--option',
    'substitute',
    'true',
  ];
  let publicKey = '';

  beforeAll(async () => {
    const { stdout } = await work.run(['key', 'generate-secret', '--key-name', 'trace-1']);
    writeFileSync(file('secret'), stdout);
    publicKey = (await work.run(['key', 'convert-secret-to-public'], { input: stdout })).stdout.trim();
    const keys = ['--secret-key-files', file('secret')];
    expect(await on('built', 'build', '--no-out-link', '-A', 'third', ...keys)).toMatchObject({ status: 0 });
    expect(await on('built', 'copy', '--to', cache, '-f', '.', '-A', 'third', '-A', 'second')).toMatchObject({
      status: 0,
    });
  });

  it('are files that say what outputs came to be, signed', async () => {
    const dir = file('cache/build-trace-v2');
    const entries = readdirSync(dir)
      .sort()
      .flatMap((drv) => readdirSync(join(dir, drv)).map((name) => [drv, name] as const));
    expect(entries.map(([drv, name]) => `${drv.slice(33)}/${name}`).sort()).toEqual([
      'first.drv/out.doi',
      'second.drv/out.doi',
    ]);
    const der = Buffer.concat([
      Buffer.from('302a300506032b6570032100', 'hex'),
      Buffer.from(publicKey.slice(publicKey.indexOf(':') + 1), 'base64'),
    ]);
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    for (const [drv, name] of entries) {
      const text = readFileSync(join(dir, drv, name), 'utf8');
      const { outPath, signatures } = JSON.parse(text) as {
        outPath: string;
        signatures: { keyName: string; sig: string }[];
      };
      expect(text).toBe(`{"outPath":"${outPath}","signatures":[{"keyName":"trace-1","sig":"${signatures[0]!.sig}"}]}`);
      const signed = `{"key":{"drvPath":"${drv}","outputName":"${name.replace('.doi', '')}"},"value":{"outPath":"${outPath}"}}`;
      expect(verify(null, Buffer.from(signed), key, Buffer.from(signatures[0]!.sig, 'base64'))).toBe(true);
    }
    const { stdout } = await on('built', 'store', 'build-trace', 'info', '-f', '.', '-A', 'second');
    expect(
      stdout.match(/^[0-9a-z]{32}-(?:first|second)\.drv\^out \/nix\/store\/[0-9a-z]{32}-(?:first|second)$/gm),
    ).toHaveLength(2);
  });

  it('save building, where their key is trusted', async () => {
    const keys = ['--trusted-public-keys', publicKey];
    const built = await on('built', 'build', '--no-out-link', '-A', 'third');
    expect(await on('fetched', 'build', '--no-out-link', '-A', 'third', ...noBuilds(cache), ...keys)).toMatchObject({
      status: 0,
      stdout: built.stdout,
    });
    // And by name alone, in a store that does not know it yet.
    expect(await on('second', 'build', '--no-out-link', '-A', 'second', ...noBuilds(cache), ...keys)).toMatchObject({
      status: 0,
    });
  });

  it('of nobody trusted are passed over, unless signatures are not asked for', async () => {
    const refused = await on('untrusting', 'build', '--no-out-link', '-A', 'second', ...noBuilds(cache));
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain('ignoring substitute for build trace');
    expect(refused.stderr).toContain("as it's not signed by any of the keys in 'trusted-public-keys'");
    const believed = await on(
      'untrusting',
      'build',
      '--no-out-link',
      '-A',
      'second',
      ...noBuilds(`${cache}?trusted=1`),
    );
    expect(believed).toMatchObject({ status: 0 });
  });

  it('builds what a cache has only other outputs of', async () => {
    const keys = ['--trusted-public-keys', publicKey, '--substituters', cache];
    expect(await on('more', 'build', '--no-out-link', '-A', 'third', '-A', 'dev', ...keys)).toMatchObject({
      status: 0,
    });
    expect((await on('more', 'store', 'verify', '--all', '--no-trust')).status).toBe(0);
  });

  it('go with paths that are copied from a cache', async () => {
    const copy = ['copy', '--from', cache, '-f', '.', '-A', 'second'];
    expect((await on('copied', ...copy)).stderr).toContain('lacks a signature by a trusted key');
    expect(await on('copied', ...copy, '--trusted-public-keys', publicKey)).toMatchObject({ status: 0 });
    expect(await on('copied', 'build', '--no-out-link', '-A', 'second', '--max-jobs', '0')).toMatchObject({
      status: 0,
    });
  });

  it('are known to a post-build-hook, which can copy what was built', async () => {
    const hooked = `file://${file('hooked')}`;
    const flags = `${features.map((word) => `'${word}'`).join(' ')} --store '${file('hook')}' --to '${hooked}'`;
    const hook = work.write('../copy-built', `#!/bin/sh\nexec '${program}' copy ${flags} "$DRV_PATH^*" 2>&1\n`);
    chmodSync(hook, 0o755);
    const options = ['--option', 'post-build-hook', hook];
    const ended = await on('hook', 'build', '--no-out-link', '-A', 'second', ...options);
    expect([ended.status, ended.stderr]).toEqual([0, expect.anything()]);
    const traced = readdirSync(file('hooked/build-trace-v2')).map((drv) => drv.slice(33));
    expect(traced.sort()).toEqual(['first.drv', 'second.drv']);
  });

  it('that are damaged are errors of the cache, and no harm', async () => {
    const damaged = file('damaged');
    mkdirSync(damaged);
    expect(await on('built', 'copy', '--to', `file://${damaged}`, '-f', '.', '-A', 'first')).toMatchObject({
      status: 0,
    });
    const dir = join(damaged, 'build-trace-v2', readdirSync(join(damaged, 'build-trace-v2'))[0]!);
    for (const text of ['', '{}', '{"outPath":"../x","signatures":[]}', '{"outPath":1}', '[]']) {
      writeFileSync(join(dir, 'out.doi'), text);
      const { status, stderr } = await on(
        'fresh',
        'build',
        '--no-out-link',
        '-A',
        'first',
        ...noBuilds(`file://${damaged}?trusted=1`),
      );
      expect(status).not.toBe(0);
      expect(stderr).toContain('is no build trace value for');
    }
  });
});
