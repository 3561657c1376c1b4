// Flake references: an input, and the folder in it where flake.nix lies.
import { EvalError } from '../../util/errors.ts';
import { inputFromUrl, optional, sameAttrs, showInput, inputToUrl, type FlakeAttrs } from './schemes.ts';
import { BadUrlError, decodeQuery, parseUrl, percentDecode, printUrl, type Url } from './url.ts';

export interface FlakeRef {
  readonly input: FlakeAttrs;
  /** Empty: at the top. */
  readonly dir: string;
}

export interface ParseOptions {
  /** False: a plain tree or file, so `file:` URLs without a tarball's name are files. */
  readonly isFlake?: boolean;
  /** `path:./sub` and `./sub` are left as they are: whoever names them knows what they are relative to. */
  readonly keepRelative?: boolean;
}

const REV = '[0-9a-fA-F]{40}';
const REF = '[a-zA-Z0-9@][a-zA-Z0-9_.\\/@+-]*';
/** `nixpkgs`, `nixpkgs/23.05`, `nixpkgs/branch/REV`. */
const SHORT = new RegExp(`^([a-zA-Z][a-zA-Z0-9_-]*(?:/(?:${REV}|${REF}(?:/${REV})?))?)(?:#([^]*))?$`);

/** @throws BadUrlError, EvalError */
export function parseFlakeRef(text: string, options: ParseOptions = {}): FlakeRef {
  const { ref, fragment } = parseFlakeRefWithFragment(text, options);
  if (fragment !== '') throw new EvalError(`unexpected fragment '${fragment}' in flake reference '${text}'`);
  return ref;
}

/** @throws BadUrlError, EvalError */
export function parseFlakeRefWithFragment(
  text: string,
  options: ParseOptions = {},
): { readonly ref: FlakeRef; readonly fragment: string } {
  const url = urlOf(text, options);
  return { ref: flakeRefOfUrl(url, text, options.isFlake), fragment: url.fragment };
}

export function flakeRefOfUrl(url: Url, text: string, isFlake = true): FlakeRef {
  const query = new Map(url.query);
  const dir = query.get('dir') ?? '';
  query.delete('dir');
  return { input: inputFromUrl({ ...url, query, fragment: '' }, text, isFlake), dir };
}

function urlOf(text: string, options: ParseOptions): Url {
  const short = SHORT.exec(text);
  if (short !== null) {
    const fragment = percentDecode(short[2] ?? '');
    return { scheme: 'flake', authority: null, path: short[1]!.split('/'), query: new Map(), fragment };
  }
  const url = parseUrl(text);
  if (url !== undefined) return url;
  const [, path, query, fragment] = /^([^?#]*)(?:\?([^#]*))?(?:#([^]*))?$/.exec(text)!;
  const isAbsolute = path!.startsWith('/');
  if (!isAbsolute && options.keepRelative !== true) {
    throw new BadUrlError(`flake reference '${text}' is not an absolute path`);
  }
  return {
    scheme: 'path',
    authority: isAbsolute ? '' : null,
    path: path!.split('/'),
    query: decodeQuery(query ?? ''),
    fragment: percentDecode(fragment ?? ''),
  };
}

export function flakeRefOfAttrs(attrs: FlakeAttrs): FlakeRef {
  const input = new Map(attrs);
  const dir = optional(attrs, 'dir') ?? '';
  input.delete('dir');
  return { input, dir };
}

export function flakeRefToAttrs(ref: FlakeRef): FlakeAttrs {
  const attrs = new Map(ref.input);
  if (ref.dir !== '') attrs.set('dir', ref.dir);
  return attrs;
}

export function showFlakeRef(ref: FlakeRef): string {
  if (ref.dir === '') return showInput(ref.input);
  const url = inputToUrl(ref.input);
  return printUrl({ ...url, query: new Map(url.query).set('dir', ref.dir) });
}

export function sameFlakeRef(a: FlakeRef, b: FlakeRef): boolean {
  return a.dir === b.dir && sameAttrs(a.input, b.input);
}

/** Lock files of old have `?dir=…` in the URL too. */
export function canonicalFlakeRef(ref: FlakeRef): FlakeRef {
  const text = ref.input.get('url');
  const url = typeof text === 'string' ? parseUrl(text) : undefined;
  if (url === undefined) return ref;
  const query = new Map(url.query);
  if (ref.dir !== '' && query.get('dir') === ref.dir) query.delete('dir');
  return { ...ref, input: new Map(ref.input).set('url', printUrl({ ...url, query })) };
}
