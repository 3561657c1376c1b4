{ lib }:
let
  inherit (builtins) bitAnd bitOr bitXor pathExists readFile;
in
{
  inherit bitAnd bitOr bitXor pathExists readFile;

  id = x: x;
  const = x: _: x;
  flip = f: a: b: f b a;
  pipe = value: builtins.foldl' (x: f: f x) value;
  concat = x: y: x ++ y;
  or = a: b: a || b;
  and = a: b: a && b;
  xor = a: b: a != b;
  boolToString = b: if b then "true" else "false";
  mergeAttrs = a: b: a // b;
  mapNullable = f: x: if x == null then null else f x;
  defaultTo = default: x: if x == null then default else x;

  min = a: b: if a < b then a else b;
  max = a: b: if a > b then a else b;
  mod = base: int: base - (int * (builtins.div base int));
  compare = a: b: if a < b then -1 else if a > b then 1 else 0;
  splitByAndCompare = p: yes: no: a: b:
    if p a then (if p b then yes a b else -1)
    else if p b then 1
    else no a b;

  importJSON = path: builtins.fromJSON (readFile path);
  importTOML = path: builtins.fromTOML (readFile path);

  warn = message: builtins.trace "warning: ${message}";
  warnIf = condition: message: x: if condition then builtins.trace "warning: ${message}" x else x;
  warnIfNot = condition: message: x: if condition then x else builtins.trace "warning: ${message}" x;
  info = message: builtins.trace "INFO: ${message}";
  throwIf = condition: message: x: if condition then throw message else x;
  throwIfNot = condition: message: x: if condition then x else throw message;
  showWarnings = warnings: value: builtins.foldl' (x: message: builtins.trace "warning: ${message}" x) value warnings;

  setFunctionArgs = f: args: {
    __functor = self: f;
    __functionArgs = args;
  };
  functionArgs = f:
    if f ? __functor then f.__functionArgs or (lib.functionArgs (f.__functor f)) else builtins.functionArgs f;
  isFunction = f: builtins.isFunction f || (f ? __functor && lib.isFunction (f.__functor f));
  toFunction = value: if lib.isFunction value then value else _: value;

  toHexString = n: lib.concatMapStrings (digit: builtins.substring digit 1 "0123456789ABCDEF") (lib.toBaseDigits 16 n);
  toBaseDigits = base: n:
    let
      digits = i: if i < base then [ i ] else digits (i / base) ++ [ (i - base * (i / base)) ];
    in
    assert builtins.isInt base && base >= 2;
    assert builtins.isInt n && n >= 0;
    digits n;

  inNixShell = builtins.getEnv "IN_NIX_SHELL" != "";
  inPureEvalMode = !(builtins ? currentSystem);
  release = "19.09";
  version = "19.09pre-tsnix";
}
