// Damages one file of a binary cache at a time (bits flipped, its end cut off or grown, a part zeroed or doubled), and
// asks of the cache what it is for: planning, substituting, copying, building what it has a trace of, reading logs. What
// comes of it must be what was in the cache, or an error in words; real Nix must find nothing wrong with the store, and no
// rubbish may be left. A program:
//   node test/support/damage-caches.ts [FILES] [SEED]
// The test of it damages few; docs/reliability.md has the figures of many.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { CacheServer } from './cache-server.ts';
import { derivations, Workplace, type Ended } from './cli.ts';
import { leftIn, verifiedByNix } from './crash.ts';
import { Random } from './fuzz/random.ts';
import { makeClosure, StorePlace } from './store-closure.ts';

export interface DamageReport {
  readonly seed: number;
  /** Commands by what was damaged and how they ended. */
  readonly outcomes: Record<string, number>;
  /** What was found wrong; empty is good. */
  readonly problems: string[];
}

const compressions = ['none', 'xz', 'bzip2', 'gzip', 'zstd', 'br'];
const features = ['--extra-experimental-features', 'ca-derivations'];

/** The file with 1 to 4 bits flipped, or shorter, longer, or with a part that is zeros or something else of it. */
function damaged(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes);
  const at = random.below(Math.max(1, bytes.length));
  const length = 1 + random.size(Math.max(1, bytes.length - at));
  switch (random.pick(['flip', 'flip', 'flip', 'cut', 'cut', 'grow', 'zero', 'double'] as const)) {
    case 'cut':
      return copy.subarray(0, at);
    case 'grow':
      return Buffer.concat([copy, copy.subarray(at, at + length)]);
    case 'zero':
      return copy.fill(0, at, at + length);
    case 'double':
      return Buffer.concat([copy.subarray(0, at + length), copy.subarray(at)]);
    case 'flip':
      for (let flips = 1 + random.below(4); flips > 0; flips--) {
        copy[random.below(copy.length)]! ^= 1 << random.below(8);
      }
      return copy;
  }
}

/** The files of `dir` and below it, by what they are. */
function filesOf(dir: string): Map<string, string[]> {
  const kinds = new Map<string, string[]>();
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = relative(dir, join(entry.parentPath, entry.name));
    const kind = file.endsWith('.narinfo') ? 'narinfo' : file.includes('/') ? file.slice(0, file.indexOf('/')) : file;
    kinds.set(kind, [...(kinds.get(kind) ?? []), file]);
  }
  return kinds;
}

