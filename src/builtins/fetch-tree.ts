// fetchGit, fetchTree and fetchMercurial: trees with what is known of where they come from.
import { Attrs, AttrsBuilder } from '../eval/attrs.ts';
import { ContextBuilder } from '../eval/context.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import { valueToJson } from '../eval/json.ts';
import { Thunk } from '../eval/thunk.ts';
import { ContextString, makeString, PathValue, type Slot } from '../eval/value.ts';
import { utf8 } from '../util/bytes.ts';
import { EvalError, TypeMismatchError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import { intern } from '../util/symbols.ts';
import { requireFeature } from './features.ts';
import { checkPure, checkUri, fetchInput, normaliseInput, placeOf } from './fetch-input.ts';
import { boolAttr, inputFromUrl, intAttr, NO_REV, optional, showInput, type FlakeAttrs } from './flake-ref/schemes.ts';
import { BadUrlError, fixGitUrl, parseUrl } from './flake-ref/url.ts';
import { resolveInRegistries } from './flake-ref/registry.ts';

const REV = /^[0-9a-fA-F]{40}$/;

function inputAttrs(ev: Evaluator, attrs: Attrs, who: string): FlakeAttrs {
  const input: FlakeAttrs = new Map();
  attrs.forEachByName((name, slot, pos) => {
    const value = ev.force(slot, pos);
    if (typeof value === 'string' || value instanceof ContextString || value instanceof PathValue) {
      input.set(name, ev.coerceToString(value, pos, new ContextBuilder(), '', { copy: false }));
    } else if (typeof value === 'boolean') input.set(name, value);
    else if (typeof value === 'number' || typeof value === 'bigint') {
      if (value < 0) throw new EvalError(`negative value given for '${who}' argument '${name}': ${String(value)}`);
      input.set(name, value);
    } else if (name === 'publicKeys') {
      requireFeature(ev.settings, 'verified-fetches');
      input.set(name, valueToJson(ev, value, { context: new ContextBuilder() }));
    } else {
      throw new TypeMismatchError(
        `argument '${name}' to '${who}' is ${ev.showType(value)} while a string, Boolean or integer is expected`,
      );
    }
  });
  return input;
}

export interface TreeAttrsOptions {
  /** As fetchGit always did: a tree without a revision has one of zeros. */
  readonly zeroRev?: boolean;
  /** What lies there is not quite what the input says: no revision. */
  readonly isChanged?: boolean;
}

/** That of a shallow clone fails when it is asked for. */
function revCountOf(locked: FlakeAttrs): Slot | undefined {
  const known = intAttr(locked, 'revCount');
  const isShallow = locked.get('type') === 'git' && locked.has('rev') && !boolAttr(locked, 'shallow');
  if (known !== undefined || !isShallow) return known;
  return Thunk.native(() => {
    throw new EvalError(`'${placeOf(locked)}' is a shallow Git repository, so 'revCount' is not available`);
  });
}

/** The set that stands for a fetched tree. */
export function treeAttrs(
  storePath: string,
  locked: FlakeAttrs,
  options: TreeAttrsOptions = {},
  pos: Pos = 0,
): AttrsBuilder {
  const attrs = new AttrsBuilder();
  const set = (name: string, value: Slot): void => void attrs.set(intern(name), value, pos);
  set('outPath', makeString(storePath, [storePath]));
  const narHash = optional(locked, 'narHash');
  if (narHash !== undefined) set('narHash', narHash);
  if (locked.get('type') === 'git') set('submodules', boolAttr(locked, 'submodules'));
  if (options.isChanged !== true) {
    const rev = optional(locked, 'rev') ?? (options.zeroRev === true ? NO_REV : undefined);
    if (rev !== undefined) {
      set('rev', rev);
      set('shortRev', rev.slice(0, 7));
    }
    const revCount = revCountOf(locked) ?? (options.zeroRev === true ? 0 : undefined);
    if (revCount !== undefined) set('revCount', revCount);
  }
  const dirtyRev = optional(locked, 'dirtyRev');
  if (dirtyRev !== undefined) {
    set('dirtyRev', dirtyRev);
    set('dirtyShortRev', optional(locked, 'dirtyShortRev') ?? dirtyRev);
  }
  const lastModified = intAttr(locked, 'lastModified');
  if (lastModified !== undefined) {
    set('lastModified', lastModified);
    const date = new Date(lastModified * 1000).toISOString();
    set('lastModifiedDate', date.replace(/[-:T]/g, '').slice(0, 14));
  }
  return attrs;
}

interface FetchOptions {
  readonly who: string;
  /** The call: where its result's attributes are said to be. */
  readonly pos: Pos;
  readonly isFetchGit?: boolean;
  readonly isFinal?: boolean;
}

function fetch(
  ev: Evaluator,
  attrs: FlakeAttrs,
  { who, pos, isFetchGit = false, isFinal = false }: FetchOptions,
): Attrs {
  let input = normaliseInput(ev, attrs);
  const { settings } = ev;
  if (input.get('type') === 'indirect' && !settings.pureEval && settings.experimentalFeatures.has('flakes')) {
    input = resolveInRegistries(ev, input, 'limited').input;
  }
  checkPure(ev, input, who);
  if (settings.restrictEval)
    checkUri(
      ev,
      showInput(input)
        .replace(/^(?:git|hg|tarball|file)\+/, '')
        .replace(/^path:/, ''),
    );
  if (isFinal) input = new Map(input).set('__final', true);
  else if (boolAttr(input, '__final')) {
    throw new EvalError(`input '${showInput(input)}' is not allowed to use the '__final' attribute`);
  } else showInput(input); // says what type there is none of
  const { storePath, locked } = fetchInput(ev, input);
  return treeAttrs(storePath, locked, { zeroRev: isFetchGit }, pos).build();
}

function withGitDefaults(input: FlakeAttrs): FlakeAttrs {
  const url = optional(input, 'url');
  if (url !== undefined) input.set('url', fixGitUrl(url));
  if (!input.has('exportIgnore') && !boolAttr(input, 'submodules')) input.set('exportIgnore', true);
  return input.set('type', 'git');
}

export function fetchGit(ev: Evaluator, pos: Pos, argument: Slot): Slot {
  const value = ev.force(argument);
  let input: FlakeAttrs;
  if (value instanceof Attrs) {
    if (value.has(intern('type'))) throw new EvalError("unexpected argument 'type'");
    input = inputAttrs(ev, value, 'fetchGit');
  } else {
    const why = "while evaluating the first argument passed to 'fetchGit'";
    input = new Map([['url', ev.coerceToString(value, 0, new ContextBuilder(), why, { copy: false })]]);
  }
  return fetch(ev, withGitDefaults(input), { who: 'fetchGit', pos, isFetchGit: true });
}

export function fetchTree(ev: Evaluator, pos: Pos, argument: Slot, isFinal = false): Slot {
  const value = ev.force(argument);
  if (!(value instanceof Attrs)) {
    const why = "while evaluating the first argument passed to 'fetchTree'";
    const text = ev.coerceToString(value, 0, new ContextBuilder(), why, { copy: false });
    if (!ev.settings.experimentalFeatures.has('flakes')) {
      throw new EvalError("passing a string argument to 'fetchTree' requires the 'flakes' experimental feature");
    }
    const url = parseUrl(text);
    if (url === undefined) throw new BadUrlError(`'${text}' is not a valid URL`);
    return fetch(ev, inputFromUrl(url, text), { who: 'fetchTree', pos });
  }
  const type = value.get(intern('type'));
  if (type === undefined) throw new EvalError("argument 'type' is missing in call to 'fetchTree'");
  const why = "while evaluating the `type` argument passed to 'fetchTree'";
  ev.expectStringNoContext(type, value.posOf(intern('type')), why);
  const input = inputAttrs(ev, value, 'fetchTree');
  if (input.get('type') === 'git' && !input.has('shallow')) input.set('shallow', true);
  if (input.has('name')) throw new EvalError(utf8("argument 'name' isn’t supported in call to 'fetchTree'"));
  return fetch(ev, input, { who: 'fetchTree', pos, isFinal });
}

export function fetchMercurial(ev: Evaluator, argument: Slot): Slot {
  const value = ev.force(argument);
  const input: FlakeAttrs = new Map([['type', 'hg']]);
  const text = (slot: Slot, pos: Pos, why: string): string =>
    ev.coerceToString(slot, pos, new ContextBuilder(), why, { copy: false });
  let url = '';
  if (value instanceof Attrs) {
    value.forEachByName((name, slot, pos) => {
      const why = `while evaluating the \`${name}\` attribute passed to builtins.fetchMercurial`;
      if (name === 'url') url = text(slot, pos, why);
      else if (name === 'rev') {
        // A revision, or a branch or tag.
        const rev = ev.expectStringNoContext(slot, pos, why);
        input.set(REV.test(rev) ? 'rev' : 'ref', rev);
      } else if (name === 'name') input.set('name', ev.expectStringNoContext(slot, pos, why));
      else throw new EvalError(`unsupported argument '${name}' to 'fetchMercurial'`, { pos });
    });
    if (url === '') throw new EvalError("'url' argument required");
  } else url = text(value, 0, 'while evaluating the first argument passed to builtins.fetchMercurial');
  checkUri(ev, url);
  if (ev.settings.pureEval && !input.has('rev')) {
    throw new EvalError("in pure evaluation mode, 'fetchMercurial' requires a Mercurial revision");
  }
  if (!input.has('name')) input.set('name', 'source');
  input.set('url', url.includes('://') ? url : `file://${url}`);
  const { storePath, locked } = fetchInput(ev, normaliseInput(ev, input));
  const attrs = new AttrsBuilder();
  const set = (name: string, slot: Slot): void => void attrs.set(intern(name), slot);
  set('outPath', makeString(storePath, [storePath]));
  const branch = optional(locked, 'ref');
  if (branch !== undefined) set('branch', branch);
  const rev = optional(locked, 'rev') ?? NO_REV;
  set('rev', rev);
  set('shortRev', rev.slice(0, 12));
  const revCount = intAttr(locked, 'revCount');
  if (revCount !== undefined) set('revCount', revCount);
  return attrs.build();
}
