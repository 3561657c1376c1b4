// NIX_SHOW_STATS: what an evaluation took, with Nix's keys. What there is no such thing of here (sizes of C++ objects)
// is given as what V8 uses for it.
import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { LambdaRecord } from '../../parser/code.ts';
import type { CallObserver, Callee, ObservedEvaluator } from '../../eval/observed-evaluator.ts';
import { Primop } from '../../eval/value.ts';
import { fromUtf8 } from '../../util/bytes.ts';
import { symbolCount, symbolName } from '../../util/symbols.ts';

/** Bytes of V8's objects, with pointers of 8 bytes: headers, then fields. */
const SIZES = { Env: 24, Value: 40, Bindings: 48, Attr: 8 };
const SLOT = 8;

/** NIX_COUNT_CALLS. */
export class CallCounter implements CallObserver {
  readonly primops = new Map<string, number>();
  readonly functions = new Map<LambdaRecord, number>();

  enter(callee: Callee): void {
    if (typeof callee === 'string') return;
    if (callee instanceof Primop) this.primops.set(callee.name, (this.primops.get(callee.name) ?? 0) + 1);
    else this.functions.set(callee, (this.functions.get(callee) ?? 0) + 1);
  }
  leave(): void {
    return undefined;
  }
}

/** Collections of garbage since it was made. */
export class CollectionWatch {
  cycles = 0;
  private ms = 0;
  private readonly observer: PerformanceObserver;

  constructor() {
    this.observer = new PerformanceObserver((list) => this.add(list.getEntries()));
    this.observer.observe({ entryTypes: ['gc'] });
  }

  private add(entries: readonly { readonly duration: number }[]): void {
    this.cycles += entries.length;
    for (const { duration } of entries) this.ms += duration;
  }

  /** Seconds so far. */
  seconds(): number {
    this.add(this.observer.takeRecords());
    return this.ms / 1000;
  }
}

export interface StatisticsOptions {
  readonly gc: CollectionWatch;
  /** undefined: calls were not counted. */
  readonly calls: CallCounter | undefined;
  /** NIX_SHOW_SYMBOLS: names take the place of their count. */
  readonly symbols: boolean;
}

export function statisticsJson(ev: ObservedEvaluator, { gc, calls, symbols }: StatisticsOptions): string {
  const { counts } = ev;
  const cpu = process.cpuUsage().user / 1e6;
  const gcTime = gc.seconds();
  const heap = getHeapStatistics() as ReturnType<typeof getHeapStatistics> & { total_allocated_bytes?: number };
  const names = Array.from({ length: symbolCount() }, (_, i) => fromUtf8(symbolName(i as never)));
  const statistics: Record<string, unknown> = {
    cpuTime: cpu,
    envs: {
      bytes: counts.envs * SIZES.Env + counts.envElements * SLOT,
      elements: counts.envElements,
      number: counts.envs,
    },
    gc: { cycles: gc.cycles, heapSize: heap.total_heap_size, totalBytes: heap.total_allocated_bytes ?? 0 },
    list: { bytes: counts.listElements * SLOT, concats: counts.listConcats, elements: counts.listElements },
    nrAvoided: counts.avoided,
    nrExprs: ev.code.length,
    nrFunctionCalls: counts.functionCalls,
    nrLookups: counts.lookups,
    nrOpUpdateValuesCopied: counts.updatedValues,
    nrOpUpdates: counts.updates,
    nrPrimOpCalls: counts.primopCalls,
    nrThunks: counts.thunks,
    sets: {
      bytes: counts.sets * SIZES.Bindings + counts.setElements * SIZES.Attr,
      elements: counts.setElements,
      number: counts.sets,
    },
    sizes: { Attr: SIZES.Attr, Bindings: SIZES.Bindings, Env: SIZES.Env, Value: SIZES.Value },
    symbols: symbols ? names : { bytes: names.reduce((sum, name) => sum + name.length, 0), number: names.length },
    time: { cpu, gc: gcTime, gcFraction: cpu === 0 ? 0 : gcTime / cpu },
    values: { bytes: counts.values * SIZES.Value, number: counts.values },
  };
  if (calls !== undefined) {
    statistics['attributes'] = [];
    statistics['functions'] = [...calls.functions].map(([record, count]) => functionCount(ev, record, count));
    statistics['primops'] = Object.fromEntries([...calls.primops].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
  return `${JSON.stringify(Object.fromEntries(Object.entries(statistics).sort(([a], [b]) => (a < b ? -1 : 1))), null, 2)}\n`;
}

function functionCount(ev: ObservedEvaluator, { name, pos }: LambdaRecord, count: number): object {
  const position = ev.positions.resolve(pos);
  const place =
    position === undefined
      ? {}
      : {
          ...(position.origin.kind.kind === 'file' ? { file: fromUtf8(position.origin.kind.path) } : {}),
          line: position.line,
          column: position.column,
        };
  const { file, line, column } = place as { file?: string; line?: number; column?: number };
  return { column, count, file, line, name: name === null ? null : fromUtf8(symbolName(name)) };
}
