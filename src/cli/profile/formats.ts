// Files that a profile can be: folded stacks (flamegraph.pl), speedscope's own format, Chrome's .cpuprofile.
import { fromUtf8 } from '../../util/bytes.ts';
import type { PosTable } from '../../util/positions.ts';
import type { CallStack, Frame } from './call-stack.ts';
import { describeFunction, foldedFrame } from './describe-frame.ts';

/** One line a stack, outermost frame first, and how often it was seen: byte strings. */
export function foldedStacks(stack: CallStack, positions: PosTable): string {
  const names = new Map<Frame, string>();
  const lines: string[] = [];
  const open: { readonly node: number; readonly prefix: string }[] = [{ node: 0, prefix: '' }];
  for (let top = open.pop(); top !== undefined; top = open.pop()) {
    const frame = stack.frames[top.node];
    let text = '';
    if (frame !== null && frame !== undefined) {
      let name = names.get(frame);
      if (name === undefined) names.set(frame, (name = foldedFrame(positions, frame)));
      text = top.prefix === '' ? name : `${top.prefix};${name}`;
      if (stack.hits[top.node]! > 0) lines.push(`${text} ${stack.hits[top.node]!}\n`);
    }
    const children = stack.children[top.node];
    if (children !== null && children !== undefined) {
      for (const node of [...children.values()].reverse()) open.push({ node, prefix: text });
    }
  }
  return lines.join('');
}

/** Functions by number: frames of one function are one, wherever it is called. */
export class FunctionTable {
  readonly names: { readonly name: string; readonly file: string; readonly line: number; readonly column: number }[] =
    [];
  private readonly positions: PosTable;
  private readonly numbers = new Map<string, number>();

  constructor(positions: PosTable) {
    this.positions = positions;
  }

  numberOf({ callee, callPos, drvName }: Frame): number {
    const { name, file, line, column } = describeFunction(this.positions, callee, callPos, drvName);
    const key = `${name}\n${file}\n${line}\n${column}`;
    let number = this.numbers.get(key);
    if (number === undefined) {
      number = this.names.push({ name: fromUtf8(name), file: fromUtf8(file), line, column }) - 1;
      this.numbers.set(key, number);
    }
    return number;
  }
}

/** https://www.speedscope.app/file-format-schema.json: time, and bytes allocated. */
export function speedscopeFile(stack: CallStack, positions: PosTable): string {
  const table = new FunctionTable(positions);
  const paths: (number[] | undefined)[] = [[]];
  const pathOf = (node: number): number[] => {
    const way: number[] = [];
    let at = node;
    for (; paths[at] === undefined; at = stack.parents[at]!) way.push(at);
    let path = paths[at]!;
    for (const step of way.reverse()) paths[step] = path = [...path, table.numberOf(stack.frames[step]!)];
    return path;
  };
  const samples = stack.samples.map(({ node }) => pathOf(node));
  const profile = (name: string, unit: string, weights: readonly number[]): object => ({
    type: 'sampled',
    name,
    unit,
    startValue: 0,
    endValue: weights.reduce((sum, weight) => sum + weight, 0),
    samples,
    weights,
  });
  return JSON.stringify({
    $schema: 'https://www.speedscope.app/file-format-schema.json',
    name: 'tsnix evaluation',
    exporter: 'tsnix',
    activeProfileIndex: 0,
    shared: {
      frames: table.names.map(({ name, file, line, column }) =>
        file === '' ? { name } : { name, file, line, col: column },
      ),
    },
    profiles: [
      profile(
        'time',
        'milliseconds',
        stack.samples.map(({ ms }) => ms),
      ),
      profile(
        'memory allocated',
        'bytes',
        stack.samples.map(({ bytes }) => bytes),
      ),
    ],
  });
}

/** What Chrome's DevTools, VS Code and others open: nodes with call frames, samples of them, microseconds between. */
export function chromeProfile(stack: CallStack, positions: PosTable): string {
  const table = new FunctionTable(positions);
  const nodes = stack.frames.map((frame, node) => {
    const place = frame === null ? undefined : table.names[table.numberOf(frame)]!;
    return {
      id: node + 1,
      callFrame: {
        functionName: place?.name ?? '(root)',
        scriptId: '0',
        url: place?.file ?? '',
        // From zero; -1: none.
        lineNumber: (place?.line ?? 0) - 1,
        columnNumber: (place?.column ?? 0) - 1,
      },
      hitCount: stack.hits[node]!,
      children: [...(stack.children[node]?.values() ?? [])].map((child) => child + 1),
    };
  });
  const timeDeltas = stack.samples.map(({ ms }) => Math.round(ms * 1000));
  return JSON.stringify({
    nodes,
    startTime: 0,
    endTime: timeDeltas.reduce((sum, delta) => sum + delta, 0),
    samples: stack.samples.map(({ node }) => node + 1),
    timeDeltas,
  });
}
