// One derivation as a line of JSON, with the keys of nix-eval-jobs.
import { derivationOptions } from '../../build/derivation-options.ts';
import { planRealisation } from '../../build/plan.ts';
import type { BuildTarget, Substituter } from '../../build/realise-options.ts';
import { Attrs } from '../../eval/attrs.ts';
import { ContextBuilder } from '../../eval/context.ts';
import { valueToJson } from '../../eval/json.ts';
import type { Slot } from '../../eval/value.ts';
import { ContextString, NixFloat } from '../../eval/value.ts';
import { storePathName } from '../../store/store-path.ts';
import { parseDerivation } from '../../store/aterm.ts';
import type { Derivation } from '../../store/derivation.ts';
import { LocalStore } from '../../store/local-store.ts';
import type { StorePath } from '../../store/store.ts';
import { compareBytes } from '../../util/bytes.ts';
import { EvalError, NixError } from '../../util/errors.ts';
import { renderError } from '../../util/render-error.ts';
import { intern } from '../../util/symbols.ts';
import { drvPathOf } from '../derivations.ts';
import { JsonText, type JsonValue } from '../print-json.ts';
import { asBuildStore } from '../realise-targets.ts';
import type { Session } from '../session.ts';
import type { Row } from './protocol.ts';

const sName = intern('name');
const sSystem = intern('system');
const sOutputs = intern('outputs');
const sOutPath = intern('outPath');
const sMeta = intern('meta');

export interface RowOptions {
  readonly session: Session;
  /** The function of --apply. */
  readonly apply: Slot | undefined;
  readonly instantiate: boolean;
  readonly meta: boolean;
  readonly showInputs: boolean;
  readonly checkCache: boolean;
  readonly substituter: Substituter | undefined;
}

/** Adds what there is to say of a derivation. @throws NixError where evaluating it fails */
export async function describeDerivation(row: Row, attrs: Attrs, options: RowOptions): Promise<StorePath> {
  const { session } = options;
  const { evaluator: ev } = session;
  if (options.apply !== undefined) row.set('extraValue', applied(session, options.apply, attrs));
  const name = attrs.get(sName);
  if (name === undefined) throw new EvalError('derivation name missing');
  row.set('name', ev.expectStringNoContext(name, 0, "while evaluating the 'name' attribute of a derivation"));
  const outputs = outputsOf(session, attrs, row.get('attr') as string);
  row.set('outputs', outputs);
  const drvPath = session.asStorePath(drvPathOf(ev, attrs));
  row.set('drvPath', drvPath);
  if (options.instantiate) {
    const drv = readDerivation(session, drvPath);
    row.set('system', drv.system);
    row.set(
      'requiredSystemFeatures',
      [...new Set(derivationOptions(drv, session.io.storeDir).requiredSystemFeatures)].sort(compareBytes),
    );
    if (options.checkCache) await addCacheStatus(row, session, outputs, drv, options.substituter);
    if (options.showInputs) row.set('inputDrvs', new Map([...drv.inputDrvs].map(([path, names]) => [path, names])));
  } else row.set('system', systemOf(session, attrs));
  if (options.meta) row.set('meta', metaOf(session, attrs));
  return drvPath;
}

function readDerivation({ store, io }: Session, drvPath: StorePath): Derivation {
  // What is still to be written can be asked for.
  if (store instanceof LocalStore) return store.readDerivation(drvPath);
  return parseDerivation(io.readDerivation(drvPath), storePathName(drvPath).slice(0, -4), io.storeDir);
}

function applied(session: Session, fn: Slot, attrs: Attrs): JsonText {
  const { evaluator: ev } = session;
  const value = ev.expectAttrs(ev.call(fn, [attrs], 0), 0, 'apply needs to evaluate to an attrset');
  return new JsonText(valueToJson(ev, value, { strict: true, context: new ContextBuilder() }));
}

function systemOf({ evaluator: ev }: Session, attrs: Attrs): string {
  const system = attrs.get(sSystem);
  const why = "while evaluating the 'system' attribute of a derivation";
  return system === undefined ? 'unknown' : ev.expectStringNoContext(system, attrs.posOf(sSystem), why);
}

