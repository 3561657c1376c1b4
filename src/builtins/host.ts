// The package set's way to the host's programs: an internal primop that lib/default.nix gets as an argument. Nothing
// in `builtins` reaches it, so that expressions of the user stay as pure as they are in Nix.
import type { Evaluator } from '../eval/evaluator.ts';
import type { HostToolRequest } from '../util/host-tool.ts';
import { Attrs } from '../eval/attrs.ts';
import type { BuiltinRecord, Slot, Value } from '../eval/value.ts';
import { EvalError, InternalError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';

const WHY = 'while evaluating a request for a host program';

/** Nix data → plain JS data (strings without context, bools, lists, sets). */
function plain(ev: Evaluator, slot: Slot, pos: Pos): unknown {
  const value = ev.force(slot, pos);
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return (value as readonly Slot[]).map((element) => plain(ev, element, pos));
  if (value instanceof Attrs) {
    const object: Record<string, unknown> = {};
    value.forEachByName((name, element) => (object[name] = plain(ev, element, pos)));
    return object;
  }
  return ev.expectStringNoContext(value, pos, WHY);
}

/** Plain JS data → Nix data. */
function toValue(data: unknown): Value {
  if (data === null || typeof data === 'string' || typeof data === 'boolean' || typeof data === 'number') return data;
  if (Array.isArray(data)) return data.map(toValue);
  if (typeof data === 'object') return Attrs.from(Object.entries(data).map(([name, value]) => [name, toValue(value)]));
  throw new InternalError(`a host tool's description holds a ${typeof data}`);
}

export const hostTool: BuiltinRecord = {
  name: 'hostTool',
  args: ['request'],
  internal: true,
  doc: 'Describes programs of the host by content: files, shared libraries and loader, each with its sha256.',
  impl(ev, pos, request) {
    if (ev.io.hostTool === undefined) throw new EvalError('there is no host to take programs from', { pos });
    // Only lib/host.nix calls this, with every attribute in place.
    return toValue(ev.io.hostTool(plain(ev, request, pos) as HostToolRequest));
  },
};

export const hostBuiltins: readonly BuiltinRecord[] = [hostTool];
