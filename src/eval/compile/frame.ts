// Environments as generated code has them: slots are variables of JavaScript, and an array is made of them only where
// something that stays (a thunk, a function, what the interpreter runs) wants one.

export type Made = 'no' | 'maybe' | 'yes';

export class Frame {
  readonly up: Frame | null;
  /** The variable for the array. */
  readonly array: string;
  readonly size: number;
  /** The variable of each slot; undefined: it is in the array only. */
  readonly slots: (string | undefined)[] = [];
  /** Whether the array is there, where the text has got to. */
  made: Made = 'no';

  constructor(up: Frame | null, array: string, size: number) {
    this.up = up;
    this.array = array;
    this.size = size;
  }
}
