// The variables of a repl: what expressions see before the globals.
import { Attrs, AttrsBuilder } from '../../eval/attrs.ts';
import type { Slot } from '../../eval/value.ts';
import { symbolName, type Sym } from '../../util/symbols.ts';

export class ReplScope {
  private readonly variables = new Map<Sym, Slot>();
  private set: Attrs | undefined;

  clear(): void {
    this.variables.clear();
    this.set = undefined;
  }

  add(set: Attrs): void {
    set.keys.ids.forEach((id, i) => this.variables.set(id as Sym, set.values[i]!));
    this.set = undefined;
  }

  replace(variables: ReadonlyMap<Sym, Slot>): void {
    this.clear();
    for (const [sym, slot] of variables) this.variables.set(sym, slot);
  }

  names(): string[] {
    return Array.from(this.variables.keys(), symbolName);
  }

  /** As a set: made again only after a change. */
  attrs(): Attrs {
    if (this.set !== undefined) return this.set;
    const builder = new AttrsBuilder();
    for (const [sym, slot] of this.variables) builder.set(sym, slot);
    return (this.set = builder.build());
  }
}
