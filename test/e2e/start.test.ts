// What a start from the snapshot needs, and what is loaded when it is used (src/cli/parts.ts).
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const dir = realpathSync(mkdtempSync(join(tmpdir(), 'tsnix-start-')));
const copy = join(dir, 'copy');

function tsnix(program: string, ...args: string[]): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(join(program, 'bin/tsnix'), args, {
    encoding: 'utf8',
    cwd: dir,
    env: { PATH: process.env['PATH'], HOME: dir, NIX_CONF_DIR: dir },
  });
  return { status, out: stdout, err: stderr };
}

mkdirSync(copy);
for (const name of ['bin', 'dist', 'package.json']) cpSync(join(root, name), join(copy, name), { recursive: true });
for (const name of ['lib', 'node_modules']) symlinkSync(join(root, name), join(copy, name));
for (const parts of globSync('dist/parts-*', { cwd: copy })) truncateSync(join(copy, parts));
afterAll(() => {
  rmSync(dir, { recursive: true });
});

const expression = 'derivation { name = "x"; system = "y"; builder = "z"; }';
const drv = '/nix/store/n01dy158nk2mfsjgkgdpm9ma51dy2ry5-x.drv'; // as Nix has it

describe.skipIf(!existsSync(join(root, 'dist/tsnix.blob')))('parts', () => {
  it.each([
    ['a value', ['eval', '-E', '1 + 1'], '2\n'],
    ['a value that is kept', ['eval', '-E', '1 + 1'], '2\n'],
    ['a value of another kind', ['eval', '-E', '{ a = [ "b" ]; }'], '{ a = [ "b" ]; }\n'],
    ['a value, with the older command', ['nix-instantiate', '--eval', '-E', 'x: x'], '<LAMBDA>\n'],
    ['a derivation that is there', ['instantiate', '-E', expression], `${drv}\n`],
    ['a derivation that is kept', ['instantiate', '-E', expression], `${drv}\n`],
    ['a derivation, with the older command', ['nix-instantiate', '-E', expression], `${drv}\n`],
  ])('%s needs none', (_, args, out) => {
    const [command, ...rest] = args;
    const line = [command!, '--store', join(dir, 'store'), ...rest];
    if (out.includes('.drv')) tsnix(root, ...line, '--no-cache');
    expect(tsnix(copy, ...line)).toMatchObject({ status: 0, out });
  });

  it('files and large sets need none, parsed or from the pack', () => {
    writeFileSync(join(dir, 'other.nix'), '{ copied = toString ./copied; }');
    writeFileSync(
      join(dir, 'many.nix'),
      `with builtins; let many = listToAttrs (genList (i: { name = "n\${toString i}"; value = i; }) 600);
      in foldl' (sum: i: sum + (many // { a = i; }).a) (length (attrNames (removeAttrs (many // import ./other.nix // many) [ "n1" ]))) (genList (i: i) 20000)`,
    );
    const line = ['nix-instantiate', '--eval', '--store', join(dir, 'store'), '--no-eval-cache', join(dir, 'many.nix')];
    for (const _ of [1, 2]) expect(tsnix(copy, ...line)).toEqual({ status: 0, out: '199990600\n', err: '' });
  });

  it('what few commands need is one', () => {
    const { status, err } = tsnix(copy, 'hash', 'path', dir);
    expect(status).toBe(1);
    expect(err).toContain('the package folder is incomplete');
    expect(tsnix(root, 'hash', 'path', join(root, 'bin'))).toMatchObject({ status: 0, err: '' });
  });
});

it('what glibc is told is not told to others', () => {
  const variables = 'builtins.getEnv "GLIBC_TUNABLES" + builtins.getEnv "TSNIX_TUNABLES"';
  const args = ['eval', '--raw', '--impure', '--store', 'dummy://', '-E', variables];
  expect(tsnix(root, ...args)).toEqual({ status: 0, out: '', err: '' });
});
