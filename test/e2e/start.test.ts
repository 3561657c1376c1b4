// What a start from the snapshot needs, and what is loaded when it is used (src/cli/parts.ts).
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
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

describe.skipIf(!existsSync(join(root, 'dist/tsnix.code')))('what V8 made of the parts', () => {
  const program = join(dir, 'program');
  const code = join(program, 'dist/tsnix.code');
  const node = join(program, 'node_modules/.bin/node');

  /** What V8 says of code that it is given, and what the command does. */
  function hashOf(change?: () => void, flags = ''): { taken: boolean; refused: boolean; hash: string } {
    cpSync(join(root, 'dist/tsnix.code'), code);
    const real = join(root, 'node_modules/.bin/node');
    writeFileSync(node, `#!/bin/sh\nexec '${real}' ${flags} --profile-deserialization "$@"\n`, { mode: 0o755 });
    utimesSync(node, 1, 1);
    change?.();
    const { status, out, err } = tsnix(program, 'hash', 'path', join(root, 'bin'));
    expect([status, err]).toEqual([0, '']);
    return {
      taken: out.includes('[Deserializing from '),
      refused: out.includes('[Cached code failed check: flags mismatch]'),
      hash: /^sha256-.*$/m.exec(out)![0],
    };
  }

  it('is taken where it fits, and nowhere else', () => {
    mkdirSync(join(program, 'node_modules/.bin'), { recursive: true });
    for (const name of ['bin', 'dist', 'package.json'])
      cpSync(join(root, name), join(program, name), { recursive: true });
    const { hash, ...fits } = hashOf();
    expect(fits).toEqual({ taken: true, refused: false });
    expect(hash).toBe(tsnix(root, 'hash', 'path', join(root, 'bin')).out.trim());
    const without = { taken: false, refused: false, hash };
    expect(hashOf(() => rmSync(code))).toEqual(without);
    for (const length of [0, 5, 1000]) expect(hashOf(() => truncateSync(code, length))).toEqual(without);
    const ofOthers = readFileSync(code, 'latin1').replace(/"parts-[0-9a-f]+"/, (name) =>
      name.replace(/.{4}"$/, '0000"'),
    );
    expect(hashOf(() => writeFileSync(code, ofOthers, 'latin1'))).toEqual(without);
    expect(hashOf(undefined, '--no-use-ic')).toEqual({ taken: false, refused: true, hash });
    // Sizes of memory and stack do not count.
    const smaller = (): void => {
      const script = readFileSync(join(root, 'bin/tsnix'), 'utf8');
      writeFileSync(
        join(program, 'bin/tsnix'),
        script
          .replace('* 3 / 4', '/ 4')
          .replace('max-semi-space-size=8', 'max-semi-space-size=4')
          .replace('limit=1048576', 'limit=65536'),
      );
    };
    expect(hashOf(smaller)).toEqual({ ...fits, hash });
  });
});

it('what glibc is told is not told to others', () => {
  const variables = 'builtins.getEnv "GLIBC_TUNABLES" + builtins.getEnv "TSNIX_TUNABLES"';
  const args = ['eval', '--raw', '--impure', '--store', 'dummy://', '-E', variables];
  expect(tsnix(root, ...args)).toEqual({ status: 0, out: '', err: '' });
});