/** Paths by output; null where only building tells. */
function outputsOf(session: Session, attrs: Attrs, attr: string): Map<string, StorePath | null> {
  try {
    return readOutputs(session, attrs, true);
  } catch (error) {
    if (!(error instanceof NixError)) throw error;
    if (session.config.experimentalFeatures.has('ca-derivations')) return readOutputs(session, attrs, false);
    const shown = renderError(error, session.evaluator.positions, { showTrace: false, color: false });
    throw new EvalError(`derivation '${attr}' does not have valid outputs: ${shown}`);
  }
}

function readOutputs(session: Session, attrs: Attrs, withPaths: boolean): Map<string, StorePath | null> {
  const { evaluator: ev } = session;
  const pathOf = (set: Attrs, why: string): StorePath | null => {
    const slot = set.get(sOutPath);
    if (slot === undefined) return null;
    return session.asStorePath(ev.coerceToString(slot, set.posOf(sOutPath), new ContextBuilder(), why));
  };
  const found = new Map<string, StorePath | null>();
  const names = attrs.get(sOutputs);
  if (names === undefined) {
    const path = withPaths ? pathOf(attrs, 'while evaluating the output path of a derivation') : null;
    if (withPaths && path === null) throw new EvalError("derivation does not have attribute 'outPath'");
    return found.set('out', path);
  }
  const pos = attrs.posOf(sOutputs);
  for (const slot of ev.expectList(names, pos, "while evaluating the 'outputs' attribute of a derivation")) {
    const name = ev.expectStringNoContext(slot, pos, 'while evaluating the name of an output of a derivation');
    if (!withPaths) {
      found.set(name, null);
      continue;
    }
    const output = attrs.get(intern(name));
    if (output === undefined) continue;
    const set = ev.expectAttrs(output, pos, 'while evaluating an output of a derivation');
    const path = pathOf(set, 'while evaluating an output path of a derivation');
    if (path !== null) found.set(name, path);
  }
  return found;
}

/** What of `meta` is plain data; null where there is nothing. */
function metaOf({ evaluator: ev }: Session, attrs: Attrs): JsonValue {
  const slot = attrs.get(sMeta);
  if (slot === undefined) return null;
  const meta = ev.expectAttrs(slot, attrs.posOf(sMeta), "while evaluating the 'meta' attribute of a derivation");
  const found = new Map<string, JsonValue>();
  const isData = (part: Slot): boolean => {
    const value = ev.force(part);
    if (Array.isArray(value)) return (value as readonly Slot[]).every(isData);
    if (value instanceof Attrs) return !value.has(sOutPath) && value.values.every(isData);
    return (
      (typeof value !== 'object' && typeof value !== 'function') ||
      value instanceof ContextString ||
      value instanceof NixFloat
    );
  };
  meta.forEachByName((name, part, pos) => {
    const { depth } = ev;
    if (!isData(part)) return;
    ev.depth = depth;
    found.set(
      name,
      new JsonText(valueToJson(ev, ev.force(part, pos), { strict: true, context: new ContextBuilder() })),
    );
  });
  return found.size === 0 ? null : found;
}

/** Is it here, to be had, or to be built; and what else would have to be. */
async function addCacheStatus(
  row: Row,
  session: Session,
  outputs: ReadonlyMap<string, StorePath | null>,
  drv: Derivation,
  substituter: Substituter | undefined,
): Promise<void> {
  const targets: BuildTarget[] = [];
  for (const path of outputs.values()) if (path !== null) targets.push({ kind: 'path', path });
  for (const [drvPath, names] of drv.inputDrvs) targets.push({ kind: 'derivation', drvPath, outputs: names });
  const plan = await planRealisation(asBuildStore(session.store), targets, substituter);
  const complete = plan.willBuild.length === 0 && plan.unknown.length === 0;
  row.set('isCached', complete);
  row.set('cacheStatus', !complete ? 'notBuilt' : plan.willSubstitute.length === 0 ? 'local' : 'cached');
  row.set('neededBuilds', plan.willBuild);
  row.set(
    'neededSubstitutes',
    plan.willSubstitute.toSorted((a, b) => compareBytes(storePathName(a), storePathName(b)) || compareBytes(a, b)),
  );
}
