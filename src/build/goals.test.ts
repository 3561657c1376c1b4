import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { busybox, buildFixture } from '../../test/support/build-fixture.ts';
import type { BuildFixture, Made } from '../../test/support/build-fixture.ts';
import { describeWith } from '../../test/support/requirements.ts';
import { hashString } from '../store/hash.ts';
import type { BuiltinBuilder, BuiltinBuilders } from './builtin-builder.ts';
import type { BuildFailure } from './failure.ts';
import type { BuildObserver } from './realise-options.ts';
import { planRealisation } from './plan.ts';

/** Records what an observer is told, as one word per event. */
function recorder(): { events: string[]; observer: BuildObserver } {
  const events: string[] = [];
  const name = (drvPath: string): string => drvPath.slice(drvPath.indexOf('-') + 1, -4);
  return {
    events,
    observer: {
      started: (drvPath) => events.push(`start ${name(drvPath)}`),
      finished: (drvPath) => events.push(`finish ${name(drvPath)}`),
      failed: (drvPath, _, isTarget) => events.push(`fail ${name(drvPath)}${isTarget ? ' (target)' : ''}`),
      line: (drvPath, line) => events.push(`${name(drvPath)}: ${line}`),
      warn: (message) => events.push(`warning: ${message}`),
      note: (message) => events.push(message),
    },
  };
}

async function failure(promise: Promise<unknown>): Promise<BuildFailure> {
  try {
    await promise;
  } catch (error) {
    return error as BuildFailure;
  }
  throw new Error('it did not fail');
}

