// The kinds of flake inputs: what attributes each may have, and how it is written as a URL.
// See the Nix manual, "nix flake", Types.
import { EvalError } from '../../util/errors.ts';
import { BadUrlError, parseUrl, printUrl, type Url } from './url.ts';

/** Strings, numbers (not negative) and Booleans. */
export type FlakeAttrs = Map<string, string | number | bigint | boolean>;

interface Scheme {
  readonly allowed: readonly string[];
  /** Experimental feature that must be on to fetch it. */
  readonly feature?: string;
  /** undefined: not one of mine. */
  fromUrl(url: Url, text: string, requireTree: boolean): FlakeAttrs | undefined;
  check(attrs: FlakeAttrs): void;
  toUrl(attrs: FlakeAttrs): Url;
  /** Whether it will always be the same tree; what is not said is not. */
  isLocked?(attrs: FlakeAttrs, trustArchives: boolean): boolean;
}

export const FLAKE_ID = /^[a-zA-Z][a-zA-Z0-9_-]*$/;
const REV = /^[0-9a-fA-F]{40}$/;
/** What stands for a revision where there is none. */
export const NO_REV = '0'.repeat(40);
/** Of Mercurial. */
const REF = /^[a-zA-Z0-9@][a-zA-Z0-9_./@+-]*$/;

