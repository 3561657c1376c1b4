// The line at the bottom of a terminal: what it tells, that it fits, and that nothing of it stays.
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { describeWith } from '../../support/requirements.ts';
import { derivations, program, Workplace } from '../../support/cli.ts';
import { CacheServer } from '../../support/cache-server.ts';

const spin = 'i=0; while [ $i -lt 700000 ]; do i=$((i+1)); done';
const work = new Workplace({
  'default.nix': derivations(`
    quick = mk "quick" "echo quick > $out" {};
    slow = mk "slow" "echo started; ${spin}; echo built > $out" {};
    hello = mk "hello-2.10" ''
      echo '@nix {"action":"setPhase","phase":"buildPhase"}'
      echo 'cc -o 日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語'
      ${spin}
      printf 'es\\033[2Jcape\\033]0;title\\007 \\033[31mred\\033[0m\\r\\n'
      ${spin}
      echo > $out
    '' {};
    fails = mk "fails" "i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo line $i; done; exit 3" {};
    big = mk "big" "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo this is line $i of the file; done > $out" {};
  `),
});
const cache = join(work.dir, 'cache');
const server = new CacheServer(cache);
afterAll(async () => {
  await server.stop();
  work.close();
});

/** What a terminal shows in the end. */
function screen(shown: string): string[] {
  const lines = [''];
  let column = 0;
  for (const [piece, control] of shown.matchAll(/\x1b\[([0-9;]*[A-Za-z])|[^]/gu)) {
    const last = lines.length - 1;
    if (piece === '\r') column = 0;
    else if (piece === '\n') lines.push('');
    else if (control === 'K') lines[last] = lines[last]!.slice(0, column);
    else if (control === undefined) {
      lines[last] = lines[last]!.slice(0, column) + piece + lines[last]!.slice(column + piece.length);
      column += piece.length;
    }
  }
  return lines;
}

const storeName = (path: string): string => path.trim().slice('/nix/store/'.length + 33);

const columnsOf = (text: string): number =>
  Array.from(text).reduce((sum, char) => sum + (char > '\u2e80' && char < '\uffff' ? 2 : 1), 0);

describeWith(['script', 'stty', 'perl'], 'progress on a terminal', () => {
  const onTerminal = async (command: string, columns = 60, env: Record<string, string> = {}): Promise<string> => {
    const { stdout } = await work.startProgram(['script', '-qec', `stty cols ${columns}; ${command}`, '/dev/null'], {
      env: { TERM: 'xterm', SHELL: '/bin/sh', NIX_REMOTE: work.store, ...env },
    }).ended;
    return stdout;
  };
  /** What stood in the line, one after the other, without colours. */
  const drawn = (shown: string): string[] =>
    [...shown.matchAll(/\r([^\r\n]*?)\x1b\[K/g)].map(([, text]) => text!.replace(/\x1b\[[0-9;]*m/g, ''));

  it('tells counts, what builds, its phase and its last line, and goes away', async () => {
    const shown = await onTerminal(`${program} build --no-out-link -A quick -A hello`, 80);
    const lines = drawn(shown);
    expect(lines.some((line) => line.startsWith('[1/1/2 built] building hello-2.10 (buildPhase): cc -o 日本語'))).toBe(
      true,
    );
    expect(lines).toContain('[1/1/2 built] building hello-2.10 (buildPhase): escape red');
    // What is two columns wide is not cut in two.
    expect(Math.max(...lines.map(columnsOf))).toBe(78);
    expect(shown).not.toMatch(/\x1b\[2J|title|\x1b\[\?25l/);
    expect(screen(shown)).toEqual([
      'these 2 derivations will be built:',
      expect.stringMatching(/^ {2}\/nix\/store\/.*\.drv$/),
      expect.stringMatching(/^ {2}\/nix\/store\/.*\.drv$/),
      expect.stringMatching(/^\/nix\/store\/.*-quick$/),
      expect.stringMatching(/^\/nix\/store\/.*-hello-2\.10$/),
      '',
    ]);
  });

  it('fits a window that becomes narrow, also where names are long', async () => {
    // Once the builder has said something, which makes its log.
    const begun = `find ${work.store}/nix/var/log -name '*hello*' -newer mark | grep -q .`;
    const command = `touch mark; (until ${begun}; do sleep 0.1; done; sleep 0.3; stty cols 20 </dev/tty) & ${program} nix build --no-link --rebuild -f . hello`;
    await onTerminal(`${program} build --no-out-link -A hello`);
    const shown = await onTerminal(command, 50);
    const lines = drawn(shown).map(columnsOf);
    expect(Math.max(...lines)).toBe(49);
    // Drawn anew when it changed, and narrow from then on.
    const first = lines.findIndex((columns) => columns === 19);
    expect(first).toBeGreaterThan(0);
    expect(Math.max(...lines.slice(first))).toBe(19);
    expect(screen(shown)).toEqual(['']);
    expect(screen(await onTerminal(`${program} nix build --no-link --rebuild -f . slow`, 3))).toEqual(
      expect.arrayContaining(['']),
    );
  });

  it('says what was said above it: logs with names, failures with their last lines', async () => {
    const logs = await onTerminal(`${program} nix build --no-link --rebuild -f . hello -L`, 60);
    expect(screen(logs).map((line) => line.trimEnd())).toEqual([
      expect.stringMatching(/^hello> cc -o 日本語/),
      'hello> escape red',
      '',
    ]);
    const failed = screen(await onTerminal(`${program} nix build --no-link -f . fails quick`));
    expect(failed[0]).toMatch(/^error: Cannot build '\/nix\/store\/.*-fails\.drv'\.$/);
    expect(failed.slice(4, 7)).toEqual(['       Last 25 log lines:', '       > line 6', '       > line 7']);
    expect(failed.slice(-3)).toEqual([
      '       For full logs, run:',
      expect.stringMatching(/^ {9}nix log \/nix\/store\/.*-fails\.drv$/),
      '',
    ]);
  });

  it('leaves nothing behind when it is interrupted or its output is no terminal', async () => {
    const interrupted = await onTerminal(
      `(sleep 1; kill -INT $(cat pid)) & sh -c 'echo $$ > pid; exec ${program} nix build --no-link --rebuild -f . slow hello'`,
    );
    expect(screen(interrupted).filter((line) => /built|building/.test(line))).toEqual([]);
    const piped = await onTerminal(`${program} nix build --no-link --rebuild -f . quick 2>&1 | cat`);
    expect(piped).not.toContain('\x1b');
    expect(await onTerminal(`TERM=dumb ${program} nix build --no-link --rebuild -f . quick`)).not.toContain('\x1b');
  });

  it('tells what is fetched, and bytes', async () => {
    const path = (await work.run(['build', '--no-out-link', '-A', 'big'], { env: { NIX_REMOTE: work.store } })).stdout;
    const copied = await onTerminal(`${program} copy --to file://${cache}?compression=none -A big`, 100);
    expect(drawn(copied).find((line) => line !== '')).toMatch(/^\[0(\/1)? copied \(0\.0\/86\.9 KiB\)\]/);
    expect(screen(copied)).toEqual(['']);
    // Half of it comes late.
    server.misbehave = ({ path: name }, response, contents) => {
      if (!name.startsWith('nar/') || contents === undefined) return false;
      response.writeHead(200, { 'content-length': contents.length });
      response.write(contents.subarray(0, 70_000));
      setTimeout(() => response.end(contents.subarray(70_000)), 500);
      return true;
    };
    const url = await server.start();
    const env = { NIX_REMOTE: join(work.dir, 'fresh') };
    const shown = await onTerminal(
      `${program} nix build --no-link -f . big --option substituters ${url} --no-require-sigs`,
      140,
      env,
    );
    const fetching = ` KiB), 6_/86.9 KiB DL] fetching ${storeName(path)} from ${url}`;
    const lines = drawn(shown).map((line) => line.replace(/6\d\.\d/, '6_'));
    expect(lines).toContainEqual(expect.stringMatching(/^\[1\/0\/1 copied \(\d/));
    expect(lines).toContainEqual(expect.stringContaining(fetching));
    expect(screen(shown)).toEqual(['']);
  });
});
