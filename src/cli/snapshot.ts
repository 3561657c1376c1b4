// Entry of the start-up snapshot: Node runs this once, when the program is bundled, and keeps the heap. What is loaded
// and warmed here is there at once in every run. Nothing of the machine or the user may stay in the heap.
import fs, { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { startupSnapshot } from 'node:v8';
import { allBuiltins } from '../builtins/index.ts';
import { Evaluator } from '../eval/evaluator.ts';
import { forgetKeySets, keySetCount } from '../eval/key-set.ts';
import { MemoryEvalIo } from '../eval/memory-io.ts';
import { setPackageRoot } from '../util/program-files.ts';
import { forgetSymbols, symbolCount } from '../util/symbols.ts';
import { run } from './run.ts';
import { Session } from './session.ts';
import './legacy/nix-instantiate.ts';

// Modules of Node that most commands use, and that are costly to load. node:sqlite cannot be in a snapshot.
for (const name of ['node:crypto', 'node:child_process', 'node:worker_threads']) process.getBuiltinModule(name);

/** Answers as a database in which everything is valid. */
class FakeDatabase {
  readonly isOpen = true;
  exec(): void {
    return undefined;
  }
  prepare(): object {
    return { get: () => ({ id: 1, journal_mode: 'wal' }), all: () => [], run: () => ({ lastInsertRowid: 1 }) };
  }
  close(): void {
    return undefined;
  }
}

/**
 * Runs a whole command on a sample, so that the parser's tables and the code of what most runs do are in the heap. The
 * names it uses are forgotten again: their numbers decide in which order sets are compared.
 */
async function warm(): Promise<void> {
  new Evaluator({ io: new MemoryEvalIo(), builtins: allBuiltins });
  const symbols = symbolCount();
  const keySets = keySetCount();

  const dir = mkdtempSync(join(tmpdir(), 'tsnix-snapshot-'));
  const sample = process.env['TSNIX_SNAPSHOT_SAMPLE']!;
  const { env } = process;
  const getBuiltinModule = process.getBuiltinModule.bind(process);
  const { writeSync } = fs;
  try {
    mkdirSync(join(dir, 'nix/var/nix/db'), { recursive: true });
    mkdirSync(join(dir, 'nix/store'));
    writeFileSync(join(dir, 'nix/var/nix/db/schema'), '10');
    writeFileSync(join(dir, 'nix.conf'), '# none\nsandbox = true\n');
    process.env = { HOME: dir, PATH: '/usr/bin', NIX_CONF_DIR: dir, NIX_USER_CONF_FILES: '', NIX_PATH: `x=${dir}` };
    process.getBuiltinModule = (name: string) =>
      name === 'node:sqlite' ? { DatabaseSync: FakeDatabase } : getBuiltinModule(name);
    let said = '';
    fs.writeSync = ((_fd: number, data: Uint8Array): number => {
      said += Buffer.from(data).toString('latin1');
      return data.length;
    }) as typeof writeSync;
    const args = ['--eval', '--strict', '--read-write-mode', '--store', dir, '--arg', 'extra', '{ e = "e"; }', sample];
    const status = await run(['nix-instantiate', ...args]);
    fs.writeSync = writeSync;
    if (status !== 0 || !said.includes('-bundle.drv')) throw new Error(`the sample of the snapshot fails: ${said}`);
  } finally {
    fs.writeSync = writeSync;
    process.getBuiltinModule = getBuiltinModule;
    process.env = env;
    rmSync(dir, { recursive: true });
  }
  Session.positions = undefined;
  forgetKeySets(keySets);
  forgetSymbols(symbols);
  process.chdir(process.cwd()); // Node remembers where it is, too
}

async function main(): Promise<void> {
  setPackageRoot(dirname(dirname(process.argv[1]!)));
  process.exitCode = await run(process.argv.slice(2));
}

void warm().then(() => {
  startupSnapshot.setDeserializeMainFunction(() => void main());
});
