// Collects, while an expression is evaluated, everything that its result depends on. What cannot be told again later, or
// may have changed while it was looked at, makes the result one that is not kept.
import type { FileStamp } from '../../eval/file-stamp.ts';
import type { FileType } from '../../eval/io.ts';
import { FactCollector, type FileFacts } from './facts.ts';

export interface Inputs {
  readonly files: FileFacts;
  /** Undefined (as null): not set. */
  readonly env: readonly (readonly [name: string, value: string | null])[];
  readonly valid: readonly (readonly [storePath: string, valid: boolean])[];
  /** Store paths that evaluation wrote, those aside that others of them refer to. */
  readonly added: readonly string[];
  /** Requests for host tools, and hashes of the answers. */
  readonly host: readonly (readonly [request: string, answer: string])[];
}

export class Recorder {
  readonly facts = new FactCollector();
  private readonly env = new Map<string, string | null>();
  private readonly valid = new Map<string, boolean>();
  private readonly added = new Set<string>();
  private readonly referred = new Set<string>();
  private readonly host = new Map<string, string>();
  /** Why the result can't be kept. */
  doubt: string | null = null;

  type(path: string, type: FileType | null): void {
    this.facts.type(path, type);
  }
  contents(path: string, type: FileType, stamp: FileStamp, hash: string | null, startMs: number): void {
    this.facts.contents(path, type, stamp, hash, startMs);
  }
  link(path: string, target: string): void {
    this.facts.link(path, target);
  }
  sawEnv(name: string, value: string | undefined): void {
    this.env.set(name, value ?? null);
  }
  sawValid(storePath: string, valid: boolean): void {
    if (this.added.has(storePath)) return;
    const known = this.valid.get(storePath);
    // What was not valid became so by what evaluation did: asked again, it would be from the start.
    if (known !== undefined && known !== valid) this.uncertain(`'${storePath}' became valid`);
    this.valid.set(storePath, valid);
  }
  add(storePath: string, references: readonly string[]): void {
    this.added.add(storePath);
    for (const reference of references) if (reference !== storePath) this.referred.add(reference);
  }
  sawHost(request: string, answer: string): void {
    this.host.set(request, answer);
  }
  uncertain(reason: string): void {
    this.doubt ??= reason;
  }

  finish(): Inputs {
    const { contradiction } = this.facts;
    if (contradiction !== null) this.uncertain(`'${contradiction}' was changing, or changed just before`);
    return {
      files: this.facts.finish(),
      env: [...this.env],
      valid: [...this.valid],
      added: [...this.added].filter((path) => !this.referred.has(path)),
      host: [...this.host],
    };
  }
}
