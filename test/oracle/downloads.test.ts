// Downloads without a hash: how often the server is asked, and for what, by real Nix and by us.
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CacheServer } from '../support/cache-server.ts';
import { program } from '../support/cli.ts';
import { describeWith } from '../support/requirements.ts';
import { StorePlace } from '../support/store-closure.ts';

interface Seen {
  readonly stdout: string;
  /** What follows "warning:" and "error:". */
  readonly said: readonly string[];
  /** `if-none-match` of each request. */
  readonly asked: readonly (string | undefined)[];
}

const place = new StorePlace();
const at = (name: string): string => join(place.dir, name);
const server = new CacheServer(at('served'));
let url = '';
let isBroken = false;

beforeAll(async () => {
  for (const name of ['served', 'conf']) mkdirSync(at(name));
  server.misbehave = ({ headers }, response, contents): boolean => {
    if (isBroken) {
      response.writeHead(400).end();
      return true;
    }
    if (contents === undefined) return false;
    const etag = `"${createHash('sha256').update(contents).digest('hex').slice(0, 8)}"`;
    if (headers['if-none-match'] === etag) response.writeHead(304, { etag }).end();
    else response.writeHead(200, { etag, 'content-length': contents.length }).end(contents);
    return true;
  };
  url = await server.start();
});
afterAll(async () => {
  await server.stop();
  await place.close();
});

function serve(text: string): void {
  isBroken = false;
  mkdirSync(at('tree'), { recursive: true });
  writeFileSync(at('tree/default.nix'), text);
  const reproducible = ['--mtime=@1', '--owner=0', '--group=0'];
  execFileSync('tar', ['-czf', at('served/tree.tar.gz'), ...reproducible, '-C', place.dir, 'tree']);
  writeFileSync(at('served/file.nix'), text);
}

class User {
  private readonly words: readonly string[];
  private readonly name: string;

  constructor(name: string, words: readonly string[]) {
    this.name = name;
    this.words = words;
  }

  /** `words`: arguments of nix-instantiate. */
  async run(...words: readonly string[]): Promise<Seen> {
    const before = server.seen.length;
    const env = {
      PATH: process.env['PATH']!,
      HOME: at(`${this.name}-home`),
      NIX_CONF_DIR: at('conf'),
      NIX_CONFIG: 'build-users-group =\nsubstitute = false\neval-cache = false\ndownload-attempts = 1\n',
    };
    const [command, ...all] = [...this.words, '--store', at(`${this.name}-store`), ...words];
    const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) => {
      execFile(command!, all, { env, cwd: place.dir }, (_, stdout, stderr) => {
        resolve({ stdout, stderr });
      });
    });
    const said = stderr.split('\n').filter((line) => /^(?:warning|error):/.test(line));
    return { stdout, said, asked: server.seen.slice(before).map(({ headers }) => headers['if-none-match']) };
  }

  /** All that a user sees in the life of one URL. */
  async life(expression: string, ...mode: readonly string[]): Promise<Record<string, Seen>> {
    const evaluate = (...words: readonly string[]): Promise<Seen> =>
      this.run('--eval', '--strict', ...mode, '-E', expression.replace('URL', url), ...words);
    const seen: Record<string, Seen> = {};
    serve('1');
    seen['first'] = await evaluate();
    seen['again'] = await evaluate();
    seen['asked again'] = await evaluate('--option', 'tarball-ttl', '0');
    serve('2');
    seen['changed, but young'] = await evaluate();
    seen['changed'] = await evaluate('--option', 'tarball-ttl', '0');
    seen['after the change'] = await evaluate();
    isBroken = true;
    seen['broken'] = await evaluate('--option', 'tarball-ttl', '0');
    return seen;
  }
}

const tarball = 'import (fetchTarball "URL/tree.tar.gz")';
const cases = {
  fetchTarball: [tarball],
  'fetchTarball, writing': [tarball, '--read-write-mode'],
  fetchurl: ['import (builtins.fetchurl "URL/file.nix")'],
} as const;

const expected = {
  first: { stdout: '1\n', asked: [undefined] },
  again: { stdout: '1\n', asked: [] },
  'asked again': { stdout: '1\n', asked: [expect.any(String)] },
  'changed, but young': { stdout: '1\n', asked: [] },
  changed: { stdout: '2\n', asked: [expect.any(String)] },
  'after the change': { stdout: '2\n', asked: [] },
  broken: { stdout: '2\n', asked: [expect.any(String)], said: [expect.stringContaining('; using cached version')] },
};

describe('what was downloaded is known', () => {
  const ours = new User('ours', [program, 'nix-instantiate']);

  it.each(Object.entries(cases))('%s', async (_, [expression, ...mode]) => {
    expect(await ours.life(expression, ...mode)).toMatchObject(expected);
    rmSync(at('ours-home'), { recursive: true });
  });

  it('until the store has lost it', async () => {
    serve('3');
    const expression = `import (fetchTarball "${url}/tree.tar.gz")`;
    await ours.run('--eval', '-E', expression);
    serve('4');
    execFileSync('chmod', ['-R', 'u+w', at('ours-store')]);
    rmSync(at('ours-store'), { recursive: true });
    expect(await ours.run('--eval', '-E', expression)).toMatchObject({ stdout: '4\n', asked: [undefined] });
  });

  it('however old where --offline, and not where --refresh', async () => {
    serve('5');
    const expression = `import (fetchTarball "${url}/tree.tar.gz")`;
    await ours.run('--eval', '-E', expression, '--refresh');
    serve('6');
    const old = await ours.run('--eval', '-E', expression, '--offline');
    expect(old).toMatchObject({ stdout: '5\n', asked: [] });
    const fresh = await ours.run('--eval', '-E', expression, '--refresh');
    expect(fresh).toMatchObject({ stdout: '6\n', asked: [expect.any(String)] });
  });
});

describeWith(['nix'], 'as by real Nix', () => {
  const nix = new User('nix', ['nix-instantiate']);
  it.each(Object.entries(cases))('%s', async (_, [expression, ...mode]) => {
    expect(await nix.life(expression, ...mode)).toMatchObject(expected);
    rmSync(at('nix-home'), { recursive: true });
  });
});
