// Kills tsnix at random moments of copying a closure into and out of binary caches and stores, and of substituting it,
// and looks at what is left: no cache may say more than it has, real Nix must find nothing wrong with a store, the next
// run must finish the work, and no rubbish may outlive a collection. A program:
//   node test/support/crash-copy.ts [ROUNDS] [SEED]
// The test of it runs few rounds; docs/reliability.md has the figures of many.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deletePath } from '../../src/store/delete-path.ts';
import { parseNarInfo } from '../../src/store/narinfo.ts';
import { printDigest } from '../../src/store/hash.ts';
import { hashPart } from '../../src/store/store-path.ts';
import { CacheServer } from './cache-server.ts';
import { leftIn, runTsnix, verifiedByNix, type CrashReport } from './crash.ts';
import { Random } from './fuzz/random.ts';
import { makeClosureOf, register, StorePlace } from './store-closure.ts';

const paths = 40;
const kinds = ['to file', 'to http', 'from file', 'from http', 'to store', 'substitute'] as const;

/** What a cache's narinfos say that is not so. */
function liesOf(dir: string): string[] {
  if (!existsSync(dir)) return [];
  const lies: string[] = [];
  for (const name of readdirSync(dir).filter((each) => each.endsWith('.narinfo'))) {
    const text = readFileSync(join(dir, name), 'latin1');
    const info = parseNarInfo(text, name, '/nix/store');
    if (name !== `${hashPart(info.path)}.narinfo`) lies.push(`${name} is of ${info.path}`);
    const archive = existsSync(join(dir, info.url)) ? readFileSync(join(dir, info.url)) : undefined;
    if (archive === undefined) lies.push(`${name}: ${info.url} is not there`);
    else {
      const hash = createHash('sha256').update(archive).digest();
      if (archive.length !== info.fileSize || !hash.equals(info.fileHash!))
        lies.push(`${name}: ${info.url} is another`);
      if (!info.url.includes(printDigest(hash, 'nix32'))) lies.push(`${name}: ${info.url} has another's name`);
    }
    for (const reference of info.references)
      if (!existsSync(join(dir, `${hashPart(reference)}.narinfo`))) lies.push(`${name} refers to ${reference}`);
  }
  return lies;
}

