// What `nix` answers shells that complete a word, against Nix 2.8; and the scripts that shells ask with.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { program, Workplace } from '../support/cli.ts';
import { describeWith } from '../support/requirements.ts';

const work = new Workplace({
  'registry.json':
    '{ "version": 2, "flakes": [ { "from": { "type": "indirect", "id": "near" }, "to": { "type": "path", "path": "/x" } },' +
    '{ "from": { "type": "github", "owner": "o", "repo": "r" }, "to": { "type": "path", "path": "/x" } } ] }',
  'dep/flake.nix': '{ outputs = x: { }; }',
  'wrong/flake.nix': 'throw "no"',
  'set.nix': '{ x ? 1 }: { one.two = 1; once = { }; other = x; }',
  'folder/file': '',
  'folder/.hidden': '',
});
work.write(
  'foo/flake.nix',
  `{
    inputs.a.url = "path:${work.project}/dep";
    inputs.ab.follows = "a";
    outputs = x: {
      packages.x86_64-linux = { default = 1; hello = 1; help = 1; };
      legacyPackages.x86_64-linux.python = { helper = 1; };
      lib = { deep.er = 1; deed = 2; };
      hydra = throw "not this";
    };
  }`,
);
work.write('bar/flake.nix', `{ inputs.b.url = "path:${work.project}/dep"; outputs = x: { }; }`);
const env = {
  ...work.environment(),
  HOME: work.project,
  NIX_REMOTE: work.store,
  NIX_CONFIG: [
    'substituters =',
    `flake-registry = ${work.project}/registry.json`,
    'experimental-features = nix-command flakes',
  ].join('\n'),
};
afterAll(() => {
  work.close();
});

/** @param at which word is to be completed; the last if not given */
function complete(command: readonly string[], words: readonly string[], at = words.length): string {
  const number = String(at + command.length - 1);
  const run = spawnSync(command[0]!, [...command.slice(1), ...words], {
    cwd: work.project,
    env: { ...env, NIX_GET_COMPLETIONS: number },
    encoding: 'utf8',
  });
  return run.stdout;
}

describeWith(['nix'], 'completions and those of the real nix', () => {
  it.each<{ readonly words: readonly string[] }>([
    { words: ['buil'] },
    { words: ['path-i'] },
    { words: ['flake', 'metad'] },
    { words: ['build', './f'] },
    { words: ['build', './nonexistent'] },
    { words: ['build', './foo/'] },
    { words: ['build', 'ne'] },
    { words: ['build', 'github:o'] },
    { words: ['build', './foo', '--override-input', 'a', './b'] },
    { words: ['build', '--inputs-from', './b'] },
    { words: ['flake', 'show', './foo', '--override-input', 'a'] },
    { words: ['flake', 'show', './b'] },
    { words: ['eval', './foo#h'] },
    { words: ['eval', './foo#hel'] },
    { words: ['eval', './foo#lib.de'] },
    { words: ['eval', './foo#lib.'] },
    { words: ['eval', './foo#packages.x86_64-linux.'] },
    { words: ['build', './foo#'] },
    { words: ['eval', './foo#python.h'] },
    { words: ['eval', './wrong#'] },
    { words: ['eval', '--file', './set.nix', 'on'] },
    { words: ['eval', '-f', './set.nix', 'one.'] },
    { words: ['eval', '-f', './wrong/flake.nix', 'on'] },
    { words: ['eval', '--file', './s'] },
    { words: ['eval', '--file', './folder/'] },
    { words: ['eval', '--file', './folder/.'] },
    { words: ['hash', 'path', './se'] },
    { words: ['run', './foo', 'f'] },
    { words: ['nonsense', ''] },
  ])('$words', ({ words }) => {
    const here = complete([program, 'nix'], words);
    expect(here).toMatch(/^(?:normal|filenames|attrs)\n/);
    expect(here).toBe(complete(['nix'], words));
  });

  it('flags, with what they are for; inputs, of which Nix 2.8 has none to tell', () => {
    expect(complete([program, 'nix'], ['build', '--log-form'])).toMatch(/^normal\n--log-format\t[a-z]/);
    expect(complete([program, 'nix'], ['build', '-'])).toMatch(/^normal\n--\t\n-A\t.*\n/);
    const inputs = (words: readonly string[], at?: number): string => complete([program, 'nix'], words, at);
    expect(inputs(['build', './foo', './bar', '--override-input', ''])).toBe('normal\na\t\nab\t\nb\t\n');
    expect(inputs(['build', '~/foo', '--override-input', ''])).toBe('normal\na\t\nab\t\n');
    expect(inputs(['build', '--override-input', '', '', './foo'], 3)).toBe('normal\na\t\nab\t\n');
    expect(complete([program, 'nix'], ['flake', 'update', '--flake', './foo', ''])).toBe('normal\na\t\nab\t\n');
    // (2.8 leaves the full stop.)
    expect(complete([program, 'nix'], ['build', '--option', 'allow-import-from'])).toBe(
      'normal\nallow-import-from-derivation\tSet the `allow-import-from-derivation` setting\n',
    );
    expect(complete([program], ['instant'])).toBe('normal\ninstantiate\t\n');
  });
});

describeWith(['bash'], 'the script for bash', () => {
  it('asks, and takes the answers', () => {
    const line = (...words: string[]): string[] => {
      const script = `. <("$0" completion bash); PATH=${join(program, '..')}:$PATH
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); compopt() { echo "$@"; }; _tsnix_complete; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const run = spawnSync('bash', ['-c', script, program, ...words], { cwd: work.project, env, encoding: 'utf8' });
      expect(run.stderr).toBe('');
      return run.stdout.trim().split('\n');
    };
    expect(line('tsnix', 'instant')).toEqual(['instantiate']);
    expect(line('tsnix', 'eval', './foo#lib.de')).toEqual(['-o nospace', './foo#lib.deed', './foo#lib.deep']);
    expect(line('tsnix', 'eval', '-f', './s')).toEqual(['-o filenames', './set.nix']);
  });
});

describeWith(['zsh'], 'the script for zsh', () => {
  it('asks, and takes the answers', () => {
    const script = `compdef() { :; }; compadd() { print -l -- "$@"; }; . <("$0" completion zsh)
      PATH=${join(program, '..')}:$PATH words=(tsnix eval ./foo#lib.de) CURRENT=3; _tsnix_complete; print -l -- $names`;
    const run = spawnSync('zsh', ['-fc', script, program], { cwd: work.project, env, encoding: 'utf8' });
    expect(run.stdout, run.stderr).toContain('-S\n');
  });
});

it('the script for fish is there, and no other', () => {
  const script = (shell: string) => spawnSync(program, ['completion', shell], { env, encoding: 'utf8' });
  expect(script('fish').stdout).toContain("complete --command $program --arguments '(__tsnix_answer | tail -n +2)'");
  expect(script('csh').stderr).toContain(
    "error: there is no completion for the shell 'csh', but for bash, zsh and fish",
  );
});
