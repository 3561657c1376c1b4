// Generated code for selection, `?` and names that `with` brings.
import type { Sym } from '../../util/symbols.ts';
import { VALUE } from '../thunk.ts';
import { CallWriter } from './calls.ts';
import type { Late } from './frame.ts';

export abstract class SelectWriter extends CallWriter {
  /** A value that a slot has, or else `slow`. */
  private found(result: string, slot: string): void {
    this.emit(`if(!(${slot} instanceof Thunk))${result}=${slot};else if(${slot}.off===${VALUE})${result}=${slot}.a;`);
  }

  protected selectOne(off: number): string {
    const { words } = this;
    const known = this.knownAttribute(words[off + 2]!, words[off + 3]!);
    if (known !== undefined && known.index >= 0 && known.late.set!.contents[known.index]!.late === undefined) {
      return this.knownSelection(known.late, known.index, () => {
        return `selectFrom(ev,${off},${this.forced(words[off + 2]!)})`;
      });
    }
    const target = this.operand(words[off + 2]!, 'while selecting an attribute');
    const result = this.variable();
    this.emit(`${result}=undefined;if(${target} instanceof Attrs){`);
    this.found(result, this.attribute(target, words[off + 3]!, words[off + 4]!));
    this.emit(`}if(${result}===undefined)${result}=selectFrom(ev,${off},${target});`);
    return result;
  }

  /** An attribute of a set that need not be made while the attribute has a value. */
  private knownSelection(late: Late, index: number, other: () => string): string {
    const { text, value } = late.set!.contents[index]!;
    if (value !== undefined) return value;
    const result = this.variable();
    this.emit(
      `${result}=${text};if(${result} instanceof Thunk)${result}=${result}.off===${VALUE}?${result}.a:undefined;`,
    );
    this.fork(`${result}===undefined`, () => {
      this.emit(`${result}=${other()};`);
    });
    return result;
  }

  /** `a.b.c`, `a.b or c`: fast while all is evaluated. */
  protected selectPath(off: number): string {
    const { words } = this;
    const fallback = words[off + 3]!;
    const site = words[off + 4]!;
    const steps = [...words.subarray(off + 6, off + 6 + words[off + 5]!)];
    const known = steps.length === 1 && steps[0]! >= 0 ? this.knownAttribute(words[off + 2]!, steps[0]!) : undefined;
    if (known !== undefined) {
      const { late, index } = known;
      if (index < 0 && fallback >= 0 && this.isAtom(fallback) && this.isKnown(fallback)) return this.quick(fallback);
      if (index >= 0 && late.set!.contents[index]!.late === undefined) {
        return this.knownSelection(late, index, () => {
          return `selectPathFrom(ev,${off},${this.env()},${this.forced(words[off + 2]!)})`;
        });
      }
    }
    const target = this.operand(words[off + 2]!, 'while selecting an attribute');
    const result = this.variable();
    this.emit(`${result}=undefined;`);
    if (steps.every((step) => step >= 0)) {
      let set = target;
      for (const [i, step] of steps.entries()) {
        this.emit(`if(${set} instanceof Attrs){`);
        set = this.attribute(set, step, site + i);
        if (i === steps.length - 1 && fallback >= 0 && this.isAtom(fallback)) {
          this.emit(`if(${set}===undefined){`);
          this.emit(`${result}=${this.quick(fallback)};}else `);
        }
        this.emit(`if(${set} instanceof Thunk)${set}=${set}.off===${VALUE}?${set}.a:undefined;`);
      }
      this.emit(`if(${set}!==undefined)${result}=${set};${'}'.repeat(steps.length)}`);
    }
    this.fork(`${result}===undefined`, () => {
      this.emit(`${result}=selectPathFrom(ev,${off},${this.env()},${target});`);
    });
    return result;
  }

  protected has(off: number): string {
    const { words } = this;
    const step = words[off + 4]!;
    const isOne = words[off + 3] === 1;
    const known = isOne && step >= 0 ? this.knownAttribute(words[off + 2]!, step) : undefined;
    if (known !== undefined) return String(known.index >= 0);
    const target = this.operand(words[off + 2]!, "in the argument of '?'");
    if (isOne) {
      const sym = step >= 0 ? String(step) : this.computedName(~step);
      return this.store(`${target} instanceof Attrs&&${target}.get(${sym})!==undefined`);
    }
    const env = this.env();
    return this.store(`hasPathFrom(ev,${off},${env},${target})`);
  }

  /** The symbol of a step that is computed, described at `at`. */
  private computedName(at: number): string {
    const name = this.value(this.words[at + 2]!);
    return this.store(`computedName(ev,${name},${this.words[at + 1]!})`);
  }

  /** WITH_VAR: fast where the nearest set is there and has the name. */
  protected withVariable(off: number): string {
    const { words } = this;
    const result = this.variable();
    const set = this.variable();
    const { text, late } = this.slotAt(words[off + 5]!, 1);
    if (late?.set !== undefined) {
      const index = late.set.template.keys.indexOf(words[off + 2]! as Sym);
      if (index >= 0) return this.forcedContent(late, index, words[off + 1]!);
    }
    this.emit(`${result}=undefined;${set}=${late === undefined ? text : this.slotOf(late)};`);
    this.emit(`if(${set} instanceof Thunk&&${set}.off===${VALUE})${set}=${set}.a;if(${set} instanceof Attrs){`);
    this.found(result, this.attribute(set, words[off + 2]!, words[off + 3]!));
    this.emit('}');
    this.fork(`${result}===undefined`, () => {
      this.emit(`${result}=ev.force(lookUpWith(ev,${off},${this.env()}),${words[off + 1]!});`);
    });
    return result;
  }
}
