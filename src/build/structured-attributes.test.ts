import { describe, expect, it } from 'vitest';
import type { Derivation } from '../store/derivation.ts';
import { derivationOptions } from './derivation-options.ts';
import { parseStructuredAttributes, printJson, shellAttributes } from './structured-attributes.ts';

const shell = (json: string): string => shellAttributes(parseStructuredAttributes(json));

describe('shellAttributes()', () => {
  it.each([
    ['{"a":"it\'s"}', "declare a='it'\\''s'\n"],
    ['{"t":true,"f":false,"n":null}', "declare f=\ndeclare n=''\ndeclare t=1\n"],
    ['{"b":2.0,"c":2.5,"i":-3}', 'declare b=2\ndeclare i=-3\n'],
    // Nix quirk: C floats and ints.
    ['{"big":4294967297,"near":16777217.5}', 'declare big=1\ndeclare near=16777217\n'],
    ['{"l":[1,"two",true]}', "declare -a l=(1 'two' 1 )\n"],
    ['{"l":[],"o":{}}', 'declare -a l=()\ndeclare -A o=()\n'],
    ['{"o":{"z":1,"a b":"x"}}', "declare -A o=(['a b']='x' ['z']=1 )\n"],
    ['{"nested":[[1]],"deep":{"a":{}},"bad-name":1,"1st":1}', ''],
  ])('prints %s', (json, expected) => {
    expect(shell(json)).toBe(expected);
  });
});

describe('parseStructuredAttributes()', () => {
  it('keeps the text of numbers and the order of keys', () => {
    const text = '{"10":1,"9":[12345678901234567890,1.5e+300,-0.0],"__proto__":{"x":1},"a":"\\u00e4"}';
    expect(printJson(parseStructuredAttributes(text))).toBe(
      '{"10":1,"9":[12345678901234567890,1.5e+300,-0.0],"__proto__":{"x":1},"a":"\xc3\xa4"}',
    );
  });
  it('refuses what is no object', () => {
    expect(() => parseStructuredAttributes('[1]')).toThrow('cannot process __json attribute');
  });
});

it('exportReferencesGraph has no effect where it is no object, and that is said', () => {
  const drv: Derivation = {
    name: 'x',
    outputs: new Map(),
    inputDrvs: new Map(),
    inputSrcs: [],
    system: 'x86_64-linux',
    builder: '/bin/sh',
    args: [],
    env: new Map([['__json', '{"exportReferencesGraph":["foo","bar"]}']]),
  };
  const said: string[] = [];
  expect(derivationOptions(drv, '/nix/store', (message) => said.push(message)).exportReferencesGraph.size).toBe(0);
  expect(said).toEqual(["'exportReferencesGraph' in structured attrs is not a JSON object, ignoring"]);
});
