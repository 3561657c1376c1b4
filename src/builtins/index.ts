// The table of builtins: one array of records per family.
import type { BuiltinRecord } from '../eval/value.ts';
import { attrBuiltins } from './attrs.ts';
import { contextBuiltins } from './context.ts';
import { controlBuiltins } from './control.ts';
import { derivationBuiltins } from './derivation.ts';
import { fetchClosureBuiltins } from './fetch-closure.ts';
import { fetchBuiltins } from './fetch.ts';
import { fileBuiltins } from './files.ts';
import { flakeBuiltins } from './flake/call-flake.ts';
import { flakeRefBuiltins } from './flake-refs.ts';
import { genericClosureBuiltins } from './generic-closure.ts';
import { hashBuiltins } from './hashes.ts';
import { hostBuiltins } from './host.ts';
import { importBuiltins } from './import.ts';
import { jsonBuiltins } from './json.ts';
import { listBuiltins } from './lists.ts';
import { nativeBuiltins } from './native.ts';
import { numberBuiltins } from './numbers.ts';
import { pathBuiltins } from './paths.ts';
import { regexBuiltins } from './regex.ts';
import { replaceStringsBuiltins } from './replace-strings.ts';
import { stringBuiltins } from './strings.ts';
import { tomlBuiltins } from './toml.ts';
import { typeBuiltins } from './types.ts';
import { versionBuiltins } from './versions.ts';
import { xmlBuiltins } from './xml.ts';

/** Every builtin that is a function, behind a feature or not. Constants are in eval/base-environment.ts. */
export const allBuiltins: readonly BuiltinRecord[] = [
  ...attrBuiltins,
  ...contextBuiltins,
  ...controlBuiltins,
  ...derivationBuiltins,
  ...fetchBuiltins,
  ...fetchClosureBuiltins,
  ...fileBuiltins,
  ...flakeBuiltins,
  ...flakeRefBuiltins,
  ...genericClosureBuiltins,
  ...hashBuiltins,
  ...hostBuiltins,
  ...importBuiltins,
  ...jsonBuiltins,
  ...listBuiltins,
  ...nativeBuiltins,
  ...numberBuiltins,
  ...pathBuiltins,
  ...regexBuiltins,
  ...replaceStringsBuiltins,
  ...stringBuiltins,
  ...tomlBuiltins,
  ...typeBuiltins,
  ...versionBuiltins,
  ...xmlBuiltins,
];