export async function damageCaches(files: number, seed: number): Promise<DamageReport> {
  const place = new StorePlace();
  const work = new Workplace({
    'default.nix': derivations(`
      first = mk "first" "echo the log; echo first > $out"
        { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; };
      second = mk "second" "echo \${first} > $out" {};
    `),
  });
  const at = (name: string): string => join(work.dir, name);
  mkdirSync(at('tmp'));
  const server = new CacheServer(work.dir);
  const outcomes: Record<string, number> = {};
  const problems: string[] = [];
  const run = (words: readonly string[], ...options: string[]): Promise<Ended> =>
    work.run([...words, ...features, ...options], { env: { TMPDIR: at('tmp') } });
  const done = async (...words: string[]): Promise<string> => {
    const ended = await run(words);
    if (ended.status !== 0) throw new Error(`${words.join(' ')}: ${ended.stderr}`);
    return ended.stdout.trim();
  };
  try {
    const url = await server.start();
    writeFileSync(at('secret'), await done('key', 'generate-secret', '--key-name', 'damage-1'));
    const publicKey = (
      await work.run(['key', 'convert-secret-to-public'], { input: readFileSync(at('secret'), 'latin1') })
    ).stdout.trim();
    const { top } = makeClosure(place.open('first'), 20_000);
    const out = await done('build', '--no-out-link', '--print-out-paths', '-A', 'second', '--store', at('built'));
    const drv = await done('instantiate', '-A', 'first', '--store', at('built'));
    const written = `secret-key=${at('secret')}&write-nar-listing=true`;
    for (const compression of compressions) {
      const cache = `file://${at(compression)}?compression=${compression}&${written}`;
      await done('copy', '--store', join(place.dir, 'first'), '--to', cache, top);
      await done('copy', '--store', at('built'), '--to', cache, '-f', '.', '-A', 'first');
      await done('copy', '--store', at('built'), '--to', cache, '-f', '.', '-A', 'second');
      await done('store', 'copy-log', '--store', at('built'), '--to', cache, drv);
    }
    // What each path is, by any of the caches.
    const contents = new Map<string, string>();
    for (const store of [join(place.dir, 'first'), at('built')])
      for (const line of (await done('path-info', '--store', store, '--all', '--json', '--json-format', '1')).split(
        '\n',
      ))
        for (const [path, info] of Object.entries(JSON.parse(line) as Record<string, { narHash: string }>))
          contents.set(path, info.narHash);
    const goal = {
      narinfo: ['plan', 'substitute', 'copy', 'build'],
      nar: ['substitute', 'copy', 'list', 'build'],
      'nix-cache-info': ['plan', 'substitute', 'copy', 'build'],
      'build-trace-v2': ['build'],
      log: ['log'],
    };
    for (let round = 0; round < files; round++) {
      const random = new Random(seed, round);
      const compression = random.pick(compressions);
      const all = filesOf(at(compression));
      const kind = random.pick(Object.keys(goal)) as keyof typeof goal;
      const file = random.pick(all.get(kind)!.sort());
      const bytes = damaged(readFileSync(join(at(compression), file)), random);
      cpSync(at(compression), at('cache'), { recursive: true });
      writeFileSync(join(at('cache'), file), bytes);
      const signed = random.oneIn(2);
      const uri = random.oneIn(2) ? `file://${at('cache')}` : `${url}/cache`;
      const what = random.pick(goal[kind]);
      const store = at('into');
      const trust = signed ? ['--trusted-public-keys', publicKey] : ['--option', 'require-sigs', 'false'];
      const caches = ['--substituters', uri, '--option', 'substitute', 'true', '--max-jobs', '0'];
      const words = {
        plan: ['nix-store', '--store', store, '-r', top, '--dry-run', ...caches],
        substitute: ['nix-store', '--store', store, '-r', top, ...caches],
        copy: ['copy', '--store', store, '--from', uri, top],
        list: ['store', 'ls', '--store', uri, '-R', '-l', top],
        build: ['build', '--no-out-link', '--print-out-paths', '-A', 'second', '--store', store, ...caches],
        log: ['log', '--store', uri, drv],
      }[what]!;
      const ended = await run(words, ...trust);
      const key = `${kind}, ${what}: ${ended.status === 0 ? 'done' : 'an error'}`;
      outcomes[key] = (outcomes[key] ?? 0) + 1;
      const wrong = (text: string): void =>
        void problems.push(`file ${round} (${compression}, ${file}), ${what}${signed ? ', signed' : ''}: ${text}`);
      const { status, stderr, stdout } = ended;
      if (![0, 1, 100, 102].includes(status)) wrong(`status ${status}: ${stderr}`);
      if (status !== 0 && !stderr.includes('error: ')) wrong(`no error: ${stderr}`);
      if (/TypeError|RangeError|undefined|NaN|\[object|\n    at |internal error/.test(stderr)) wrong(stderr);
      if (/[\r\x05\x07\x08\x0e\x0f\x1b]/.test(stderr)) wrong(`control characters: ${JSON.stringify(stderr)}`);
      if (what === 'build' && status === 0 && stdout.trim() !== out) wrong(`built ${stdout}`);
      const found = verifiedByNix(store);
      if (found !== '') wrong(found);
      if (existsSync(store)) {
        const left = readdirSync(join(store, 'nix/store')).filter((name) => name !== '.links');
        const infos = await work.run(['path-info', '--store', store, '--all', '--json', '--json-format', '1']);
        const valid =
          infos.status === 0 && infos.stdout.trim() !== ''
            ? (JSON.parse(infos.stdout) as Record<string, { narHash: string }>)
            : {};
        if (infos.status !== 0) wrong(infos.stderr);
        for (const [path, { narHash }] of Object.entries(valid))
          if (contents.get(path) !== narHash) wrong(`${path} is not what it was`);
        for (const name of left)
          if (!(`/nix/store/${name}` in valid) && !/\.(?:lock|drv)$/.test(name)) wrong(`left: ${name}`);
        if (leftIn(store, /./).length > 0) wrong('left in builds');
      }
      if (readdirSync(at('tmp')).length > 0) wrong(`left in TMPDIR: ${readdirSync(at('tmp')).join(' ')}`);
      for (const name of ['cache', 'into']) {
        if (existsSync(at(name))) spawnSync('chmod', ['-R', 'u+w', at(name)]);
        rmSync(at(name), { recursive: true, force: true });
      }
      rmSync(at('home'), { recursive: true, force: true });
    }
  } finally {
    await server.stop();
    await place.close();
    work.close();
  }
  return { seed, outcomes, problems };
}

if (process.argv[1] === import.meta.filename) {
  const [files = '1000', seed = String(Date.now() % 1e9)] = process.argv.slice(2);
  const report = await damageCaches(Number(files), Number(seed));
  console.log(JSON.stringify(report, undefined, 2));
  process.exitCode = report.problems.length === 0 ? 0 : 1;
}
