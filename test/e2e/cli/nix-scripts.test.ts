// Scripts whose first lines are the command line of `nix`, run as the kernel runs them: by its name on PATH.
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { program, Workplace, type Ended } from '../../support/cli.ts';

const place = new Workplace({ 'value.nix': '"a value"' });
const bin = join(place.dir, 'bin');
mkdirSync(bin);
symlinkSync(program, join(bin, 'nix'));
mkdirSync(join(place.dir, 'elsewhere'));
afterAll(() => {
  place.close();
});

function run(lines: readonly string[], args: readonly string[] = []): Promise<Ended> {
  const script = join(place.project, 'script');
  writeFileSync(script, ['#! /usr/bin/env nix', ...lines, ''].join('\n'));
  chmodSync(script, 0o755);
  const env = { ...place.environment(), PATH: `${bin}:${process.env['PATH']!}` };
  return place.startProgram([script, ...args], { env, cwd: join(place.dir, 'elsewhere') }).ended;
}

const shown = 'nix eval --apply ``x: x`` --expr';
describe('nix in the first lines of a script', () => {
  it.each([
    ['one line', ['#! nix eval --raw --file ./value.nix --argstr script'], 'a value'],
    [
      'several, other comments between',
      [
        '#!nix eval',
        '# nix no',
        '// nix',
        '#! nix --raw',
        '#! nix -f value.nix',
        '-- x',
        '(* y',
        '#! nix --argstr script',
        '',
        '#! nix never',
      ],
      'a value',
    ],
    [
      'indented texts',
      [
        `#! ${shown} \`\`let`,
        '#! nix   x = 1;',
        '#! nix in',
        '#! nix   [ x ./value.nix ]',
        '#! nix `` --argstr script',
      ],
      /^\[ 1 \/.*\/value\.nix \]\n$/,
    ],
    ['characters of shells, quoted', [`#! ${shown} \`\`"*~$ <|>(#)"\`\` --argstr script`], '"*~$ <|>(#)"\n'],
    ['backticks, escaped by one more', [`#! ${shown} \`\`"\`\`\`\`a\`b\`\`\`"\`\` --argstr script`], '"```a`b``"\n'],
    ['a space before the end of quotes', [`#! ${shown} \`\`1 \`\` --argstr script`], '1\n'],
  ])('%s', async (_, lines, expected) => {
    const { status, stdout, stderr } = await run(lines);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toEqual(typeof expected === 'string' ? expected : expect.stringMatching(expected));
  });

  it('is given its own path and arguments, and runs what it names where it was called', async () => {
    const lines = [
      '#! nix shell --impure --expr',
      '#! nix ``derivation { name = "x"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ ./value.nix "-c" ]; }``',
    ];
    const { stdout } = await run([...lines, '#! nix --dry-run --command sh -c ``pwd; echo $0 $1``'], ['one']);
    expect(stdout).toBe(`${place.dir}/elsewhere\n${place.project}/script one\n`);
  });

  it.each([
    ['#! nix eval *', 'unsupported unquoted character in nix shebang: *. Use double backticks to escape?'],
    ['#! nix eval `x`', 'single backtick is not a supported syntax in the nix shebang.'],
    ['#! nix eval #x', 'unquoted nix shebang argument cannot start with #. Use double backticks to escape?'],
    ['#! nix eval ``x', 'unterminated quoted string in nix shebang'],
  ])('%s', async (line, message) => {
    const { status, stderr } = await run([line]);
    expect([status, stderr.split('\n')[0]]).toEqual([1, `error: ${message}`]);
  });
});
