// --watch as a user sees it: what changed, errors that end nothing, Ctrl-C.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestInstallation } from '../../support/tsnix.ts';

const program = resolve(import.meta.dirname, '../../../bin/tsnix');

describe('--watch', () => {
  let tsnix: TestInstallation;
  let child: ChildProcess;
  let output = '';
  beforeEach(() => {
    tsnix = new TestInstallation();
    output = '';
  });
  afterEach(() => {
    child.kill('SIGKILL');
    tsnix.close();
  });

  function start(...args: string[]): Promise<NodeJS.Signals | number | null> {
    child = spawn(program, [...args, '--watch', '--store', tsnix.store], {
      cwd: tsnix.dir,
      env: { PATH: process.env['PATH'], HOME: tsnix.dir, NIX_CONF_DIR: tsnix.dir },
    });
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    }
    return new Promise((end) => child.on('exit', (code, signal) => end(code ?? signal)));
  }
  const write = (name: string, text: string): void => {
    writeFileSync(join(tsnix.dir, name), text);
  };
  /** Waits until it watches again; what came since the last time. */
  async function settled(needle: RegExp): Promise<string> {
    for (let i = 0; i < 600; i++) {
      if (needle.test(output) && /watching \d+ paths\n$/.test(output)) break;
      await new Promise((done) => setTimeout(done, 100));
    }
    const text = output;
    output = '';
    return text;
  }

  it('evaluates again, and survives errors', async () => {
    write('x.nix', '{ a = 1; b.c = import ./y.nix; d = { e = 1; }; }');
    write('y.nix', '[ 1 ]');
    const ended = start('eval', '-f', 'x.nix', '--strict');
    expect(await settled(/watching/)).toMatch(/^\{ a = 1; b = \{ c = \[ 1 \]; \}; d = .*\nwatching \d+ paths\n$/);
    write('y.nix', '[ 2');
    expect(await settled(/error/)).toMatch(/y\.nix has changed\nerror:[^]*syntax error[^]*watching/);
    write('y.nix', '[ 3 ]');
    expect(await settled(/b\.c/)).toMatch(/\n~ b\.c: \[ 1 \] -> \[ 3 \]\nwatching/);
    write('x.nix', '{ a = 1; b.c = import ./y.nix; f = 1; }');
    expect(await settled(/f: 1/)).toMatch(/\n\+ f: 1\n- d\.e: 1\nwatching/);
    child.kill('SIGINT');
    expect(['SIGINT', 130]).toContain(await ended);
  });

  it('notices whatever way a file is written', async () => {
    mkdirSync(join(tsnix.dir, 'd'));
    write('x.nix', '{ a = import ./d/y.nix; names = builtins.attrNames (builtins.readDir ./d); copy = "${./d}"; }');
    write('d/y.nix', '1');
    void start('eval', '-f', 'x.nix', '--strict');
    await settled(/watching/);
    const expectRound = async (value: number, ...names: string[]): Promise<void> => {
      // A tree that was just written is evaluated once more, so the round in question may not be the last.
      const round = await settled(new RegExp(`has changed\\n\\{ a = ${value}; `));
      expect(round).toContain(`names = [ ${names.map((name) => `"${name}"`).join(' ')} ];`);
      expect(round).not.toContain('error');
    };
    // In place, by a new file, in two steps, with the folder.
    write('d/y.nix', '22');
    await expectRound(22, 'y.nix');
    write('new', '3');
    renameSync(join(tsnix.dir, 'new'), join(tsnix.dir, 'd/y.nix'));
    await expectRound(3, 'y.nix');
    rmSync(join(tsnix.dir, 'd/y.nix'));
    write('d/y.nix', '4');
    write('d/z', '');
    await expectRound(4, 'y.nix', 'z');
    renameSync(join(tsnix.dir, 'd'), join(tsnix.dir, 'old'));
    mkdirSync(join(tsnix.dir, 'd'));
    write('d/y.nix', '5');
    await expectRound(5, 'y.nix');
    write('d/y.nix', '6');
    await expectRound(6, 'y.nix');
  });

  it.each(['instantiate', 'build'])('says which derivations of %s are others', async (command) => {
    write('x.nix', '{ writeText }: { one = writeText "one" "1"; two = writeText "two" (import ./two.nix); }');
    write('two.nix', '"2"');
    void start(command, 'x.nix', ...(command === 'build' ? ['--no-out-link'] : []));
    expect(await settled(/watching/)).toMatch(/\/nix\/store\/.*-one[^]*\/nix\/store\/.*-two/);
    write('two.nix', '"22"');
    const again = await settled(/~/);
    expect(again).toMatch(/\n~ two.*: \/nix\/store\/.*-two\.drv -> \/nix\/store\/.*-two\.drv\n/);
    expect(again).not.toContain('~ one');
  });
});