/** As git-check-ref-format(1) says for branches and tags. */
function isRefName(name: string): boolean {
  const forbidden = /^[-/]|[\0-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|(?:^|\/)\.|\.lock(?:\/|$)|[./]$/;
  return name !== '' && name !== '@' && !forbidden.test(name);
}

export function stringAttr(attrs: FlakeAttrs, name: string): string {
  const value = attrs.get(name);
  if (value === undefined) throw new EvalError(`input attribute '${name}' is missing`);
  if (typeof value !== 'string') throw new EvalError(`input attribute '${name}' is not a string`);
  return value;
}

export const optional = (attrs: FlakeAttrs, name: string): string | undefined =>
  attrs.has(name) ? stringAttr(attrs, name) : undefined;

export function boolAttr(attrs: FlakeAttrs, name: string, fallback = false): boolean {
  const value = attrs.get(name);
  if (value === undefined) return fallback;
  if (typeof value !== 'boolean') throw new EvalError(`input attribute '${name}' is not a Boolean`);
  return value;
}

export function intAttr(attrs: FlakeAttrs, name: string): number | undefined {
  const value = attrs.get(name);
  if (value === undefined) return undefined;
  if (typeof value === 'string' || typeof value === 'boolean') {
    throw new EvalError(`input attribute '${name}' is not an integer`);
  }
  return Number(value);
}

function segments(url: Url): string[] {
  return url.path.filter((part) => part !== '');
}

const indirect: Scheme = {
  allowed: ['id', 'ref', 'rev', 'narHash'],
  feature: 'flakes',
  fromUrl(url, text) {
    if (url.scheme !== 'flake') return undefined;
    const [id = '', second, third, ...rest] = segments(url);
    const attrs: FlakeAttrs = new Map([['type', 'indirect']]);
    if (rest.length > 0 || id === '') throw new BadUrlError(`GitHub URL '${text}' is invalid`);
    if (second !== undefined && third === undefined && REV.test(second)) attrs.set('rev', second.toLowerCase());
    else if (second !== undefined) {
      if (!isRefName(second)) {
        const what = third === undefined ? 'a commit hash or branch/tag name' : 'a branch/tag name';
        throw new BadUrlError(`in flake URL '${text}', '${second}' is not ${what}`);
      }
      attrs.set('ref', second);
    }
    if (third !== undefined) {
      if (!REV.test(third)) throw new BadUrlError(`in flake URL '${text}', '${third}' is not a commit hash`);
      attrs.set('rev', third.toLowerCase());
    }
    return attrs.set('id', id);
  },
  check(attrs) {
    const id = stringAttr(attrs, 'id');
    if (!FLAKE_ID.test(id)) throw new BadUrlError(`'${id}' is not a valid flake ID`);
  },
  toUrl(attrs) {
    const path = [stringAttr(attrs, 'id'), optional(attrs, 'ref'), optional(attrs, 'rev')];
    return {
      scheme: 'flake',
      authority: null,
      path: path.filter((part) => part !== undefined),
      query: new Map(),
      fragment: '',
    };
  },
};

/** As JSON, for messages. */
export function attrsText(attrs: FlakeAttrs): string {
  const names = [...attrs.keys()].sort();
  const text = (value: unknown): string => (typeof value === 'bigint' ? value.toString() : JSON.stringify(value));
  return `{${names.map((name) => `${JSON.stringify(name)}:${text(attrs.get(name))}`).join(',')}}`;
}

/** github, gitlab, sourcehut. */
function archive(type: string): Scheme {
  return {
    allowed: ['owner', 'repo', 'ref', 'rev', 'narHash', 'lastModified', 'host', 'treeHash'],
    feature: 'flakes',
    isLocked: (attrs, trustArchives) => attrs.has('rev') && (trustArchives || attrs.has('narHash')),
    fromUrl(url, text) {
      if (url.scheme !== type) return undefined;
      const [owner, repo, ...rest] = segments(url);
      if (owner === undefined || repo === undefined) throw new BadUrlError(`URL '${text}' is invalid`);
      const attrs: FlakeAttrs = new Map([
        ['type', type],
        ['owner', owner],
        ['repo', repo],
      ]);
      if (rest.length === 1 && REV.test(rest[0]!)) attrs.set('rev', rest[0]!);
      else if (rest.length > 0) attrs.set('ref', rest.join('/'));
      for (const [name, value] of url.query) {
        if (name === 'rev' && attrs.has(name)) throw new BadUrlError(`URL '${text}' contains multiple commit hashes`);
        if (name === 'ref' && attrs.has(name)) {
          throw new BadUrlError(`URL '${text}' contains multiple branch/tag names`);
        }
        if (!['rev', 'ref', 'host', 'narHash'].includes(name)) {
          throw new BadUrlError(`URL '${text}' contains unknown parameter '${name}'`);
        }
        attrs.set(name, value);
      }
      return attrs;
    },
    check(attrs) {
      stringAttr(attrs, 'owner');
      stringAttr(attrs, 'repo');
      const ref = optional(attrs, 'ref');
      const rev = optional(attrs, 'rev');
      const host = optional(attrs, 'host');
      if (ref !== undefined && rev !== undefined) {
        throw new BadUrlError(
          `input ${attrsText(attrs)} contains both a commit hash ('${rev}') and a branch/tag name ('${ref}')`,
        );
      }
      if (ref !== undefined && !isRefName(ref)) {
        throw new BadUrlError(`input ${attrsText(attrs)} contains an invalid branch/tag name`);
      }
      if (host !== undefined && !/^[a-zA-Z0-9.-]*$/.test(host)) {
        throw new BadUrlError(`input ${attrsText(attrs)} contains an invalid instance host`);
      }
    },
    toUrl(attrs) {
      const path = [stringAttr(attrs, 'owner'), stringAttr(attrs, 'repo')];
      const at = optional(attrs, 'ref') ?? optional(attrs, 'rev');
      if (at !== undefined) path.push(at);
      const query = new Map<string, string>();
      for (const name of ['narHash', 'host']) {
        const value = optional(attrs, name);
        if (value !== undefined) query.set(name, value);
      }
      return { scheme: type, authority: null, path, query, fragment: '' };
    },
  };
}

const GIT_FLAGS = ['shallow', 'submodules', 'lfs', 'exportIgnore', 'allRefs', 'verifyCommit'];
const GIT_TEXTS = ['rev', 'ref', 'keytype', 'publicKey', 'publicKeys'];

const git: Scheme = {
  isLocked: (attrs) => attrs.has('rev') && attrs.get('rev') !== NO_REV,
  allowed: [
    ...['url', 'lastModified', 'revCount', 'narHash', 'name', 'dirtyRev', 'dirtyShortRev'],
    ...GIT_FLAGS,
    ...GIT_TEXTS,
  ],
  fromUrl(url) {
    if (url.scheme !== 'git' && !url.scheme.startsWith('git+')) return undefined;
    const attrs: FlakeAttrs = new Map([['type', 'git']]);
    const query = new Map<string, string>();
    for (const [name, value] of url.query) {
      if (GIT_TEXTS.includes(name)) attrs.set(name, value);
      else if (GIT_FLAGS.includes(name)) attrs.set(name, value === '1');
      else query.set(name, value);
    }
    return attrs.set('url', printUrl({ ...url, scheme: url.scheme.replace(/^git\+/, ''), query }));
  },
  check(attrs) {
    stringAttr(attrs, 'url');
    const ref = optional(attrs, 'ref');
    if (ref !== undefined && !isRefName(ref)) throw new BadUrlError(`invalid Git branch/tag name '${ref}'`);
    for (const name of GIT_FLAGS) boolAttr(attrs, name);
  },
  toUrl(attrs) {
    const url = parseInputUrl(stringAttr(attrs, 'url'));
    const query = new Map(url.query);
    for (const name of ['rev', 'ref', 'keytype', 'publicKey', 'publicKeys']) {
      const value = optional(attrs, name);
      if (value !== undefined) query.set(name, value);
    }
    for (const name of GIT_FLAGS) if (attrs.get(name) === true) query.set(name, '1');
    return { ...url, scheme: url.scheme === 'git' ? 'git' : `git+${url.scheme}`, query };
  },
};

const mercurial: Scheme = {
  allowed: ['url', 'ref', 'rev', 'revCount', 'narHash', 'name'],
  fromUrl(url) {
    if (!/^hg\+(?:https?|ssh|file)$/.test(url.scheme)) return undefined;
    const attrs: FlakeAttrs = new Map([['type', 'hg']]);
    const query = new Map<string, string>();
    for (const [name, value] of url.query) (name === 'rev' || name === 'ref' ? attrs : query).set(name, value);
    return attrs.set('url', printUrl({ ...url, scheme: url.scheme.slice('hg+'.length), query }));
  },
  check(attrs) {
    parseInputUrl(stringAttr(attrs, 'url'));
    const ref = optional(attrs, 'ref');
    if (ref !== undefined && !REF.test(ref)) throw new BadUrlError(`invalid Mercurial branch/tag name '${ref}'`);
  },
  toUrl(attrs) {
    const url = parseInputUrl(stringAttr(attrs, 'url'));
    const query = new Map(url.query);
    for (const name of ['rev', 'ref']) if (attrs.has(name)) query.set(name, stringAttr(attrs, name));
    return { ...url, scheme: `hg+${url.scheme}`, query };
  },
  isLocked: (attrs) => attrs.has('rev'),
};

const path: Scheme = {
  feature: 'flakes',
  isLocked: (attrs) => attrs.has('narHash'),
  allowed: ['path', 'rev', 'revCount', 'lastModified', 'narHash'],
  fromUrl(url, text) {
    if (url.scheme !== 'path') return undefined;
    if (url.authority !== null && url.authority !== '') {
      throw new EvalError(`path URL '${text}' should not have an authority ('${url.authority}')`);
    }
    const attrs: FlakeAttrs = new Map([
      ['type', 'path'],
      ['path', url.path.join('/')],
    ]);
    for (const [name, value] of url.query) {
      if (name === 'rev' || name === 'narHash') attrs.set(name, value);
      else if (name === 'revCount' || name === 'lastModified') {
        if (!/^[0-9]+$/.test(value)) throw new EvalError(`path URL '${text}' has invalid parameter '${name}'`);
        attrs.set(name, Number(value));
      } else throw new EvalError(`path URL '${text}' has unsupported parameter '${name}'`);
    }
    return attrs;
  },
  check(attrs) {
    stringAttr(attrs, 'path');
  },
  toUrl(attrs) {
    const query = new Map<string, string>();
    for (const [name, value] of attrs) {
      if (name !== 'path' && name !== 'type' && name !== '__final')
        query.set(name, value === true ? '1' : value === false ? '0' : String(value));
    }
    return { scheme: 'path', authority: null, path: stringAttr(attrs, 'path').split('/'), query, fragment: '' };
  },
};

const TARBALL = /\.(?:zip|tar|tgz|tar\.gz|tar\.xz|tar\.bz2|tar\.zst)$/;
const TRANSPORTS = ['file', 'http', 'https'];

/** `tarball` and `file`: a download, unpacked or not. */
function download(type: 'tarball' | 'file'): Scheme {
  const allowed = ['url', 'narHash', 'name', 'unpack', 'rev', 'revCount', 'lastModified'];
  return {
    allowed,
    isLocked: (attrs) => attrs.has('narHash'),
    fromUrl(url, _text, requireTree) {
      const [application, transport] = url.scheme.includes('+') ? url.scheme.split('+', 2) : [undefined, url.scheme];
      if (!TRANSPORTS.includes(transport)) return undefined;
      const isTarball = requireTree || TARBALL.test(url.path.at(-1)!);
      if (application === undefined ? isTarball !== (type === 'tarball') : application !== type) return undefined;
      const attrs: FlakeAttrs = new Map([['type', type]]);
      for (const name of ['narHash', 'rev']) if (url.query.has(name)) attrs.set(name, url.query.get(name)!);
      for (const name of ['revCount', 'lastModified']) {
        const value = url.query.get(name);
        if (value !== undefined && /^[0-9]+$/.test(value)) attrs.set(name, Number(value));
      }
      const query = new Map([...url.query].filter(([name]) => !allowed.includes(name)));
      return attrs.set('url', printUrl({ ...url, scheme: transport, query }));
    },
    check() {
      // Whatever it is, fetching will tell.
    },
    toUrl(attrs) {
      const url = parseInputUrl(stringAttr(attrs, 'url'));
      const narHash = optional(attrs, 'narHash');
      return narHash === undefined ? url : { ...url, query: new Map(url.query).set('narHash', narHash) };
    },
  };
}

function parseInputUrl(text: string): Url {
  const url = parseUrl(text);
  if (url === undefined) throw new BadUrlError(`'${text}' is not a valid URL`);
  return url;
}

const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  ['file', download('file')],
  ['git', git],
  ['github', archive('github')],
  ['gitlab', archive('gitlab')],
  ['hg', mercurial],
  ['indirect', indirect],
  ['path', path],
  ['sourcehut', archive('sourcehut')],
  ['tarball', download('tarball')],
]);

