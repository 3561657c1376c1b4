// The code that an evaluator has loaded, and what is decoded, or remembered of key sets, when code runs. Nothing in it is a
// value of an evaluation: it may be handed on to the next evaluator, once the first one is done (--watch).
import { Code } from '../parser/code.ts';
import { PosTable, type Origin, type Pos } from '../util/positions.ts';
import type { KeySet } from './attrs.ts';
import type { NixFloat, PathValue } from './value.ts';

/** Keys, positions of a set literal: decoded when first evaluated. */
export interface SetTemplate {
  readonly keys: KeySet;
  readonly positions: readonly number[];
}

interface LoadedFile {
  readonly unit: Uint8Array;
  readonly off: number;
  readonly origin: Origin;
  readonly words: number;
}

/** Words of code that nobody needs: so many more than of files, and the program is not handed on. */
const MOST_GARBAGE = 1 << 18;

export class Program {
  readonly code = new Code();
  readonly positions = new PosTable();
  // Side tables of the code: select caches by site, set templates, literals that are objects.
  readonly siteKeys: (KeySet | null)[] = [];
  readonly siteIndexes: number[] = [];
  readonly templates: (SetTemplate | undefined)[] = [];
  readonly literals: (NixFloat | PathValue | undefined)[] = [];
  /** Where the set literal stands that an array of attribute positions belongs to. */
  readonly literalPositions = new Map<object, Pos>();
  /** By path; null where nobody will ask. */
  private readonly files: Map<string, LoadedFile> | null;
  private variant: string | undefined;
  /** Of `files`. */
  private words = 0;

  /** @param handedOn whether another evaluator may want it */
  constructor(handedOn = false) {
    this.files = handedOn ? new Map() : null;
  }

  /**
   * Where the code of a file begins that was loaded before.
   * @param variant what, besides the unit, code depends on
   */
  find(path: string, unit: Uint8Array, variant: string, source: () => string): number | undefined {
    const { files } = this;
    if (files === null) return undefined;
    if (this.variant !== variant) {
      files.clear();
      this.words = 0;
      this.variant = variant;
    }
    const file = files.get(path);
    // The very bytes: whoever keeps units makes others when the file has changed.
    if (file?.unit !== unit) return undefined;
    file.origin.source = source;
    return file.off;
  }

  loaded(path: string, file: LoadedFile): void {
    const { files } = this;
    if (files === null) return;
    this.words += file.words - (files.get(path)?.words ?? 0);
    files.set(path, file);
  }

  /** For another evaluator; undefined where most of it is of no use any more. */
  handOn(): this | undefined {
    const { code } = this;
    if (code.length > 2 * this.words + MOST_GARBAGE) return undefined;
    // What was made of hot code knows the evaluator, and its values.
    for (const record of code.lambdas) {
      record.calls = 0;
      record.since = 0;
      record.code = null;
    }
    return this;
  }
}
