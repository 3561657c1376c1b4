// What happens to a store when many want it at once, when the disk is full or read-only, when files are damaged: clear
// errors, nothing invalid registered, and work that goes on when the cause is gone. Real Nix verifies.
import { existsSync, readFileSync, readdirSync, truncateSync, writeFileSync, chmodSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { derivations, program, Workplace, type Ended } from '../support/cli.ts';
import { describeWith } from '../support/requirements.ts';

const graph = derivations(`
  leaf = i: mk "leaf\${toString i}" "echo \${toString i} \${who} > $out" {};
  mid = i: mk "mid\${toString i}" "read a < \${leaf i}; read b < \${leaf (i + 1)}; echo $a $b > $out" {};
  top = i: mk "top\${toString i}" "echo \${mid i} \${mid (i + 1)} > $out" {};
  tops = builtins.genList top 8;
  big = mk "big" "i=0; while [ $i -lt 4000 ]; do echo 'a line that fills the disk, again and again, until there is no room left: a line that fills the disk, again and again'; i=$((i + 1)); done > $out; for n in 1 2 3 4 5 6; do while read l; do echo \\"$l\\"; done < $out > $out.$n; done" {};
`);
const places: Workplace[] = [];
const place = (): Workplace => {
  const work = new Workplace({ 'default.nix': graph });
  places.push(work);
  return work;
};
afterAll(() => {
  for (const work of places) work.close();
});

function verify(work: Workplace): void {
  const { status, stderr } = spawnSync('nix-store', ['--store', work.store, '--verify', '--check-contents'], {
    encoding: 'latin1',
  });
  expect(stderr).not.toMatch(/error|disappeared|modified|not all/);
  expect(status).toBe(0);
}
const built = (ended: readonly Ended[]): string[] =>
  ended.flatMap(({ stderr }) =>
    [...stderr.matchAll(/^building '.*-((?:leaf|mid|top)\d+)\.drv'/gm)].map((match) => match[1]!),
  );

describeWith(['nix-store'], 'eight processes at one store', () => {
  it('do no work twice, and lose none', async () => {
    const work = place();
    const ended = await Promise.all(
      Array.from({ length: 8 }, (_, i) => work.run(['build', '-A', `tops.${i}`, '--no-link', '-j', '2'])),
    );
    for (const { status, stderr } of ended) expect(status, stderr).toBe(0);
    const names = built(ended);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
    expect(new Set(names).size).toBe(10 + 9 + 8);
    verify(work);
  });

  it('make it together, where it is not there', async () => {
    for (let round = 0; round < 4; round++) {
      const work = place();
      const made = await Promise.all(Array.from({ length: 8 }, () => work.run(['--init'], { name: 'nix-store' })));
      for (const { status, stderr } of made) expect([status, stderr]).toEqual([0, '']);
    }
  });

  it('go on while collectors run', async () => {
    const work = place();
    let running = true;
    const collections = (async () => {
      let count = 0;
      for (; running; count++) {
        const gc = await work.run(['--gc'], { name: 'nix-store' });
        expect(gc.status, gc.stderr).toBe(0);
      }
      return count;
    })();
    const ended = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        work.run(['build', '-A', `tops.${i}`, '-o', `../link-${i}`, '--argstr', 'who', `w${i % 2}`]),
      ),
    );
    running = false;
    expect(await collections).toBeGreaterThan(0);
    for (const { status, stderr } of ended) expect(status, stderr).toBe(0);
    for (let i = 0; i < 8; i++) expect(existsSync(join(work.dir, `link-${i}`))).toBe(true);
    verify(work);
  });
});

/** A command in a mount namespace where the workplace's store lies on a file system of its own. */
const mounted = (work: Workplace, mount: string, then: string): ReturnType<typeof spawnSync> =>
  spawnSync('unshare', ['--mount', 'sh', '-ec', `${mount}; ${then}`], {
    cwd: work.project,
    encoding: 'latin1',
    env: { ...work.environment(), NIX_REMOTE: work.store, TSNIX: program },
  });
