// Fetching of inputs: from attributes to a tree in the store, and the attributes that say exactly which tree it is (the
// locked input). One evaluation fetches an input once.
import type { Evaluator } from '../eval/evaluator.ts';
import { filePathOfUrl } from '../fetch/file-url.ts';
import { equalDigests, parseHash, parseSri, printHash } from '../store/hash.ts';
import { makeFixedOutputPath, splitStorePath, isInStore } from '../store/store-path.ts';
import { EvalError, HashMismatchError, NixError, NotImplementedError, RestrictedError } from '../util/errors.ts';
import { requireFeature } from './features.ts';
import { fetchArchive } from './forge-archives.ts';
import {
  attrsText,
  boolAttr,
  checkInput,
  inputFromUrl,
  intAttr,
  isLocked,
  optional,
  showInput,
  stringAttr,
  type FlakeAttrs,
} from './flake-ref/schemes.ts';
import { fixGitUrl, parseUrl } from './flake-ref/url.ts';

export interface FetchedInput {
  readonly storePath: string;
  /** The input with everything that was found out: `rev`, `lastModified`, `narHash` …; `__final` is set. */
  readonly locked: FlakeAttrs;
}

/** Is it, or does it lie below, one of `prefixes`? `https://example.com` is no prefix of `https://example.community`. */
function isAllowedUri(uri: string, prefixes: readonly string[]): boolean {
  return prefixes.some(
    (prefix) =>
      uri === prefix ||
      (prefix !== '' && uri.startsWith(prefix) && (/[/:]$/.test(prefix) || uri.charAt(prefix.length) === '/')),
  );
}

/** In restricted mode only files that may be read, and what `allowed-uris` allows: no network. */
export function checkUri(ev: Evaluator, uri: string): void {
  if (!ev.settings.restrictEval || isAllowedUri(uri, ev.settings.allowedUris ?? [])) return;
  const path = uri.startsWith('/') ? uri : filePathOfUrl(uri);
  if (path !== null) ev.io.checkAccess?.(path);
  else throw new RestrictedError(`access to URI '${uri}' is forbidden in restricted mode`);
}

/** Checks an input that a program wrote, and gives it the form that lock files have. @throws EvalError */
export function normaliseInput(ev: Evaluator, attrs: FlakeAttrs): FlakeAttrs {
  const input = new Map(attrs);
  if (input.get('type') === 'git' && typeof input.get('url') === 'string') {
    input.set('url', fixGitUrl(stringAttr(input, 'url')));
  }
  const scheme = checkInput(input);
  if (scheme?.feature !== undefined) requireFeature(ev.settings, scheme.feature);
  for (const name of ['verifyCommit', 'keytype', 'publicKey', 'publicKeys']) {
    if (input.has(name)) requireFeature(ev.settings, 'verified-fetches');
  }
  intAttr(input, 'revCount');
  intAttr(input, 'lastModified');
  const rev = optional(input, 'rev');
  if (rev !== undefined) parseHash(rev, 'sha1');
  return input;
}

/** @throws EvalError in pure mode for what may be another tree tomorrow */
export function checkPure(ev: Evaluator, input: FlakeAttrs, who: string): void {
  if (!ev.settings.pureEval || isLocked(input, ev.settings.fetch.trustArchives)) return;
  const shown = showInput(input);
  if (!input.has('narHash')) {
    throw new EvalError(`in pure evaluation mode, '${who}' doesn't fetch unlocked input '${shown}'`);
  }
  ev.io.log(`warning: ${unlockedButHashed(`Input '${shown}'`)}`);
}

export function unlockedButHashed(what: string): string {
  return (
    `${what} is unlocked (e.g. lacks a Git revision) but is checked by NAR hash. ` +
    'This is not reproducible and will break after garbage collection or when shared.'
  );
}

const fetchedInputs = new WeakMap<Evaluator, Map<string, FetchedInput>>();

/** @throws NixError */
export function fetchInput(ev: Evaluator, input: FlakeAttrs): FetchedInput {
  let known = fetchedInputs.get(ev);
  if (known === undefined) fetchedInputs.set(ev, (known = new Map<string, FetchedInput>()));
  const key = attrsText(input);
  let fetched = known.get(key);
  if (fetched === undefined) known.set(key, (fetched = fetchAnew(ev, input)));
  return fetched;
}

/** The next fetch looks again: something was written into the tree. */
export function forgetFetched(ev: Evaluator): void {
  fetchedInputs.delete(ev);
}

/** What a fetcher of one type finds: a tree, and the input with what it found out. */
export type Found = readonly [storePath: string, attrs: FlakeAttrs];

