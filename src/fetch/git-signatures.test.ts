import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { evaluate } from '../../test/support/evaluate.ts';
import { describeWith } from '../../test/support/requirements.ts';
import { NodeEvalIo } from '../eval/node-io.ts';

describeWith(['git', 'ssh-keygen'], 'commits signed with SSH keys', () => {
  let dir: string;
  const opened: NodeEvalIo[] = [];
  const keys: string[] = [];
  const run = (attrs: string, features = ['verified-fetches']): string => {
    const io = new NodeEvalIo({ system: 's', log: () => undefined });
    opened.push(io);
    const source = `builtins.readFile (builtins.fetchGit { url = "file://${dir}/repo"; ${attrs} } + "/a")`;
    return evaluate(source, { io, settings: { experimentalFeatures: new Set(features) } });
  };
  const git = (...args: string[]): void => {
    execFileSync('git', ['-C', join(dir, 'repo'), '-c', 'user.name=t', '-c', 'user.email=t@t', ...args]);
  };

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'tsnix-signed-'));
    for (const type of ['ed25519', 'rsa']) {
      execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-f', join(dir, type)]);
      keys.push(readFileSync(join(dir, `${type}.pub`), 'utf8').split(' ')[1]!);
    }
    mkdirSync(join(dir, 'repo'));
    git('init', '--quiet', '--initial-branch=main');
    git('config', 'gpg.format', 'ssh');
    for (const [branch, key] of [
      ['main', 'ed25519'],
      ['other', 'rsa'],
    ]) {
      if (branch !== 'main') git('checkout', '--quiet', '-b', branch!);
      writeFileSync(join(dir, 'repo/a'), branch!);
      git('add', 'a');
      git('-c', `user.signingkey=${join(dir, key!)}`, 'commit', '--quiet', '-S', '-m', branch!);
    }
    git('checkout', '--quiet', '-b', 'unsigned');
    git('commit', '--quiet', '--allow-empty', '-m', 'unsigned');
  });
  afterAll(() => {
    for (const io of opened) io.close();
    rmSync(dir, { recursive: true });
  });

  it('by the key that was named, or one of several', () => {
    expect(run(`ref = "main"; publicKey = "${keys[0]!}";`)).toBe('"main"');
    expect(run(`ref = "other"; keytype = "ssh-rsa"; publicKey = "${keys[1]!}";`)).toBe('"other"');
    const both = `publicKeys = [ { key = "${keys[0]!}"; } { type = "ssh-rsa"; key = "${keys[1]!}"; } ];`;
    expect(run(`ref = "main"; ${both}`)).toBe('"main"');
    expect(run(`ref = "other"; ${both}`)).toBe('"other"');
    expect(run(`ref = "unsigned"; verifyCommit = false; ${both}`)).toBe('"other"');
  });

  it('and by no other', () => {
    expect(() => run(`ref = "main"; keytype = "ssh-rsa"; publicKey = "${keys[1]!}";`)).toThrow(
      /^Commit signature verification on commit [0-9a-f]{40} failed: [^]*No principal matched/,
    );
    expect(() => run(`ref = "unsigned"; publicKey = "${keys[0]!}";`)).toThrow('Commit signature verification');
    expect(() => run('ref = "main"; verifyCommit = true;')).toThrow('Commit signature verification');
    expect(() => run('ref = "main"; keytype = "odd"; publicKey = "AAAA";')).toThrow("Invalid SSH key type 'odd'");
    expect(() => run('ref = "main"; publicKey = "AAAA\\n* ssh-rsa BBBB";')).toThrow('invalid public key');
    expect(() => run('ref = "main"; publicKeys = [ { } ];')).toThrow("an element of 'publicKeys' must be");
    writeFileSync(join(dir, 'repo/a'), 'changed');
    expect(() => run(`publicKey = "${keys[0]!}";`)).toThrow(/commit verification is required .* but it's dirty$/);
    git('checkout', '--quiet', 'a');
  });

  it('needs its feature', () => {
    expect(() => run(`ref = "main"; publicKey = "${keys[0]!}";`, [])).toThrow("feature 'verified-fetches' is disabled");
  });
});
