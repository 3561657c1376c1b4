// BLAKE3 on the command line: in `hash`, in the language and of fixed outputs, behind its feature.
import { afterAll, expect, it } from 'vitest';
import { derivations, Workplace } from '../../support/cli.ts';
import { describeWith } from '../../support/requirements.ts';

/** Of "hello", from b3sum. */
const base16 = 'ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f';
const sri = `blake3-${Buffer.from(base16, 'hex').toString('base64')}`;
const work = new Workplace({
  file: 'hello',
  'default.nix': derivations(`
    flat = mk "flat" "echo -n hello > $out" { outputHash = "${sri}"; };
    floating = mk "floating" "echo hello > $out" { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "blake3"; };
    wrong = mk "wrong" "echo -n hallo > $out" { outputHash = "${sri}"; };
  `),
});
afterAll(() => {
  work.close();
});
const on = ['--extra-experimental-features', 'blake3-hashes ca-derivations'];

it('hashes files and converts hashes', async () => {
  const run = async (...words: string[]): Promise<string> => (await work.run([...words, ...on])).stdout.trim();
  expect(await run('hash', 'file', '--type', 'blake3', 'file')).toBe(sri);
  expect(await run('hash', 'convert', '--to', 'base16', sri)).toBe(base16);
  expect(await run('nix-hash', '--type', 'blake3', '--flat', 'file')).toBe(base16);
  expect(await run('nix-store', '--add-fixed', 'blake3', 'file')).toMatch(/^\/nix\/store\/[0-9a-z]{32}-file$/);
  expect(await work.run(['hash', 'file', '--type', 'blake3', 'file'])).toMatchObject({ status: 1, stdout: '' });
});

describeWith(['perl'], 'builds with BLAKE3', () => {
  it('fixes outputs, and names those of content-addressed derivations', async () => {
    const built = await work.run(['build', '-A', 'flat', '-A', 'floating', ...on]);
    expect(built).toMatchObject({ status: 0 });
    const { stdout } = await work.run(['path-info', '--sigs', ...built.stdout.trim().split('\n'), ...on]);
    expect(stdout.match(/ca:fixed:(?:r:)?blake3:[0-9a-z]{52}/g)).toHaveLength(2);
    expect((await work.run(['store', 'verify', ...built.stdout.trim().split('\n'), ...on])).status).toBe(0);
    const wrong = await work.run(['build', '-A', 'wrong', ...on]);
    expect(wrong.status).toBe(102);
    expect(wrong.stderr).toContain(`specified: ${sri}`);
  });
});