/**
 * @param requireTree a URL of no tarball's name still is one: flakes are trees
 * @throws BadUrlError, EvalError
 */
export function inputFromUrl(url: Url, text: string, requireTree = true): FlakeAttrs {
  for (const scheme of SCHEMES.values()) {
    const attrs = scheme.fromUrl(url, text, requireTree);
    if (attrs === undefined) continue;
    scheme.check(attrs);
    return attrs;
  }
  const hint = url.scheme === 'file+git' ? "; did you mean 'git+file' instead of 'file+git'?" : '';
  throw new EvalError(`input '${text}' is unsupported${hint}`);
}

/** The kind of an input; undefined where there is none of that name. @throws EvalError for attributes it must not have */
export function checkInput(attrs: FlakeAttrs): Scheme | undefined {
  if (!attrs.has('type')) throw new EvalError("'type' attribute to specify input scheme is required but not provided");
  const type = stringAttr(attrs, 'type');
  const scheme = SCHEMES.get(type);
  if (scheme === undefined) return undefined;
  for (const name of attrs.keys()) {
    if (name !== 'type' && name !== '__final' && !scheme.allowed.includes(name)) {
      throw new EvalError(`input attribute '${name}' not supported by scheme '${type}'`);
    }
  }
  scheme.check(attrs);
  return scheme;
}

/** @throws BadUrlError, EvalError */
export function inputToUrl(attrs: FlakeAttrs): Url {
  const scheme = checkInput(attrs);
  if (scheme === undefined) throw new EvalError(`cannot show unsupported input '${attrsText(attrs)}'`);
  return scheme.toUrl(attrs);
}

export function showInput(attrs: FlakeAttrs): string {
  return printUrl(inputToUrl(attrs));
}

/** Whether an input will always be the same tree. */
export function isLocked(attrs: FlakeAttrs, trustArchives: boolean): boolean {
  return SCHEMES.get(String(attrs.get('type')))?.isLocked?.(attrs, trustArchives) ?? false;
}

/** A path below the flake that names it, not a place of its own. */
export function isRelativePath(attrs: FlakeAttrs): boolean {
  return attrs.get('type') === 'path' && !String(attrs.get('path')).startsWith('/');
}

/** Same attributes, same values. */
export function sameAttrs(a: FlakeAttrs, b: FlakeAttrs): boolean {
  return a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);
}
