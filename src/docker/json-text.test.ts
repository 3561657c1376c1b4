import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { describeWith } from '../../test/support/requirements.ts';
import { utf8 } from '../util/bytes.ts';
import { parseJsonObject, parseJsonText, printLikeJq, printLikeJshon } from './json-text.ts';

const TEXTS = [
  '{}',
  '{"a":[],"b":{},"c":[{}],"d":[[],[1]]}',
  '{"b":1,"a":2,"b":3}',
  '{"created":"1970-01-01T00:00:01Z","config":{"Cmd":["/bin/bash"],"Volumes":{"/data":{}}},"os":"linux"}',
  utf8('{"s":"é/\\u00e9\\ud83d\\ude00😀\\u2028\\u007f\\u0001\\u001f\\b\\f\\n\\r\\t\\"\\\\"}'),
  '{"n":[0,-0,1,-1,10,1.0,1.5,-2.25,100,1e2,1e15,1e16,1e17,1e-3,1e-4,1e-5,1.25e-7,123456789.125,0.1,0.3,1e300,5e-324]}',
  '{"n":[9007199254740993,1234567890123456789,-9223372036854775808,99999999999999999,3.141592653589793,2e22,1e21]}',
  ' \n{ "a" :\t[ true , false , null ] }\r\n',
];

describe('parseJsonText()', () => {
  it.each(['', '{', '[1,]', '{"a"}', '01', '1.', '"\\x"', '"\n"', 'nul', '{"a":1}x', "{'a':1}", '+1', '.5'])(
    'refuses %j',
    (text) => {
      expect(() => parseJsonText(text, 'it')).toThrow(/it is not valid JSON/);
    },
  );
  it('refuses what is nested too deeply', () => {
    expect(() => parseJsonText('['.repeat(10_000), 'it')).toThrow('nested too deeply');
  });
});

describe('parseJsonObject()', () => {
  it('wants an object', () => {
    expect(() => parseJsonObject('[]', 'the manifest')).toThrow('the manifest is not a JSON object');
  });
});

describeWith(['jq', 'jshon'], 'printing as the real programs do', () => {
  it.each(TEXTS)('%s', (text) => {
    const run = (program: string, args: string[]) =>
      execFileSync(program, args, { input: Buffer.from(text, 'latin1') }).toString('latin1');
    const value = parseJsonText(text, 'it');
    expect(printLikeJq(value)).toBe(run('jq', ['.']));
    expect(printLikeJshon(value)).toBe(run('jshon', []));
  });

  it('prints ten thousand doubles as they do', () => {
    const numbers: string[] = [];
    const bits = new DataView(new ArrayBuffer(8));
    let state = 12345;
    const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0);
    while (numbers.length < 10_000) {
      bits.setUint32(0, random());
      bits.setUint32(4, random());
      const value = numbers.length % 2 === 0 ? bits.getFloat64(0) : (random() / 2 ** 32) * 10 ** ((random() % 40) - 15);
      if (Number.isFinite(value)) numbers.push(value.toExponential());
    }
    const text = `[${numbers.join(',')}]`;
    const value = parseJsonText(text, 'it');
    expect(printLikeJq(value)).toBe(execFileSync('jq', ['.'], { input: text }).toString());
    expect(printLikeJshon(value)).toBe(execFileSync('jshon', [], { input: text }).toString());
  });
});
