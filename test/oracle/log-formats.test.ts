// `--log-format` and `json-log-path`: what ours tells of builds, copies, substitution and failures, against Nix 2.8. Their
// ids differ, and what was between first and last of counts; 2.36 has the parents of activities, and other words for
// failures.
import { chmodSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { derivations, program, Workplace, type Ended } from '../support/cli.ts';
import { describeWith } from '../support/requirements.ts';

const work = new Workplace({
  'default.nix': derivations(`
    a = mk "a-1.0" ''
      echo "one é \\"quoted\\" \\\\";
      echo '@nix {"action":"setPhase","phase":"buildPhase"}'
      echo '@nix {"action":"start","id":1,"level":1,"type":105,"text":"x"}'
      printf 'bad \\377 tab\\t end\\n'; printf 'no newline'
      echo > $out
    '' {};
    b = mk "b" "echo \${a} > $out" {};
    fails = mk "fails" "echo about to; exit 3" {};
    late = mk "late" "echo \${fails} > $out" {};
    traced = builtins.trace "traced" b;
    thrown = builtins.addErrorContext "while testing" (throw "thrown");
    warned = builtins.warn "careful" 1;
  `),
});
afterAll(() => {
  work.close();
});

interface Message {
  readonly action: string;
  readonly id?: number;
  readonly type?: number;
  readonly level?: number;
  readonly text?: string;
  readonly msg?: string;
  readonly raw_msg?: string;
  readonly parent?: number;
  readonly fields?: readonly (string | number)[];
  readonly trace?: readonly { readonly raw_msg: string }[];
  readonly line?: number | null;
  readonly column?: number | null;
  readonly file?: string | null;
}

type Name = 'nix' | 'nix-build' | 'nix-store';

describeWith(['nix', 'nix-build', 'perl'], 'log formats', () => {
  const run = (whose: 'theirs' | 'ours', name: Name, args: readonly string[], more: readonly string[] = []) =>
    work.startProgram([...(whose === 'ours' ? [program] : []), name, ...args], {
      env: {
        NIX_REMOTE: join(work.dir, whose),
        NIX_PATH: '',
        NIX_CONFIG: [
          'sandbox = true',
          'sandbox-paths = /bin /usr /lib /lib64',
          'substituters =',
          'build-users-group =',
          'experimental-features = nix-command',
          ...more,
        ].join('\n'),
      },
    }).ended;

  const parse = (text: string): Message[] =>
    text
      .split('\n')
      .filter((line) => line.startsWith('@nix '))
      .map((line) => JSON.parse(line.slice(5)) as Message);

  /** In an order of their own, with the activity's type in place of its id, and of counts the last. */
  function told(messages: readonly Message[], whose: 'theirs' | 'ours'): string[] {
    const types = new Map<number, number>();
    const names = new Map<number, string>();
    const counts = new Map<string, string>();
    const all: string[] = [];
    for (const { action, id = 0, type, level, text, msg, fields = [] } of messages) {
      if (action === 'start') {
        types.set(id, type!);
        names.set(id, String(fields[0] ?? ''));
        // Of hooks 2.36 has another.
        all.push(JSON.stringify(['start', type, type === 110 ? 4 : level, text, fields]));
      } else if (action === 'stop') all.push(JSON.stringify(['stop', types.get(id), names.get(id)]));
      else if (action === 'result' && (type === 105 || type === 106)) {
        // Builds that were there when they were asked for: theirs are expected for a moment.
        counts.set(`${types.get(id)!} ${type} ${type === 106 ? fields[0]! : ''}`, JSON.stringify(fields));
      } else if (action === 'result') all.push(JSON.stringify(['result', types.get(id), names.get(id), type, fields]));
      else if (!/error:/.test(msg!)) all.push(JSON.stringify(['msg', level, msg]));
    }
    const alike = all
      .map((line) => line.replaceAll(join(work.dir, whose), 'STORE'))
      // How often they look is their business.
      .filter((line) => !/querying info about missing paths|^\["stop",0,|^\["(start|stop)",109/.test(line));
    return [...alike, ...[...counts].map(([key, fields]) => `${key}: ${fields}`)].sort();
  }

  const compare = async (name: Name, args: readonly string[], more: readonly string[] = []): Promise<Message[][]> => {
    const words = [...args, '--log-format', 'internal-json'];
    const [theirs, ours] = await Promise.all([run('theirs', name, words, more), run('ours', name, words, more)]);
    expect(ours.stdout).toBe(theirs.stdout);
    const [expected, actual] = [parse(theirs.stderr), parse(ours.stderr)];
    expect(ours.stderr.trimEnd().split('\n').length, ours.stderr).toBe(actual.length);
    const without = (lines: string[]): string[] =>
      name === 'nix' ? lines.filter((line) => !/^\["msg",3,"(this|these|  \/)/.test(line)) : lines;
    expect(without(told(actual, 'ours')), ours.stderr).toEqual(told(expected, 'theirs'));
    return [expected, actual];
  };

  it('internal-json has the activities and results of builds, hooks and messages', async () => {
    const hook = work.write('hook', '#!/bin/sh\necho "hook of $DRV_PATH"\necho rest\n');
    chmodSync(hook, 0o755);
    const [, ours] = await compare('nix-build', ['-A', 'b', '--no-out-link'], [`post-build-hook = ${hook}`]);
    const starts = ours!.filter(({ action }) => action === 'start');
    expect(starts.every(({ parent }) => parent === 0)).toBe(true);
    // Known, and different.
    expect(new Set(starts.map(({ id }) => id)).size).toBe(starts.length);
    await compare('nix-build', ['-A', 'b', '--no-out-link', '--check']);
    await compare('nix-build', ['-A', 'traced', '--no-out-link']);
    await compare('nix', ['build', '-f', '.', 'b', '--no-link']);
  });

  it('internal-json has errors with their parts', async () => {
    const [expected, actual] = await compare('nix', ['build', '-f', '.', 'thrown', '--show-trace']);
    const failure = actual!.at(-1)!;
    expect([failure.action, failure.level, failure.raw_msg]).toEqual(['msg', 0, expected!.at(-1)!.raw_msg]);
    expect(failure.trace!.map((frame) => frame.raw_msg)).toEqual([
      "while calling the 'throw' builtin",
      'while testing',
    ]);
    expect(failure.msg).toMatch(/^\x1b\[31;1merror:\x1b\[0m\n/);
    const syntax = parse((await run('ours', 'nix', ['eval', '--expr', '1 +', '--log-format', 'internal-json'])).stderr);
    expect(syntax).toEqual([
      expect.objectContaining({
        file: '«string»:1:4',
        line: 1,
        column: 4,
        raw_msg: 'syntax error, unexpected end of file',
      }),
    ]);
    const warning = await run('ours', 'nix', ['eval', '-f', '.', 'warned', '--log-format', 'internal-json']);
    expect(parse(warning.stderr)).toEqual([
      {
        action: 'msg',
        level: 1,
        msg: '\x1b[35;1mevaluation warning:\x1b[0m careful',
        raw_msg: 'careful',
        column: null,
        file: null,
        line: null,
      },
    ]);
  });

  it('internal-json has failed builds, without their log once more', async () => {
    for (const args of [['late'], ['late', 'fails', '-k']]) {
      const words = args.flatMap((word) => (word.startsWith('-') ? [word] : ['-A', word]));
      const [, ours] = await compare('nix-build', [...words, '--no-out-link']);
      const errors = ours!.filter(({ raw_msg }) => raw_msg !== undefined);
      expect(errors[0]!.raw_msg).toMatch(
        /^Cannot build '\/nix\/store\/.*-fails\.drv'\.\nReason: builder failed with exit code 3\.\nOutput paths:\n {2}\/nix\/store\/.*-fails$/,
      );
    }
  });

  it('internal-json has copies and substitution', async () => {
    const cache = (whose: string): string => `file://${join(work.dir, `cache-${whose}`)}`;
    for (const whose of ['theirs', 'ours'] as const) {
      const { status, stderr } = await run(whose, 'nix', ['copy', '--to', cache('1'), '-f', '.', 'b']);
      expect(status, stderr).toBe(0);
    }
    const messages = async (whose: 'theirs' | 'ours', ...args: string[]): Promise<Message[]> =>
      parse((await run(whose, 'nix', [...args, '--log-format', 'internal-json'])).stderr);
    const copies = async (whose: 'theirs' | 'ours'): Promise<unknown[]> =>
      (await messages(whose, 'copy', '--to', cache(whose), '-f', '.', 'b'))
        .filter(({ action, type }) => action === 'start' && (type === 100 || type === 103))
        .filter(({ text }) => text !== '')
        .map(({ text, fields = [] }) => [text!.replaceAll(cache(whose), 'CACHE'), fields[0], fields.length])
        .sort();
    expect(await copies('ours')).toEqual(await copies('theirs'));
    for (const whose of ['theirs', 'ours']) rmSync(join(work.dir, whose, 'nix'), { recursive: true, force: true });
    const args = ['build', '-f', '.', 'b', '--no-link', '--option', 'substituters', cache('1'), '--no-require-sigs'];
    const [theirs, ours] = [await messages('theirs', ...args), await messages('ours', ...args)];
    const started = (all: readonly Message[]): unknown[] =>
      all
        .filter(({ action, type }) => action === 'start' && (type === 100 || type === 108))
        .map(({ type, level, text, fields }) => [type, level, text, fields!.slice(0, 2)])
        .sort();
    expect(started(ours)).toEqual(started(theirs));
    const copy = ours.find(({ action, type }) => action === 'start' && type === 100)!;
    expect(ours.find(({ id }) => id === copy.parent)).toMatchObject({ action: 'start', type: 108 });
  });

  it('raw, raw-with-logs, bar and bar-with-logs are plain lines where there is no terminal', async () => {
    const lines = ({ stderr }: Ended): string[] =>
      stderr.split('\n').filter((line) => !/^(this|these|don't|warning:)|^ {2}\//.test(line));
    let at = 0;
    for (const format of ['raw', 'raw-with-logs', 'bar', 'bar-with-logs']) {
      for (const name of ['nix', 'nix-build'] as const) {
        const expr = `(import ./. {}).a.overrideAttrs or (derivation { name = "f${at++}-1.0"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo one; echo two; echo > $out" ]; })`;
        const args =
          name === 'nix' ? ['build', '--impure', '--no-link', '--expr', expr] : ['--no-out-link', '-E', expr];
        const words = [...args, '--log-format', format];
        const [theirs, ours] = await Promise.all([run('theirs', name, words), run('ours', name, words)]);
        expect([format, name, ours.status, lines(ours)]).toEqual([format, name, 0, lines(theirs)]);
      }
    }
    const wrong = ['build', '--log-format', 'multiline'];
    expect((await run('ours', 'nix', wrong)).stderr).toBe((await run('theirs', 'nix', wrong)).stderr);
  });

  it('json-log-path is told the same, and what it cannot be told is no loss', async () => {
    const file = join(work.dir, 'log.json');
    const expr = (name: string): string =>
      `derivation { name = "${name}"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo one; echo > $out" ]; }`;
    const { stderr } = await run('ours', 'nix-build', ['--no-out-link', '-E', expr('j1')], [`json-log-path = ${file}`]);
    expect(stderr).toContain("\nbuilding '");
    const logged = (): Message[] =>
      readFileSync(file, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Message);
    const of = (type: number): Message[] => logged().filter((message) => message.type === type);
    expect(of(105).filter(({ action }) => action === 'start')).toHaveLength(1);
    expect(of(101)).toMatchObject([{ fields: ['one'] }]);
    // At its end.
    await run('ours', 'nix', ['build', '--impure', '--no-link', '--expr', expr('j2'), '--json-log-path', file]);
    expect(of(101)).toHaveLength(2);
    const failed = await run('ours', 'nix', ['eval', '--expr', 'throw "x"', '--json-log-path', file]);
    expect(failed.stderr).toContain('error: x');
    expect(logged().at(-1)).toMatchObject({ action: 'msg', level: 0, raw_msg: 'x' });
    // Who wants to know more is told more.
    const builders = (): Message[] => logged().filter(({ msg }) => msg === "executing builder '/bin/sh'");
    expect(builders()).toEqual([]);
    await run('ours', 'nix-build', ['-vv', '--no-out-link', '-E', expr('j4'), '--json-log-path', file]);
    expect(builders()).toMatchObject([{ action: 'msg', level: 5 }]);
    // A full disk, and a folder that is not there.
    const full = await run('ours', 'nix-build', ['--no-out-link', '-E', expr('j3'), '--json-log-path', '/dev/full']);
    expect([full.status, full.stderr]).toEqual([
      0,
      expect.stringContaining('warning: disabling JSON logger due to write errors'),
    ]);
    const lost = await run('ours', 'nix', ['eval', '--expr', '1', '--json-log-path', join(work.dir, 'no/where')]);
    expect(lost).toMatchObject({ status: 0, stdout: '1\n' });
    expect(lost.stderr).toMatch(/^error \(ignored\): opening log file ".*\/no\/where": No such file or directory\n$/);
    // A socket.
    mkdirSync(join(work.dir, 's'));
    const path = join(work.dir, 's/socket');
    let heard = '';
    const server = createServer((client) => {
      client.on('data', (data) => (heard += data.toString()));
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    await run('ours', 'nix', ['eval', '--expr', 'throw "y"', '--json-log-path', path]);
    await expect.poll(() => heard).toMatch(/^\{"action":"msg",.*"raw_msg":"y"\}\n$/);
    server.close();
  });
});
