// builtins.fetchClosure, from caches that real Nix wrote.
import { execFileSync } from 'node:child_process';
import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { derivations, Workplace } from '../../support/cli.ts';
import { describeWith } from '../../support/requirements.ts';

const work = new Workplace({
  'default.nix': derivations(`
    leaf = mk "leaf" "echo leaf > $out" {};
    top = mk "top" "echo '{ n = 42; leaf = \\"\${leaf}\\"; }' > $out" {};
  `),
});
const cache = join(work.dir, 'cache');
const nix = (...args: string[]): string =>
  execFileSync('nix', ['--extra-experimental-features', 'nix-command', ...args], {
    encoding: 'utf8',
    env: { ...process.env, HOME: work.dir },
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
afterAll(() => {
  work.close();
});

describeWith(['nix'], 'builtins.fetchClosure', () => {
  let top: string;
  let url: string;
  const server = createServer((request, response) => {
    const file = join(cache, request.url!);
    if (existsSync(file)) createReadStream(file).pipe(response);
    else response.writeHead(404).end();
  });

  beforeAll(async () => {
    const built = await work.run(['build', '--no-link', '-A', 'top']);
    expect(built.status).toBe(0);
    top = built.stdout.trim();
    nix('copy', '--no-check-sigs', '--from', `local?root=${work.store}`, '--to', `file://${cache}`, top);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }, 120_000);
  afterAll(() => {
    server.close();
  });

  let stores = 0;
  /** In a store that has nothing. */
  const run = async (attrs: string, use = 'x', ...flags: string[]): ReturnType<Workplace['run']> => {
    const store = join(work.dir, `store-${stores++}`);
    const expression = `let x = builtins.fetchClosure { ${attrs} }; in ${use}`;
    return await work.run(['eval', ...flags, '--raw', '-E', expression], {
      env: { NIX_REMOTE: store, NIX_CONFIG: 'experimental-features = fetch-closure nix-command' },
    });
  };

  it('input-addressed paths, where one says so and nobody asks for signatures', { timeout: 120_000 }, async () => {
    const attrs = `fromStore = "${url}"; fromPath = ${top};`;
    const unsigned = await run(`${attrs} inputAddressed = true;`);
    expect(unsigned.status).not.toBe(0);
    expect(unsigned.stderr).toContain("as it's not signed by any of the keys in 'trusted-public-keys'");
    const got = await run(`${attrs} inputAddressed = true;`, 'toString (import x).n', '--no-require-sigs');
    expect(got).toMatchObject({ status: 0, stdout: '42' });
    const silent = await run(attrs, 'x', '--no-require-sigs');
    expect(silent.status).toBe(1);
    expect(silent.stderr).toContain(
      `The 'fromPath' value '${top}' is input-addressed, but 'inputAddressed' is set to 'false' (default).`,
    );
  });

  it('rewritten ones, as real Nix rewrites them; these need no signature', { timeout: 120_000 }, async () => {
    const attrs = `fromStore = "${url}"; fromPath = ${top};`;
    const store = `local?root=${join(work.dir, 'oracle')}`;
    nix('copy', '--no-check-sigs', '--from', `file://${cache}`, '--to', store, top);
    const json = nix('store', 'make-content-addressed', '--store', store, '--json', top);
    const rewritten = (JSON.parse(json) as { rewrites: Record<string, string> }).rewrites[top]!;
    const asked = await run(`${attrs} toPath = "";`);
    expect(asked.stderr).toContain(`error: rewriting '${top}' to content-addressed form yielded '${rewritten}'\n`);
    const got = await run(`${attrs} toPath = ${rewritten};`, 'x + toString (import x).n');
    expect(got).toMatchObject({ status: 0, stdout: `${rewritten}42` });
    const wrong = await run(`${attrs} toPath = ${rewritten.replace(/\w{32}/, 'a'.repeat(32))};`);
    expect(wrong.stderr).toContain(`yielded '${rewritten}', while '/nix/store/aaaa`);
    nix('copy', '--no-check-sigs', '--from', store, '--to', `file://${cache}`, rewritten);
    const plain = `fromStore = "${url}"; fromPath = ${rewritten};`;
    expect(await run(plain)).toMatchObject({ status: 0, stdout: rewritten });
    expect((await run(`${plain} inputAddressed = true;`)).stderr).toContain(
      `The store object referred to by 'fromPath' at '${rewritten}' is not input-addressed`,
    );
  });

  it('wrong arguments', { timeout: 120_000 }, async () => {
    const [folder, query, missing, both] = await Promise.all([
      run(`fromStore = "file://${cache}"; fromPath = ${top};`),
      run(`fromStore = "${url}?x=y"; fromPath = ${top};`),
      run(`fromStore = "${url}";`),
      run(`fromStore = "${url}"; fromPath = ${top}; toPath = ""; inputAddressed = true;`),
    ]);
    expect(folder.stderr).toContain("'fetchClosure' only supports http:// and https:// stores");
    expect(query.stderr).toContain("'fetchClosure' does not support URL query parameters");
    expect(missing.stderr).toContain("attribute 'fromPath' is missing in call to 'fetchClosure'");
    expect(both.stderr).toContain("attribute 'inputAddressed' is set to true, but 'toPath' is also set");
  });
});
