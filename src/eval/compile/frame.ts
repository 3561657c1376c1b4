// Environments as generated code has them: slots are variables of JavaScript, and an array is made of them only where
// something that stays (a thunk, a function, what the interpreter runs) wants one.
import type { SetTemplate } from '../program.ts';
import type { Env } from '../lambda.ts';

export type Made = 'no' | 'maybe' | 'yes';

/** What a slot holds: an expression, or what is made when it is first wanted. */
export interface Content {
  readonly text: string;
  readonly late?: Late | undefined;
  /** Its value, where that is known now. */
  readonly value?: string | undefined;
}

/** An argument of a call whose body stands in the caller's code: evaluated where the body wants it, or else a thunk. */
export interface Late {
  /** The variables for the slot and for the value; undefined as long as there is none. */
  readonly slot: string;
  readonly value: string;
  /** Its node, and the environments that this sees. */
  readonly off: number;
  readonly frames: readonly Frame[];
  readonly set?: LateSet;
}

/** A set literal whose attributes are taken out one by one. */
export interface LateSet {
  readonly template: SetTemplate;
  readonly contents: readonly Content[];
  /** The slot is a thunk that has its value. */
  readonly isCell: boolean;
}

export class Frame {
  readonly up: Frame | null;
  /** Where there is no `up`: the variable for the environment around, and such an environment as it was seen. */
  readonly outer: string;
  readonly around: Env | null;
  /** The variable for the array. */
  readonly array: string;
  readonly size: number;
  /** The variable of each slot; undefined: it is in the array only. */
  readonly slots: (string | undefined)[] = [];
  readonly late: (Late | undefined)[] = [];

  constructor(up: Frame | null, outer: string, around: Env | null, array: string, size: number) {
    this.up = up;
    this.outer = outer;
    this.around = around;
    this.array = array;
    this.size = size;
  }
}
