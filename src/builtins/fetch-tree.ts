// fetchGit and fetchTree: trees with what is known of where they come from.
import { Attrs, AttrsBuilder } from '../eval/attrs.ts';
import { ContextBuilder } from '../eval/context.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import { ContextString, makeString, PathValue, type Slot } from '../eval/value.ts';
import { filePathOfUrl } from '../fetch/file-url.ts';
import { equalDigests, parseSri, printHash } from '../store/hash.ts';
import { isInStore, splitStorePath } from '../store/store-path.ts';
import { utf8 } from '../util/bytes.ts';
import {
  EvalError,
  HashMismatchError,
  NixError,
  NotImplementedError,
  RestrictedError,
  TypeMismatchError,
} from '../util/errors.ts';
import { intern, symbolName, type Sym } from '../util/symbols.ts';
import { requireFeature } from './features.ts';

type InputAttr = string | number | boolean;

/** In restricted mode only files that may be read: no network. */
export function checkUri(ev: Evaluator, uri: string): void {
  if (!ev.settings.restrictEval) return;
  const path = uri.startsWith('/') ? uri : filePathOfUrl(uri);
  if (path !== null) ev.io.checkAccess?.(path);
  else throw new RestrictedError(`access to URI '${uri}' is forbidden in restricted mode`);
}

/** `git@host:path` and plain paths as URLs; others unchanged. */
function fixGitUrl(url: string): string {
  if (url.includes('://')) return url;
  if (url.startsWith('file:')) return `file://${url.slice('file:'.length)}`;
  const scp = /^(?:([^@/:]+)@)?([^/:]+):(.*)$/s.exec(url);
  if (scp !== null) return `ssh://${scp[1] === undefined ? '' : `${scp[1]}@`}${scp[2]!}/${scp[3]!.replace(/^\//, '')}`;
  return `file://${url}`;
}

function inputAttrs(ev: Evaluator, attrs: Attrs, who: string): Map<string, InputAttr> {
  const input = new Map<string, InputAttr>();
  for (let i = 0; i < attrs.size; i++) {
    const key = symbolName(attrs.keys.ids[i] as Sym);
    const pos = attrs.positions?.[i] ?? 0;
    const value = ev.force(attrs.values[i]!, pos);
    if (typeof value === 'string' || value instanceof ContextString || value instanceof PathValue) {
      input.set(key, ev.coerceToString(value, pos, new ContextBuilder(), '', { copy: false }));
    } else if (typeof value === 'boolean') input.set(key, value);
    else if (typeof value === 'number' || typeof value === 'bigint') {
      if (value < 0) throw new EvalError(`negative value given for '${who}' argument '${key}': ${String(value)}`);
      input.set(key, Number(value));
    } else {
      throw new TypeMismatchError(
        `argument '${key}' to '${who}' is ${ev.showType(value)} while a string, Boolean or integer is expected`,
      );
    }
  }
  return input;
}

function stringAttr(input: ReadonlyMap<string, InputAttr>, key: string): string | null {
  const value = input.get(key);
  if (value === undefined) return null;
  if (typeof value !== 'string') throw new EvalError(`input attribute '${key}' is not a string`);
  return value;
}

function boolAttr(input: ReadonlyMap<string, InputAttr>, key: string, fallback: boolean): boolean {
  const value = input.get(key);
  if (value === undefined) return fallback;
  if (typeof value !== 'boolean') throw new EvalError(`input attribute '${key}' is not a Boolean`);
  return value;
}

interface Tree {
  readonly storePath: string;
  readonly attrs: AttrsBuilder;
}

function newTree(storePath: string): Tree {
  const attrs = new AttrsBuilder();
  attrs.set(intern('outPath'), makeString(storePath, [storePath]));
  return { storePath, attrs };
}

function setLastModified(attrs: AttrsBuilder, seconds: number): void {
  attrs.set(intern('lastModified'), seconds);
  const date = new Date(seconds * 1000).toISOString().replace(/[-:T]/g, '').slice(0, 14);
  attrs.set(intern('lastModifiedDate'), date);
}

/** Adds narHash, and checks it where the input says what it must be. */
function finish(ev: Evaluator, tree: Tree, input: ReadonlyMap<string, InputAttr>, shown: string): Attrs {
  const digest = ev.io.narHash?.(tree.storePath);
  if (digest !== undefined) {
    const got = printHash({ algorithm: 'sha256', digest }, 'sri');
    const expected = stringAttr(input, 'narHash');
    if (expected !== null && !equalDigests(parseSri(expected).digest, digest)) {
      throw new HashMismatchError(`NAR hash mismatch in input '${shown}', expected '${expected}' but got '${got}'`);
    }
    tree.attrs.set(intern('narHash'), got);
  }
  return tree.attrs.build();
}

