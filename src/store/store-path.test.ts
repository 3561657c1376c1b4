import { describe, expect, it } from 'vitest';
import { InvalidStorePathError } from '../util/errors.ts';
import { hashString } from './hash.ts';
import {
  baseName,
  checkStoreName,
  hashPart,
  makeFixedOutputPath,
  makeOutputPath,
  makeTextPath,
  parseStorePath,
  splitStorePath,
  storePathName,
  tryParseStorePath,
} from './store-path.ts';

const path = '/nix/store/ww5ixrr91z8mx6fzy97kwzl5lv5slwdr-a';

describe('parseStorePath()', () => {
  it('takes store paths apart', () => {
    const parsed = parseStorePath(path);
    expect([parsed, baseName(parsed), hashPart(parsed), storePathName(parsed)]).toEqual([
      path,
      'ww5ixrr91z8mx6fzy97kwzl5lv5slwdr-a',
      'ww5ixrr91z8mx6fzy97kwzl5lv5slwdr',
      'a',
    ]);
    expect(parseStorePath('/nix//store/x/../ww5ixrr91z8mx6fzy97kwzl5lv5slwdr-a/')).toBe(path);
  });

  it.each([
    ['', 'empty path is not a valid store path'],
    ['/nix/store', "path '/nix/store' is not in the Nix store"],
    ['/etc/passwd', "path '/etc/passwd' is not in the Nix store"],
    [`${path}/bin`, `path '${path}/bin' is not in the Nix store`],
    ['/nix/store/short', "'short' is too short to be a valid store path"],
    [
      '/nix/store/ww5ixrr91z8mx6fzy97kwzl5lv5slwdr_a',
      "'ww5ixrr91z8mx6fzy97kwzl5lv5slwdr_a' can't name a store path because the hash part is not followed by a '-'",
    ],
    [
      '/nix/store/ew5ixrr91z8mx6fzy97kwzl5lv5slwdr-a',
      "store path 'ew5ixrr91z8mx6fzy97kwzl5lv5slwdr-a' contains illegal base-32 character 'e'",
    ],
    [
      '/nix/store/ww5ixrr91z8mx6fzy97kwzl5lv5slwdr-',
      "path 'ww5ixrr91z8mx6fzy97kwzl5lv5slwdr-' is not a valid store path: name must not be empty",
    ],
  ])('refuses %j', (text, message) => {
    expect(() => parseStorePath(text)).toThrow(new InvalidStorePathError(message));
    expect(tryParseStorePath(text)).toBeUndefined();
  });

  it('knows other store directories', () => {
    expect(parseStorePath('/s/ww5ixrr91z8mx6fzy97kwzl5lv5slwdr-a', '/s')).toBe('/s/ww5ixrr91z8mx6fzy97kwzl5lv5slwdr-a');
    expect(() => parseStorePath(path, '/s')).toThrow(/is not in the Nix store/);
  });
});

describe('checkStoreName()', () => {
  it.each(['a', '.a', '..a', '...', 'a.b-c_d+e?f=g', '0'.repeat(211)])('takes %j', (name) => {
    expect(() => {
      checkStoreName(name);
    }).not.toThrow();
  });

  it.each([
    ['', 'name must not be empty'],
    ['.', "name '.' is not valid"],
    ['..', "name '..' is not valid"],
    ['.-x', "name '.-x' is not valid: first dash-separated component must not be '.'"],
    ['..-x', "name '..-x' is not valid: first dash-separated component must not be '..'"],
    ['a/b', "name 'a/b' contains illegal character '/'"],
    ['\xe9', "name '\xe9' contains illegal character '\xe9'"],
    ['0'.repeat(212), `name '${'0'.repeat(212)}' must be no longer than 211 characters`],
  ])('refuses %j', (name, message) => {
    expect(() => {
      checkStoreName(name);
    }).toThrow(new InvalidStorePathError(message));
  });
});

describe('making store paths', () => {
  const sha256 = hashString('sha256', 'hi');

  it('makeTextPath() sorts references and takes each once', () => {
    const a = parseStorePath(path);
    const b = parseStorePath('/nix/store/00000000000000000000000000000000-b');
    expect(makeTextPath('a', sha256, [])).toBe(path);
    expect(makeTextPath('c', sha256, [a, b, a])).toBe(makeTextPath('c', sha256, [b, a]));
    expect(makeTextPath('c', sha256, [a, b])).not.toBe(makeTextPath('c', sha256, [a]));
  });

  it('makeFixedOutputPath() has no place for references but with nar and sha256', () => {
    const a = parseStorePath(path);
    const nar = { name: 'x', method: 'nar', algorithm: 'sha256', hash: sha256 } as const;
    expect(makeFixedOutputPath({ ...nar, references: [a] })).not.toBe(makeFixedOutputPath(nar));
    expect(makeFixedOutputPath({ ...nar, self: true })).not.toBe(makeFixedOutputPath(nar));
    expect(() => makeFixedOutputPath({ ...nar, method: 'flat', references: [a] })).toThrow(
      /^fixed output derivation 'x' is not allowed to refer to other store paths/,
    );
    expect(() =>
      makeFixedOutputPath({ name: 'x', method: 'git', algorithm: 'md5', hash: hashString('md5', '') }),
    ).toThrow('Git file ingestion must use SHA-1 or SHA-256 hash, but instead using: md5');
  });

  it('makeOutputPath() names outputs', () => {
    expect(storePathName(makeOutputPath('hello', 'out', sha256))).toBe('hello');
    expect(storePathName(makeOutputPath('hello', 'dev', sha256))).toBe('hello-dev');
  });

  it('splitStorePath() tells what lies below', () => {
    expect(splitStorePath(`${path}/bin/x`)).toEqual({ storePath: path, rest: '/bin/x' });
    expect(splitStorePath(path)).toEqual({ storePath: path, rest: '' });
    expect(() => splitStorePath('/nix/storeX')).toThrow("path '/nix/storeX' is not in the Nix store");
  });
});
