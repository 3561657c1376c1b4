// Where the time goes: profiles of each kind, statistics, traces of calls, and the page in a browser.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBrowser } from '../../support/browser.ts';
import { Workplace } from '../../support/cli.ts';
import { describeWith } from '../../support/requirements.ts';

const work = new Workplace({
  'work.nix': `let
  double = x: x + x;
  busy = n: if n == 0 then 0 else double (busy (n - 1)) - busy (n - 1);
in { result = busy 12; names = map (n: { name = toString n; } // { more = [ n ] ++ [ ]; }) [ 1 2 3 ]; }
`,
});
afterAll(() => {
  work.close();
});
const read = (name: string): string => readFileSync(join(work.project, name), 'utf8');

describe('--eval-profiler flamegraph', () => {
  it('writes the stacks that Nix writes', async () => {
    // Expressions and stacks as in Nix 2.36's own test of it.
    const cases: [string, string[]][] = [
      ['let f = arg: arg; in f 1', ['1:22:f']],
      ['(arg: arg) 1', ['1:1']],
      ['builtins.head [0 1]', ['1:1:primop head']],
      [
        'let a = builtins.all (let f = x: x; in f); in a [1]',
        ['1:9:primop all', '1:47:primop all', '1:47:primop all;1:31:f'],
      ],
      ['{__functor = x: arg: arg;} 1', ['1:1:functor', '1:1:functor;1:2']],
      ['builtins.tryEval (throw "example")', ['1:1:primop tryEval', '1:1:primop tryEval;1:19:primop throw']],
      ['let f = ({ x }: x); in f { }', ['1:24:f']],
      ['let f = (x: y: x + y); in f 1', ['1:27:f']],
      ['let f2 = (x: x); in f2 1 2', ['1:21:f2']],
      ['1 2', ['1:1']],
      ['builtins.derivationStrict { name = "somepackage"; }', ['1:1:primop derivationStrict:somepackage']],
      ['builtins.derivationStrict { }', ['1:1:primop derivationStrict']],
    ];
    await Promise.all(
      cases.map(async ([expr, stacks], i) => {
        const file = `${i}.profile`;
        const options = [
          '--eval-profiler',
          'flamegraph',
          '--eval-profiler-frequency',
          '0',
          '--eval-profile-file',
          file,
        ];
        await work.run([...options, '--expr', expr], { name: 'nix-instantiate' });
        const expected = stacks.map((stack) => `${stack.replace(/(^|;)/g, '$1«string»:')} 1\n`).join('');
        expect([expr, read(file)]).toEqual([expr, expected]);
      }),
    );
    const wrong = await work.run(['eval', '--eval-profiler', 'fancy', '-E', '1']);
    expect([wrong.status, wrong.stderr]).toEqual([
      1,
      expect.stringMatching(/'eval-profiler' has invalid value 'fancy'/),
    ]);
  });
});

interface Speedscope {
  readonly shared: { readonly frames: { name: string; file?: string; line?: number }[] };
  readonly profiles: { unit: string; samples: number[][]; weights: number[]; endValue: number }[];
}
interface CpuProfile {
  readonly nodes: {
    id: number;
    callFrame: { functionName: string; lineNumber: number; url: string };
    children: number[];
  }[];
  readonly samples: number[];
  readonly timeDeltas: number[];
}

