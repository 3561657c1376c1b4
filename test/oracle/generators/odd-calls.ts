// Calls of builtins with values at the edges, by family: each family is a function from choices to a program.
import fc from 'fast-check';
import { utf8 } from '../../../src/util/bytes.ts';
import { Choices } from './choices.ts';
import { quote } from './source.ts';
import { failing, fn, list, number, path, set, string, value, withContext } from './odd-values.ts';

export type Family = (choices: Choices) => string;

/** What most results are shown as: strings with their contexts. */
const SHOW = `let show = v: if builtins.isString v then { inherit v; c = builtins.getContext v; } else if builtins.isList v then map show v else if builtins.isAttrs v && !(v ? outPath) then builtins.mapAttrs (_: show) v else v; in`;

const version = (c: Choices): string =>
  quote(
    c
      .list(6, () =>
        c.of(
          '1',
          '0',
          '00',
          '9',
          '10',
          '.',
          '-',
          'a',
          'pre',
          'p',
          'rc',
          'Z',
          'é',
          '_',
          '+',
          '~',
          '99999999999999999999',
          ' ',
          '..',
          '--',
        ),
      )
      .join(''),
  );

const contextSet = (c: Choices): string => {
  const key = c.of(
    '${builtins.unsafeDiscardStringContext "${./a.txt}"}',
    '${builtins.unsafeDiscardStringContext (derivation { name = "d"; system = "s"; builder = "b"; }).drvPath}',
    '"nope"',
    '""',
  );
  const flags = c.list(2, (i) =>
    i === 0
      ? c.of(
          'path = true;',
          'path = false;',
          'path = 1;',
          'allOutputs = true;',
          'allOutputs = false;',
          'allOutputs = null;',
        )
      : c.of(
          'outputs = [ "out" ];',
          'outputs = [ ];',
          'outputs = [ "a" "b" "a" ];',
          'outputs = [ 1 ];',
          'outputs = "out";',
          'zz = 1;',
        ),
  );
  return `{ ${key} = { ${flags.join(' ')} }; }`;
};

