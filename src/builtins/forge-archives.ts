// Inputs from GitHub, GitLab and SourceHut: archives of a revision over HTTPS, and where there is only a branch or tag,
// which revision that is.
import type { Evaluator } from '../eval/evaluator.ts';
import { EvalError } from '../util/errors.ts';
import { optional, showInput, stringAttr, type FlakeAttrs } from './flake-ref/schemes.ts';
import { BadUrlError } from './flake-ref/url.ts';

type Headers = Readonly<Record<string, string>>;

/** Where one repository is. */
interface Place {
  readonly host: string;
  readonly owner: string;
  readonly repo: string;
  readonly headers: Headers;
  readonly shown: string;
}

interface Forge {
  readonly host: string;
  /** undefined: no form that is known. */
  header(token: string, warn: (message: string) => void): readonly [name: string, value: string];
  revOf(place: Place, ref: string, read: (url: string) => string): string;
  archive(place: Place, rev: string): string;
}

const REV = /^[0-9a-fA-F]{40}$/;

function parseJson(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new EvalError(`'${url}' answered with something that is not JSON`);
  }
}

const github: Forge = {
  host: 'github.com',
  header: (token) => ['Authorization', `token ${token}`],
  revOf({ host, owner, repo }, ref, read) {
    const api = host === 'github.com' ? `https://api.${host}` : `https://${host}/api/v3`;
    const url = `${api}/repos/${owner}/${repo}/commits/${ref}`;
    const { sha } = parseJson(read(url), url) as { sha?: unknown };
    if (typeof sha !== 'string') throw new EvalError(`'${url}' does not say which commit '${ref}' is`);
    return sha;
  },
  archive({ host, owner, repo, headers }, rev) {
    if (host !== 'github.com') return `https://${host}/api/v3/repos/${owner}/${repo}/tarball/${rev}`;
    // The API counts requests, the public archives do not; private ones are at the API only.
    if (Object.keys(headers).length === 0) return `https://${host}/${owner}/${repo}/archive/${rev}.tar.gz`;
    return `https://api.${host}/repos/${owner}/${repo}/tarball/${rev}`;
  },
};

const gitlab: Forge = {
  host: 'gitlab.com',
  header(token, warn) {
    const colon = token.indexOf(':');
    const kind = colon < 0 ? token : token.slice(0, colon);
    const value = token.slice(colon + 1);
    if (kind === 'OAuth2') return ['Authorization', `Bearer ${value}`];
    if (kind === 'PAT') return ['Private-token', value];
    warn(`Unrecognized GitLab token type ${kind}`);
    return [kind, value];
  },
  revOf({ host, owner, repo }, ref, read) {
    const url = `https://${host}/api/v4/projects/${owner}%2F${repo}/repository/commits?ref_name=${ref}`;
    const answer = parseJson(read(url), url);
    if (Array.isArray(answer)) {
      if (answer.length === 0) {
        throw new EvalError('No commits returned by GitLab API -- does the git ref really exist?');
      }
      const { id } = answer[0] as { id?: unknown };
      if (typeof id === 'string') return id;
    }
    throw new EvalError(`Unexpected response received from GitLab: ${JSON.stringify(answer)}`);
  },
  archive: ({ host, owner, repo }, rev) =>
    `https://${host}/api/v4/projects/${owner}%2F${repo}/repository/archive.tar.gz?sha=${rev}`,
};

const sourcehut: Forge = {
  host: 'git.sr.ht',
  header: (token) => ['Authorization', `Bearer ${token}`],
  revOf({ host, owner, repo, shown }, ref, read) {
    const base = `https://${host}/${owner}/${repo}`;
    let wanted = [`refs/heads/${ref}`, `refs/tags/${ref}`];
    if (ref === 'HEAD') {
      const target = /^(?:ref: *)(\S+)/.exec(read(`${base}/HEAD`))?.[1];
      if (target === undefined) throw new BadUrlError(`in '${shown}', couldn't resolve HEAD ref '${ref}'`);
      wanted = [target];
    }
    for (const line of read(`${base}/info/refs`).split('\n')) {
      const [id, name] = line.split(/\s+/);
      if (id !== undefined && name !== undefined && wanted.includes(name)) return id;
    }
    throw new BadUrlError(`in '${shown}', couldn't find ref '${ref}'`);
  },
  archive: ({ host, owner, repo }, rev) => `https://${host}/${owner}/${repo}/archive/${rev}.tar.gz`,
};

const FORGES = { github, gitlab, sourcehut };

/** The token of the longest entry that begins `host/owner/repo`, else the host's. */
function accessToken(tokens: ReadonlyMap<string, string>, host: string, place: string): string | undefined {
  let best = '';
  for (const prefix of tokens.keys()) {
    if (prefix.length > best.length && `${place}/`.startsWith(`${prefix}/`)) best = prefix;
  }
  return tokens.get(best === '' ? host : best);
}

export function fetchArchive(
  ev: Evaluator,
  input: FlakeAttrs,
  type: keyof typeof FORGES,
): readonly [storePath: string, attrs: FlakeAttrs] {
  const forge = FORGES[type];
  const owner = stringAttr(input, 'owner');
  const repo = stringAttr(input, 'repo');
  const host = optional(input, 'host') ?? forge.host;
  const token = accessToken(ev.settings.fetch.accessTokens, host, `${host}/${owner}/${repo}`);
  const warn = (message: string): void => ev.io.log(`warning: ${message}`);
  const headers = token === undefined ? {} : Object.fromEntries([forge.header(token, warn)]);
  const place: Place = { host, owner, repo, headers, shown: showInput(input) };
  const read = (url: string): string =>
    ev.io.readFile(ev.io.fetchUrl({ url, name: 'source', unpack: false, headers }).storePath);
  const rev = optional(input, 'rev') ?? forge.revOf(place, optional(input, 'ref') ?? 'HEAD', read);
  if (!REV.test(rev)) throw new EvalError(`'${rev}' is no commit hash`);
  const url = forge.archive(place, rev);
  const { storePath, lastModified } = ev.io.fetchUrl({ url, name: 'source', unpack: true, isForEver: true, headers });
  const found = new Map(input);
  found.delete('ref');
  found.set('rev', rev.toLowerCase());
  if (lastModified !== undefined) found.set('lastModified', lastModified);
  return [storePath, found];
}
