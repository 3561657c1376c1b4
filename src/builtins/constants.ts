// What is in `builtins` (or a global) without being a function: for the manual. eval/base-environment.ts makes them.

export interface ConstantRecord {
  readonly name: string;
  /** Also a global under its own name; otherwise `__NAME` is one. */
  readonly global: boolean;
  /** Absent in pure evaluation. */
  readonly impure: boolean;
  readonly type: string;
  readonly doc: string;
}

function constant(
  name: string,
  type: string,
  doc: string,
  flags: { global?: true; impure?: true } = {},
): ConstantRecord {
  return { name, type, doc, global: flags.global ?? false, impure: flags.impure ?? false };
}

export const builtinConstants: readonly ConstantRecord[] = [
  constant('builtins', 'set', 'All builtins. It contains itself.', { global: true }),
  constant('currentSystem', 'string', 'The platform that is evaluated for, such as `"x86_64-linux"`.', {
    impure: true,
  }),
  constant('currentTime', 'integer', 'Unix time at the start of the evaluation, in seconds.', { impure: true }),
  constant(
    'derivation',
    'function',
    'Makes a derivation of a set with at least `name`, `system` and `builder`. The result is the first output: the ' +
      'set with `outPath`, `drvPath`, `type` and one attribute per output added; nothing is written until one is needed.',
    { global: true },
  ),
  constant('false', 'Boolean', 'The Boolean that does not hold. A variable: it can be shadowed.', { global: true }),
  constant('langVersion', 'integer', 'The version of the language: 6.'),
  constant('nixPath', 'list', 'The search path of `<name>`: a list of `{ prefix; path; }`. Empty in pure evaluation.'),
  constant('nixVersion', 'string', 'The version of Nix whose language this is.'),
  constant('null', 'null', 'The value `null`. A variable: it can be shadowed.', { global: true }),
  constant('storeDir', 'string', 'The store’s directory, normally `/nix/store`.'),
  constant('true', 'Boolean', 'The Boolean that holds. A variable: it can be shadowed.', { global: true }),
];
