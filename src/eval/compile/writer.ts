// The text of a function that is being made, and what is known at the place where it has got to.
import type { Env } from '../lambda.ts';
import { Frame, type Late, type Made } from './frame.ts';

/** Stands for what has to be done before the function gives back its value. */
export const LEAVE = '@';

interface State {
  readonly known: ReadonlyMap<string, string>;
  readonly made: ReadonlyMap<string, Made>;
}

export abstract class Writer {
  private readonly pieces: string[] = [];
  private variables = 0;
  private readonly arrays: string[] = [];
  /** Variables besides those that are numbered. */
  protected readonly locals: string[] = [];
  /** Environments that the function makes, innermost last. Below the first is `up`. */
  protected frames: Frame[] = [];
  /** Whether arrays of frames, slots and values of what is late are there, where the text has got to. */
  protected made = new Map<string, Made>();
  /** Variables that hold what the slot of a place (`Place.key`) gave. */
  protected known = new Map<string, string>();
  /** There is a jump to the beginning. */
  protected jumps = false;
  /** Values that the code needs, as k0, k1 … */
  readonly constants: unknown[] = [];
  /** Variables that stay from call to call. */
  readonly caches: string[] = [];

  protected emit(text: string): void {
    this.pieces.push(text);
  }

  protected variable(): string {
    return `t${this.variables++}`;
  }

  /** A variable that holds it. */
  protected store(text: string): string {
    if (/^\w+$/.test(text)) return text;
    const variable = this.variable();
    this.emit(`${variable}=${text};`);
    return variable;
  }

  protected constant(value: unknown): string {
    if (typeof value === 'number') return `(${value})`;
    if (typeof value === 'boolean' || value === null) return String(value);
    const i = this.constants.indexOf(value);
    return `k${i >= 0 ? i : this.constants.push(value) - 1}`;
  }
  /** What a text that `constant` gave stands for. */
  protected constantOf(text: string): unknown {
    return text.startsWith('k') ? this.constants[Number(text.slice(1))] : undefined;
  }

  protected push(size: number, outer = 'up', around: Env | null = null): Frame {
    const frame = new Frame(this.frames.at(-1) ?? null, outer, around, `e${this.arrays.length}`, size);
    this.arrays.push(frame.array);
    this.frames.push(frame);
    return frame;
  }

  /** The environment as an array. */
  protected env(frame = this.frames.at(-1)): string {
    if (frame === undefined) return 'up';
    const { array } = frame;
    const made = this.isMade(array);
    if (made === 'no') this.makeArray(frame);
    else if (made === 'maybe') {
      this.fork(`${array}===undefined`, () => {
        this.makeArray(frame);
      });
    }
    this.made.set(array, 'yes');
    return array;
  }

  private makeArray(frame: Frame): void {
    const { array } = frame;
    const words = [frame.up === null ? frame.outer : this.env(frame.up)];
    // What sees the array itself comes when that is there.
    const own = new Map<number, Late>();
    for (let i = 1; i < frame.size; i++) {
      const late = frame.late[i];
      if (late?.frames.includes(frame) === true) {
        own.set(i, late);
        words.push('undefined');
      } else words.push(late === undefined ? (frame.slots[i] ?? 'undefined') : this.slotOf(late));
    }
    this.emit(`${array}=[${words.join()}];`);
    this.made.set(array, 'yes');
    for (const [i, late] of own) this.emit(`${array}[${i}]=${this.slotOf(late)};`);
  }

  /** The slot of what is late, made now unless it was. */
  protected abstract slotOf(late: Late): string;

  protected isMade(name: string): Made {
    return this.made.get(name) ?? 'no';
  }

  /** What `body` writes sees these environments. */
  protected within<T>(frames: readonly Frame[], body: () => T): T {
    const saved = this.frames;
    this.frames = [...frames];
    const result = body();
    this.frames = saved;
    return result;
  }

  private save(): State {
    return { known: new Map(this.known), made: new Map(this.made) };
  }

  /** `if (condition) { yes } else { no }`; after it is known what both know. */
  protected fork(condition: string, yes: () => void, no?: () => void): void {
    const before = this.save();
    this.emit(`if(${condition}){`);
    yes();
    const after = this.save();
    this.known = new Map(before.known);
    this.made = new Map(before.made);
    if (no !== undefined) {
      this.emit('}else{');
      no();
    }
    this.emit('}');
    for (const [key, variable] of this.known) if (after.known.get(key) !== variable) this.known.delete(key);
    for (const name of new Set([...this.made.keys(), ...after.made.keys()])) {
      if (this.isMade(name) !== (after.made.get(name) ?? 'no')) this.made.set(name, 'maybe');
    }
  }

  /** An error of `body` gets a frame. */
  protected framed(why: string, pos: number, body: () => void): void {
    this.emit('try{');
    body();
    this.emit(`}catch(x){throw ev.frame(x,${JSON.stringify(why)},${pos})}`);
  }

  /** The function that was written. */
  protected whole(parameters: readonly string[]): string {
    const variables = Array.from({ length: this.variables }, (_, i) => `t${i}`);
    const declared = ['calls=0', ...variables, ...this.arrays, ...this.locals].join();
    let text = this.pieces.join('').replaceAll(LEAVE, this.jumps ? 'ev.depth-=calls;' : '');
    // The arrays of one round are not those of the next.
    if (this.jumps) text = `for(;;){${this.arrays.map((array) => `${array}=`).join('')}undefined;${text}}`;
    return `function(${parameters.join()}){var ${declared};${text}}`;
  }
}