export const families: Readonly<Record<string, Family>> = {
  versions: (c) =>
    `[ (builtins.compareVersions ${version(c)} ${version(c)}) (builtins.splitVersion ${version(c)}) (builtins.parseDrvName ${version(c)}) ]`,

  substrings: (c) => {
    const s = string(c);
    const from = c.list(3, () => string(c));
    return `${SHOW} show [ (builtins.substring ${c.of(0, 1, 2, 3, 7, 2147483647)} ${c.of('0', '1', '2', '(-1)', '5', '2147483647', '(-2147483648)')} ${s}) (builtins.stringLength ${s}) (builtins.replaceStrings [ ${from.join(' ')} ] [ ${from.map(() => string(c)).join(' ')} ] ${s}) (builtins.concatStringsSep ${string(c)} ${list(c, 1, () => string(c))}) ]`;
  },

  numbers: (c) => {
    const [a, b] = [number(c), number(c)];
    const op = c.of('+', '-', '*', '/', '<', '<=', '>', '>=', '==', '!=');
    return c.of(
      `(${a} ${op} ${b})`,
      `toString (${a} ${c.of('+', '-', '*', '/')} ${b})`,
      `builtins.${c.of('add', 'sub', 'mul', 'div', 'lessThan', 'bitAnd', 'bitOr', 'bitXor')} ${a} ${b}`,
      `[ (-${a}) (builtins.floor ${a}) (builtins.ceil ${b}) ]`,
      `builtins.${c.of('ceil', 'floor')} (${a} ${c.of('+', '-', '*', '/')} ${b})`,
      `builtins.sort builtins.lessThan ${list(c, 1, () => number(c))}`,
      `builtins.elem ${a} ${list(c, 1, () => number(c))}`,
    );
  },

  paths: (c) => {
    const p = path(c);
    const s = c.once(5)
      ? string(c)
      : quote(c.of('', '/', '/..', 'x', '/x/', '../a', '/./', '/a.txt', '//', ' ', '/dir/b'));
    return c.of(
      `(${p} + ${s})`,
      `(${s} + ${p})`,
      `toString ${p}`,
      `baseNameOf ${p}`,
      `dirOf ${p}`,
      `[ (baseNameOf ${s}) (dirOf ${s}) ]`,
      `builtins.pathExists ${p}`,
      `builtins.pathExists (${p} + ${s})`,
      `builtins.readFile (${p} + ${s})`,
      `builtins.readDir ${p}`,
      `builtins.toPath ${s}`,
      `${p} == ${path(c)}`,
      `${p} < ${path(c)}`,
      `builtins.typeOf (${p} + ${path(c)})`,
      `"\${${p}}" == ${s}`,
      `builtins.hashFile "sha256" ${p}`,
      `builtins.path { path = ${p}; ${c.of('', 'name = "n";', 'recursive = false;', 'filter = _: _: true;', 'sha256 = "";', 'zz = 1;')} }`,
      `builtins.filterSource (p: t: ${c.of('true', 'false', 't == "regular"', 'baseNameOf p == "b"', value(c, 0))}) ${p}`,
      `builtins.findFile [ { path = ${p}; prefix = ${s}; } { path = ./dir; prefix = ""; } ] ${c.of('"a.txt"', '"b"', '"sub"', s)}`,
      `import ${p}`,
      `builtins.toFile ${c.of('"x"', '"a/b"', '"a b"', '"é"', '"_"')} ${string(c)}`,
    );
  },

  contexts: (c) => {
    const s = c.once(3) ? string(c) : withContext(c);
    const u = c.once(3) ? withContext(c) : string(c);
    const calls = [
      `builtins.substring 1 2 ${s}`,
      `builtins.replaceStrings [ ${s} "a" ] [ ${u} ${u} ] ${s}`,
      `builtins.concatStringsSep ${s} [ ${u} "" ]`,
      `builtins.unsafeDiscardStringContext ${s}`,
      `builtins.unsafeDiscardOutputDependency ${s}`,
      `builtins.appendContext ${s} (builtins.getContext ${u})`,
      `builtins.appendContext ${s} ${contextSet(c)}`,
      `baseNameOf ${s}`,
      `dirOf ${s}`,
      `builtins.toJSON [ ${s} ${u} ]`,
      `builtins.fromJSON (builtins.toJSON ${s})`,
      `builtins.toXML ${s}`,
      `builtins.split ${c.of('"-"', '"(.)"', s)} ${u}`,
      `builtins.match ${c.of('".*"', '"(.)(.*)"', s)} ${u}`,
      `builtins.hashString "md5" ${s}`,
      `builtins.parseDrvName ${s}`,
      `builtins.splitVersion ${s}`,
      `builtins.compareVersions ${s} ${u}`,
      `builtins.attrNames { \${${s}} = 1; }`,
      `{ \${${s}} = ${u}; }`,
      `builtins.getAttr ${s} { a = ${u}; }`,
      `builtins.hasAttr ${s} { }`,
      `builtins.listToAttrs [ { name = ${s}; value = ${u}; } ]`,
      `builtins.groupBy (x: x) [ ${s} ${u} ]`,
      `builtins.catAttrs ${s} [ { a = 1; } ]`,
      `removeAttrs { a = 1; } [ ${s} ]`,
      `builtins.toFile "x" ${s}`,
      `toString [ ${s} ${u} ]`,
      `(${s} + ${u})`,
      `''\n  \${${s}}\n   \${${u}}''`,
      `(./. + ${s})`,
      `builtins.stringLength ${s}`,
      `(${s} == ${u})`,
      `(${s} < ${u})`,
      `builtins.sort builtins.lessThan [ ${s} ${u} ]`,
      `builtins.elem ${s} [ ${u} ]`,
      `builtins.getEnv ${s}`,
      `builtins.placeholder ${s}`,
      `builtins.tryEval (throw ${s})`,
      `builtins.trace ${s} ${u}`,
      `builtins.addErrorContext ${s} ${u}`,
      `builtins.fromTOML ${s}`,
      `(derivation { name = ${c.of('"n"', s)}; system = "s"; builder = ${u}; x = ${s}; }).drvPath`,
    ] as const;
    return `${SHOW} show (${c.from(calls)})`;
  },

  lists: (c) => {
    const xs = c.once(5) ? value(c, 2) : list(c, 2);
    const f = fn(c, 2);
    const calls = [
      `builtins.foldl' ${f} ${value(c, 1)} ${xs}`,
      `builtins.foldl' (_: x: x) (throw "unused") ${xs}`,
      `builtins.foldl' (a: x: [ (builtins.typeOf x) ]) ${failing(c)} ${xs}`,
      `builtins.sort ${f} ${xs}`,
      `builtins.sort (a: b: a.k < b.k) (builtins.genList (i: { k = ${c.of('0', 'i - i / 3 * 3', '0 - i', 'i / 2')}; inherit i; }) ${c.of('5', '30', '17')})`,
      `builtins.partition ${f} ${xs}`,
      `builtins.groupBy ${f} ${xs}`,
      `builtins.concatMap ${f} ${xs}`,
      `builtins.filter ${f} ${xs}`,
      `map ${f} ${xs}`,
      `builtins.all ${f} ${xs}`,
      `builtins.any ${f} ${xs}`,
      `builtins.elemAt ${xs} ${c.of('0', '1', '5', '(-1)', '2147483647', '1.0')}`,
      `builtins.genList ${f} ${c.of('0', '3')}`,
      `builtins.concatLists ${xs}`,
      `builtins.elem ${value(c, 1)} ${xs}`,
      `builtins.head ${xs}`,
      `builtins.tail ${xs}`,
      `builtins.length ${xs}`,
      `(${xs} == ${xs})`,
      `(${xs} < ${list(c, 1)})`,
      `(${xs} ++ ${value(c, 1)})`,
      `builtins.genericClosure { startSet = ${list(c, 2, () => `{ key = ${value(c, 1)}; }`)}; operator = ${f}; }`,
      `builtins.genericClosure { startSet = [ { key = ${value(c, 0)}; v = 0; } ]; operator = x: if x.v < 3 then [ { key = ${value(c, 0)}; v = x.v + 1; } { key = ${value(c, 0)}; v = x.v + 2; } ] else [ ]; }`,
      `builtins.concatStringsSep ${string(c)} ${xs}`,
      `builtins.listToAttrs ${list(c, 2, () => `{ name = ${string(c)}; value = ${value(c, 1)}; }`)}`,
      `builtins.listToAttrs ${xs}`,
      `builtins.catAttrs "a" ${xs}`,
      `builtins.zipAttrsWith (n: v: ${c.of('v', 'n', '[ n v ]', 'builtins.head v')}) ${list(c, 2, () => set(c, 1))}`,
      `builtins.zipAttrsWith ${f} ${xs}`,
    ] as const;
    return c.from(calls);
  },

  sets: (c) => {
    const s = c.once(6) ? value(c, 2) : set(c, 2);
    const t = set(c, 1);
    const f = c.once(6) ? value(c, 2) : fn(c, 2);
    const calls = [
      `builtins.mapAttrs ${f} ${s}`,
      `builtins.attrNames ${s}`,
      `builtins.attrValues ${s}`,
      `builtins.intersectAttrs ${s} ${t}`,
      `removeAttrs ${s} ${list(c, 1, () => string(c))}`,
      `(${s} // ${t})`,
      `(${s} == ${t})`,
      `builtins.functionArgs ${f}`,
      `builtins.functionArgs ({ ${c.of('a', 'a, b ? 1', 'a ? throw "x", ...', '...', '')} }: 1)`,
      `(${s} ? a)`,
      `(${s}.a or ${value(c, 1)})`,
      `${s}.a.b.c or 1`,
      `(${f} ${s})`,
      `(${s} ${t})`,
      `toString ${s}`,
      `"\${${s}}"`,
      `(with ${s}; a)`,
      `(rec { a = 1; b = a; __overrides = ${s}; })`,
      `(let inherit (${s}) a name; in [ a name ])`,
      `builtins.getAttr "a" ${s}`,
      `(x: x) ${s}`,
      `builtins.isFunction ${f}`,
      `{ inherit (${s}) a b; }.a`,
      `builtins.typeOf ${s}`,
      `builtins.seq ${s} 1`,
      `builtins.deepSeq ${s} 1`,
    ] as const;
    return c.from(calls);
  },

  tryEval: (c) => {
    const e = c.once(2) ? failing(c) : value(c, 2);
    return c.of(
      `builtins.tryEval ${e}`,
      `builtins.tryEval (builtins.deepSeq ${e} ${e})`,
      `builtins.tryEval (builtins.seq ${e} 1)`,
      `builtins.tryEval (builtins.toJSON ${e})`,
      `(builtins.tryEval (builtins.deepSeq [ ${e} ] 1)).success`,
      `builtins.tryEval (builtins.addErrorContext "c" ${e})`,
      `builtins.tryEval (map (x: x + 1) ${e})`,
      `let t = builtins.tryEval ${e}; in [ t.success t ]`,
      `builtins.tryEval (builtins.trace ${e} 1)`,
      `builtins.tryEval (assert ${e}; 1)`,
      `builtins.tryEval (if ${e} then 1 else 2)`,
      `builtins.tryEval (throw ${e})`,
      `builtins.tryEval (abort ${e})`,
    );
  },

  printing: (c) => {
    const v = value(c, 3).replaceAll('inherit s;', 's = 1;');
    return c.of(
      v,
      `[ ${v} ${value(c, 2)} ]`,
      `(let s = { a = ${v}; b = s; c = [ s.a s ]; }; in s)`,
      `(let x = ${v}; in [ x x { inherit x; } ])`,
      `builtins.toXML ${v}`,
      `builtins.toJSON ${v}`,
      `toString ${v}`,
      `(let l = [ ${v} ]; in [ l l (l ++ l) ])`,
      `(let x = ${v}; in builtins.seq x [ x ])`,
    );
  },

  json: (c) => {
    const esc = (): string =>
      c.of(
        'a',
        'é',
        '\\u00e9',
        '\\ud83d\\ude00',
        '\\ud83d',
        '\\ude00',
        '\\ud83dx',
        '\\u0000',
        '\\u001f',
        '\\/',
        '\\"',
        '\\\\',
        '\\x',
        '\n',
        '\x01',
        '\x7f',
        '\\u00',
        '\\uD834\\uDD1E',
        '\\uFFFF',
        '\\b\\f',
        '\t',
        '$',
        '${',
      );
    const str = (): string => `"${c.list(4, esc).join('')}"`;
    const num = (): string =>
      c.of(
        '0',
        '-0',
        '1',
        '-1',
        '01',
        '+1',
        '1.',
        '.5',
        '1.0',
        '-0.0',
        '1e5',
        '1E+5',
        '1e-5',
        '1e400',
        '-1e400',
        '1e-400',
        '9223372036854775807',
        '9223372036854775808',
        '-9223372036854775808',
        '-9223372036854775809',
        '18446744073709551615',
        '18446744073709551616',
        '1e18',
        '123456789.123456789',
        '0.1',
        '1e22',
        '5e-324',
        '2.2250738585072011e-308',
        '1.7976931348623157e308',
        '1.7976931348623159e308',
        'NaN',
        'Infinity',
        '-',
        '1e',
        '0x1',
        '100000000000000000000000000',
        '0.000001',
        '1e15',
        '1e16',
        '123456.7',
        '1234567.8',
      );
    const val = (d: number): string =>
      c.way<string>([
        [4, num],
        [4, str],
        [2, () => c.of('null', 'true', 'false', 'nul', 'True', '')],
        [
          d > 0 ? 3 : 0,
          () =>
            `[${c.of('', ' ', '\n')}${c.list(3, () => val(d - 1)).join(c.of(',', ' , ', ',,'))}${c.of('', '', '', ',')}]`,
        ],
        [
          d > 0 ? 4 : 0,
          () =>
            `{${c
              .list(
                4,
                () =>
                  `${c.of(
                    str,
                    () => '"a"',
                    () => '"b"',
                    () => '"a"',
                    () => 'a',
                  )()}:${val(d - 1)}`,
              )
              .join(',')}${c.of('', '', '', ',')}}`,
        ],
      ]);
    const doc = c.of('', '', ' ', '\n', '\ufeff', '\t') + val(3) + c.of('', '', '', ' ', 'x', '\n', ',');
    // The literal must be one line of bytes.
    const literal = `"${doc.replace(/["\\]/g, '\\$&').replaceAll('${', '\\${').replaceAll('\n', '\\n')}"`;
    return c.of(
      `builtins.fromJSON ${literal}`,
      `builtins.toJSON (builtins.fromJSON ${literal})`,
      `toString (builtins.fromJSON ${literal})`,
    );
  },

  derivations: (c) => {
    const attr = (): string =>
      c.of<() => string>(
        () => `x = ${value(c, 2)};`,
        () => `args = ${c.once(3) ? value(c, 1) : list(c, 1, () => string(c))};`,
        () => `__structuredAttrs = ${c.of('true', 'false', '1', 'null')};`,
        () => `__ignoreNulls = ${c.of('true', 'false', '1')};`,
        () => `__contentAddressed = ${c.of('true', 'false', '1', 'null')};`,
        () =>
          `outputs = ${c.of('[ ]', '[ "out" ]', '[ "a" "out" ]', '[ "out" "out" ]', '"out dev"', '[ 1 ]', 'null', '[ "a b" ]', '[ "" ]', '{ }')};`,
        () =>
          `outputHash = ${c.of('""', '"0000000000000000000000000000000000000000000000000000"', '"sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="', '"x"', 'null', '1', '"sha1:0000000000000000000000000000000000000000"', '"0000000000000000000000000000000000000000000000000000000000000000"')};`,
        () => `outputHashAlgo = ${c.of('"sha256"', '"sha1"', '"md5"', '"sha512"', 'null', '""', '"x"', '1')};`,
        () => `outputHashMode = ${c.of('"flat"', '"recursive"', '"x"', '""', 'null')};`,
        () => `system = ${c.of('null', '1', '""', '[ ]', '"x86_64-linux"', failing(c), './a.txt')};`,
        () => `builder = ${value(c, 0)};`,
        () => `name = ${c.of('""', '"a b"', '"a?b+c_d=e"', `"${'n'.repeat(207)}"`, '"-"', '"é"', '1', '"a/b"')};`,
        () =>
          `nul = ${c.of('null', '[ null ]', '{ }', '[ [ 1 ] [ "a" [ ] ] ]', 'true', 'false', '[ true false null ]', '1.5', '(-0.0)', './a.txt')};`,
        () => `passAsFile = ${c.of('[ "x" ]', '"x"', '[ ]')};`,
        () => `exportReferencesGraph = ${c.of('[ "g" ./a.txt ]', '[ "g" ]', '[ ]', '{ g = [ ./a.txt ]; }')};`,
        () => `allowedReferences = ${c.of('[ ]', '[ "out" ]', 'null')};`,
        () => `outputChecks = { out.maxSize = ${c.of('1', '"1"')}; };`,
        () => `"${c.of('a b', 'é', '=', 'out', 'dev')}" = ${value(c, 1)};`,
        () => `__impure = ${c.of('true', 'false')};`,
        () => `preferLocalBuild = ${c.of('true', 'false', '1')};`,
      )();
    const seen = new Set<string>();
    const attrs = c.list(4, attr).filter((one) => {
      const key = one.slice(0, one.indexOf('=')).trim();
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
    const has = (key: string): boolean => attrs.some((one) => one.startsWith(`${key} =`));
    if (!has('name')) attrs.unshift('name = "n";');
    if (!has('system')) attrs.unshift('system = "s";');
    if (!has('builder')) attrs.unshift('builder = "b";');
    const all = `{ ${attrs.join(' ')} }`;
    return c.of(
      `(derivation ${all}).drvPath`,
      `(derivation ${all}).outPath`,
      `builtins.derivationStrict ${all}`,
      `(d: [ d.type or 0 d.outputName or 0 d.name d.drvPath (builtins.attrNames d) d.all ]) (derivation ${all})`,
      `"\${derivation ${all}}"`,
      `builtins.toJSON (derivation ${all})`,
      `builtins.toXML (derivation ${all})`,
      `(derivation ${all}).drvAttrs`,
      `builtins.getContext "\${(derivation ${all}).out or (derivation ${all})}"`,
    );
  },

  wild: (c) => `builtins.${c.from(WILD)} ${c.list(2, () => value(c, 2)).join(' ')} ${value(c, 2)}`,
};

/** Builtins of both versions that ask nothing of the machine. */
const WILD = [
  ...['add', 'addErrorContext', 'all', 'any', 'appendContext', 'attrNames', 'attrValues', 'baseNameOf', 'bitAnd'],
  ...['bitOr', 'bitXor', 'catAttrs', 'ceil', 'compareVersions', 'concatLists', 'concatMap', 'concatStringsSep'],
  ...['deepSeq', 'dirOf', 'div', 'elem', 'floor', "foldl'", 'fromJSON', 'fromTOML'],
  ...['functionArgs', 'genericClosure', 'getAttr', 'getContext', 'getEnv', 'groupBy', 'hasAttr'],
  ...['hasContext', 'head', 'intersectAttrs', 'isAttrs', 'isBool', 'isFloat', 'isFunction'],
  ...['isInt', 'isList', 'isNull', 'isPath', 'isString', 'length', 'lessThan', 'listToAttrs', 'mapAttrs'],
  ...['match', 'mul', 'parseDrvName', 'partition', 'pathExists', 'placeholder', 'readFile', 'removeAttrs'],
  ...['replaceStrings', 'seq', 'split', 'splitVersion', 'stringLength', 'sub', 'substring'],
  ...['tail', 'toFile', 'toJSON', 'toPath', 'toString', 'toXML', 'trace', 'tryEval', 'typeOf'],
  ...['unsafeDiscardOutputDependency', 'unsafeDiscardStringContext', 'zipAttrsWith'],
  ...['derivationStrict', 'abort'],
] as const;

/** Programs of a family, as byte strings. */
export function programsOf(family: Family): fc.Arbitrary<string> {
  return fc
    .array(fc.nat({ max: 0xffff }), { minLength: 10, maxLength: 150, size: 'max' })
    .map((row) => utf8(family(new Choices(row))));
}
