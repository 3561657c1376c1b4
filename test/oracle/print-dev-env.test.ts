// `nix print-dev-env` against Nix 2.8; what 2.36 leaves out or words otherwise is left out of the comparison.
import { spawnSync } from 'node:child_process';
import { afterAll, expect, it } from 'vitest';
import { program, Workplace, type Ended } from '../support/cli.ts';
import { describeWith } from '../support/requirements.ts';

const work = new Workplace({
  'setup/setup': [
    'fun() { echo "hi } there"; }',
    'arr=(a "b c")',
    "declare -A assoc=([k]='v w' [x]=$'line\\nbreak' [\"it's\"]='\\')",
    'export EXPORTED="it\'s"',
    'declare -i number=1',
    '',
  ].join('\n'),
  'default.nix': `let
    mk = more: derivation ({
      name = "d"; system = "x86_64-linux"; builder = "/bin/bash"; args = [ "-c" "echo > $out" ];
      outputs = [ "out" "dev" ]; stdenv = ./setup;
    } // more);
  in {
    plain = mk { line = "a b"; text = "t\\"q\\n"; shellHook = "echo hooked $out"; allowedReferences = [ ]; };
    structured = mk { __structuredAttrs = true; list = [ 1 "two" ]; outputChecks.out.allowedReferences = [ ]; };
    odd = mk { odd = builtins.fromJSON ''"\\u0001\\t\\u001f"''; };
    sh = mk { builder = "/bin/sh"; };
  }`,
});
afterAll(() => {
  work.close();
});

const settings = ['substituters =', 'build-users-group =', 'sandbox-paths = /bin /usr /lib /lib64'];
const env = {
  ...work.environment(),
  NIX_REMOTE: work.store,
  NIX_CONFIG: [...settings, 'experimental-features = nix-command'].join('\n'),
};
const run = (...words: string[]): Promise<Ended> => work.startProgram(words, { env }).ended;

interface Environment {
  readonly variables: Record<string, unknown>;
  readonly bashFunctions: Record<string, string>;
  readonly structuredAttrs?: Record<string, string>;
}
/** 2.8 lets more of bash's own variables through, and has the old name. */
const DIFFERENT = ['COMP_WORDBREAKS', 'EPOCHREALTIME', 'EPOCHSECONDS', 'LINENO', 'name'];

function environmentOf({ status, stdout, stderr }: Ended): Environment {
  if (status !== 0) throw new Error(stderr);
  // The derivation that finds it out is another one: so are its outputs.
  return JSON.parse(stdout.replace(/\/nix\/store\/[0-9a-z]{32}-d-env/g, 'OUT')) as Environment;
}

describeWith(['nix', 'bash', 'perl'], 'print-dev-env', () => {
  it('tells the variables and functions that the real one tells', async () => {
    const words = ['print-dev-env', '-f', 'default.nix', 'plain', '--json'];
    const [expected, got] = [environmentOf(await run('nix', ...words)), environmentOf(await run(program, ...words))];
    for (const name of DIFFERENT) Reflect.deleteProperty(expected.variables, name);
    expect(got.variables['name']).toEqual({ type: 'exported', value: 'd-env' });
    for (const name of DIFFERENT) Reflect.deleteProperty(got.variables, name);
    expect(got).toEqual(expected);
  });

  it('writes JSON for every character (Nix: a parse error)', async () => {
    const { variables } = environmentOf(await run(program, 'print-dev-env', '-f', 'default.nix', 'odd', '--json'));
    expect(variables['odd']).toEqual({ type: 'exported', value: '\x01\t\x1f' });
  });

  it('prints code that gives a bash all of it, outputs below the current folder', async () => {
    const { stdout } = await run(program, 'print-dev-env', '-f', 'default.nix', 'plain');
    const test =
      'fun; echo "${arr[1]}|${assoc[x]}|${assoc["it\'s"]}|$EXPORTED|$text|$out|$dev"; env | grep ^EXPORTED; echo "$PATH"';
    const bash = spawnSync('bash', ['--norc', '-c', `${stdout}\n${test}`], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] },
    });
    const outputs = `${work.project}/outputs`;
    expect(bash.stdout).toBe(
      `hooked ${outputs}/out\nhi } there\nb c|line\nbreak|\\|it's|t"q\n|${outputs}/out|${outputs}/dev\nEXPORTED=it's\n/path-not-set:${process.env['PATH']!}\n`,
    );
  });

  it('has structured attributes, in files too', async () => {
    const words = ['print-dev-env', '-f', 'default.nix', 'structured'];
    const { structuredAttrs, variables } = environmentOf(await run(program, ...words, '--json'));
    expect(JSON.parse(structuredAttrs!['.attrs.json']!)).toMatchObject({ list: [1, 'two'] });
    expect(variables['list']).toEqual({ type: 'array', value: ['1', 'two'] });
    const { stdout } = await run(program, ...words);
    const bash = spawnSync('bash', ['--norc', '-c', `${stdout}\ncat "$NIX_ATTRS_SH_FILE"; echo "\${outputs[dev]}"`], {
      encoding: 'utf8',
    });
    expect(bash.stdout).toContain("declare -a list=(1 'two' )");
    expect(bash.stdout).toContain(`${work.project}/outputs/dev\n`);
  });

  it('wants a derivation that bash builds', async () => {
    const { status, stderr } = await run(program, 'print-dev-env', '-f', 'default.nix', 'sh');
    expect([status, stderr]).toEqual([
      1,
      "error: 'nix develop' only works on derivations that use 'bash' as their builder\n",
    ]);
  });
});