export async function crashCopy(rounds: number, seed: number): Promise<CrashReport> {
  const random = new Random(seed, 0);
  const place = new StorePlace();
  const at = (name: string): string => join(place.dir, name);
  const kills: Record<string, number> = {};
  const problems: string[] = [];
  mkdirSync(at('served'));
  const server = new CacheServer(place.dir);
  try {
    const url = await server.start();
    const first = place.open('first');
    const many = makeClosureOf(first, paths);
    // Archives that don't fit in memory buffers, and one that is spooled to a file.
    const large = register(first, 'large', [many], (real) => {
      writeFileSync(real, many + 'x'.repeat(17 << 20));
    });
    const top = register(first, 'top', [large], (real) => {
      writeFileSync(real, large + createHash('sha256').update(real).digest('hex').repeat(20_000));
    });
    const env = {
      PATH: process.env['PATH'],
      HOME: at('home'),
      NIX_CONF_DIR: place.dir,
      TMPDIR: at('tmp'),
      NIX_CONFIG: 'require-sigs = false\nsubstituters =',
    };
    mkdirSync(at('tmp'));
    const run = (args: readonly string[], killMs?: number): ReturnType<typeof runTsnix> =>
      runTsnix(args, { cwd: place.dir, env, ...(killMs === undefined ? {} : { killMs }) });
    const filled = await run(['copy', '--store', at('first'), '--to', `file://${at('full')}?compression=zstd`, top]);
    if (filled.status !== 0) throw new Error(filled.stderr);
    // How long each takes, from runs that were not killed.
    const lasts = new Map<string, number>();
    for (let round = 0; round < rounds; round++) {
      const kind = kinds[random.below(kinds.length)]!;
      const into = `into-${String(round)}`;
      const uri = (name: string): string => (kind.endsWith('http') ? `${url}/${name}` : `file://${at(name)}`);
      const intoCache = kind === 'to file' || kind === 'to http';
      const method = random.pick(['none', 'zstd', 'gzip']);
      const args = {
        'to file': ['copy', '--store', at('first'), '--to', `${uri(into)}?compression=${method}`, top],
        'to http': ['copy', '--store', at('first'), '--to', `${uri(into)}?compression=${method}`, top],
        'from file': ['copy', '--store', at(into), '--from', uri('full'), top],
        'from http': ['copy', '--store', at(into), '--from', uri('full'), top],
        'to store': ['copy', '--store', at('first'), '--to', at(into), top],
        substitute: ['nix-store', '--store', at(into), '-r', top, '--option', 'substituters', `${url}/full`],
      }[kind];
      const wrong = (what: string): void => void problems.push(`round ${String(round)}, ${kind}: ${what}`);
      if (!lasts.has(kind)) {
        const whole = await run(args);
        if (whole.status !== 0) wrong(whole.stderr);
        lasts.set(kind, whole.ms);
        deletePath(at(into));
      }
      const { killed } = await run(args, lasts.get(kind)! * (0.2 + (0.9 * random.next()) / 2 ** 32));
      const key = killed ? kind : `${kind}, late`;
      kills[key] = (kills[key] ?? 0) + 1;

      if (intoCache) for (const lie of liesOf(at(into))) wrong(lie);
      else {
        const found = verifiedByNix(at(into));
        if (found !== '') wrong(found);
        // Half of the time a collection comes first, of which nothing may be left: there is no root.
        if (random.oneIn(2) && existsSync(at(into))) {
          const gc = await run(['nix-store', '--store', at(into), '--gc']);
          if (gc.status !== 0) wrong(`gc: ${gc.stderr}`);
          const left = leftIn(at(into), /^\.links$/);
          if (left.length > 0) wrong(`left after a collection: ${left.join(' ')}`);
        }
      }
      const next = await run(args);
      if (next.status !== 0) wrong(`the next run: ${next.stderr}`);
      if (intoCache) {
        const lies = liesOf(at(into));
        for (const lie of lies) wrong(`after the next run: ${lie}`);
        const has = readdirSync(at(into)).filter((name) => name.endsWith('.narinfo')).length;
        if (has !== paths + 2) wrong(`the cache has ${String(has)} paths after the next run`);
        // Real Nix takes it all out again.
        if (lies.length === 0 && random.oneIn(4)) {
          const taken = spawnSync(
            'nix',
            ['copy', '--no-check-sigs', '--from', `file://${at(into)}`, '--store', at('taken'), top],
            {
              env: { ...env, NIX_CONFIG: `${env.NIX_CONFIG}\nexperimental-features = nix-command` },
              encoding: 'latin1',
            },
          );
          if (taken.status !== 0) wrong(`nix copy: ${taken.stderr}`);
          deletePath(at('taken'));
        }
      } else {
        const found = verifiedByNix(at(into));
        if (found !== '') wrong(`after the next run: ${found}`);
      }
      deletePath(at(into));
      rmSync(at('home'), { recursive: true, force: true });
    }
    const temporary = readdirSync(at('tmp'));
    if (temporary.length > 0) problems.push(`left in TMPDIR: ${temporary.join(' ')}`);
  } finally {
    await server.stop();
    await place.close();
  }
  return { seed, kills, problems };
}

if (process.argv[1] === import.meta.filename) {
  const [rounds = '300', seed = String(Date.now() % 1e9)] = process.argv.slice(2);
  const report = await crashCopy(Number(rounds), Number(seed));
  console.log(JSON.stringify(report, undefined, 2));
  process.exitCode = report.problems.length === 0 ? 0 : 1;
}
