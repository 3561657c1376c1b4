import { describe, expect, it, vi } from 'vitest';
import { evaluate, type EvaluateOptions } from '../../test/support/evaluate.ts';
import { MemoryEvalIo } from '../eval/memory-io.ts';

const run = (attrs: string, options: EvaluateOptions = {}): string =>
  evaluate(
    `let d = derivation ({ name = "x"; system = "x86_64-linux"; builder = "/bin/sh"; } // { ${attrs} }); in d.drvPath`,
    options,
  );

describe('derivation', () => {
  it('has the path that Nix gives it', () => {
    expect(run('')).toBe('"/nix/store/97qlv6h78lxlm9zc8849ahsbcklhsi2y-x.drv"');
  });

  it('is lazy: attributes are there without instantiating', () => {
    const source =
      'let d = derivation { name = throw "no"; outputs = [ "a" "b" ]; x = 1; }; in [ d.type d.x d.outputName d.b.outputName (d ? drvPath) ]';
    expect(evaluate(source)).toBe('[ "derivation" 1 "a" "b" true ]');
  });

  it('that is made twice is added once, as long as it is there', () => {
    const io = new MemoryEvalIo({});
    const add = vi.spyOn(io, 'addDerivation');
    const twice = (attrs: string): number => {
      add.mockClear();
      const d = `(derivation { name = "x"; system = "s"; builder = "b"; ${attrs} })`;
      const paths = evaluate(`[ ${d}.drvPath (let again = ${d}; in again.drvPath) ]`, { io }).split(' ');
      expect(paths[1]).toBe(paths[2]);
      return add.mock.calls.length;
    };
    expect(twice('a = "1";')).toBe(1);
    expect(twice('a = "1";')).toBe(0);
    // What differs in one thing only is another derivation.
    expect(twice('a = "2";')).toBe(1);
    expect(twice('a = "1"; args = [ "1" ];')).toBe(1);
    expect(twice('a = "1"; args = [ "1" "" ];')).toBe(1);
    expect(twice('a = "1"; input = builtins.toFile "f" "";')).toBe(1);
    expect(twice('a = "1"; input = builtins.unsafeDiscardStringContext (builtins.toFile "f" "");')).toBe(1);
    expect(twice('a = "1"; __structuredAttrs = true;')).toBe(1);
    vi.spyOn(io, 'hasDerivation').mockReturnValue(false);
    expect(twice('a = "1";')).toBe(2);
  });

  it('store paths depend on the store directory', () => {
    expect(run('', { storeDir: '/other/store' })).toMatch(/^"\/other\/store\/(?!97qlv)/);
  });

  it.each([
    [
      'name = "a b"',
      "invalid derivation name: name 'a b' contains illegal character ' '. Please pass a different 'name'.",
    ],
    ['name = ""', "invalid derivation name: name must not be empty. Please pass a different 'name'."],
    ['name = "..-x"', "first dash-separated component must not be '..'"],
    ['name = "x.drv"', "derivation names are allowed to end in '.drv' only if they produce a single derivation file"],
    ['builder = ""', "required attribute 'builder' missing"],
    ['system = ""', "required attribute 'system' missing"],
    ['f = x: x', 'cannot coerce a function to a string: «lambda '],
    ['outputHash = "x"', "hash 'x' does not include a type, nor is the type otherwise known from context"],
    ['outputHash = "x"; outputHashAlgo = "sha256"', "hash 'x' has wrong length for hash algorithm 'sha256'"],
    ['outputHash = ""', 'empty hash requires explicit hash algorithm'],
    ['outputHash = "sha256:00"; outputHashAlgo = "sha1"', "hash 'sha256:00' should have type 'sha1'"],
    ['outputHash = "sha256-"; outputs = [ "a" ]', 'multiple outputs are not supported in fixed-output derivations'],
    ['outputHashMode = "odd"', "invalid value 'odd' for 'outputHashMode' attribute"],
    [
      '__contentAddressed = true',
      "experimental Nix feature 'ca-derivations' is disabled; add '--extra-experimental-features ca-derivations' to enable it",
    ],
    ['__impure = true', "experimental Nix feature 'impure-derivations' is disabled"],
    ['__structuredAttrs = true; outputs = "out"', 'expected a list but found a string: "out"'],
    ['__structuredAttrs = true; f = x: x', 'cannot convert a function to JSON'],
  ])('%s fails', (attrs, message) => {
    expect(() => run(`${attrs};`)).toThrow(Buffer.from(message).toString('latin1'));
  });

  it('frames tell attribute and derivation', () => {
    let frames: readonly string[] = [];
    try {
      run('x = throw "no";');
    } catch (error) {
      frames = (error as { frames: { hint: string }[] }).frames.map(({ hint }) => hint);
    }
    expect(frames).toContain("while evaluating attribute 'x' of derivation 'x'");
    expect(frames).toContainEqual(
      expect.stringMatching(/^while evaluating derivation 'x'\n {2}whose name attribute is located at /),
    );
  });

  it('deep chains need no deep stack', () => {
    const source = `
      let step = dep: i: let
        d = derivation { name = "d\${toString i}"; system = "s"; builder = "b"; inherit dep; };
      in builtins.seq d.drvPath d;
      in (builtins.foldl' step "" (builtins.genList (i: i) 3000)).drvPath`;
    expect(evaluate(source)).toMatch(/-d2999\.drv"$/);
  });
});
