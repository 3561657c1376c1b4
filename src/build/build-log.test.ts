import { describe, expect, it } from 'vitest';
import { BuildLog } from './build-log.ts';

function lines(...chunks: string[]): { lines: string[]; phases: string[]; tail: readonly string[] } {
  const out: string[] = [];
  const phases: string[] = [];
  const log = new BuildLog({ tailLines: 2, onLine: (line) => out.push(line), onPhase: (phase) => phases.push(phase) });
  for (const chunk of chunks) log.write(chunk);
  log.flush();
  return { lines: out, phases, tail: log.tail };
}

describe('BuildLog', () => {
  it('cuts lines wherever the data is cut', () => {
    expect(lines('one\ntw', 'o\n', '\nlast').lines).toEqual(['one', 'two', '', 'last']);
  });
  it('lets a carriage return overwrite the line, unless a newline follows', () => {
    expect(lines(' 10%\r 20%\r', '100%\ndone\r', '\nabc\rx\n').lines).toEqual(['100%', 'done', 'x']);
  });
  it('keeps the last lines', () => {
    expect(lines('1\n2\n3\n').tail).toEqual(['2', '3']);
  });
  it('takes structured messages out', () => {
    const result = lines('@nix {"action":"result","type":104,"id":1,"fields":["buildPhase"]}\n@nix no json\n');
    expect(result.phases).toEqual(['buildPhase']);
    expect(result.lines).toEqual(['@nix no json']);
  });
});
