// `tsnix eval --strict`: what fails inside a value is an error, not part of what is printed.
import { afterAll, expect, it } from 'vitest';
import { TestInstallation } from '../support/tsnix.ts';

const installation = new TestInstallation();
afterAll(() => {
  installation.close();
});

it('--strict fails where something inside fails', () => {
  const run = (...flags: string[]) => installation.run(['eval', '-E', '[ 1 (throw "inside") ]', ...flags]);
  expect(run()).toEqual({ status: 0, stdout: '[ 1 «error: inside» ]\n', stderr: '' });
  const strict = run('--strict');
  expect([strict.status, strict.stdout]).toEqual([1, '']);
  expect(strict.stderr).toContain('error: inside');
});
