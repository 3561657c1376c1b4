// Answers without Node: the real bin/tsnix, with one input changed at a time. Whatever changes, what is printed is what a run
// without caches prints.
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { StartOptions } from '../../test/support/cli.ts';
import { copyProgram, QuickPlace, settle, type QuickRun } from '../../test/support/quick-place.ts';
import { describeWith } from '../../test/support/requirements.ts';
import { UNREAD } from './cache/quick-entry.ts';

const here = mkdtempSync(join(tmpdir(), 'tsnix-quick-'));

const FILES = {
  'default.nix': `{ n ? 1 }:
let
  l = builtins.readFile ./l/a;
  found = import <found.nix>;
in
derivation {
  name = "x";
  system = builtins.currentSystem;
  builder = "/bin/sh";
  args = [ "-c" "echo $text > $out" ];
  text = builtins.toJSON [
    n l found (import ./a.nix) (builtins.readFile ./text) (builtins.readDir ./d)
    (builtins.pathExists ./x/y) (builtins.getEnv "ASKED") (builtins.trace "said" 1)
  ];
  src = ./src;
}`,
  'a.nix': '1',
  text: 'text',
  'd/a': '',
  'l1/a': '1',
  'l2/a': '2',
  'n1/other.nix': '1',
  'n2/found.nix': '2',
  'src/a': 'a',
  'src/b/c': 'c',
  '../conf/more.conf': 'max-jobs = 1\n',
  '../conf/nix.conf': 'include more.conf\n',
};

interface Case {
  readonly name: string;
  readonly args: readonly string[];
  readonly change: (place: QuickPlace) => StartOptions | Promise<StartOptions | undefined> | undefined;
  /** Other arguments for the changed run. */
  readonly after?: readonly string[];
  /** Node need not be asked. */
  readonly quick?: boolean;
  /** What the run after the change must have brought back. */
  readonly check?: (place: QuickPlace) => void;
}

/** A change that needs no options. */
const did = (_done: unknown): undefined => undefined;
const file = (place: QuickPlace, name: string): string => join(place.project, name);
const inProject = { args: ['instantiate'] };
const build = { args: ['build'] };
const drvs = (place: QuickPlace): string[] => globSync(join(place.store, 'nix/store/*-x.drv'));
const auto = (place: QuickPlace): string => globSync(join(place.store, 'nix/var/nix/gcroots/auto/*'))[0]!;

