// From a command line to the derivations it means: sources, attribute paths, automatic calls (--arg, defaults, package
// set).
import { findAlongAttrPath } from '../../eval/attr-path.ts';
import { utf8 } from '../../util/bytes.ts';
import { DerivationFinder, type FoundDerivation } from '../derivations.ts';
import type { Session } from '../session.ts';
import { sourcesOf } from './sources.ts';

/** @throws EvalError where what is selected is no derivation, nor a set or list of them */
export function derivationsOf(session: Session): FoundDerivation[] {
  const { evaluator: ev } = session;
  const calls = session.calls();
  const found: FoundDerivation[] = [];
  for (const source of sourcesOf(session)) {
    const root = source.load();
    for (const attrPath of source.attrPaths) {
      const { slot } = findAlongAttrPath(ev, utf8(attrPath), root, calls);
      const finder = new DerivationFinder(ev, calls);
      finder.collect(slot, utf8(attrPath));
      found.push(...finder.found);
    }
  }
  return found;
}
