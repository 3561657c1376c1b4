// The text of a function that is being made, and what is known at the place where it has got to.
import { Frame, type Made } from './frame.ts';

/** Stands for what has to be done before the function gives back its value. */
export const LEAVE = '@';

interface State {
  readonly known: ReadonlyMap<string, string>;
  readonly made: readonly Made[];
}

export class Writer {
  private readonly pieces: string[] = [];
  private variables = 0;
  private readonly arrays: string[] = [];
  /** Variables besides those that are numbered. */
  protected readonly locals: string[] = [];
  /** Environments that the function makes, innermost last. Below the first is `up`. */
  protected readonly frames: Frame[] = [];
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

  protected push(size: number): Frame {
    const frame = new Frame(this.frames.at(-1) ?? null, `e${this.arrays.length}`, size);
    this.arrays.push(frame.array);
    this.frames.push(frame);
    return frame;
  }

  /** The environment as an array. */
  protected env(frame = this.frames.at(-1)): string {
    if (frame === undefined) return 'up';
    if (frame.made === 'yes') return frame.array;
    const words = [frame.up === null ? 'up' : this.env(frame.up)];
    for (let i = 1; i < frame.size; i++) words.push(frame.slots[i] ?? 'undefined');
    if (frame.made === 'maybe') this.emit(`if(${frame.array}===undefined)`);
    this.emit(`${frame.array}=[${words.join()}];`);
    frame.made = 'yes';
    return frame.array;
  }

  private save(): State {
    return { known: new Map(this.known), made: this.frames.map((frame) => frame.made) };
  }

  /** `if (condition) { yes } else { no }`; after it is known what both know. */
  protected fork(condition: string, yes: () => void, no?: () => void): void {
    const before = this.save();
    this.emit(`if(${condition}){`);
    yes();
    const after = this.save();
    this.known = new Map(before.known);
    before.made.forEach((made, i) => (this.frames[i]!.made = made));
    if (no !== undefined) {
      this.emit('}else{');
      no();
    }
    this.emit('}');
    for (const [key, variable] of this.known) if (after.known.get(key) !== variable) this.known.delete(key);
    for (const [i, frame] of this.frames.entries()) if (frame.made !== after.made[i]) frame.made = 'maybe';
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