function fetchAnew(ev: Evaluator, input: FlakeAttrs): FetchedInput {
  const expected = optional(input, 'narHash');
  try {
    const isFinal = boolAttr(input, '__final');
    if (isFinal && expected !== undefined) {
      const hash = parseSri(expected).digest;
      const name = optional(input, 'name') ?? 'source';
      const path = makeFixedOutputPath({ name, method: 'nar', algorithm: 'sha256', hash }, ev.io.storeDir);
      if (ev.io.isValidPath(path)) {
        ev.io.allowPath?.(path);
        return { storePath: path, locked: input };
      }
    }
    const [storePath, found] = fetchByType(ev, input);
    const digest = ev.io.narHash?.(storePath);
    let got: string | undefined;
    if (digest !== undefined) {
      got = printHash({ algorithm: 'sha256', digest }, 'sri');
      if (expected !== undefined && !equalDigests(parseSri(expected).digest, digest)) {
        const shown = showInput(input);
        throw new HashMismatchError(`NAR hash mismatch in input '${shown}', expected '${expected}' but got '${got}'`);
      }
    }
    const locked = isFinal ? new Map(input) : new Map(found).set('__final', true);
    checkFields(input, found, isFinal);
    if (got !== undefined) locked.set('narHash', got);
    return { storePath, locked };
  } catch (error) {
    if (error instanceof NixError && checkInput(input) !== undefined) {
      error.addFrame(`while fetching the input '${showInput(input)}'`, 0);
    }
    throw error;
  }
}

function checkFields(input: FlakeAttrs, found: FlakeAttrs, isFinal: boolean): void {
  if (isFinal) {
    for (const [name, value] of input) {
      if (name === 'narHash' || !found.has(name) || found.get(name) === value) continue;
      throw new EvalError(`mismatch in field '${name}' of input '${attrsText(input)}', got '${attrsText(found)}'`);
    }
    return;
  }
  const rev = optional(input, 'rev');
  if (rev !== undefined && optional(found, 'rev')?.toLowerCase() !== rev.toLowerCase()) {
    throw new EvalError(`'rev' attribute mismatch in input '${showInput(found)}', expected ${rev}`);
  }
}

function fetchByType(ev: Evaluator, input: FlakeAttrs): Found {
  const type = stringAttr(input, 'type');
  switch (type) {
    case 'path':
      return fetchPath(ev, input);
    case 'git':
      return fetchGit(ev, input);
    case 'hg':
      return fetchMercurial(ev, input);
    case 'file':
    case 'tarball':
      return fetchUrl(ev, input, type === 'tarball');
    case 'github':
    case 'gitlab':
    case 'sourcehut':
      return fetchArchive(ev, input, type);
    case 'indirect':
      throw new EvalError(`indirect input '${showInput(input)}' cannot be fetched directly`);
    default:
      throw new EvalError(`cannot fetch unsupported input '${attrsText(input)}'`);
  }
}

function fetchPath(ev: Evaluator, input: FlakeAttrs): Found {
  const path = stringAttr(input, 'path');
  if (!path.startsWith('/')) {
    throw new EvalError(`cannot fetch input '${showInput(input)}' because it uses a relative path`);
  }
  const { io } = ev;
  const found = new Map(input);
  let storePath: string;
  let lastModified: number | undefined;
  // A copy that is there already is not copied again; the store forgot how old the original was.
  if (
    isInStore(path, io.storeDir) &&
    splitStorePath(path, io.storeDir).rest === '' &&
    path.endsWith('-source') &&
    io.isValidPath(path)
  ) {
    storePath = path;
    io.allowPath?.(path);
    lastModified = 0;
  } else if (io.fetchPath !== undefined) ({ storePath, lastModified } = io.fetchPath(path));
  else storePath = io.addPath(io.realPath(path), { name: 'source', method: 'nar' });
  if (!found.has('lastModified') && lastModified !== undefined) found.set('lastModified', lastModified);
  return [storePath, found];
}

