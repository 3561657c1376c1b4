// Cases on stores: hashing, adding, asking, collecting, optimising. What they work on is made once, by tsnix, for both.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case, Command } from './cases.ts';

/** A store of texts, each referring to the one before it and `fan` earlier ones. @returns the last path */
function makeStore(root: string, count: number, fan: number): string {
  const module = JSON.stringify(join(import.meta.dirname, '../src/store/open.ts'));
  const script = `import { openStore } from ${module};
    const store = openStore(${JSON.stringify(root)}, {}), all = [];
    for (let i = 0; i < ${count}; i++) {
      const references = new Set(${fan} > 0 && i > 0 ? [all[i - 1]] : []);
      for (let k = 1; k <= ${fan} && i > 0; k++) references.add(all[Math.floor((i * k) / ${fan + 1})]);
      all.push(store.addText('p' + i, Buffer.from('text ' + i), [...references]));
    }
    await store.close();
    console.log(all.at(-1));`;
  const run = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', script], { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(run.stderr);
  return run.stdout.trim();
}

function makeBigTree(dir: string, megabytes: number): void {
  mkdirSync(dir);
  const block = randomBytes(4 << 20);
  for (let i = 0; i < megabytes / 4; i++) {
    block.writeUInt32LE(i, 0);
    writeFileSync(join(dir, `f${i}`), block);
  }
}

/** A quarter of the files have the contents of another. */
function makeSmallTree(dir: string, count: number): void {
  for (let i = 0; i < count; i++) {
    const sub = join(dir, `d${Math.floor(i / 100)}`);
    if (i % 100 === 0) mkdirSync(sub, { recursive: true });
    writeFileSync(join(sub, `f${i % 100}`), `${i % Math.ceil(count * 0.75)}${'\n'.repeat(i % 100)}`);
  }
}

export function storeCases(work: string): Case[] {
  const once = (name: string, make: (place: string) => unknown): string => {
    const place = join(work, name);
    if (!existsSync(place)) make(place);
    return place;
  };
  /** Both stores, as copies of `from`, or gone. */
  const reset = (from?: string): void => {
    for (const name of ['ours', 'theirs']) {
      const store = join(work, name);
      spawnSync('chmod', ['-R', 'u+w', store], { stdio: 'ignore' });
      rmSync(store, { recursive: true, force: true });
      if (from !== undefined) spawnSync('cp', ['-a', from, store]);
    }
  };
  const sized = (name: string, make: (scale: number) => Command): Case => ({
    name: `store: ${name}`,
    sized: true,
    make,
  });
  return [
    sized('NAR hash of 1 GB', (scale) => {
      const tree = once(`big-${scale}`, (dir) => makeBigTree(dir, 1000 * scale));
      return { program: 'nix-hash', args: ['--type', 'sha256', tree] };
    }),
    sized('add 20,000 files', (scale) => {
      const tree = once(`small-${scale}`, (dir) => makeSmallTree(dir, 20000 * scale));
      return { program: 'nix-store', args: ['--add', tree], store: true, prepare: () => reset() };
    }),
    sized('-qR of 5,000 paths', (scale) => {
      const store = once(`graph-${scale}`, (place) => {
        const last = makeStore(place, 5000 * scale, 5);
        writeFileSync(join(place, 'top'), last);
      });
      const top = readFileSync(join(store, 'top'), 'latin1');
      return { program: 'nix-store', args: ['--store', store, '-qR', top] };
    }),
    sized('gc of 10,000 paths', (scale) => {
      const store = once(`dead-${scale}`, (place) => makeStore(place, 10000 * scale, 0));
      return { program: 'nix-store', args: ['--gc'], store: true, prepare: () => reset(store), sameOutput: false };
    }),
    sized('optimise 20,000 files', (scale) => {
      const tree = once(`small-${scale}`, (dir) => makeSmallTree(dir, 20000 * scale));
      const store = once(`added-${scale}`, (place) => {
        spawnSync('nix-store', ['--store', place, '--add', tree]);
      });
      return { program: 'nix-store', args: ['--optimise'], store: true, prepare: () => reset(store) };
    }),
  ];
}