const CASES: readonly Case[] = [
  { name: 'nothing', ...inProject, change: () => undefined, quick: true },
  { name: 'a variable that is asked for', ...inProject, change: () => ({ env: { ASKED: 'y' } }) },
  { name: 'a variable that nobody asks for', ...inProject, change: () => ({ env: { OTHER: 'y' } }) },
  {
    name: 'a variable that changes with every shell',
    ...inProject,
    change: () => ({ env: { SHLVL: '7' } }),
    quick: true,
  },
  { name: 'the search path', ...inProject, change: (p) => ({ env: { NIX_PATH: file(p, 'n3') } }) },
  { name: 'the settings', ...inProject, change: (p) => did(p.write('../conf/nix.conf', 'system = other\n')) },
  {
    name: 'settings that are included',
    ...inProject,
    change: (p) => did(p.write('../conf/more.conf', 'system = other\n')),
  },
  {
    name: "the user's settings appear",
    ...inProject,
    change: (p) => did(p.write('../home/.config/nix/nix.conf', 'system = other\n')),
  },
  { name: 'a setting turns caches off', ...inProject, change: () => ({ env: { NIX_CONFIG: 'eval-cache = false' } }) },
  { name: 'an argument', ...inProject, after: ['instantiate', '--arg', 'n', '2'], change: () => undefined },
  {
    name: 'the folder, through a link',
    ...inProject,
    change: (p) => {
      symlinkSync(p.project, join(p.dir, 'link'));
      return { cwd: join(p.dir, 'link'), env: { PWD: join(p.dir, 'link') } };
    },
  },
  {
    name: 'the folder under the same name',
    ...inProject,
    change: (p) => {
      cpSync(p.project, join(p.dir, 'second'), { recursive: true, verbatimSymlinks: true });
      writeFileSync(join(p.dir, 'second/text'), 'other');
      renameSync(p.project, join(p.dir, 'first'));
      renameSync(join(p.dir, 'second'), p.project);
    },
  },
  {
    name: 'contents of the same size, with the old times',
    ...inProject,
    change: (p) => {
      const { atime, mtime } = statSync(file(p, 'text'));
      writeFileSync(file(p, 'text'), 'TEXT');
      utimesSync(file(p, 'text'), atime, mtime);
    },
  },
  {
    name: 'a file that is replaced twice within a tick',
    ...inProject,
    change: (p) => {
      writeFileSync(file(p, 'one'), 'ONE!');
      writeFileSync(file(p, 'two'), 'TWO!');
      renameSync(file(p, 'one'), file(p, 'text'));
      renameSync(file(p, 'two'), file(p, 'text'));
    },
  },
  { name: 'code', ...inProject, change: (p) => did(p.write('a.nix', '2')) },
  { name: 'a listing', ...inProject, change: (p) => did(p.write('d/b', '')) },
  {
    name: 'a link',
    ...inProject,
    change: (p) => {
      unlinkSync(file(p, 'l'));
      symlinkSync('l2', file(p, 'l'));
    },
  },
  { name: 'a file where one was looked for', ...inProject, change: (p) => did(p.write('x/y', '')) },
  { name: 'a file earlier on the search path', ...inProject, change: (p) => did(p.write('n1/found.nix', '3')) },
  { name: 'a copied file', ...inProject, change: (p) => did(p.write('src/b/c', 'd')) },
  { name: 'the mode of a copied file', ...inProject, change: (p) => did(chmodSync(file(p, 'src/a'), 0o755)) },
  { name: 'a folder in a copied tree', ...inProject, change: (p) => did(mkdirSync(file(p, 'src/b/e'))) },
  {
    name: 'the derivation is deleted by hand',
    ...inProject,
    change: (p) => did(unlinkSync(drvs(p)[0]!)),
  },
  {
    name: 'the derivation is collected',
    ...inProject,
    change: async (p) => {
      await p.ask(['nix-store', '--gc']);
      expect(drvs(p)).toEqual([]);
      return undefined;
    },
    check: (p) => expect(drvs(p)).toHaveLength(1),
  },
  {
    name: 'the database',
    ...inProject,
    change: async (p) => {
      await p.ask(['instantiate', '-E', 'derivation { name = "y"; system = "s"; builder = "b"; }']);
      return undefined;
    },
  },
  {
    name: 'a log beside the database',
    ...inProject,
    change: (p) => did(writeFileSync(join(p.store, 'nix/var/nix/db/db.sqlite-wal'), 'no log')),
  },
  {
    name: 'a collector runs',
    ...inProject,
    change: (p) => ({ through: ['flock', join(p.store, 'nix/var/nix/gc.lock')] }),
  },
  {
    name: 'the umask',
    ...inProject,
    change: () => ({ through: ['sh', '-c', 'umask 0; exec "$@"', 'sh'] }),
    quick: true,
  },
  { name: 'the kind of machine', ...inProject, change: () => ({ through: ['setarch', 'i686'] }) },
  {
    name: 'standard error is a terminal',
    ...inProject,
    change: () => ({ through: ['python3', '-c', 'import pty, sys; pty.spawn(sys.argv[1:])'] }),
  },
  {
    name: 'the program',
    ...inProject,
    change: (p) => {
      // Whoever builds anew.
      const dir = join(p.dir, 'program');
      mkdirSync(dir);
      p.program = copyProgram(dir);
    },
  },
  {
    name: 'the answer is of yesterday',
    ...inProject,
    change: (p) => {
      for (const name of readdirSync(p.folder)) utimesSync(join(p.folder, name), 1e9, Date.now() / 1000 - 90_000);
    },
  },
  {
    name: 'the answer is of tomorrow',
    ...inProject,
    change: (p) => {
      for (const name of readdirSync(p.folder)) utimesSync(join(p.folder, name), 1e9, Date.now() / 1000 + 1000);
    },
  },
  {
    name: 'standard input, which nobody reads',
    ...inProject,
    change: () => ({ input: 'x' }),
    quick: true,
  },
  { name: 'nothing, by nix-build', args: ['nix-build', '-o', 'res'], change: () => undefined, quick: true },
  { name: 'nothing, built', ...build, change: () => undefined, quick: true },
  {
    name: 'the link to what was built',
    ...build,
    change: (p) => did(unlinkSync(file(p, 'result'))),
    check: (p) => expect(existsSync(file(p, 'result'))).toBe(true),
  },
  {
    name: 'the link to what was built leads elsewhere',
    ...build,
    change: (p) => {
      unlinkSync(file(p, 'result'));
      symlinkSync(drvs(p)[0]!, file(p, 'result'));
    },
    check: (p) => expect(readlinkSync(file(p, 'result'))).toMatch(/-x$/),
  },
  {
    name: 'the link for collectors',
    ...build,
    change: (p) => did(unlinkSync(auto(p))),
    check: (p) => expect(lstatSync(auto(p)).isSymbolicLink()).toBe(true),
  },
  {
    name: 'a list of other machines appears',
    ...build,
    change: (p) => did(p.write('../conf/machines', 'ssh://nowhere.invalid')),
  },
];

