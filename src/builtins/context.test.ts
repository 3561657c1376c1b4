import { describe, expect, it } from 'vitest';
import { evaluate } from '../../test/support/evaluate.ts';

const prelude = `
  let
    inherit (builtins) getContext hasContext appendContext unsafeDiscardStringContext unsafeDiscardOutputDependency
      addDrvOutputDependencies toFile;
    d = derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; };
    f = toFile "f" "f";
    shown = s: builtins.attrValues (builtins.mapAttrs (n: v: { n = builtins.substring 44 99 n; } // v) (getContext s));
  in `;
const run = (source: string): string => evaluate(prelude + source);

describe('contexts', () => {
  it.each([
    ['shown "x"', '[ ]'],
    ['shown f', '[ { n = "f"; path = true; } ]'],
    ['shown "${d} ${d.dev}"', '[ { n = "d.drv"; outputs = [ "dev" "out" ]; } ]'],
    ['shown d.drvPath', '[ { allOutputs = true; n = "d.drv"; } ]'],
    ['shown (unsafeDiscardOutputDependency d.drvPath)', '[ { n = "d.drv"; path = true; } ]'],
    ['shown (addDrvOutputDependencies (unsafeDiscardOutputDependency d.drvPath)) == shown d.drvPath', 'true'],
    ['shown (addDrvOutputDependencies d.drvPath) == shown d.drvPath', 'true'],
    ['hasContext (unsafeDiscardStringContext "${d}")', 'false'],
    ['[ (hasContext "${d}") (hasContext "d") (hasContext (builtins.substring 0 0 f)) ]', '[ true false true ]'],
    ['shown (appendContext "t" (getContext "${d.dev}${f}")) == shown "${d.dev}${f}"', 'true'],
    ['shown (appendContext f { })', '[ { n = "f"; path = true; } ]'],
    ['appendContext "t" { ${unsafeDiscardStringContext f}.path = false; } == "t"', 'true'],
  ])('%s', (source, value) => {
    expect(run(source)).toBe(value);
  });

  it.each([
    ['appendContext "t" { x = { }; }', "context key 'x' is not a store path"],
    ['appendContext "t" { ${unsafeDiscardStringContext f}.allOutputs = true; }', 'tried to add all-outputs context of'],
    [
      'appendContext "t" { ${unsafeDiscardStringContext f}.outputs = [ "out" ]; }',
      'tried to add derivation output context of',
    ],
    ['addDrvOutputDependencies "x"', "context of string 'x' must have exactly one element, but has 0"],
    ['addDrvOutputDependencies f', 'is not a derivation'],
    ['addDrvOutputDependencies "${d}"', 'can only act on derivations, not on a derivation output such as'],
    ['toFile "x" "${d}"', 'files created by builtins.toFile may not reference derivations, but x references !out!'],
    ['{ ${f} = 1; }', 'is not allowed to refer to a store path'],
    [
      'derivation { name = f; system = "s"; builder = "b"; } == 1 || (derivation { name = f; system = "s"; builder = "b"; }).drvPath == ""',
      'is not allowed to refer to a store path',
    ],
  ])('%s fails', (source, message) => {
    expect(() => run(source)).toThrow(message);
  });

  it('outputOf chains placeholders', () => {
    const settings = { experimentalFeatures: new Set(['dynamic-derivations', 'ca-derivations']) };
    const source = `
      let
        producer = derivation { name = "p.drv"; system = "s"; builder = "b"; __contentAddressed = true; outputHashMode = "text"; };
        inner = builtins.outputOf producer.outPath "out";
        user = derivation { name = "u"; system = "s"; builder = "b"; dep = inner; };
      in [ (builtins.stringLength inner) (builtins.isString user.drvPath) ]`;
    expect(evaluate(source, { settings })).toBe('[ 53 true ]');
  });
});
