// Versions and names of packages, as Nix takes them apart.
import { parseDrvName } from '../util/drv-name.ts';
import { AttrsBuilder } from '../eval/attrs.ts';
import type { BuiltinRecord } from '../eval/value.ts';
import { intern } from '../util/symbols.ts';

const NAME = intern('name');
const VERSION = intern('version');

const DASH = 45;
const DOT = 46;

const isDigit = (c: number): boolean => c >= 48 && c <= 57;
const isSeparator = (c: number): boolean => c === DOT || c === DASH;

/** Reads components one by one: runs of digits, or of neither digits nor separators. */
class Components {
  private readonly version: string;
  private at = 0;
  constructor(version: string) {
    this.version = version;
  }
  get done(): boolean {
    return this.at >= this.version.length;
  }
  /** "" at the end. */
  next(): string {
    const { version } = this;
    let at = this.at;
    while (at < version.length && isSeparator(version.charCodeAt(at))) at++;
    const start = at;
    if (at < version.length) {
      if (isDigit(version.charCodeAt(at))) {
        while (at < version.length && isDigit(version.charCodeAt(at))) at++;
      } else {
        while (at < version.length && !isDigit(version.charCodeAt(at)) && !isSeparator(version.charCodeAt(at))) at++;
      }
    }
    this.at = at;
    return version.slice(start, at);
  }
}

/** The value of a run of digits where it is a 32-bit int, else -1: Nix then treats it as text. */
function componentNumber(component: string): number {
  if (component === '' || !isDigit(component.charCodeAt(0))) return -1;
  const value = Number(component);
  return value <= 0x7fffffff ? value : -1;
}

function componentLess(a: string, b: string): boolean {
  const x = componentNumber(a);
  const y = componentNumber(b);
  if (x >= 0 && y >= 0) return x < y;
  if (a === '' && y >= 0) return true;
  if (a === 'pre' && b !== 'pre') return true;
  if (b === 'pre') return false;
  if (y >= 0) return true;
  if (x >= 0) return false;
  return a < b;
}

/** -1, 0 or 1. */
export function compareVersions(a: string, b: string): number {
  const left = new Components(a);
  const right = new Components(b);
  while (!left.done || !right.done) {
    const x = left.next();
    const y = right.next();
    if (componentLess(x, y)) return -1;
    if (componentLess(y, x)) return 1;
  }
  return 0;
}

export function splitVersion(version: string): string[] {
  const components = new Components(version);
  const out: string[] = [];
  for (;;) {
    const component = components.next();
    if (component === '') return out;
    out.push(component);
  }
}

export const versionBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'compareVersions',
    args: ['s1', 's2'],
    doc:
      '-1, 0 or 1 as the version *s1* is older than, the same as, or newer than *s2*. Versions are compared component ' +
      'by component: numbers by value, `pre` before everything, and text before numbers.',
    impl(ev, _pos, s1, s2) {
      const a = ev.expectStringNoContext(
        s1,
        0,
        'while evaluating the first argument passed to builtins.compareVersions',
      );
      const b = ev.expectStringNoContext(
        s2,
        0,
        'while evaluating the second argument passed to builtins.compareVersions',
      );
      return compareVersions(a, b);
    },
  },
  {
    name: 'splitVersion',
    args: ['s'],
    doc: 'The components of a version, as `compareVersions` sees them.',
    impl: (ev, _pos, s) =>
      splitVersion(
        ev.expectStringNoContext(s, 0, 'while evaluating the first argument passed to builtins.splitVersion'),
      ),
  },
  {
    name: 'parseDrvName',
    args: ['s'],
    doc:
      'Takes a package name apart: `{ name; version; }`. The version begins after the first dash that is not followed ' +
      'by a letter.',
    impl(ev, _pos, s) {
      const why = 'while evaluating the first argument passed to builtins.parseDrvName';
      const { name, version } = parseDrvName(ev.expectStringNoContext(s, 0, why));
      return new AttrsBuilder().set(NAME, name).set(VERSION, version).build();
    },
  },
];
