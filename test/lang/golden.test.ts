// Golden files: each source here is parsed (parse-*) or evaluated to the bottom (eval-*), and what comes out, be it a
// value (.exp) or an error as it is shown (.err.exp), has to be what lies beside it. UPDATE_GOLDEN=1 rewrites them.
// A source under notyet/ is one whose result is not right yet: it has to fail until it is moved here.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { allBuiltins } from '../../src/builtins/index.ts';
import { renderError } from '../../src/util/render-error.ts';
import { Evaluator } from '../../src/eval/evaluator.ts';
import { MemoryEvalIo } from '../../src/eval/memory-io.ts';
import { printAmbiguous } from '../../src/eval/print-ambiguous.ts';
import { NixError } from '../../src/util/errors.ts';

const dir = import.meta.dirname;
const update = process.env['UPDATE_GOLDEN'] === '1';

function sources(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => /^(?:parse|eval)-(?:okay|fail)-.*\.nix$/.test(file))
    .sort();
}

/** What a source comes to, as a byte string: `.exp` or `.err.exp`. */
function outcome(folder: string, file: string): { readonly suffix: '.exp' | '.err.exp'; readonly text: string } {
  const files: Record<string, string> = {};
  for (const name of readdirSync(folder)) {
    if (name.endsWith('.nix')) files[`/lang/${name}`] = readFileSync(join(folder, name), 'latin1');
  }
  const log: string[] = [];
  const io = new MemoryEvalIo({ files, log: (line) => log.push(line) });
  const ev = new Evaluator({ io, settings: { showTrace: true }, builtins: allBuiltins });
  let suffix: '.exp' | '.err.exp' = '.exp';
  let text: string;
  try {
    if (file.startsWith('parse-')) text = ev.showParsedFile(`/lang/${file}`);
    else {
      const value = ev.evalFile(`/lang/${file}`);
      ev.forceDeep(value);
      text = printAmbiguous(ev, value);
    }
  } catch (error) {
    if (!(error instanceof NixError)) throw error;
    suffix = '.err.exp';
    text = renderError(error, ev.positions, { showTrace: true, color: false });
  }
  return { suffix, text: [...log, text, ''].join('\n') };
}

function check(folder: string, file: string): void {
  const { suffix, text } = outcome(folder, file);
  expect(suffix).toBe(file.includes('-okay-') ? '.exp' : '.err.exp');
  const golden = join(folder, file.replace(/\.nix$/, suffix));
  if (update) writeFileSync(golden, text, 'latin1');
  expect(Buffer.from(text, 'latin1').toString('utf8')).toBe(readFileSync(golden, 'utf8'));
}

describe('golden files', () => {
  it.each(sources(dir))('%s', (file) => {
    check(dir, file);
  });
  it('are failures at least as often as successes', () => {
    const names = sources(dir);
    const failures = names.filter((name) => name.includes('-fail-'));
    expect(failures.length * 2).toBeGreaterThanOrEqual(names.length);
  });
});

const notYet = join(dir, 'notyet');
describe('what is not right yet', () => {
  for (const file of sources(notYet)) {
    it.fails(file, () => {
      check(notYet, file);
    });
  }
  it('is in its own folder', () => {
    expect(sources(notYet).every((file) => !existsSync(join(dir, file)))).toBe(true);
  });
});