const root = process.getuid?.() === 0 ? [] : ['root'];

describeWith([...root, 'nix-store', 'unshare', 'mount'], 'a store whose disk', () => {
  it('is full: says so, registers nothing, and goes on when there is room', () => {
    const work = place();
    const run = mounted(
      work,
      'mkdir -p "$NIX_REMOTE"; mount -t tmpfs -o size=12m,mode=755 none "$NIX_REMOTE"',
      `"$TSNIX" build -A big --no-link && exit 9
       "$TSNIX" nix-store --check-validity "$("$TSNIX" eval --raw -A big.outPath)" && exit 8
       mount -o remount,size=200m "$NIX_REMOTE"; echo "== room" >&2
       "$TSNIX" build -A tops.0 --no-link > /dev/null
       nix-store --store "$NIX_REMOTE" --verify --check-contents; "$TSNIX" nix-store --gc > /dev/null 2>&1
       ls "$NIX_REMOTE/nix/store" | grep -v '^\\.links$' || true`,
    );
    const [before, after] = String(run.stderr).split('== room\n');
    expect(run.status, String(run.stderr)).toBe(0);
    expect(before).toMatch(/No space left on device|disk is full|lack of free disk space/i);
    expect(before).not.toMatch(/internal error|SQLITE|at .*\.ts/);
    expect(after).not.toMatch(/^error/m);
    expect(run.stdout).toBe('');
  });

  it('is read-only: an error that says so', () => {
    const work = place();
    const run = mounted(
      work,
      '"$TSNIX" build -A tops.0 --no-link > /dev/null 2>&1; mount --bind "$NIX_REMOTE" "$NIX_REMOTE"; mount -o remount,bind,ro "$NIX_REMOTE"',
      '"$TSNIX" build -A tops.1 --no-link && exit 9; true',
    );
    expect(run.status, String(run.stderr)).toBe(0);
    expect(String(run.stderr)).toMatch(/error: .*(read-only|readonly)/i);
    expect(String(run.stderr)).not.toMatch(/internal error/);
  });
});

describe('damaged files', () => {
  it('a derivation whose bits flipped is not built', async () => {
    const work = place();
    const drv = (await work.run(['instantiate', '-A', 'tops.0'])).stdout.trim();
    const file = work.real(drv);
    const bytes = readFileSync(file);
    for (const [at, message] of [
      [3, /error parsing derivation/],
      [bytes.indexOf('","') - 3, /error/],
      // Still a derivation, of another program.
      [bytes.indexOf('echo'), /error: derivation '.*-top0.drv' was modified/],
      [bytes.lastIndexOf('x86_64') + 1, /error: derivation '.*-top0.drv' was modified/],
    ] as const) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 1;
      chmodSync(file, 0o644);
      writeFileSync(file, damaged);
      const { status, stderr } = await work.run(['nix-build', drv, '--no-out-link']);
      expect(stderr).toMatch(message);
      expect(stderr).not.toMatch(/internal error/);
      expect(status).not.toBe(0);
    }
    // As it says: deleted and instantiated again.
    expect((await work.run(['--delete', drv], { name: 'nix-store' })).status).toBe(0);
    expect((await work.run(['nix-build', '-A', 'tops.0', '--no-out-link'])).status).toBe(0);
    verify(work);
  });

  it('a database that is none, or cut short, is an error', async () => {
    const work = place();
    await work.run(['build', '-A', 'tops.0', '--no-link']);
    const file = work.real('/nix/var/nix/db/db.sqlite');
    for (const name of readdirSync(work.real('/nix/var/nix/db'))) {
      if (/-(wal|shm)$/.test(name)) truncateSync(work.real(`/nix/var/nix/db/${name}`), 0);
    }
    writeFileSync(file, 'this is no database, it only takes its place '.repeat(200));
    const { status, stderr } = await work.run(['build', '-A', 'tops.1', '--no-link']);
    expect(stderr).toMatch(/error: .*(file is not a database|malformed)/);
    expect(status).toBe(1);
  });
});
