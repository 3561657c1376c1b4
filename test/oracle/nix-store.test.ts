// The drop-in nix-store against the real one: the same command lines on the same store, and stores that each changed.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { derivations, program, Workplace } from '../support/cli.ts';
import { describeWith } from '../support/requirements.ts';
import { treeListing } from '../support/tree-listing.ts';

const work = new Workplace({
  'default.nix': derivations(`
    src = builtins.path { path = ./tree; name = "src"; };
    a = mk "a-1.0" "echo \${src} > $out" {};
    multi = mk "multi-2" "echo \${a} > $out; echo log line; echo $out > $dev" { outputs = [ "out" "dev" ]; quote = "it's two words"; };
    top = mk "top" "echo \${multi} \${multi.dev} \${a} $out > $out" {};
    unbuilt = mk "unbuilt" "echo > $out" {};
  `),
  'tree/same-1': 'the same',
  'tree/same-2': 'the same',
  'tree/sub/same-3': 'the same',
  'tree/empty': '',
  'tree/other': 'something else',
});
afterAll(() => {
  work.close();
});

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
const settings = ['sandbox = true', 'sandbox-paths = /bin /usr /lib /lib64', 'substituters =', 'build-users-group ='];
const env = { ...work.environment(), NIX_PATH: '', NIX_CONFIG: settings.join('\n') };

function run(command: readonly string[], store: string, input?: string | Buffer): Result {
  const [name, ...args] = [...command, '--store', store];
  const { status, stdout, stderr } = spawnSync(name, args, {
    cwd: work.project,
    env,
    encoding: 'latin1',
    maxBuffer: 1 << 28,
    input: input ?? '',
  });
  return { status, stdout: stdout.replaceAll(store, 'STORE'), stderr: stderr.replaceAll(store, 'STORE') };
}
const real = (args: readonly string[], store = work.store, input?: string | Buffer): Result =>
  run(['nix-store', ...args], store, input);
const ours = (args: readonly string[], store = work.store, input?: string | Buffer): Result =>
  run([program, 'nix-store', ...args], store, input);

