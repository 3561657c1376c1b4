// builtins.parseFlakeRef and builtins.flakeRefToString.
import type { Evaluator } from '../eval/evaluator.ts';
import { printAttrName } from '../eval/print-string.ts';
import { ContextString, type BuiltinRecord, type Slot, type Value } from '../eval/value.ts';
import { EvalError } from '../util/errors.ts';
import { intern, type Sym } from '../util/symbols.ts';
import { attrsOfMap } from './attrs-of-map.ts';
import { inputFromUrl, inputToUrl, type FlakeAttrs } from './flake-ref/schemes.ts';
import { BadUrlError, decodeQuery, parseUrl, percentDecode, printUrl, type Url } from './flake-ref/url.ts';

const REV = '[0-9a-fA-F]{40}';
const REF = '[a-zA-Z0-9@][a-zA-Z0-9_.\\/@+-]*';
/** `nixpkgs`, `nixpkgs/23.05`, `nixpkgs/branch/REV`. */
const SHORT = new RegExp(`^([a-zA-Z][a-zA-Z0-9_-]*(?:/(?:${REV}|${REF}(?:/${REV})?))?)(?:#([^]*))?$`);

/** @throws BadUrlError, EvalError */
function parseFlakeRef(text: string): FlakeAttrs {
  const url = urlOf(text);
  if (url.fragment !== '') throw new EvalError(`unexpected fragment '${url.fragment}' in flake reference '${text}'`);
  const query = new Map(url.query);
  const dir = query.get('dir') ?? '';
  query.delete('dir');
  const attrs = inputFromUrl({ ...url, query }, text);
  if (dir !== '') attrs.set('dir', dir);
  return attrs;
}

function urlOf(text: string): Url {
  const short = SHORT.exec(text);
  if (short !== null) {
    const fragment = percentDecode(short[2] ?? '');
    return { scheme: 'flake', authority: null, path: short[1]!.split('/'), query: new Map(), fragment };
  }
  const url = parseUrl(text);
  if (url !== undefined) return url;
  const [, path, query, fragment] = /^([^?#]*)(?:\?([^#]*))?(?:#([^]*))?$/.exec(text)!;
  if (!path!.startsWith('/')) throw new BadUrlError(`flake reference '${text}' is not an absolute path`);
  return {
    scheme: 'path',
    authority: '',
    path: path!.split('/'),
    query: decodeQuery(query ?? ''),
    fragment: percentDecode(fragment ?? ''),
  };
}

function flakeRefToString(ev: Evaluator, slot: Slot): Value {
  const set = ev.expectAttrs(slot, 0, 'while evaluating the argument passed to builtins.flakeRefToString');
  const attrs: FlakeAttrs = new Map();
  set.forEachByName((name, member, pos) => {
    const value = ev.force(member, pos);
    if (typeof value === 'number' || typeof value === 'bigint') {
      if (value < 0) {
        throw new EvalError(`negative value given for flake ref attr ${printAttrName(name)}: ${value.toString()}`);
      }
      attrs.set(name, value);
    } else if (typeof value === 'boolean' || typeof value === 'string') attrs.set(name, value);
    else if (value instanceof ContextString) attrs.set(name, value.text);
    else {
      throw new EvalError(
        'flake reference attribute sets may only contain integers, Booleans, and strings, ' +
          `but attribute '${printAttrName(name)}' is ${ev.showType(value)}`,
      );
    }
  });
  const dir = attrs.get('dir');
  attrs.delete('dir');
  const url = inputToUrl(attrs);
  if (dir === undefined || dir === '') return printUrl(url);
  return printUrl({ ...url, query: new Map(url.query).set('dir', String(dir)) });
}

export const flakeRefBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'parseFlakeRef',
    args: ['flake-ref'],
    doc: 'A flake reference such as `github:owner/repo/ref?dir=lib`, taken apart into a set.',
    feature: 'flakes',
    impl(ev, _pos, ref) {
      const why = 'while evaluating the argument passed to builtins.parseFlakeRef';
      const members = new Map<Sym, Slot>();
      for (const [name, value] of parseFlakeRef(ev.expectStringNoContext(ref, 0, why))) {
        members.set(intern(name), value);
      }
      return attrsOfMap(members);
    },
  },
  {
    name: 'flakeRefToString',
    args: ['attrs'],
    doc: 'The URL of a flake reference that is given as a set.',
    feature: 'flakes',
    impl: (ev, _pos, attrs) => flakeRefToString(ev, attrs),
  },
];
