import { describe, expect, it } from 'vitest';
import { evaluate } from '../../test/support/evaluate.ts';
import type { FetchedFile, UrlRequest } from '../eval/io.ts';
import { MemoryEvalIo } from '../eval/memory-io.ts';
import { defaultFetchSettings, type FetchSettings } from '../eval/settings.ts';

const REV = 'a'.repeat(40);

/** A world where URLs are a map. Whatever is no answer of an API is taken for an archive. */
class Web extends MemoryEvalIo {
  readonly asked: string[] = [];
  private readonly answers: Readonly<Record<string, string>>;
  constructor(answers: Readonly<Record<string, string>>) {
    super();
    this.answers = answers;
  }
  override fetchUrl({ url, headers = {}, unpack }: UrlRequest): FetchedFile {
    this.asked.push([url, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)].join(' | '));
    if (unpack) return { storePath: this.addText('source', url, []), lastModified: 1000 };
    return { storePath: this.addText('source', this.answers[url] ?? `nothing at ${url}`, []) };
  }
}

function fetch(
  input: string,
  answers: Readonly<Record<string, string>> = {},
  fetchSettings: Partial<FetchSettings> = {},
): { value: string; asked: string[] } {
  const io = new Web(answers);
  const settings = {
    experimentalFeatures: new Set(['fetch-tree', 'flakes']),
    fetch: { ...defaultFetchSettings, ...fetchSettings },
  };
  const value = evaluate(`removeAttrs (builtins.fetchTree ${input}) [ "outPath" "narHash" ]`, { io, settings });
  return { value, asked: io.asked };
}
const tree = `{ lastModified = 1000; lastModifiedDate = "19700101001640"; rev = "${REV}"; shortRev = "aaaaaaa"; }`;

describe('archives of revisions', () => {
  it.each([
    ['"github:o/r/@"', 'https://github.com/o/r/archive/@.tar.gz'],
    ['"github:o/r/@?host=git.example.org"', 'https://git.example.org/api/v3/repos/o/r/tarball/@'],
    ['"gitlab:o/r/@"', 'https://gitlab.com/api/v4/projects/o%2Fr/repository/archive.tar.gz?sha=@'],
    [
      '"gitlab:o/r?rev=@&host=example.org"',
      'https://example.org/api/v4/projects/o%2Fr/repository/archive.tar.gz?sha=@',
    ],
    ['"sourcehut:~o/r/@"', 'https://git.sr.ht/~o/r/archive/@.tar.gz'],
    ['{ type = "github"; owner = "o"; repo = "r"; rev = "@"; }', 'https://github.com/o/r/archive/@.tar.gz'],
  ])('%s', (input, url) => {
    expect(fetch(input.replace('@', REV))).toEqual({ value: tree, asked: [url.replace('@', REV)] });
  });
});

describe('branches and tags', () => {
  it('GitHub', () => {
    const api = 'https://api.github.com/repos/o/r/commits';
    expect(fetch('"github:o/r"', { [`${api}/HEAD`]: JSON.stringify({ sha: REV }) }).asked).toEqual([
      `${api}/HEAD`,
      `https://github.com/o/r/archive/${REV}.tar.gz`,
    ]);
    expect(fetch('"github:o/r/a/b"', { [`${api}/a/b`]: JSON.stringify({ sha: REV }) }).value).toBe(tree);
    expect(() => fetch('"github:o/r"')).toThrow('is not JSON');
    expect(() => fetch('"github:o/r"', { [`${api}/HEAD`]: '{"message": "no"}' })).toThrow("which commit 'HEAD' is");
    expect(() => fetch('"github:o/r"', { [`${api}/HEAD`]: '{"sha": "../x"}' })).toThrow("'../x' is no commit hash");
  });

  it('GitLab', () => {
    const api = 'https://gitlab.com/api/v4/projects/o%2Fr/repository/commits?ref_name=';
    expect(fetch('"gitlab:o/r/main"', { [`${api}main`]: JSON.stringify([{ id: REV }]) }).value).toBe(tree);
    expect(() => fetch('"gitlab:o/r"', { [`${api}HEAD`]: '[]' })).toThrow('No commits returned by GitLab API');
    expect(() => fetch('"gitlab:o/r"', { [`${api}HEAD`]: '{}' })).toThrow('Unexpected response received from GitLab');
  });

  it('SourceHut', () => {
    const base = 'https://git.sr.ht/~o/r';
    const answers = {
      [`${base}/HEAD`]: 'ref: refs/heads/main',
      [`${base}/info/refs`]: `${'b'.repeat(40)}\trefs/heads/mainly\n${REV}\trefs/heads/main\n`,
    };
    expect(fetch('"sourcehut:~o/r"', answers).value).toBe(tree);
    expect(fetch('"sourcehut:~o/r/main"', answers).value).toBe(tree);
    expect(() => fetch('"sourcehut:~o/r/other"', answers)).toThrow("couldn't find ref 'other'");
  });
});

describe('access tokens', () => {
  const asked = (input: string, ...tokens: [string, string][]): string =>
    fetch(input.replace('@', REV), {}, { accessTokens: new Map(tokens) }).asked[0]!;

  it('go to their host, the longest entry that fits', () => {
    expect(asked('"github:o/r/@"', ['github.com', 'a'], ['github.com/o', 'b'], ['github.com/o/rest', 'c'])).toBe(
      `https://api.github.com/repos/o/r/tarball/${REV} | Authorization: token b`,
    );
    expect(asked('"github:o/r/@"', ['gitlab.com', 'a'])).toBe(`https://github.com/o/r/archive/${REV}.tar.gz`);
    expect(asked('"gitlab:o/r/@"', ['gitlab.com', 'PAT:x:y'])).toMatch(/ \| Private-token: x:y$/);
    expect(asked('"gitlab:o/r/@"', ['gitlab.com', 'OAuth2:x'])).toMatch(/ \| Authorization: Bearer x$/);
    expect(asked('"sourcehut:~o/r/@"', ['git.sr.ht', 'x'])).toMatch(/ \| Authorization: Bearer x$/);
  });
});

it('pure evaluation wants a revision, and a hash where archives are not trusted', () => {
  const pure = (input: string, trustArchives = true): string =>
    evaluate(`(builtins.fetchTree ${input}).rev`, {
      io: new Web({}),
      settings: {
        pureEval: true,
        experimentalFeatures: new Set(['fetch-tree', 'flakes']),
        fetch: { ...defaultFetchSettings, trustArchives },
      },
    });
  expect(pure(`"github:o/r/${REV}"`)).toBe(`"${REV}"`);
  expect(() => pure('"github:o/r"')).toThrow(
    "in pure evaluation mode, 'fetchTree' doesn't fetch unlocked input 'github:o/r'",
  );
  expect(() => pure(`"github:o/r/${REV}"`, false)).toThrow("doesn't fetch unlocked input");
});
