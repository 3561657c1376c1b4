// Nix values that JavaScript has no value of its own for. Conversion from Nix makes them where `exact` is asked for;
// conversion to Nix takes them everywhere.

/** A float that stays one: `new NixFloat(2)` is Nix's 2.0, whereas the number 2 is an int. */
export class NixFloat {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
  valueOf(): number {
    return this.value;
  }
  toJSON(): number {
    return this.value;
  }
}

/** A path: absolute. */
export class NixPath {
  readonly path: string;
  constructor(path: string) {
    if (!path.startsWith('/')) throw new TypeError(`a Nix path is absolute, '${path}' is not`);
    this.path = path;
  }
  toString(): string {
    return this.path;
  }
  toJSON(): string {
    return this.path;
  }
}

/**
 * A string with its context: what it needs in the store, as Nix encodes it: `/nix/store/…` (a store path),
 * `!out!/nix/store/….drv` (an output), `=/nix/store/….drv` (a derivation with all that it needs).
 */
export class NixString {
  readonly text: string;
  readonly context: readonly string[];
  constructor(text: string, context: Iterable<string> = []) {
    this.text = text;
    this.context = [...new Set(context)].sort();
  }
  toString(): string {
    return this.text;
  }
  toJSON(): string {
    return this.text;
  }
}