function fetchGit(ev: Evaluator, input: FlakeAttrs): Found {
  const keys = publicKeys(input);
  const isSigned = boolAttr(input, 'verifyCommit', keys.length > 0);
  if (ev.io.fetchGit === undefined) throw new NotImplementedError('fetchGit without a store');
  const tree = ev.io.fetchGit({
    url: stringAttr(input, 'url'),
    name: optional(input, 'name') ?? 'source',
    ref: optional(input, 'ref') ?? null,
    rev: optional(input, 'rev') ?? null,
    submodules: boolAttr(input, 'submodules'),
    shallow: boolAttr(input, 'shallow'),
    allRefs: boolAttr(input, 'allRefs'),
    exportIgnore: boolAttr(input, 'exportIgnore'),
    lfs: boolAttr(input, 'lfs'),
    ...(isSigned ? { signedBy: keys } : {}),
    needsRef: !boolAttr(input, '__final'),
  });
  if (tree.rev === null && isSigned) {
    const shown = showInput(input);
    throw new EvalError(`commit verification is required for Git repository '${shown}', but it's dirty`);
  }
  if (tree.rev === null) checkDirty(ev, `Git tree '${placeOf(input)}' is dirty`);
  const found = new Map(input);
  if (tree.ref !== null) found.set('ref', tree.ref);
  if (tree.rev !== null) found.set('rev', tree.rev);
  if (tree.rev !== null && tree.revCount !== null && !boolAttr(input, 'shallow') && !found.has('revCount')) {
    found.set('revCount', tree.revCount);
  }
  if (tree.dirtyRev !== null) {
    found.set('dirtyRev', `${tree.dirtyRev}-dirty`);
    found.set('dirtyShortRev', `${tree.dirtyRev.slice(0, 7)}-dirty`);
  }
  if (!found.has('lastModified')) found.set('lastModified', tree.lastModified);
  return [tree.storePath, found];
}

/** The SSH keys of `publicKeys`, a JSON list, and `publicKey`. */
function publicKeys(input: FlakeAttrs): { type: string; key: string }[] {
  const keys: { type: string; key: string }[] = [];
  const list = optional(input, 'publicKeys');
  const key = optional(input, 'publicKey');
  if (list !== undefined) {
    let entries: unknown;
    try {
      entries = JSON.parse(list);
    } catch {
      entries = null;
    }
    if (!Array.isArray(entries)) throw new EvalError("'publicKeys' must be a list");
    for (const entry of entries as ({ type?: unknown; key?: unknown } | null)[]) {
      const type = entry?.type ?? 'ssh-ed25519';
      if (typeof entry?.key !== 'string' || typeof type !== 'string') {
        throw new EvalError("an element of 'publicKeys' must be a set of strings 'key' and 'type'");
      }
      keys.push({ type, key: entry.key });
    }
  }
  if (key !== undefined) keys.push({ type: optional(input, 'keytype') ?? 'ssh-ed25519', key });
  return keys;
}

/** As messages name it: its URL, or its path on this machine. */
export function placeOf(input: FlakeAttrs): string {
  const url = stringAttr(input, 'url');
  return filePathOfUrl(url) ?? url;
}

function checkDirty(ev: Evaluator, message: string): void {
  if (!ev.settings.fetch.allowDirty) throw new EvalError(message);
  if (ev.settings.fetch.warnDirty) ev.io.log(`warning: ${message}`);
}

function fetchMercurial(ev: Evaluator, input: FlakeAttrs): Found {
  if (ev.io.fetchMercurial === undefined) throw new NotImplementedError('fetchMercurial without a store');
  const tree = ev.io.fetchMercurial({
    url: stringAttr(input, 'url'),
    name: optional(input, 'name') ?? 'source',
    ref: optional(input, 'ref') ?? null,
    rev: optional(input, 'rev') ?? null,
  });
  if (tree.rev === null) checkDirty(ev, `Mercurial tree "${placeOf(input)}" is unclean`);
  const found = new Map(input).set('ref', tree.branch);
  if (tree.rev !== null) found.set('rev', tree.rev);
  if (tree.revCount !== null) found.set('revCount', tree.revCount);
  return [tree.storePath, found];
}

function fetchUrl(ev: Evaluator, input: FlakeAttrs, unpack: boolean): Found {
  const url = stringAttr(input, 'url');
  if (/^file:(?!\/)/.test(url)) {
    throw new EvalError(
      `tarball '${url}' must use an absolute path. The 'file' scheme does not support relative paths.`,
    );
  }
  const name = optional(input, 'name') ?? 'source';
  const { storePath, lastModified, immutableUrl } = ev.io.fetchUrl({ url, name, unpack, asTree: true });
  if (!unpack) return [storePath, input];
  let found = new Map(input);
  if (immutableUrl !== undefined) found = immutableInput(immutableUrl);
  if (lastModified !== undefined && lastModified !== 0 && !found.has('lastModified')) {
    found.set('lastModified', lastModified);
  }
  return [storePath, found];
}

/** What a `Link: <…>; rel="immutable"` says to lock instead of the URL that was asked for. */
function immutableInput(text: string): FlakeAttrs {
  const url = parseUrl(text);
  const found = url === undefined ? undefined : inputFromUrl(url, text);
  if (found?.get('type') !== 'tarball') {
    throw new EvalError("tarball 'Link' headers that redirect to non-tarball URLs are not supported");
  }
  return found;
}
