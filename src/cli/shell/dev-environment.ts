// A derivation's environment as its builder would see it after stdenv's set-up: found out by building a derivation of the
// same inputs and variables whose builder writes them down. Read by `print-dev-env`.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { printDerivation } from '../../store/aterm.ts';
import type { Derivation, DerivationOutput } from '../../store/derivation.ts';
import { LocalStore } from '../../store/local-store.ts';
import type { StorePath } from '../../store/store.ts';
import { fromBuffer, fsPath, toBuffer, utf8 } from '../../util/bytes.ts';
import { StoreError } from '../../util/errors.ts';
import { programFile } from '../../util/program-files.ts';
import { withOutputPaths } from '../commands/derivation.ts';
import type { Session } from '../session.ts';
import { realiseFor } from './develop.ts';
import { shellQuote } from './words.ts';

type Variable =
  | { readonly type: 'exported' | 'var'; readonly value: string }
  | { readonly type: 'array'; readonly value: readonly string[] }
  | { readonly type: 'associative'; readonly value: Readonly<Record<string, string>> }
  | { readonly type: 'unknown' };

/** All strings are byte strings. */
export interface DevEnvironment {
  readonly variables: Readonly<Record<string, Variable>>;
  readonly bashFunctions: Readonly<Record<string, string>>;
  readonly structuredAttrs?: { readonly '.attrs.sh': string; readonly '.attrs.json': string };
}

const CHECKS = ['allowedReferences', 'allowedRequisites', 'disallowedReferences', 'disallowedRequisites'];

/** @throws StoreError, BuildError */
export async function devEnvironment(session: Session, drvPath: StorePath): Promise<DevEnvironment> {
  const { store } = session;
  if (!(store instanceof LocalStore)) throw new StoreError(`store '${store.uri}' can't build`);
  session.flush();
  const drv = environmentDerivation(store, store.readDerivation(drvPath));
  const references = [...new Set([...drv.inputSrcs, ...drv.inputDrvs.keys(), ...(drv.dynamicInputs?.keys() ?? [])])];
  const path = store.addText(`${drv.name}.drv`, toBuffer(printDerivation(drv)), references);
  const made = await realiseFor(session, [{ kind: 'derivation', drvPath: path, outputs: 'all' }]);
  for (const output of made?.[0]?.values() ?? []) {
    const text = fromBuffer(readFileSync(fsPath(store.realPath(output))));
    if (text !== '') return JSON.parse(text) as DevEnvironment;
  }
  throw new StoreError('the derivation of the environment has made none');
}

function environmentDerivation(store: LocalStore, drv: Derivation): Derivation {
  if (drv.builder.slice(drv.builder.lastIndexOf('/') + 1) !== 'bash') {
    throw new StoreError("'nix develop' only works on derivations that use 'bash' as their builder");
  }
  const script = store.addText(
    'dump-environment.sh',
    readFileSync(programFile('src/cli/shell/dump-environment.sh')),
    [],
  );
  const name = `${drv.name}-env`;
  const env = new Map(drv.env);
  const structured = env.get('__json');
  if (structured === undefined) for (const check of CHECKS) env.delete(check);
  else env.set('__json', withoutOutputChecks(structured));
  env.set('name', name);
  const outputs = new Map<string, DerivationOutput>();
  for (const [output, value] of drv.outputs) {
    const isKnown = value.kind === 'inputAddressed' || value.kind === 'fixed';
    outputs.set(output, isKnown ? { kind: 'deferred' } : value);
    if (isKnown) env.set(output, '');
  }
  const inputSrcs = [...new Set([...drv.inputSrcs, script])].sort();
  return withOutputPaths({ ...drv, name, outputs, env, args: [script], inputSrcs }, store);
}

function withoutOutputChecks(json: string): string {
  const attrs = JSON.parse(json) as Record<string, unknown>;
  if (!Object.hasOwn(attrs, 'outputChecks')) return json;
  return JSON.stringify(Object.fromEntries(Object.entries(attrs).filter(([name]) => name !== 'outputChecks')));
}