/** Prepared together: files must lie still for a while. */
const places = new Map<string, QuickPlace>();
let program: string;

function prepare(): QuickPlace {
  const place = new QuickPlace(program, FILES);
  symlinkSync('l1', file(place, 'l'));
  return place;
}

const base = (place: QuickPlace): Record<string, string> => ({
  NIX_PATH: `${file(place, 'n1')}:${file(place, 'n2')}`,
  PWD: place.project,
});
const ask = (place: QuickPlace, args: readonly string[], options: StartOptions = {}): Promise<QuickRun> =>
  place.ask(args, { ...options, env: { ...base(place), ...options.env } });

async function inTurn<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all([worker(), worker(), worker()]);
}

describeWith(['perl', 'setarch', 'flock', 'python3', 'bash'], 'an answer without Node', () => {
  beforeAll(async () => {
    program = copyProgram(here);
    for (const { name } of CASES) places.set(name, prepare());
    for (const name of ['damage', 'foreign', 'output', 'clear', 'secrets', 'profile']) places.set(name, prepare());
    const argsOf = (name: string): readonly string[] => CASES.find((one) => one.name === name)?.args ?? inProject.args;
    // Nothing is kept of a copied tree that was just written, and nothing told of a database by its stamp.
    await settle();
    await inTurn(places, async ([name, place]) => {
      expect(await ask(place, argsOf(name))).toMatchObject({ status: 0, node: true });
    });
    await settle();
    await inTurn(places, async ([name, place]) => {
      // The first that the evaluation cache answers leaves an answer, and so without Node is the next.
      const kept = await ask(place, argsOf(name));
      const quick = await ask(place, argsOf(name));
      expect([name, kept.node, quick]).toEqual([name, true, { ...kept, node: false }]);
    });
  }, 300_000);

  afterAll(() => {
    for (const place of places.values()) place.close();
    rmSync(here, { recursive: true, force: true });
  });

  for (const { name, args, change, after = args, quick = false, check } of CASES) {
    it(`is right where this changes: ${name}`, { timeout: 60_000 }, async () => {
      const place = places.get(name)!;
      const options = (await change(place)) ?? {};
      const answer = await ask(place, after, options);
      check?.(place);
      const plain = await ask(place, [...after, '--no-cache'], options);
      expect({ ...answer }).toEqual({ ...plain, node: !quick });
    });
  }

  it('is not left by what makes versions of a profile', { timeout: 60_000 }, async () => {
    const place = places.get('profile')!;
    const profile = file(place, 'profile');
    const args = ['build', '--no-link', '--profile', profile];
    for (let run = 0; run < 3; run++) {
      expect(await ask(place, args)).toMatchObject({ status: 0, node: true });
      expect(readlinkSync(profile)).toMatch(/^profile-\d+-link$/);
      unlinkSync(profile);
      await settle();
    }
  });

  it('is not taken from a file that is damaged', { timeout: 120_000 }, async () => {
    const place = places.get('damage')!;
    const entry = join(place.folder, readdirSync(place.folder)[0]!);
    const whole = readFileSync(entry);
    const right = await ask(place, inProject.args);
    expect(right.node).toBe(false);
    const broken: Buffer[] = [];
    const flip = (at: number, bit: number): void => {
      const flipped = Buffer.from(whole);
      flipped[at]! ^= 1 << bit;
      broken.push(flipped);
    };
    // Each bit of the header's numbers, and some of everything.
    for (let bit = 0; bit < 128; bit++) flip(8 + (bit >> 3), bit & 7);
    for (let at = 0; at < whole.length; at += Math.max(1, Math.floor(whole.length / 40))) flip(at, at % 8);
    for (const length of [0, 1, 8, 23, 24, 25, 100, whole.length >> 1, whole.length - 4, whole.length - 1]) {
      broken.push(whole.subarray(0, length));
    }
    broken.push(Buffer.concat([whole, Buffer.from('more')]), Buffer.alloc(whole.length), Buffer.from('text\n'));
    for (const bytes of broken) {
      writeFileSync(entry, bytes);
      expect(await ask(place, inProject.args)).toEqual({ ...right, node: true });
    }
    // Not written at once where it did not help a moment ago.
    utimesSync(entry, 1, Date.now() / 1000 - 20);
    await ask(place, inProject.args);
    expect(await ask(place, inProject.args)).toEqual(right);
  });

  it('is not taken from where somebody else could have written it', async () => {
    const place = places.get('foreign')!;
    const entry = join(place.folder, readdirSync(place.folder)[0]!);
    const right = await ask(place, inProject.args);
    expect(right.node).toBe(false);
    chmodSync(entry, 0o666);
    expect(await ask(place, inProject.args)).toEqual({ ...right, node: true });
    expect((await ask(place, inProject.args)).node).toBe(false);
    chmodSync(place.folder, 0o777);
    expect(await ask(place, inProject.args)).toEqual({ ...right, node: true });
    chmodSync(place.folder, 0o700);
    await ask(place, inProject.args);
    expect((await ask(place, inProject.args)).node).toBe(false);
    copyFileSync(entry, join(place.dir, 'copy'));
    unlinkSync(entry);
    symlinkSync(join(place.dir, 'copy'), entry);
    expect(await ask(place, inProject.args)).toEqual({ ...right, node: true });
    if (process.getuid!() !== 0) return;
    expect((await ask(place, inProject.args)).node).toBe(false);
    chownSync(entry, 65534, 65534);
    expect(await ask(place, inProject.args)).toEqual({ ...right, node: true });
  });

  it('ends as Node would where it cannot be written', async () => {
    const place = places.get('output')!;
    const run = (script: string, args: readonly string[]): Promise<QuickRun> =>
      ask(place, args, { through: ['bash', '-c', script, 'bash'] });
    for (const script of [
      '"$@" >/dev/full',
      '"$@" 2>/dev/full',
      '"$@" >&-',
      '"$@" 2>&-',
      '"$@" <&-',
      '{ sleep 0.1; "$@"; echo "$?" >&2; } | true',
    ]) {
      // Kept anew after what Node made of it.
      await ask(place, inProject.args);
      expect((await ask(place, inProject.args)).node).toBe(false);
      const answer = await run(script, inProject.args);
      const plain = await run(script, [...inProject.args, '--no-cache']);
      expect([script, { ...answer, node: true }]).toEqual([script, plain]);
    }
  });

  it('is gone with the other caches, and is none of a cache that is not wanted', async () => {
    const place = places.get('clear')!;
    expect((await ask(place, ['cache', 'info'])).stdout).toMatch(/quick +1 files/);
    for (const flag of ['--no-cache', '--no-eval-cache', '--explain-cache']) {
      await ask(place, [...inProject.args, flag]);
      expect((await ask(place, [...inProject.args, flag])).node).toBe(true);
    }
    await ask(place, ['cache', 'clear']);
    expect(existsSync(place.folder)).toBe(false);
  });

  it('keeps no value of a variable', async () => {
    const place = places.get('secrets')!;
    const env = { TOKEN: 'a-secret-of-the-user' };
    rmSync(place.folder, { recursive: true });
    await ask(place, inProject.args, { env });
    expect((await ask(place, inProject.args, { env })).node).toBe(false);
    for (const name of readdirSync(place.folder)) {
      expect(readFileSync(join(place.folder, name), 'latin1')).not.toContain(env.TOKEN);
    }
  });

  it('depends on every variable that the program reads', () => {
    const root = join(import.meta.dirname, '../..');
    const harmless = ['_', 'PERL_BADLANG', 'TSNIX_STACK_LIMIT'];
    for (const name of globSync('src/**/*.ts', { cwd: root })) {
      if (name.endsWith('.test.ts') || name.endsWith('quick-entry.ts')) continue;
      // These are of no answer.
      if (name.startsWith('src/cli/shell/')) continue;
      const words = new Set(readFileSync(join(root, name), 'utf8').split(/\W+/));
      expect([name, UNREAD.filter((one) => words.has(one) && !harmless.includes(one))]).toEqual([name, []]);
    }
  });
});
