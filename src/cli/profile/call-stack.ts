// The calls under way, samples of them, and what each function cost. Samples are kept as a tree of frames: a frame is a
// callee and where it is called, as in Nix's flame graphs; equal stacks share their nodes.
import { getHeapStatistics } from 'node:v8';
import type { CallObserver, Callee, WorkCounts } from '../../eval/observed-evaluator.ts';
import type { LambdaRecord } from '../../parser/code.ts';
import type { Pos } from '../../util/positions.ts';
import { Attrs } from '../../eval/attrs.ts';
import type { Evaluator } from '../../eval/evaluator.ts';
import { Primop, type Slot } from '../../eval/value.ts';
import { intern } from '../../util/symbols.ts';

const sName = intern('name');

export interface Frame {
  readonly callee: Callee;
  readonly callPos: Pos;
  /** The name of the derivation that derivationStrict makes. */
  readonly drvName: string | undefined;
}

export interface FunctionCost {
  readonly callee: Callee;
  /** Of one place where it is called, for what has none of its own. */
  readonly callPos: Pos;
  calls: number;
  selfMs: number;
  totalMs: number;
  selfValues: number;
  totalValues: number;
  /** Calls of it that are under way. */
  active: number;
}

export interface Sample {
  readonly node: number;
  readonly ms: number;
  readonly bytes: number;
}

export interface CallStackOptions {
  /** Samples per second; 0: at every call. */
  readonly frequency: number;
  /** As Nix: at calls only, the called function included. Else time goes to the function that was running. */
  readonly likeNix: boolean;
}

export class CallStack implements CallObserver {
  // The tree: node 0 is the root.
  readonly parents: number[] = [-1];
  readonly frames: (Frame | null)[] = [null];
  readonly hits: number[] = [0];
  readonly children: (Map<string, number> | null)[] = [null];
  readonly samples: Sample[] = [];
  readonly costs = new Map<LambdaRecord | Primop | string, FunctionCost>();
  ev!: Evaluator;
  counts!: WorkCounts;

  private readonly options: CallStackOptions;
  private readonly stack: Frame[] = [];
  /** Nodes of the stack's frames, from the bottom; -1 where none was sampled yet. */
  private readonly nodes: number[] = [];
  private readonly running: FunctionCost[] = [];
  /** Total time and values when the outermost call of each running function began. */
  private readonly since: number[] = [];
  private readonly interval: number;
  private lastSample = performance.now();
  private lastBytes = allocatedBytes();
  private lastEvent = this.lastSample;
  private lastValues = 0;
  private readonly ids = new Map<Callee, number>();

  constructor(options: CallStackOptions) {
    this.options = options;
    this.interval = options.frequency === 0 ? 0 : 1000 / options.frequency;
  }

  enter(callee: Callee, callPos: Pos, args: readonly Slot[]): void {
    const now = performance.now();
    this.account(now);
    const { likeNix } = this.options;
    if (!likeNix && now - this.lastSample >= this.interval) this.sample(now);
    const drvName = callee instanceof Primop && callee.name === 'derivationStrict' ? this.nameOf(args[0]!) : undefined;
    this.stack.push({ callee, callPos, drvName });
    this.nodes.push(-1);
    const cost = this.costOf(callee, callPos);
    cost.calls++;
    cost.active++;
    this.running.push(cost);
    this.since.push(now, this.lastValues);
    if (likeNix && now - this.lastSample > this.interval) this.sample(now);
  }

  leave(): void {
    const now = performance.now();
    this.account(now);
    if (!this.options.likeNix && this.interval > 0 && now - this.lastSample >= this.interval) this.sample(now);
    this.stack.pop();
    this.nodes.pop();
    const values = this.since.pop()!;
    const start = this.since.pop()!;
    const cost = this.running.pop()!;
    if (--cost.active > 0) return;
    cost.totalMs += now - start;
    cost.totalValues += this.lastValues - values;
  }

  /** The rest of the time goes to no function. */
  finish(): void {
    if (!this.options.likeNix && this.stack.length === 0) this.sample(performance.now());
  }

  /** Time and values since the last event are the running function's. */
  private account(now: number): void {
    const { values } = this.counts;
    const cost = this.running.at(-1);
    if (cost !== undefined) {
      cost.selfMs += now - this.lastEvent;
      cost.selfValues += values - this.lastValues;
    }
    this.lastEvent = now;
    this.lastValues = values;
  }

  private sample(now: number): void {
    let depth = this.nodes.length;
    while (depth > 0 && this.nodes[depth - 1] === -1) depth--;
    let node = depth === 0 ? 0 : this.nodes[depth - 1]!;
    for (; depth < this.nodes.length; depth++) this.nodes[depth] = node = this.child(node, this.stack[depth]!);
    this.hits[node]!++;
    if (!this.options.likeNix) {
      const bytes = allocatedBytes();
      this.samples.push({ node, ms: now - this.lastSample, bytes: bytes - this.lastBytes });
      this.lastBytes = bytes;
    }
    this.lastSample = now;
  }

  private child(parent: number, frame: Frame): number {
    const children = (this.children[parent] ??= new Map<string, number>());
    const key = `${this.idOf(frame.callee)} ${frame.callPos} ${frame.drvName ?? ''}`;
    let node = children.get(key);
    if (node === undefined) {
      node = this.parents.push(parent) - 1;
      this.frames.push(frame);
      this.hits.push(0);
      this.children.push(null);
      children.set(key, node);
    }
    return node;
  }

  private idOf(callee: Callee): number {
    let id = this.ids.get(callee);
    if (id === undefined) this.ids.set(callee, (id = this.ids.size));
    return id;
  }

  private costOf(callee: Callee, callPos: Pos): FunctionCost {
    const key = typeof callee === 'string' ? `${callee} ${callPos}` : callee;
    let cost = this.costs.get(key);
    if (cost === undefined) {
      cost = { callee, callPos, calls: 0, selfMs: 0, totalMs: 0, selfValues: 0, totalValues: 0, active: 0 };
      this.costs.set(key, cost);
    }
    return cost;
  }

  /** As Nix, which forces it a little early for this; what is wrong with it will be said by who needs it. */
  private nameOf(argument: Slot): string | undefined {
    try {
      const set = this.ev.force(argument);
      const name = set instanceof Attrs ? set.get(sName) : undefined;
      return name === undefined ? undefined : this.ev.expectStringNoContext(name, 0, '');
    } catch {
      return undefined;
    }
  }
}

function allocatedBytes(): number {
  return (getHeapStatistics() as unknown as { total_allocated_bytes?: number }).total_allocated_bytes ?? 0;
}