/** What makes no sense outside of a build. */
const IGNORED: readonly string[] = [
  ...['BASHOPTS', 'HOME', 'NIX_BUILD_TOP', 'NIX_ENFORCE_PURITY', 'NIX_LOG_FD', 'NIX_REMOTE', 'PPID', 'SHELLOPTS'],
  ...['SSL_CERT_FILE', 'TEMP', 'TEMPDIR', 'TERM', 'TMP', 'TMPDIR', 'TZ', 'UID'],
];

/** Added to, so that a shell stays usable. */
const KEPT = ['PATH', 'XDG_DATA_DIRS'];

/**
 * Shell code that gives a bash the environment; outputs are said to lie below `outputsDir`. Byte strings.
 * @throws StoreError for a derivation that does not say which outputs it has
 */
export function devScript(environment: DevEnvironment, outputsDir: string): string {
  let script = 'unset shellHook\n';
  for (const name of KEPT) script += `${name}=\${${name}:-}\nnix_saved_${name}="$${name}"\n`;
  script += declarations(environment);
  for (const name of KEPT) script += `${name}="$${name}\${nix_saved_${name}:+:$nix_saved_${name}}"\n`;
  script += 'export NIX_BUILD_TOP="$(mktemp -d -t nix-shell.XXXXXX)"\n';
  for (const name of ['TMP', 'TMPDIR', 'TEMP', 'TEMPDIR']) script += `export ${name}="$NIX_BUILD_TOP"\n`;
  script += 'eval "${shellHook:-}"\n';
  for (const [from, to] of rewrites(environment, outputsDir))
    if (from !== '') script = script.replaceAll(from, () => to);
  return script;
}

function declarations({ variables, bashFunctions }: DevEnvironment): string {
  let text = '';
  for (const [name, variable] of sorted(variables)) {
    if (IGNORED.includes(name)) continue;
    switch (variable.type) {
      case 'exported':
      case 'var':
        text += `${name}=${shellQuote(variable.value)}\n`;
        if (variable.type === 'exported') text += `export ${name}\n`;
        break;
      case 'array':
        text += `declare -a ${name}=(${variable.value.map((item) => `${shellQuote(item)} `).join('')})\n`;
        break;
      case 'associative': {
        const items = sorted(variable.value).map(([key, item]) => `[${shellQuote(key)}]=${shellQuote(item)} `);
        text += `declare -A ${name}=(${items.join('')})\n`;
        break;
      }
      case 'unknown':
    }
  }
  for (const [name, body] of sorted(bashFunctions)) text += `${name} ()\n{\n${body}}\n`;
  return text;
}

/** Where outputs, and the files of structured attributes, are for who uses the script. */
function rewrites({ variables, structuredAttrs }: DevEnvironment, outputsDir: string): [string, string][] {
  const { outputs } = variables;
  if (outputs === undefined) throw new StoreError("derivation does not have an 'outputs' attribute");
  if (structuredAttrs !== undefined) {
    // They stay: the script refers to them.
    const dir = mkdtempSync(join(tmpdir(), 'nix-dev-env-'));
    const files = ['sh', 'json'].map((kind): [string, string] => {
      const file = join(dir, `.attrs.${kind}`);
      writeFileSync(file, toBuffer(structuredAttrs[`.attrs.${kind}` as '.attrs.sh']));
      return [textOf(variables[`NIX_ATTRS_${kind.toUpperCase()}_FILE`]), utf8(file)];
    });
    const made = outputs.type === 'associative' ? sorted(outputs.value) : [];
    return [...files, ...made.map(([name, path]): [string, string] => [path, `${outputsDir}/${name}`])];
  }
  return textOf(outputs)
    .split(/\s+/)
    .filter((name) => name !== '')
    .map((name) => [textOf(variables[name]), `${outputsDir}/${name}`]);
}

function textOf(variable: Variable | undefined): string {
  return variable?.type === 'exported' || variable?.type === 'var' ? variable.value : '';
}

function sorted<T>(record: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}