describe('tsnix eval', () => {
  it('writes profiles that speedscope and Chrome open', async () => {
    const args = ['eval', '-f', 'work.nix', '-A', 'result', '--eval-profiler-frequency', '100000'];
    const results = await Promise.all([
      work.run([...args, '--profile', 'out.json']),
      work.run([...args, '--eval-profiler', 'chrome']),
    ]);
    expect(results.map(({ stdout, stderr }) => stdout + stderr)).toEqual(['0\n', '0\n']);
    const speedscope = JSON.parse(read('out.json')) as Speedscope;
    const busy = speedscope.shared.frames.findIndex(({ name }) => name === 'busy');
    expect(speedscope.shared.frames[busy]).toMatchObject({ file: join(work.project, 'work.nix'), line: 3 });
    expect(speedscope.profiles.map(({ unit }) => unit)).toEqual(['milliseconds', 'bytes']);
    for (const { samples, weights, endValue } of speedscope.profiles) {
      expect(samples).toHaveLength(weights.length);
      expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(endValue);
      expect(endValue).toBeGreaterThan(0);
      expect(samples.some((stack) => stack.includes(busy))).toBe(true);
    }
    const chrome = JSON.parse(read('nix.cpuprofile')) as CpuProfile;
    const ids = new Set(chrome.nodes.map(({ id }) => id));
    expect(chrome.samples.every((id) => ids.has(id))).toBe(true);
    expect(chrome.timeDeltas).toHaveLength(chrome.samples.length);
    expect(chrome.nodes.flatMap(({ children }) => children).sort()).toEqual([...ids].filter((id) => id !== 1).sort());
    const node = chrome.nodes.find(({ callFrame }) => callFrame.functionName === 'double')!;
    expect(node.callFrame).toMatchObject({ url: join(work.project, 'work.nix'), lineNumber: 1 });
  });

  it("gives statistics with Nix's keys, and traces calls in its words", async () => {
    const env = { NIX_SHOW_STATS: '1', NIX_COUNT_CALLS: '1', NIX_SHOW_STATS_PATH: 'stats.json' };
    const { stdout } = await work.run(['eval', '-f', 'work.nix', '--json'], { env });
    expect(stdout).toMatch(/^\{"names":.*,"result":0\}\n$/);
    const statistics = JSON.parse(read('stats.json')) as Record<string, never>;
    expect(Object.keys(statistics)).toEqual([
      ...[
        'attributes',
        'cpuTime',
        'envs',
        'functions',
        'gc',
        'list',
        'nrAvoided',
        'nrExprs',
        'nrFunctionCalls',
        'nrLookups',
      ],
      ...['nrOpUpdateValuesCopied', 'nrOpUpdates', 'nrPrimOpCalls', 'nrThunks', 'primops', 'sets', 'sizes', 'symbols'],
      ...['time', 'values'],
    ]);
    // 2 ^ 13 - 1 calls of busy, 2 ^ 12 - 1 of double, 3 of what is mapped.
    expect(statistics).toMatchObject({
      nrFunctionCalls: 8191 + 4095 + 3,
      nrOpUpdates: 3,
      nrOpUpdateValuesCopied: 6,
      primops: { map: 1, toString: 3 },
      functions: expect.arrayContaining([
        { name: 'busy', file: join(work.project, 'work.nix'), line: 3, column: 10, count: 8191 },
      ]) as unknown,
      list: { concats: 3 },
    });
    const quiet = await work.run(['eval', '-E', '1', '--trace-function-calls'], { env: { NIX_SHOW_STATS: '0' } });
    expect(quiet).toEqual({ status: 0, stdout: '1\n', stderr: '' });
    const trace = await work.run(['eval', '--trace-function-calls', '-E', '(x: builtins.add x 1) 1']);
    const lines = trace.stderr.replace(/ at \d{19}$/gm, ' at NS').split('\n');
    expect(lines).toEqual([
      'function-trace entered «string»:1:1 at NS',
      'function-trace entered «string»:1:5 at NS',
      'function-trace exited «string»:1:5 at NS',
      'function-trace exited «string»:1:1 at NS',
      '',
    ]);
  });

  it('keeps errors as they are, and writes what there is', async () => {
    const args = ['eval', '-E', 'let f = x: g x; g = x: throw "no"; in f 1'];
    const plain = await work.run(args);
    const watched = await work.run([...args, '--profile', 'failed.profile', '--eval-profiler-frequency', '0']);
    expect(watched).toEqual(plain);
    expect(read('failed.profile')).toMatch(/:f;.*:g;.*primop throw 1\n$/);
    const nowhere = await work.run(['eval', '-E', '1', '--profile', 'missing/x.json']);
    expect([nowhere.status, nowhere.stderr]).toEqual([
      1,
      expect.stringMatching(/^error: opening file 'missing\/x\.json'/),
    ]);
  });
});

describeWith(['chromium'], 'the page that shows a profile', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
    await work.run([
      'eval',
      '-f',
      'work.nix',
      '--strict',
      '--profile',
      'out.html',
      '--eval-profiler-frequency',
      '50000',
    ]);
  }, 60_000);
  afterAll(async () => {
    await browser.close();
  });

  it('has a flame graph, functions, files and counts; search, keys, two colour schemes', async () => {
    const page = await browser.newPage({ viewport: { width: 1100, height: 700 }, colorScheme: 'dark' });
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('request', (request) => {
      if (!request.url().startsWith('file:')) errors.push(request.url());
    });
    await page.goto(pathToFileURL(join(work.project, 'out.html')).href);
    const bars = page.locator('#graph div');
    expect(await bars.count()).toBeGreaterThan(5);
    const background = (): Promise<string> => page.evaluate('getComputedStyle(document.body).backgroundColor');
    const dark = await background();
    await page.keyboard.press('t');
    expect(await background()).not.toBe(dark);

    await page.fill('#search', 'busy');
    expect(await page.locator('#graph .hit').count()).toBeGreaterThan(0);
    expect(await page.textContent('#sum')).toMatch(/found: [\d.]+%/);
    await page.keyboard.press('Escape');
    expect(await page.locator('#graph .hit').count()).toBe(0);

    await page.keyboard.press('ArrowDown');
    expect(await page.textContent('#about')).toMatch(/ms|s \(/);
    await page.keyboard.press('Enter');
    expect(await page.locator('#graph .above').count()).toBe(1);
    await page.keyboard.press('Escape');
    expect(await page.locator('#graph .above').count()).toBe(0);

    await page.keyboard.press('2');
    const row = page.locator('tbody tr', { hasText: 'busy' }).first();
    expect(await row.innerText()).toMatch(/work\.nix:3:10[^]*8,191/);
    await page.keyboard.press('3');
    expect(await page.locator('tbody').innerText()).toMatch(/work\.nix/);
    await page.keyboard.press('4');
    expect(await page.locator('main').innerText()).toMatch(/function calls\s+12,289/);
    expect(errors).toEqual([]);
  }, 60_000);
});