const GIT_ATTRS = new Set([
  ...['type', 'url', 'ref', 'rev', 'shallow', 'submodules', 'lfs', 'exportIgnore', 'lastModified', 'revCount'],
  ...['narHash', 'allRefs', 'name', 'dirtyRev', 'dirtyShortRev', 'verifyCommit', 'keytype', 'publicKey', 'publicKeys'],
]);

/** `isFetchGit`: trees with uncommitted changes get an all-zero `rev`, as they always did there. */
function gitTree(ev: Evaluator, input: ReadonlyMap<string, InputAttr>, isFetchGit: boolean): Attrs {
  for (const key of input.keys()) {
    if (!GIT_ATTRS.has(key)) throw new EvalError(`input attribute '${key}' not supported by scheme 'git'`);
    if (['verifyCommit', 'keytype', 'publicKey', 'publicKeys'].includes(key)) {
      requireFeature(ev.settings, 'verified-fetches');
      throw new NotImplementedError(`fetchGit: '${key}'`);
    }
  }
  const url = stringAttr(input, 'url');
  if (url === null) throw new EvalError("input attribute 'url' is missing");
  const rev = stringAttr(input, 'rev');
  if (rev !== null && !/^[0-9a-fA-F]{40}$/.test(rev)) {
    throw new EvalError(`hash '${rev}' has wrong length for hash algorithm 'sha1'`);
  }
  if (boolAttr(input, 'lfs', false)) throw new NotImplementedError("fetchGit: 'lfs'");
  if (ev.settings.pureEval && rev === null && !input.has('narHash')) {
    const who = isFetchGit ? 'fetchGit' : 'fetchTree';
    throw new EvalError(`in pure evaluation mode, '${who}' doesn't fetch unlocked input 'git+${url}'`);
  }
  checkUri(ev, url);
  if (ev.io.fetchGit === undefined) throw new NotImplementedError('fetchGit without a store');
  const submodules = boolAttr(input, 'submodules', false);
  const fetched = ev.io.fetchGit({
    url,
    name: stringAttr(input, 'name') ?? 'source',
    ref: stringAttr(input, 'ref'),
    rev,
    submodules,
    shallow: boolAttr(input, 'shallow', !isFetchGit),
    allRefs: boolAttr(input, 'allRefs', false),
    exportIgnore: boolAttr(input, 'exportIgnore', isFetchGit && !submodules),
  });
  const tree = newTree(fetched.storePath);
  const { attrs } = tree;
  attrs.set(intern('submodules'), submodules);
  const shownRev = fetched.rev ?? (isFetchGit ? '0'.repeat(40) : null);
  if (shownRev !== null) {
    attrs.set(intern('rev'), shownRev);
    attrs.set(intern('shortRev'), shownRev.slice(0, 7));
  }
  if (fetched.revCount !== null && fetched.rev !== null) attrs.set(intern('revCount'), fetched.revCount);
  else if (isFetchGit) attrs.set(intern('revCount'), 0);
  if (fetched.dirtyRev !== null) {
    attrs.set(intern('dirtyRev'), `${fetched.dirtyRev}-dirty`);
    attrs.set(intern('dirtyShortRev'), `${fetched.dirtyRev.slice(0, 7)}-dirty`);
  }
  setLastModified(attrs, fetched.lastModified);
  return finish(ev, tree, input, `git+${url}`);
}

export function fetchGit(ev: Evaluator, argument: Slot): Slot {
  const value = ev.force(argument);
  let input: Map<string, InputAttr>;
  if (value instanceof Attrs) {
    if (value.has(intern('type'))) throw new EvalError("unexpected argument 'type'");
    input = inputAttrs(ev, value, 'fetchGit');
  } else {
    const why = "while evaluating the first argument passed to 'fetchGit'";
    input = new Map([['url', ev.coerceToString(value, 0, new ContextBuilder(), why, { copy: false })]]);
  }
  const url = stringAttr(input, 'url');
  if (url !== null) input.set('url', fixGitUrl(url));
  return gitTree(ev, input, true);
}

export function fetchTree(ev: Evaluator, argument: Slot): Slot {
  const value = ev.force(argument);
  if (!(value instanceof Attrs)) {
    const why = "while evaluating the first argument passed to 'fetchTree'";
    const url = ev.coerceToString(value, 0, new ContextBuilder(), why, { copy: false });
    if (!ev.settings.experimentalFeatures.has('flakes')) {
      throw new EvalError("passing a string argument to 'fetchTree' requires the 'flakes' experimental feature");
    }
    return fetchInput(ev, inputFromUrl(url), url);
  }
  const type = value.get(intern('type'));
  if (type === undefined) throw new EvalError("argument 'type' is missing in call to 'fetchTree'");
  const why = "while evaluating the `type` argument passed to 'fetchTree'";
  ev.expectStringNoContext(type, value.posOf(intern('type')), why);
  const input = inputAttrs(ev, value, 'fetchTree');
  if (input.has('name')) throw new EvalError(utf8("argument 'name' isn’t supported in call to 'fetchTree'"));
  return fetchInput(ev, input, null);
}