describeWith(['perl', busybox], 'realise()', () => {
  let fixture: BuildFixture;
  beforeAll(() => {
    fixture = buildFixture();
  });
  afterAll(() => fixture.close());
  const failing = (name: string, ...inputs: Made[]): Made => fixture.derivation({ name, script: 'exit 1', inputs });

  it('builds inputs first, and each derivation once', async () => {
    const base = fixture.derivation({ name: 'base', script: 'echo base > $out' });
    const left = fixture.derivation({ name: 'left', script: `cat ${base.out} > $out`, inputs: [base] });
    const right = fixture.derivation({
      name: 'right',
      script: `cat ${base.out} > $out; echo r >> $out`,
      inputs: [base],
    });
    const top = fixture.derivation({
      name: 'top',
      script: `cat ${left.out} ${right.out} > $out`,
      inputs: [left, right],
    });
    const { events, observer } = recorder();
    const plan = await planRealisation(fixture.store, [{ kind: 'derivation', drvPath: top.drvPath, outputs: 'all' }]);
    expect(plan.willBuild[0]).toBe(base.drvPath);
    expect(plan.willBuild.at(-1)).toBe(top.drvPath);
    expect(plan.willBuild).toHaveLength(4);
    await fixture.build([top, left], { observer, settings: { maxJobs: 2 } });
    expect(events.filter((event) => event.startsWith('start'))).toHaveLength(4);
    expect(events[0]).toBe('start base');
    expect(events.at(-1)).toBe('finish top');
    expect(readFileSync(fixture.store.realPath(top.out), 'utf8')).toBe('base\nbase\nr\n');
    const again = recorder();
    await fixture.build(top, { observer: again.observer });
    expect(again.events).toEqual([]);
  });

  it('runs at most max-jobs builders at a time', async () => {
    const many = [1, 2, 3, 4, 5].map((n) => fixture.derivation({ name: `slot${n}`, script: 'sleep 0.1; echo > $out' }));
    let running = 0;
    let most = 0;
    await fixture.build(many, {
      settings: { maxJobs: 2 },
      observer: { started: () => (most = Math.max(most, ++running)), finished: () => running-- },
    });
    expect(most).toBe(2);
  });

  it('names the failed dependencies of a target', async () => {
    const bad = failing('bad');
    const top = fixture.derivation({ name: 'top-of-bad', inputs: [bad] });
    const { events, observer } = recorder();
    const error = await failure(fixture.build(top, { observer }));
    expect(error.message).toBe(
      `Cannot build '${top.drvPath}'.\nReason: 1 dependency failed.\nOutput paths:\n  ${top.out}`,
    );
    expect(error.exitStatus).toBe(100);
    expect(events).toEqual(['start bad', 'fail bad', 'fail top-of-bad (target)']);
  });

  it('goes on after a failure only with keep-going', async () => {
    const make = (round: string): Made[] => [
      failing(`a-${round}`),
      fixture.derivation({ name: `b-${round}`, script: 'sleep 1; echo > $out' }),
    ];
    const stopped = make('stop');
    await failure(fixture.build(stopped, { settings: { maxJobs: 1 } }));
    expect(fixture.store.isValidPath(stopped[1]!.out)).toBe(false);
    const going = make('go');
    const error = await failure(fixture.build(going, { settings: { keepGoing: true } }));
    expect(error.message).toContain(`Cannot build '${going[0]!.drvPath}'`);
    expect(fixture.store.isValidPath(going[1]!.out)).toBe(true);
  });

  it('begins nothing after a failure', async () => {
    const made = ['x', 'y', 'z'].map((name) => failing(name));
    const { events, observer } = recorder();
    await failure(fixture.build(made, { settings: { maxJobs: 1 }, observer }));
    expect(events).toEqual(['start x', 'fail x (target)']);
  });

  it('makes no cgroups, and says so', async () => {
    const made = failing('cgroups');
    const message = async (features: string[]): Promise<string> =>
      (await failure(fixture.build(made, { settings: { useCgroups: true, experimentalFeatures: new Set(features) } })))
        .message;
    expect(await message([])).toBe(
      "experimental Nix feature 'cgroups' is disabled; add '--extra-experimental-features cgroups' to enable it",
    );
    expect(await message(['cgroups'])).toContain("tsnix cannot execute builds inside cgroups (setting 'use-cgroups')");
  });

  it('combines exit statuses', async () => {
    const wrong = fixture.derivation({
      name: 'wrong',
      script: 'echo no > $out',
      fixed: { method: 'flat', algorithm: 'sha256', hash: hashString('sha256', 'yes\n') },
    });
    const slow = fixture.derivation({ name: 'slow', script: 'sleep 50' });
    const error = await failure(
      fixture.build([wrong, slow], { settings: { keepGoing: true, timeout: 1, maxJobs: 2 } }),
    );
    expect(error.exitStatus).toBe(103);
    expect(error.message).toMatch(/^build of '.*-wrong\.drv\^\*', '.*-slow\.drv\^\*' failed$/);
  });

  it('keeps a fixed output of another hash under its own path', async () => {
    const wrong = fixture.derivation({
      name: 'fetched',
      script: 'echo got > $out',
      fixed: { method: 'nar', algorithm: 'sha256', hash: hashString('sha256', 'wanted') },
    });
    const error = await failure(fixture.build(wrong));
    expect(error.message).toMatch(
      /^hash mismatch in fixed-output derivation '.*-fetched\.drv':\n {2}specified: sha256-.*=\n {5}got: {4}sha256-.*=$/,
    );
    expect(existsSync(fixture.store.realPath(wrong.out))).toBe(false);
    const kept = fixture.store.validPaths().filter((path) => path.endsWith('-fetched'));
    expect(kept).toHaveLength(1);
    const got = Buffer.from(/got: {4}sha256-(.*)$/.exec(error.message)![1]!, 'base64');
    const right = fixture.derivation({
      name: 'fetched',
      script: 'exit 1',
      fixed: { method: 'nar', algorithm: 'sha256', hash: got },
    });
    expect(right.out).toBe(kept[0]);
    await fixture.build(right);
  });

  it('does not ask for the hash of a flat fixed output that refers to something', async () => {
    const input = fixture.derivation({ name: 'input', script: 'echo > $out' });
    const error = await failure(
      fixture.build(
        fixture.derivation({
          name: 'refers',
          script: `echo ${input.out} > $out`,
          inputs: [input],
          fixed: { method: 'flat', algorithm: 'sha256', hash: hashString('sha256', 'other') },
        }),
      ),
    );
    expect(error.message).toMatch(/^fixed output derivation 'refers' is not allowed to refer to other store paths\./);
    expect(error.exitStatus).toBe(1);
  });

  it('checks what outputs may refer to', async () => {
    const secret = fixture.derivation({ name: 'secret', script: 'echo > $out' });
    const build = (name: string, env: Record<string, string>): Promise<void> =>
      fixture.build(fixture.derivation({ name, script: `echo ${secret.out} $out > $out`, inputs: [secret], env }));
    await build('allowed', { allowedReferences: `${secret.out} out`, allowedRequisites: secret.out });
    for (const [name, env] of Object.entries({
      disallowed: { disallowedReferences: secret.out },
      'not-allowed': { allowedReferences: 'out' },
      'requisites-disallowed': { disallowedRequisites: secret.out },
      'requisites-not-allowed': { allowedRequisites: '' },
    })) {
      const error = await failure(build(name, env));
      expect(error.message).toMatch(
        new RegExp(`^output '.*-${name}' is not allowed to refer to the following paths:\n {2}.*-secret$`),
      );
      expect(error.exitStatus).toBe(1);
    }
    const unknown = await failure(build('unknown', { allowedReferences: 'lib' }));
    expect(unknown.message).toContain(
      "output check for 'out' contains output name 'lib', but this is not a valid output",
    );
  });

  it('compares with what is there in mode check', async () => {
    const same = fixture.derivation({ name: 'same', script: 'echo 1 $out > $out' });
    const early = await failure(fixture.build(same, { mode: 'check' }));
    expect(early.message).toContain('are not valid, so checking is not possible');
    await fixture.build(same);
    await fixture.build(same, { mode: 'check' });
    const other = fixture.derivation({ name: 'other', script: 'cat /proc/sys/kernel/random/uuid > $out' });
    await fixture.build(other);
    const before = fixture.store.pathInfo(other.out);
    const error = await failure(fixture.build(other, { mode: 'check' }));
    expect(error.message).toMatch(/^derivation '.*-other\.drv' may not be deterministic: output ".*-other" differs$/);
    expect(error.exitStatus).toBe(104);
    const kept = await failure(fixture.build(other, { mode: 'check', settings: { keepFailed: true } }));
    expect(kept.message).toMatch(/differs from ".*-other\.check"$/);
    expect(fixture.store.pathInfo(other.out)).toEqual(before);
  });

  it('ends a builder with its log', async () => {
    const closed = fixture.derivation({ name: 'closed', script: 'echo > $out; exec > /dev/null 2>&1; sleep 100000' });
    const error = await failure(fixture.build(closed));
    expect(error.message).toContain('Reason: builder failed due to signal 9 (Killed).');
  });

  it('keeps the build directory of a failure on request', async () => {
    const bad = fixture.derivation({ name: 'kept', script: 'echo left > here; exit 1' });
    const { events, observer } = recorder();
    await failure(fixture.build(bad, { observer, settings: { keepFailed: true } }));
    const note = events.find((event) => event.includes('keeping build directory'))!;
    expect(readFileSync(`${/"(.*)"/.exec(note)![1]!}/here`, 'utf8')).toBe('left\n');
  });

  it('refuses what this machine cannot build', async () => {
    const foreign = fixture.derivation({ name: 'foreign', system: 'riscv64-plan9' });
    const system = await failure(fixture.build(foreign));
    expect(system.message).toContain("Reason: platform mismatch\nRequired system: 'riscv64-plan9'\nCurrent system: '");
    expect(system.exitStatus).toBe(100);
    const special = fixture.derivation({ name: 'special', env: { requiredSystemFeatures: 'warp kvm' } });
    const feature = await failure(fixture.build(special, { settings: { systemFeatures: ['benchmark'] } }));
    expect(feature.message).toContain(
      'Reason: missing system features\nRequired features: {kvm, warp}\nAvailable features: {benchmark}',
    );
    const none = await failure(fixture.build(fixture.derivation({ name: 'nojobs' }), { settings: { maxJobs: 0 } }));
    expect(none.message).toContain('Reason: local builds are disabled (max-jobs = 0)');
  });

  it('refuses null bytes, which would tell the sandbox something', async () => {
    const step = ['x', 'step', '4', 'bind', '/shadow', '/etc/shadow', 'rw'].join('\0');
    const hostile = fixture.derivation({ name: 'hostile', env: { a: step } });
    expect((await failure(fixture.build(hostile))).message).toContain('null bytes');
  });

  it('runs builders written in TypeScript', async () => {
    const known = new Map<string, BuiltinBuilder>([
      [
        'write',
        async (job) => {
          job.log('writing');
          await writeFile(job.outputs.get('out')!, job.env.get('text')!, { mode: 0o666 });
        },
      ],
      ['throw', () => Promise.reject(new Error('no such thing'))],
    ]);
    const builtins: BuiltinBuilders = (name) => Promise.resolve(known.get(name));
    const good = fixture.derivation({
      name: 'native',
      builder: 'builtin:write',
      env: { text: 'hello' },
      system: 'builtin',
    });
    const { events, observer } = recorder();
    await fixture.build(good, { builtins, observer });
    expect(events).toEqual(['start native', 'native: writing', 'finish native']);
    expect(readFileSync(fixture.store.realPath(good.out), 'utf8')).toBe('hello');
    const bad = await failure(
      fixture.build(fixture.derivation({ name: 'thrown', builder: 'builtin:throw' }), { builtins }),
    );
    expect(bad.message).toMatch(/builder failed with exit code 1[^]*> no such thing/);
    const unknown = fixture.derivation({ name: 'unknown-builtin', builder: 'builtin:nothing' });
    expect((await failure(fixture.build(unknown))).message).toContain("unsupported builtin builder 'nothing'");
  });

  it('ends everything when aborted', async () => {
    const abort = new AbortController();
    const long = fixture.derivation({ name: 'long', script: 'echo going; sleep 3333' });
    const build = fixture.build(long, {
      signal: abort.signal,
      observer: { line: () => abort.abort(new Error('interrupted')) },
    });
    await expect(build).rejects.toThrow('interrupted');
    expect(readdirSync(fixture.store.realStoreDir).filter((name) => name.includes('.chroot'))).toEqual([]);
    const processes = readdirSync('/proc').filter((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('sleep\x003333');
      } catch {
        return false; // ended meanwhile
      }
    });
    expect(processes).toEqual([]);
    // Nothing is locked: it can be built by another now.
    const locks = fixture.store.tryLockPaths([long.out]);
    expect(locks).toBeDefined();
    locks?.release(true);
  });

  it('writes the log where nix-store --read-log finds it', async () => {
    const logged = fixture.derivation({ name: 'logged', script: 'echo one; echo two >&2; echo > $out' });
    const logPath = (made: Made): string => {
      const base = made.drvPath.slice('/nix/store/'.length);
      return `${fixture.store.logDir}/drvs/${base.slice(0, 2)}/${base.slice(2)}`;
    };
    await fixture.build(logged);
    expect(readFileSync(logPath(logged), 'utf8')).toBe('one\ntwo\n');
    const packed = fixture.derivation({ name: 'packed', script: 'echo one; echo > $out' });
    await fixture.build(packed, { settings: { compressLog: true } });
    expect(readFileSync(`${logPath(packed)}.bz2`, 'latin1').slice(0, 3)).toBe('BZh');
  });
});
