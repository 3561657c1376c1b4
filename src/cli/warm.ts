// A run of a sample, which tells what most runs use: it is bundled for the start-up snapshot, and compiled in it.
import fs, { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allBuiltins } from '../builtins/index.ts';
import { Evaluator } from '../eval/evaluator.ts';
import { forgetSlab } from '../eval/ints.ts';
import { forgetKeySets, keySetCount } from '../eval/key-set.ts';
import { MemoryEvalIo } from '../eval/memory-io.ts';
import { forgetTokens } from '../parser/token-buffer.ts';
import { forgetScratch } from '../store/hash.ts';
import { forgetSymbols, symbolCount } from '../util/symbols.ts';
import { setErrorColor } from './output.ts';
import { run } from './run.ts';
import { Session } from './session.ts';

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

/** Command lines, and what they say among other things. */
function commands(dir: string, sample: string): [string[], string][] {
  const options = ['--eval', '--strict', '--read-write-mode', '--store', dir, '--arg', 'extra', '{ e = "e"; }'];
  const derivation = 'derivation { name = "sample"; system = "x"; builder = "x"; }';
  const instantiate = ['tsnix', 'instantiate', '--store', dir, '-E', derivation];
  const value = ['tsnix', 'eval', '--store', dir, '-E', '1 + 1'];
  return [
    [['nix-instantiate', ...options, sample], '-bundle.drv'],
    // From the pack
    [['nix-instantiate', ...options, '--no-eval-cache', sample], '-bundle.drv'],
    [['nix-instantiate', '--store', dir, '-E', derivation], '-sample.drv'],
    [instantiate, '-sample.drv'],
    [value, '2'],
    // From the cache
    [instantiate, '-sample.drv'],
    [value, '2'],
  ];
}

/**
 * Runs a whole command on a sample, so that the parser's tables and the code of what most runs do are in the heap. The
 * names it uses are forgotten again: their numbers decide in which order sets are compared.
 */
export async function warm(): Promise<void> {
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
    writeFileSync(join(dir, 'imported.nix'), '{ scope ? { }, ... }: scope // { list = [ 1.5 ./x "y" ]; }');
    process.env = { HOME: dir, PATH: '/usr/bin', NIX_CONF_DIR: dir, NIX_USER_CONF_FILES: '', NIX_PATH: `x=${dir}` };
    process.getBuiltinModule = (name: string) =>
      name === 'node:sqlite' ? { DatabaseSync: FakeDatabase } : getBuiltinModule(name);
    let said = '';
    fs.writeSync = ((fd: number, data: Uint8Array, offset?: number, length?: number, position?: number): number => {
      if (fd > 2) return writeSync(fd, data, offset, length, position);
      said += Buffer.from(data).toString('latin1');
      return data.length;
    }) as typeof writeSync;
    setErrorColor(false);
    for (const [command, expected] of commands(dir, sample)) {
      said = '';
      const status = await run(command);
      if (status !== 0 || !said.includes(expected)) {
        fs.writeSync = writeSync;
        throw new Error(`the sample of the snapshot fails: ${said}`);
      }
    }
  } finally {
    fs.writeSync = writeSync;
    process.getBuiltinModule = getBuiltinModule;
    process.env = env;
    rmSync(dir, { recursive: true });
  }
  setErrorColor(undefined);
  Session.positions = undefined;
  forgetKeySets(keySets);
  forgetSymbols(symbols);
  forgetScratch();
  forgetSlab();
  forgetTokens();
  process.chdir(process.cwd()); // Node remembers where it is, too
}