/** The forms of flake references that need no registry and no forge. */
function inputFromUrl(url: string): Map<string, InputAttr> {
  const [, scheme, rest] = /^([a-z0-9+.-]+):(.*)$/is.exec(url) ?? [];
  if (scheme === undefined || rest === undefined) throw new EvalError(`'${url}' is not a valid URL`);
  const query = /\?(.*)$/s.exec(rest)?.[1] ?? '';
  const params = query.split('&').filter((part) => part !== '');
  const bare = rest.replace(/\?.*$/s, '');
  const input = new Map<string, InputAttr>();
  for (const param of params) {
    const equals = param.indexOf('=');
    if (equals > 0) input.set(param.slice(0, equals), decodeURIComponent(param.slice(equals + 1)));
  }
  const isTarball = /\.(zip|tar|tgz|tar\.gz|tar\.xz|tar\.bz2|tar\.zst)$/.test(bare);
  if (scheme === 'path') return input.set('type', 'path').set('path', bare);
  if (scheme.startsWith('git+')) return input.set('type', 'git').set('url', `${scheme.slice(4)}:${bare}`);
  if (scheme.startsWith('tarball+')) return input.set('type', 'tarball').set('url', `${scheme.slice(8)}:${bare}`);
  if (scheme.startsWith('file+')) return input.set('type', 'file').set('url', `${scheme.slice(5)}:${bare}`);
  if (['http', 'https', 'file'].includes(scheme)) {
    return input.set('type', isTarball ? 'tarball' : 'file').set('url', `${scheme}:${bare}`);
  }
  throw new NotImplementedError(`fetchTree: inputs of scheme '${scheme}'`);
}

function fetchInput(ev: Evaluator, input: ReadonlyMap<string, InputAttr>, url: string | null): Slot {
  const type = stringAttr(input, 'type')!;
  try {
    switch (type) {
      case 'git':
        return gitTree(ev, new Map(input), false);
      case 'path':
        return pathTree(ev, input);
      case 'file':
      case 'tarball':
        return urlTree(ev, input, type === 'tarball');
      case 'github':
      case 'gitlab':
      case 'sourcehut':
      case 'hg':
      case 'indirect':
        throw new NotImplementedError(`fetchTree: inputs of type '${type}'`);
      default:
        throw new EvalError(`input type '${type}' is not supported`);
    }
  } catch (error) {
    if (error instanceof NixError && url !== null) error.addFrame(`while fetching the input '${url}'`, 0);
    throw error;
  }
}

function pathTree(ev: Evaluator, input: ReadonlyMap<string, InputAttr>): Attrs {
  const path = stringAttr(input, 'path');
  if (path === null) throw new EvalError("input attribute 'path' is missing");
  if (!path.startsWith('/')) throw new EvalError(`cannot fetch input 'path:${path}' because it uses a relative path`);
  if (ev.settings.pureEval && !input.has('narHash')) {
    throw new EvalError(`in pure evaluation mode, 'fetchTree' doesn't fetch unlocked input 'path:${path}'`);
  }
  checkUri(ev, path);
  const inStore = isInStore(path, ev.io.storeDir) && splitStorePath(path, ev.io.storeDir).rest === '';
  const valid = inStore && ev.io.isValidPath(path);
  const tree = newTree(valid ? path : ev.io.addPath(ev.io.realPath(path), { name: 'source', method: 'nar' }));
  for (const key of ['rev', 'revCount'] as const) {
    const given = input.get(key);
    if (given !== undefined) tree.attrs.set(intern(key), given);
  }
  const rev = stringAttr(input, 'rev');
  if (rev !== null) tree.attrs.set(intern('shortRev'), rev.slice(0, 7));
  const lastModified = input.get('lastModified') ?? ev.io.lastModified?.(path);
  if (lastModified !== undefined) setLastModified(tree.attrs, Number(lastModified));
  return finish(ev, tree, input, `path:${path}`);
}

function urlTree(ev: Evaluator, input: ReadonlyMap<string, InputAttr>, unpack: boolean): Attrs {
  const url = stringAttr(input, 'url');
  if (url === null) throw new EvalError("input attribute 'url' is missing");
  if (/^file:(?!\/)/.test(url)) {
    throw new EvalError(
      `tarball '${url}' must use an absolute path. The 'file' scheme does not support relative paths.`,
    );
  }
  if (ev.settings.pureEval && !input.has('narHash')) {
    throw new EvalError(`in pure evaluation mode, 'fetchTree' doesn't fetch unlocked input '${url}'`);
  }
  checkUri(ev, url);
  const { storePath } = ev.io.fetchUrl({ url, name: 'source', unpack, asTree: true });
  return finish(ev, newTree(storePath), input, url);
}