/** A copy of the store. */
function copy(name: string): string {
  const place = join(work.dir, name);
  cpSync(work.store, place, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
  return place;
}

/** What is in a store's directory, and what its database says. */
function contents(store: string): unknown {
  return {
    files: treeListing(join(store, 'nix/store')).filter((line) => !line.startsWith('. ') && !/^\S+\.lock /.test(line)),
    db: real(['--dump-db'], store),
  };
}

describeWith(['nix-store', 'nix-build', 'perl', 'cp'], 'nix-store and the real one', () => {
  const paths: Record<string, string> = { none: '/nix/store/00000000000000000000000000000000-none' };
  const named = (words: string): string[] =>
    words
      .split(' ')
      .filter((word) => word !== '')
      .map((word) => word.replace(/^%([a-z]+)/, (_, name: string) => paths[name]!));

  beforeAll(() => {
    const build = run(['nix-build', '-A', 'top', '-A', 'multi.dev', '-o', join(work.dir, 'top')], work.store);
    if (build.status !== 0) throw new Error(build.stderr);
    for (const name of ['top', 'multi', 'a', 'unbuilt']) {
      paths[`${name}drv`] = run(['nix-instantiate', '-A', name], work.store).stdout.trim();
      paths[name] = real(['-q', '--outputs', paths[`${name}drv`]!])
        .stdout.trim()
        .split('\n')
        .at(0)!;
    }
    paths['src'] = real(['-q', '--references', paths['a']!]).stdout.trim();
    symlinkSync(paths['top']!, join(work.project, 'link'));
  });

  it.each(
    [
      '-q %topdrv|-q --outputs %multidrv %a|-qR %top|-q --requisites --include-outputs %topdrv|-q --references %top %a',
      '-q --referrers %a|-q --referers %src|-q --referrers-closure %src|-q --deriver %top %src|-q -d %a|-q --hash %top %a',
      '-q --size %a %src|-q --tree %top|-q --tree %topdrv %a|-q --graph %top|-q --graph %topdrv|-qu --hash %multidrv',
      '-q --use-output --references %topdrv|-q -b quote %multi|-q --binding name %topdrv|-q -b nope %multidrv|-q --resolve link',
      '-qR link|-q --roots %unbuilt|-q --references %none|-q --hash %none|-q -b name %none|-q --outputs --tree %top|-q --foo',
      '-q -r|-q -b|-q /tmp|-q %none.drv|-qf --size %topdrv',
      '-r %topdrv|-r %multidrv|-r %multidrv!dev|-r %multidrv!dev,out|-r %multidrv!nope|-r %a|-r link --no-gc-warning|-r %none',
      '-r --dry-run %none|-r --dry-run %unbuiltdrv|-r %topdrv --no-output|--realise %topdrv --check|-r --foo',
      '--print-env %multidrv --foo|--print-env|--print-env %none|-l %multidrv|-l %multi|-l %src|--read-log %none|-l --foo',
      '--dump-db|--dump-db %a|--check-validity %a %top|--check-validity %none|--check-validity --print-invalid %a %none',
      '--dump tree|--dump tree/empty|--dump|--dump tree x|--export %a %src|--export %top|--export --foo',
      '--add tree/empty tree/same-1|--add tree|--add nothing|--add-fixed sha256 tree/other|--add-fixed --recursive sha1 tree',
      '--add-fixed md5 tree/other|--add-fixed sha512 --recursive tree|--add-fixed|--add-fixed --foo sha256 tree',
      '--print-fixed-path sha256 0000000000000000000000000000000000000000000000000000000000000000 x|--print-fixed-path sha256 x',
      '--print-fixed-path --recursive sha1 0000000000000000000000000000000000000000 x|--verify|--verify --check-contents|--verify x',
      '--verify --foo|--verify-path %a %top|--verify-path %none|--repair-path %none|--init|--init x|--optimise x|--gc x|--gc --foo',
      '--gc --print-live|--delete %a|--delete %src|--delete|--restore|--import x|--load-db x|--register-validity --foo',
      '|--foo|--query-failed-paths|--clear-failed-paths|x',
    ]
      .join('|')
      .split('|'),
  )('%s', (words) => {
    const args = named(words);
    const [a, b] = [real(args), ours(args)];
    expect([b.status, freed(b.stdout)]).toEqual([a.status, freed(a.stdout)]);
    if (a.status === 1 || words.startsWith('--verify')) expect(messages(b.stderr)).toEqual(messages(a.stderr));
  });

  /** Nix 2.36 prints sizes otherwise. */
  function freed(text: string): string {
    return text.replace(/[\d.]+ [KM]iB freed/, 'SIZE freed');
  }

  function messages(stderr: string): string[] {
    return stderr
      .replace(/hash type/g, 'hash algorithm')
      .replace(/ To find out why.*/, '')
      .replace(
        /error: build of '(\S+none)' failed/,
        "error: path '$1' is required, but there is no substituter that can build it",
      )
      .split('\n')
      .filter(
        (line) =>
          !/^(warning|this derivation will|deleting specified paths|don't know how|\s|finding garbage)/.test(line),
      );
  }

  it('graphml is as in 2.36: a number is a long one', () => {
    const [a, b] = [real(['-q', '--graphml', paths['top']!]), ours(['-q', '--graphml', paths['top']!])];
    expect(b.stdout).toBe(a.stdout.replace("attr.type='int'", "attr.type='long'"));
    expect(b.stdout).toContain('<data key="name">a-</data>');
  });

  it('--print-env is what a shell reads', () => {
    const { stdout } = ours(['--print-env', paths['multidrv']!]);
    const theirs = real(['--print-env', paths['multidrv']!]).stdout;
    const withoutArgs = (text: string): string => text.replace(/\nexport _args.*/s, '');
    expect(withoutArgs(stdout)).toBe(withoutArgs(theirs));
    const shell = spawnSync('sh', ['-c', `${stdout} printf %s "$quote"`], { encoding: 'latin1' });
    expect(shell.stdout).toBe("it's two words");
  });

  it('--add-root makes links that both know as roots', () => {
    const [a, b] = [copy('roots-a'), copy('roots-b')];
    const args = (who: string): string[] => [
      ...['-r', paths['multidrv']!, paths['a']!, '--indirect'],
      ...['--add-root', join(work.dir, `link-${who}`)],
    ];
    expect(ours(args('b'), b).stdout.replaceAll('link-b', 'link-a')).toBe(real(args('a'), a).stdout);
    expect(real(['--gc', '--print-roots'], b).stdout).toContain(`-> ${paths['multi']!}`);
    const roots = ours(['--gc', '--print-roots'], b).stdout.split('\n');
    expect(roots.filter((line) => line.includes(`${work.dir}/link-b`))).toHaveLength(3);
  });

  it('exports are imported by the other, with the same result', () => {
    const closure = real(['-qR', paths['top']!]).stdout.trim().split('\n');
    const stream = Buffer.from(ours(['--export', ...closure]).stdout, 'latin1');
    const [a, b] = [join(work.dir, 'import-a'), join(work.dir, 'import-b')];
    const imported = ours(['--import'], b, stream);
    expect(imported).toEqual(real(['--import'], a, stream));
    expect(imported.stdout.trim().split('\n').sort()).toEqual(closure.sort());
    expect(contents(b)).toEqual(contents(a));
    const damaged = Buffer.from(stream);
    damaged.fill(0x41, stream.length - 200, stream.length - 150);
    expect(ours(['--import'], join(work.dir, 'import-c'), damaged).status).toBe(1);
    expect(ours(['--import'], join(work.dir, 'import-c'), stream.subarray(0, 500)).status).toBe(1);
    expect(ours(['--import'], join(work.dir, 'import-c'), 'this is no export').stderr).toContain(
      "input doesn't look like something created by 'nix-store --export'",
    );
  });

  it('dumps are restored by the other', () => {
    const nar = real(['--dump', 'tree']).stdout;
    expect(ours(['--restore', join(work.dir, 'restored')], work.store, Buffer.from(nar, 'latin1')).status).toBe(0);
    expect(real(['--dump', join(work.dir, 'restored')]).stdout).toBe(nar);
    for (const [name, problem] of [
      ['', 'restore destination path is empty'],
      ['restored/.', "restore destination 'restored/.' ends in '.', which is not a valid filename"],
    ] as const) {
      expect(ours(['--restore', name], work.store, Buffer.from(nar, 'latin1')).stderr).toBe(`error: ${problem}\n`);
    }
    const again = ours(['--restore', join(work.dir, 'restored')], work.store, Buffer.from(nar, 'latin1'));
    expect(again.status).toBe(1);
  });

  it('databases are loaded, and validity registered, alike', () => {
    const [a, b] = [copy('load-a'), copy('load-b')];
    const dump = real(['--dump-db']).stdout;
    for (const store of [a, b]) {
      spawnSync('sh', ['-c', `rm -r "${store}/nix/var/nix/db"`]);
    }
    expect(ours(['--load-db'], b, dump)).toEqual(real(['--load-db'], a, dump));
    expect(contents(b)).toEqual(contents(a));
    const text = `${paths['none']!}\n\n1\n${paths['a']!}\n`;
    for (const store of [a, b]) {
      mkdirSync(store + paths['none']!);
      writeFileSync(store + paths['none']! + '/file', 'here', { mode: 0o755 });
    }
    // Nix 2.8 hashes what lies at the logical path, wherever the store is.
    expect(ours(['--register-validity'], b, text)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(real(['--verify', '--check-contents'], b).status).toBe(0);
    expect(real(['-q', '--references', paths['none']!], b).stdout).toBe(`${paths['a']!}\n`);
  });

  it('--optimise links the same files, and verification and collection mind the links', () => {
    const [a, b] = [copy('optimise-a'), copy('optimise-b')];
    const count = (result: Result): string => /freed by hard-linking (\d+) files\n$/.exec(result.stderr)?.[1] ?? '';
    expect(count(ours(['--optimise'], b))).toBe(count(real(['--optimise'], a)));
    expect(contents(b)).toEqual(contents(a));
    expect([count(ours(['--optimise'], b)), count(real(['--optimise'], b))]).toEqual(['0', '0']);
    for (const check of [real, ours]) {
      expect(check(['--verify', '--check-contents'], b).status).toBe(0);
    }
    expect(ours(['--gc'], b).stdout).toMatch(/ store paths deleted, /);
    real(['--gc'], a);
    expect(contents(b)).toEqual(contents(a));
  });

  it('auto-optimise-store links what is added', () => {
    const [a, b] = [join(work.dir, 'auto-a'), join(work.dir, 'auto-b')];
    const args = ['--add', 'tree', 'tree/same-1', '--option', 'auto-optimise-store', 'true'];
    expect(ours(args, b)).toEqual(real(args, a));
    expect(contents(b)).toEqual(contents(a));
    expect(treeListing(join(b, 'nix/store/.links')).length).toBeGreaterThan(3);
  });

  it('--gc deletes the same, prints the same, and stops at --max-freed', () => {
    const [a, b] = [copy('gc-a'), copy('gc-b')];
    for (const store of [a, b]) spawnSync('rm', ['-r', join(store, 'nix/var/nix/gcroots/auto')]);
    const dead = ours(['--gc', '--print-dead'], b);
    expect(dead).toEqual(real(['--gc', '--print-dead'], a));
    const some = ours(['--gc', '--max-freed', '1'], b);
    expect(some.stdout).toMatch(/^\d+ store paths deleted/);
    expect(Number(/^\d+/.exec(some.stdout)![0])).toBeLessThan(dead.stdout.trim().split('\n').length);
    expect(some.stderr).toContain('deleted more than 1 bytes; stopping');
    expect(ours(['--gc', '--max-freed', '1K', '--print-dead'], b).status).toBe(1);
    expect(ours(['--gc', '--max-freed', 'x'], b).stderr).toContain("error: invalid unit specifier 'X'");
    ours(['--gc'], b);
    real(['--gc'], a);
    expect(contents(b)).toEqual(contents(a));
    expect(real(['--verify', '--check-contents'], b).status).toBe(0);
  });

  it('--delete takes what nothing needs, with --ignore-liveness rooted paths too', () => {
    const [a, b] = [copy('delete-a'), copy('delete-b')];
    for (const args of [
      ['--delete', paths['unbuiltdrv']!],
      ['--delete', '--ignore-liveness', paths['top']!],
    ]) {
      const [mine, theirs] = [ours(args, b), real(args, a)];
      expect([mine.status, freed(mine.stdout)]).toEqual([theirs.status, freed(theirs.stdout)]);
      expect(contents(b)).toEqual(contents(a));
    }
  });

  it('--verify finds damage, in the same words', () => {
    const [a, b] = [copy('damage-a'), copy('damage-b')];
    for (const store of [a, b]) {
      spawnSync('sh', ['-c', 'chmod u+w "$0" && echo more >> "$0"', store + paths['a']!]);
      spawnSync('sh', ['-c', 'chmod u+w "$(dirname "$0")"; rm -rf "$0"', store + paths['unbuiltdrv']!]);
    }
    const [mine, theirs] = [ours(['--verify', '--check-contents'], b), real(['--verify', '--check-contents'], a)];
    expect(mine.status).toBe(1);
    const sorted = (text: string): string[] => text.split('\n').sort();
    expect(sorted(mine.stderr)).toEqual(sorted(theirs.stderr));
    expect(ours(['--verify-path', paths['a']!], b)).toEqual(real(['--verify-path', paths['a']!], a));
    expect(ours(['--export', paths['a']!], b).stderr).toContain(
      `hash of path '${paths['a']!}' has changed from 'sha256:`,
    );
  });

  describe('repair', () => {
    const cache = (): readonly string[] => [
      ...['--option', 'substituters', `file://${join(work.dir, 'cache')}`],
      ...['--option', 'require-sigs', 'false'],
    ];
    const damage = (store: string): string => {
      spawnSync('sh', ['-c', 'chmod u+w "$0" && echo more >> "$0" && touch -d @9 "$0"', store + paths['a']!]);
      spawnSync('sh', ['-c', 'chmod -R u+w "$0"; rm -rf "$0"', store + paths['multi']!]);
      return store;
    };
    /** Ours adds the shell of sandboxes where something may have to be built. */
    const repaired = (store: string): unknown => {
      const known = Object.values(paths).filter((path) => path !== paths['none']);
      return {
        files: treeListing(join(store, 'nix/store')).filter((line) =>
          known.some((path) => line.includes(basename(path))),
        ),
        db: real(['--dump-db', ...known], store),
        verified: messages(real(['--verify', '--check-contents'], store).stderr),
      };
    };
    /** What each did to a store like this. */
    const compare = (name: string, args: readonly string[], more: readonly string[] = []): [Result, Result] => {
      const [a, b] = [damage(copy(`${name}-a`)), damage(copy(`${name}-b`))];
      const [theirs, mine] = [real([...args, ...more], a), ours([...args, ...more], b)];
      expect([mine.status, mine.stdout], mine.stderr).toEqual([theirs.status, theirs.stdout]);
      expect(repaired(b)).toEqual(repaired(a));
      return [mine, theirs];
    };
    beforeAll(() => {
      const command = [program, 'copy', '--to', `file://${join(work.dir, 'cache')}`, paths['top']!];
      expect(run(command, work.store)).toMatchObject({ status: 0 });
    });

    it('--verify fetches what a cache has', () => {
      const [mine] = compare('repair-cache', ['--verify', '--check-contents', '--repair'], cache());
      expect(mine.status).toBe(0);
      expect(mine.stderr).toContain(`copying path '${paths['a']!}' from 'file://`);
      expect(mine.stderr).not.toContain('repairing outputs');
    });

    it('--verify builds what no cache has, and says what it cannot', () => {
      const [mine] = compare('repair-build', ['--verify', '--check-contents', '--repair']);
      expect(mine.status).toBe(0);
      const [a, b] = [copy('repair-src-a'), copy('repair-src-b')];
      for (const store of [a, b])
        spawnSync('sh', [
          '-c',
          'chmod -R u+w "$0"; echo more >> "$0/other"; touch -d @9 "$0/other"',
          store + paths['src']!,
        ]);
      const args = ['--verify', '--check-contents', '--repair'];
      const [theirs, own] = [real(args, a), ours(args, b)];
      expect([own.status, messages(own.stderr).sort()]).toEqual([theirs.status, messages(theirs.stderr).sort()]);
      expect(own.stderr).toContain(`error: cannot repair path '${paths['src']!}'`);
      expect(repaired(b)).toEqual(repaired(a));
    });

    it('--repair-path, with and without a cache', () => {
      const both = ['--repair-path', paths['a']!, paths['multi']!];
      expect(compare('path-cache', both, cache())[0].status).toBe(0);
      expect(compare('path-build', both)[0].status).toBe(0);
      const [mine, theirs] = [ours(['--repair-path', paths['src']!]), real(['--repair-path', paths['src']!])];
      expect(messages(mine.stderr)).toEqual(messages(theirs.stderr));
      expect(mine.status).toBe(theirs.status);
    });

    it('--realise --repair, of derivations and of paths', () => {
      const args = ['-r', '--repair', '--no-gc-warning'];
      expect(compare('realise-cache', [...args, paths['topdrv']!], cache())[0].status).toBe(0);
      expect(compare('realise-build', [...args, paths['topdrv']!])[0].status).toBe(0);
      expect(compare('realise-path', [...args, paths['a']!, paths['multi']!], cache())[0].status).toBe(0);
      expect(compare('realise-none', [...args, paths['a']!])[0].status).not.toBe(0);
    });

    it('tsnix store repair does the same', () => {
      const store = damage(copy('store-repair'));
      expect(run([program, 'store', 'repair', paths['a']!, paths['multi']!], store)).toMatchObject({ status: 0 });
      expect(real(['--verify', '--check-contents'], store).status).toBe(0);
    });
  });

  it('arguments come from standard input', () => {
    const words = `${paths['a']!}\n  ${paths['src']!}\n`;
    expect(ours(['-q', '--size', '--stdin'], work.store, words)).toEqual(
      real(['-q', '--size', paths['a']!, paths['src']!]),
    );
  });

  it('is a command of its own in the folder of drop-ins', () => {
    const folder = spawnSync(program, ['drop-ins'], { encoding: 'utf8' }).stdout.trim();
    const result = run([join(folder, 'nix-store'), '-q', '--hash', paths['a']!], work.store);
    expect(result).toEqual(real(['-q', '--hash', paths['a']!]));
    expect(basename(readFileSync(join(folder, 'nix-store'), 'utf8').split('\n')[0]!)).toBe('sh');
  });
});
