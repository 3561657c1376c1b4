// String contexts: which store paths a string needs. Immutable and shared between strings.
// Elements are encoded as Nix encodes them: `/nix/store/…` (opaque), `=/nix/store/….drv` (drv-deep),
// `!output!/nix/store/….drv` (built).

/** Sorted, deduplicated encoded elements. The empty context is never attached: such a string is a primitive. */
export type Context = readonly string[];

const unions = new WeakMap<Context, WeakMap<Context, Context>>();
/**
 * Only unions of so few are remembered: one that is, lives as long as what it was made of. Of a text that grows by one path
 * after the other every step would stay.
 */
const maxRemembered = 64;

export function unionContexts(a: Context, b: Context): Context {
  if (a === b) return a;
  if (a.length + b.length > maxRemembered) return merge(a, b);
  let known = unions.get(a);
  if (known === undefined) unions.set(a, (known = new WeakMap()));
  let result = known.get(b);
  if (result !== undefined) return result;
  result = merge(a, b);
  known.set(b, result);
  return result;
}

function merge(a: Context, b: Context): Context {
  const out: string[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const x = a[i]!;
    const y = b[j]!;
    if (x === y) j++;
    else if (y < x) {
      out.push(y);
      j++;
      continue;
    }
    out.push(x);
    i++;
  }
  while (i < a.length) out.push(a[i++]!);
  while (j < b.length) out.push(b[j++]!);
  if (out.length === a.length) return a;
  if (out.length === b.length) return b;
  return out;
}

/** From so many merged contexts on they are collected in a set: merging each takes time and memory of its square. */
const maxMerged = 16;

/** A set of context elements in the making. */
export class ContextBuilder {
  private context: Context | null = null;
  private merged = 0;
  private collected: Set<string> | null = null;
  add(context: Context | null): void {
    if (context === null) return;
    if (this.collected !== null) {
      for (const element of context) this.collected.add(element);
    } else if (this.context === null) this.context = context;
    else if (this.merged < maxMerged) {
      const union = unionContexts(this.context, context);
      if (union !== this.context) this.merged++;
      this.context = union;
    } else this.collected = new Set([...this.context, ...context]);
  }
  addElement(element: string): void {
    this.add([element]);
  }
  get(): Context | null {
    if (this.collected !== null) {
      this.context = [...this.collected].sort();
      this.collected = null;
      this.merged = 0;
    }
    return this.context;
  }
}

/** For many contexts with much in common, as a derivation's attributes have: nothing is merged before the end. */
export class ContextCollector extends ContextBuilder {
  private readonly seen = new Set<Context>();
  private readonly elements = new Set<string>();
  override add(context: Context | null): void {
    if (context === null || this.seen.has(context)) return;
    this.seen.add(context);
    for (const element of context) this.elements.add(element);
  }
  override get(): Context | null {
    return this.elements.size === 0 ? null : [...this.elements].sort();
  }
  /** In no particular order. */
  all(): Iterable<string> {
    return this.elements;
  }
}

export type ContextElement =
  | { readonly kind: 'opaque'; readonly path: string }
  | { readonly kind: 'drvDeep'; readonly drvPath: string }
  | { readonly kind: 'built'; readonly drvPath: string; readonly output: string };

export function parseContextElement(element: string): ContextElement {
  if (element.startsWith('=')) return { kind: 'drvDeep', drvPath: element.slice(1) };
  if (element.startsWith('!')) {
    const end = element.indexOf('!', 1);
    return { kind: 'built', output: element.slice(1, end), drvPath: element.slice(end + 1) };
  }
  return { kind: 'opaque', path: element };
}

export function printContextElement(element: ContextElement): string {
  switch (element.kind) {
    case 'opaque':
      return element.path;
    case 'drvDeep':
      return `=${element.drvPath}`;
    case 'built':
      return `!${element.output}!${element.drvPath}`;
  }
}

/**
 * The derivation of a built element: a path, or (dynamic derivations) `!output!…` of a derivation that is itself an
 * output. `outputs` leads from `drvPath` to it, empty for the derivation itself.
 */
export function derivationChain(drvPath: string): { readonly drvPath: string; readonly outputs: readonly string[] } {
  const outputs: string[] = [];
  let rest = drvPath;
  while (rest.startsWith('!')) {
    const end = rest.indexOf('!', 1);
    outputs.push(rest.slice(1, end));
    rest = rest.slice(end + 1);
  }
  // The encoding names the outermost output first.
  return { drvPath: rest, outputs: outputs.reverse() };
}
