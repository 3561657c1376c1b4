import { expect, it } from 'vitest';
import { evaluate } from '../../test/support/evaluate.ts';
import { NodeEvalIo } from '../eval/node-io.ts';

const run = (source: string, nativeCode = true): string =>
  evaluate(source, { io: new NodeEvalIo({ system: 's', log: () => undefined }), settings: { nativeCode } });

it('builtins.exec evaluates what a program prints', () => {
  expect(run('builtins.exec [ "echo" "{ a = 1 + 1; }" ]')).toBe('{ a = 2; }');
  expect(run('(builtins.exec [ /bin/sh "-c" "echo \\"x: x + $1\\"" "-" "1" ]) 2')).toBe('3');
});

it.each([
  ['builtins.exec [ ]', "at least one argument to 'exec' required"],
  ['builtins.exec [ "false" ]', "program 'false' failed with exit code 1"],
  ['builtins.exec [ "no such program" ]', "executing 'no such program': No such file or directory"],
  ['builtins.exec [ "echo" "{" ]', 'syntax error, unexpected end of file'],
  ['builtins.exec [ { } ]', 'cannot coerce a set to a string: { }'],
  ['builtins.importNative ./x.so "f"', 'cannot be loaded'],
])('%s fails', (source, message) => {
  expect(() => run(source)).toThrow(message);
});

it('are not there without the setting', () => {
  expect(run('[ (builtins ? exec) (builtins ? importNative) ]', false)).toBe('[ false false ]');
});
