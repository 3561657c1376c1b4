// The globals: builtins under their own names or as `__name`, constants, `derivation`.
import { intern, type Sym } from '../util/symbols.ts';
import { Attrs, AttrsBuilder } from './attrs.ts';
import type { Evaluator } from './evaluator.ts';
import { derivationSource } from './internal-files.ts';
import { LateConstant } from './thunk.ts';
import { Primop, type BuiltinRecord, type Slot } from './value.ts';

/** The Nix whose language this is. */
export const NIX_VERSION = '2.36.0';
const LANG_VERSION = 6;

/** Fills ev.globals; slots says which name is where. */
export function makeGlobals(
  ev: Evaluator,
  records: readonly BuiltinRecord[],
  constants: Readonly<Record<string, Slot>>,
): { builtins: Attrs; slots: Map<Sym, number>; primops: Map<string, Primop> } {
  const slots = new Map<Sym, number>();
  const members = new AttrsBuilder();
  const primops = new Map<string, Primop>();
  const global = (name: string, slot: Slot): void => {
    slots.set(intern(name), ev.globals.push(slot) - 1);
  };
  const constant = (name: string, slot: Slot, globalName = `__${name}`): void => {
    global(globalName, slot);
    members.set(intern(name), slot);
  };
  global('builtins', null); // [0]: filled below, it contains itself
  constant('true', true, 'true');
  constant('false', false, 'false');
  constant('null', null, 'null');
  const { io, settings } = ev;
  if (!settings.pureEval) {
    constant('currentTime', new LateConstant(() => io.currentTime)); // results that use it are not kept
    constant('currentSystem', io.system);
  }
  constant('nixVersion', NIX_VERSION);
  constant('storeDir', io.storeDir);
  constant('langVersion', LANG_VERSION);
  constant(
    'nixPath',
    settings.pureEval
      ? []
      : settings.nixPath.map(({ prefix, path }) =>
          Attrs.from([
            ['prefix', prefix],
            ['path', path],
          ]),
        ),
  );
  for (const record of records) {
    const primop = new Primop(record);
    primops.set(record.name, primop);
    if (record.internal === true) {
      ev.internalBuiltins.set(record.name, primop);
      continue;
    }
    if (record.feature !== undefined && !settings.experimentalFeatures.has(record.feature)) continue;
    if (record.unsafe === true && !settings.nativeCode) continue;
    const slot = record.args.length === 0 ? ev.lazy(() => record.impl(ev, 0)) : primop;
    constant(record.name, slot, record.global === true ? record.name : `__${record.name}`);
  }
  constant(
    'derivation',
    ev.lazy(() => ev.evalString(derivationSource, '/', { kind: 'internal', name: 'derivation-internal.nix' })),
    'derivation',
  );
  for (const [name, slot] of Object.entries(constants)) constant(name, slot, name);
  const self = ev.lazy(() => builtins);
  members.set(intern('builtins'), self);
  const builtins = members.build();
  ev.globals[0] = builtins;
  return { builtins, slots, primops };
}
