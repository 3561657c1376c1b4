// The embedded `lib` is plain Nix: real Nix must see the same values in it, and the values must be right.
import { resolve } from 'node:path';
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { allBuiltins } from '../../src/builtins/index.ts';
import { ContextBuilder } from '../../src/eval/context.ts';
import { Evaluator } from '../../src/eval/evaluator.ts';
import { NodeEvalIo } from '../../src/eval/node-io.ts';
import { printAmbiguous } from '../../src/eval/print-ambiguous.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import { NixError } from '../../src/util/errors.ts';
import { utf8 } from '../../src/util/bytes.ts';
import { describeWith } from '../support/requirements.ts';
import { libCases } from './lib-cases.ts';

const lib = resolve(import.meta.dirname, '../../lib/lib');
const inLib = (expression: string): string => utf8(`let lib = import ${lib}; in ${expression}`);

function evaluateHere(expression: string): string {
  const io = new NodeEvalIo({ store: new MemoryStore(), system: 'x86_64-linux', readOnly: true, log: () => undefined });
  const ev = new Evaluator({ io, builtins: allBuiltins });
  try {
    const slot = ev.evalString(expression, '/', { kind: 'string' });
    ev.forceDeep(slot);
    return printAmbiguous(ev, slot, new ContextBuilder());
  } catch (error) {
    if (error instanceof NixError) return `error: ${error.message}`;
    throw error;
  }
}

describe('lib', () => {
  it.each([
    ['lib.splitString "." "a.b"', '[ "a" "b" ]'],
    ['lib.naturalSort [ "disk11" "disk8" ]', '[ "disk8" "disk11" ]'],
    ['lib.versions.pad 3 "1.2"', '"1.2.0"'],
    ['lib.replicate 2 "v"', '[ "v" "v" ]'],
    ['lib.isFunction (lib.setFunctionArgs (x: x) { })', 'true'],
    ['lib.sanitizeDerivationName "../a b"', '"-a-b"'],
  ])('%s', (expression, expected) => {
    expect(evaluateHere(inLib(expression))).toBe(expected);
  });
});

describeWith(['nix-instantiate'], 'lib, against nix-instantiate', () => {
  it('every function gives the same value', () => {
    const all = inLib(`[\n${libCases.map((expression) => `(${expression})`).join('\n')}\n]`);
    const run = spawnSync('nix-instantiate', ['--eval', '--strict', '-'], {
      input: Buffer.from(all, 'latin1'),
      encoding: 'latin1',
      env: { PATH: process.env['PATH'], HOME: '/nonexistent', NIX_REMOTE: 'dummy://' },
    });
    expect(run.stderr).toBe('');
    expect(evaluateHere(all)).toBe(run.stdout.trimEnd());
  });

  it('has the same names, all of which evaluate', () => {
    const names = inLib('builtins.mapAttrs (_: builtins.typeOf) lib');
    const run = spawnSync('nix-instantiate', ['--eval', '--strict', '-E', names], {
      encoding: 'latin1',
      env: { PATH: process.env['PATH'], HOME: '/nonexistent', NIX_REMOTE: 'dummy://' },
    });
    expect(evaluateHere(names)).toBe(run.stdout.trimEnd());
  });
});
