// Reading the file system and the process environment.
import { Attrs } from '../eval/attrs.ts';
import { ContextBuilder } from '../eval/context.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import { ContextString, makeString, type BuiltinRecord, type Slot } from '../eval/value.ts';
import { findHashAlgorithm, hashString, parseHashAlgorithm, printDigest } from '../store/hash.ts';
import { hashPart, isInStore, splitStorePath } from '../store/store-path.ts';
import type { StorePath } from '../store/store.ts';
import { EvalError, RestrictedError, StoreError } from '../util/errors.ts';
import { realisePath } from './path-argument.ts';

function readFile(ev: Evaluator, _pos: number, slot: Slot): Slot {
  const path = realisePath(ev, slot);
  const text = ev.io.readFile(path);
  if (text.includes('\0')) {
    throw new EvalError(`the contents of the file '${path}' cannot be represented as a Nix string`);
  }
  if (!isInStore(path, ev.io.storeDir)) return text;
  // What the store object refers to, as far as this very file mentions it.
  const context = new ContextBuilder();
  for (const reference of referencesOf(ev, path)) {
    if (text.includes(hashPart(reference))) context.addElement(reference);
  }
  return makeString(text, context.get());
}

function referencesOf(ev: Evaluator, path: string): readonly StorePath[] {
  try {
    return ev.io.references(splitStorePath(path, ev.io.storeDir).storePath) as readonly StorePath[];
  } catch (error) {
    // Nix quirk: a path that looks like a store path but is none has no references.
    if (error instanceof StoreError) return [];
    throw error;
  }
}

/** Sets made of listings, for the same folders are listed again and again. */
const listingSets = new WeakMap<object, Attrs>();

function readDir(ev: Evaluator, _pos: number, slot: Slot): Slot {
  const listing = ev.io.readDir(realisePath(ev, slot));
  let set = listingSets.get(listing);
  if (set === undefined) listingSets.set(listing, (set = Attrs.from(listing)));
  return set;
}

function readFileType(ev: Evaluator, _pos: number, slot: Slot): Slot {
  const path = realisePath(ev, slot, 'none');
  const type = ev.io.fileType(path);
  if (type === null) throw new EvalError(`path '${path}' does not exist`);
  return type;
}

function pathExists(ev: Evaluator, _pos: number, slot: Slot): Slot {
  const value = ev.force(slot);
  const text = typeof value === 'string' ? value : value instanceof ContextString ? value.text : '';
  const mustBeDir = text.endsWith('/') || text.endsWith('/.');
  try {
    const type = ev.io.fileType(realisePath(ev, value, mustBeDir ? 'full' : 'ancestors'));
    return type !== null && (!mustBeDir || type === 'directory');
  } catch (error) {
    if (error instanceof RestrictedError) return false;
    throw error;
  }
}

function hashFile(ev: Evaluator, _pos: number, type: Slot, slot: Slot): Slot {
  const name = ev.expectStringNoContext(type, 0, 'while evaluating the first argument passed to builtins.hashFile');
  const algorithm = findHashAlgorithm(name) ?? parseHashAlgorithm(name);
  return printDigest(hashString(algorithm, ev.io.readFile(realisePath(ev, slot))), 'base16');
}

function getEnv(ev: Evaluator, _pos: number, slot: Slot): Slot {
  const name = ev.expectStringNoContext(slot, 0, 'while evaluating the first argument passed to builtins.getEnv');
  return ev.settings.restrictEval || ev.settings.pureEval ? '' : (ev.io.getEnv(name) ?? '');
}

export const fileBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'readFile',
    args: ['path'],
    doc: 'The contents of a file as a string. Bytes that are not UTF-8 are kept; a NUL byte is an error.',
    impl: readFile,
  },
  {
    name: 'readDir',
    args: ['path'],
    doc: 'A set of the names in a directory and their types: `"regular"`, `"directory"`, `"symlink"` or `"unknown"`.',
    impl: readDir,
  },
  {
    name: 'readFileType',
    args: ['p'],
    doc: 'The type of what lies at a path: `"regular"`, `"directory"`, `"symlink"` or `"unknown"`.',
    impl: readFileType,
  },
  {
    name: 'pathExists',
    args: ['path'],
    doc:
      'Whether anything lies at a path. A symlink counts even if it points nowhere, unless the path ends in `/`: then ' +
      'there must be a directory.',
    impl: pathExists,
  },
  {
    name: 'hashFile',
    args: ['type', 'p'],
    doc: 'The hash of a file in base 16; *type* is `"blake3"`, `"md5"`, `"sha1"`, `"sha256"` or `"sha512"`.',
    impl: hashFile,
  },
  {
    name: 'getEnv',
    args: ['s'],
    doc: 'The value of an environment variable; empty where it is not set, and always in pure and restricted mode.',
    impl: getEnv,
  },
];
