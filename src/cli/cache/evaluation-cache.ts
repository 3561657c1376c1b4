// Results of evaluation, kept with a record of everything that they depend on. An answer is given only where each single
// input is what it was: settings, environment, files, listings, what is and is not there, store paths. One record for a
// command line; whatever is wrong with it, the expression is evaluated.
import { lstatSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { checksumText } from '../../util/checksum.ts';
import { changedFact } from './check-facts.ts';
import { limitFolder } from './limit-folder.ts';
import { isOwnFolder } from './own-files.ts';
import { readRecord, writeRecord, type EvaluationRecord, type KeptEvent } from './record-file.ts';
import type { Inputs, Recorder } from './recorder.ts';

export interface EvaluationCacheOptions {
  /** Folder of records. */
  readonly dir: string;
  /** The program, the command line, where it runs. */
  readonly identity: string;
  /** What else is known before evaluation and decides about it, by name. */
  readonly settings: Readonly<Record<string, string>>;
  readonly world: InputWorld;
  /** Told whether, and why not, an answer was found or kept. */
  readonly explain?: (text: string) => void;
  readonly nowMs?: () => number;
  /** Bytes of all records. */
  readonly maxTotalSize?: number;
  readonly maxRecords?: number;
  /** One of so many new records looks whether there are too many. */
  readonly limitEvery?: number;
}

/** Inputs other than files, asked again. */
export interface InputWorld {
  getEnv(name: string): string | undefined;
  isValidPath(storePath: string): boolean;
  /** Hash of the answer. */
  hostTool(request: string): string;
}

const DAY_MS = 86_400_000;

export class EvaluationCache {
  private readonly options: Required<EvaluationCacheOptions>;
  private readonly file: string;
  private readonly usable: boolean;

  constructor(options: EvaluationCacheOptions) {
    this.options = {
      explain: () => undefined,
      nowMs: () => Date.now(),
      maxTotalSize: 128 << 20,
      maxRecords: 4000,
      limitEvery: 50,
      ...options,
    };
    this.file = join(options.dir, `${checksumText(options.identity)}.eval`);
    this.usable = isOwnFolder(options.dir, true);
  }

  /** What evaluation gave last, if it would give the same now. */
  find(): EvaluationRecord | null {
    const { explain, identity } = this.options;
    const record = this.usable ? readRecord(this.file) : undefined;
    if (record === undefined || record.identity !== identity) {
      explain('nothing is kept for this command line');
      return null;
    }
    const changed = this.changed(record);
    if (changed !== null) {
      explain(`evaluated anew: ${changed}`);
      return null;
    }
    explain('nothing changed: the answer is from the cache');
    this.touch();
    return record;
  }

  private changed({ settings, inputs }: EvaluationRecord): string | null {
    for (const name of new Set([...Object.keys(settings), ...Object.keys(this.options.settings)])) {
      if (settings[name] !== this.options.settings[name]) return `${name} is another`;
    }
    return changedInput(inputs, this.options.world);
  }

  /** Keeps what a finished evaluation gave. Never throws. */
  keep(events: readonly KeptEvent[], inputs: Inputs, recorder: Recorder): void {
    const { explain, identity, settings } = this.options;
    if (recorder.doubt !== null) {
      explain(`not kept: ${recorder.doubt}`);
      return;
    }
    if (!this.usable) return;
    try {
      writeRecord(this.file, { identity, settings, events, inputs });
      // Looking at all that is kept takes time: once in a while is enough.
      if (Math.random() < 1 / this.options.limitEvery) {
        const { dir, maxTotalSize, maxRecords } = this.options;
        limitFolder(dir, { maxBytes: maxTotalSize, maxFiles: maxRecords, keep: this.file });
      }
    } catch {
      explain('not kept: the cache cannot be written');
    }
  }

  /** Says, once a day, that the record is in use. */
  private touch(): void {
    try {
      const now = this.options.nowMs();
      const { mtimeMs } = lstatSync(this.file);
      if (mtimeMs < now - DAY_MS) utimesSync(this.file, now / 1000, now / 1000);
    } catch {
      // somebody has cleared the cache
    }
  }
}

/** What is another now, for a reader; null where all is as it was. */
export function changedInput(inputs: Inputs, world: InputWorld): string | null {
  for (const [name, value] of inputs.env) {
    if ((world.getEnv(name) ?? null) !== value) return `the environment variable ${name} is another`;
  }
  const path = changedFact(inputs.files);
  if (path !== null) return `'${path}' has changed`;
  for (const [storePath, valid] of inputs.valid) {
    if (world.isValidPath(storePath) !== valid) return `'${storePath}' is ${valid ? 'no longer' : 'now'} in the store`;
  }
  for (const storePath of inputs.added) {
    if (!world.isValidPath(storePath)) return `'${storePath}' is no longer in the store`;
  }
  for (const [request, answer] of inputs.host) {
    if (world.hostTool(request) !== answer) return `a program of this machine has changed: ${request}`;
  }
  return null;
}
