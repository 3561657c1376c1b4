// npm run bench -- substitution: a closure of paths from a binary cache in a folder into an empty store, by
// tsnix and by real Nix in turn; medians. Each path refers to three earlier ones and holds a few files.
//   --paths N  size of the closure (default 500)
//   --runs N   pairs (default 5)
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { numberOf, parseOptions } from '../scripts/usage.ts';
import { makeClosureOf, StorePlace } from '../test/support/store-closure.ts';
import { measure, median, type Sample } from './measure.ts';

const { values } = parseOptions(import.meta.filename, {
  options: { paths: { type: 'string', default: '500' }, runs: { type: 'string', default: '5' } },
});
const runs = numberOf('runs', values.runs);
const place = new StorePlace();
try {
  const top = makeClosureOf(place.open('first'), numberOf('paths', values.paths));
  mkdirSync(join(place.dir, 'conf'));
  writeFileSync(
    join(place.dir, 'conf/nix.conf'),
    'build-users-group =\nsubstituters =\nrequire-sigs = false\nexperimental-features = nix-command\n',
  );
  process.env['NIX_CONF_DIR'] = join(place.dir, 'conf');
  process.env['HOME'] = place.dir;
  const tsnix = join(import.meta.dirname, '../bin/tsnix');
  for (const compression of ['none', 'zstd', 'xz']) {
    const cache = `file://${place.dir}/cache-${compression}`;
    measure(['nix', 'copy', '--store', join(place.dir, 'first'), '--to', `${cache}?compression=${compression}`, top]);
    const fetch = (program: readonly string[]): Sample => {
      const store = join(place.dir, 'second');
      const sample = measure([...program, '--store', store, '--option', 'substituters', cache, '-r', top]);
      if (!sample.ok) throw new Error(sample.errors);
      measure(['chmod', '-R', 'u+w', store]);
      rmSync(store, { recursive: true, force: true });
      return sample;
    };
    const pairs = Array.from({ length: runs }, () => [fetch([tsnix, 'nix-store']), fetch(['nix-store'])] as const);
    const of = (f: (pair: readonly [Sample, Sample]) => number): string => median(pairs.map(f)).toFixed(2);
    console.log(
      `${values.paths} paths, ${compression.padEnd(5)} tsnix ${of(([a]) => a.wallMs / 1000)} s, nix ${of(([, b]) => b.wallMs / 1000)} s, ` +
        `ratio wall ${of(([a, b]) => a.wallMs / b.wallMs)}, CPU ${of(([a, b]) => a.cpuMs / b.cpuMs)}, ` +
        `peak MB ${of(([a]) => a.peakKb / 1024)} : ${of(([, b]) => b.peakKb / 1024)}`,
    );
  }
} finally {
  await place.close();
}
