import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { StoreError } from '../util/errors.ts';
import { parseDerivation, PrintedVariables, printDerivation } from './aterm.ts';
import type { Derivation } from './derivation.ts';
import type { StorePath } from './store.ts';

const hash = '0mdqa9w1p6cmli6976v4wi0sw9r4p5pr';
const path = (name: string): StorePath => `/nix/store/${hash}-${name}` as StorePath;
const parse = (text: string, name = 'x'): Derivation => parseDerivation(text, name, '/nix/store');

const simple: Derivation = {
  name: 'x',
  outputs: new Map([['out', { kind: 'inputAddressed', path: path('x') }]]),
  inputDrvs: new Map([[path('dep.drv'), ['dev', 'out']]]),
  inputSrcs: [path('src')],
  system: 'x86_64-linux',
  builder: '/bin/sh',
  args: ['-c', 'echo'],
  env: new Map([['name', 'x']]),
};

describe('printDerivation()', () => {
  it('prints what the manual shows', () => {
    expect(printDerivation(simple)).toBe(
      `Derive([("out","${path('x')}","","")],[("${path('dep.drv')}",["dev","out"])],["${path('src')}"],` +
        '"x86_64-linux","/bin/sh",["-c","echo"],[("name","x")])',
    );
  });

  it('sorts outputs, inputs, sources and variables, not arguments', () => {
    const text = printDerivation({
      ...simple,
      outputs: new Map([
        ['b', { kind: 'deferred' }],
        ['a', { kind: 'deferred' }],
      ]),
      inputSrcs: [path('z'), path('a')],
      args: ['z', 'a'],
      env: new Map([
        ['z', ''],
        ['B', ''],
        ['a', ''],
      ]),
    });
    expect(text).toContain('[("a","","",""),("b","","","")]');
    expect(text).toContain(`["${path('a')}","${path('z')}"]`);
    expect(text).toContain('["z","a"]');
    expect(text).toContain('[("B",""),("a",""),("z","")]');
  });

  it('escapes only quote, backslash, LF, CR and TAB', () => {
    const env = new Map([['v', '"\\\n\r\t\x01\x7f\xff$']]);
    expect(printDerivation({ ...simple, env })).toContain('("v","\\"\\\\\\n\\r\\t\x01\x7f\xff$")');
  });

  it('prints every kind of output', () => {
    const outputs = new Map([
      ['a', { kind: 'floating', method: 'nar', algorithm: 'sha256' }],
      ['b', { kind: 'impure', method: 'flat', algorithm: 'sha1' }],
      ['c', { kind: 'fixed', path: path('c'), method: 'text', algorithm: 'sha256', hash: new Uint8Array(32) }],
    ] as const);
    expect(printDerivation({ ...simple, outputs })).toContain(
      `("a","","r:sha256",""),("b","","sha1","impure"),("c","${path('c')}","text:sha256","${'0'.repeat(64)}")`,
    );
  });

  it('prints outputs of outputs in the newer form', () => {
    const dynamicInputs = new Map([[path('dep.drv'), new Map([['out', { outputs: ['x'], children: new Map() }]])]]);
    const text = printDerivation({ ...simple, dynamicInputs });
    expect(text).toContain(`DrvWithVersion("xp-dyn-drv",[`);
    expect(text).toContain(`("${path('dep.drv')}",(["dev","out"],[("out",["x"])]))`);
    expect(parse(text)).toEqual({ ...simple, dynamicInputs });
  });

  it('takes variables that were printed before, with other values for some', () => {
    const env = new Map([...simple.env, ['z', '"'], ['out', ''], ['a', '1']]);
    const later = new Map([...env, ['out', '/nix/\n'], ['a', '2']]);
    const variables = PrintedVariables.of(env);
    expect(printDerivation({ ...simple, env }, { variables })).toBe(printDerivation({ ...simple, env }));
    const changed = variables.with(
      new Map([
        ['a', '2'],
        ['out', '/nix/\n'],
        ['not there', 'x'],
      ]),
    );
    expect(printDerivation({ ...simple, env: later }, { variables: changed })).toBe(
      printDerivation({ ...simple, env: later }),
    );
    const masked = printDerivation({ ...simple, env: later }, { maskOutputs: true });
    expect(masked).toContain('("out","")');
    expect(printDerivation({ ...simple, env }, { maskOutputs: true, variables: changed })).toBe(masked);
  });
});

describe('parseDerivation()', () => {
  it('reads what printDerivation() prints', () => {
    const text = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
    fc.assert(
      fc.property(
        fc.array(text),
        fc.array(fc.tuple(text, text), { maxLength: 8 }),
        text,
        (args, variables, builder) => {
          const env = new Map([...new Map(variables)].sort(([a], [b]) => (a < b ? -1 : 1)));
          env.delete('__json');
          const drv = { ...simple, args, env, builder };
          const read = parse(printDerivation(drv));
          // toEqual() on maps is slow.
          expect([...read.env]).toEqual([...env]);
          expect({ ...read, env: null }).toEqual({ ...drv, env: null });
        },
      ),
    );
  });

  it('rejects text that is no derivation with StoreError, whatever it is', () => {
    const good = printDerivation(simple);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.string({ maxLength: 4 }), (at, junk) => {
        const text = good.slice(0, at) + junk + good.slice(at + 1);
        try {
          parse(text);
        } catch (error) {
          expect(error).toBeInstanceOf(StoreError);
        }
      }),
    );
  });

  it.each([
    ['', "derivation does not start with 'Derive' or 'DrvWithVersion'"],
    ['Derive', "expected string 'Derive('"],
    ['Derive([("out","/nix/store/x","","")', "'x' is too short to be a valid store path"],
    ['Derive([("out","/etc/passwd","","")', "path '/etc/passwd' is not in the Nix store"],
    ['Derive([("out","', 'unterminated string in derivation'],
    ['Derive([("out\\"', 'unterminated string in derivation'],
    ['DrvWithVersion("2",', "Unknown derivation ATerm format version '2'"],
    [`Derive([],[("${path('a.drv')}",[])]`, `inputDrvs entry for '${path('a.drv')}' specifies no outputs`],
    ['Derive([("out","","sha256","impure2")', "hash 'impure2' has wrong length for hash algorithm 'sha256'"],
    ['Derive([("out","","sha3","")', "unknown hash algorithm 'sha3'"],
    [
      `Derive([("out","${path('x')}","sha256","")`,
      'content-addressing derivation output should not specify output path',
    ],
    [`Derive([("out","${path('x')}","sha256","${'0'.repeat(64)}")`, 'does not match its content address'],
  ])('explains %j', (text, message) => {
    expect(() => parse(text)).toThrow(message);
  });

  it('refuses nesting without end', () => {
    const depth = 100_000;
    const text = `DrvWithVersion("xp-dyn-drv",[],[("${path('a.drv')}",${'([],[("o",'.repeat(depth)}`;
    expect(() => parse(text)).toThrow('nested too deeply');
  });

  it('makes __json canonical, as Nix does', () => {
    const text = printDerivation({ ...simple, env: new Map([['__json', '{ "b": 1.0, "a": [true, "\\u00e9"] }']]) });
    expect(parse(text).env.get('__json')).toBe('{"a":[true,"\xc3\xa9"],"b":1.0}');
  });
});
