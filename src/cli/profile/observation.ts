// Whether and how an evaluation is watched: settings (eval-profiler, trace-function-calls), variables (NIX_SHOW_STATS,
// NIX_COUNT_CALLS), --profile.
import { writeFileSync } from 'node:fs';
import type { EvaluatorOptions } from '../../eval/evaluator.ts';
import { ObservedEvaluator, type CallObserver } from '../../eval/observed-evaluator.ts';
import { toBuffer, utf8 } from '../../util/bytes.ts';
import { UsageError } from '../../util/errors.ts';
import type { Pos } from '../../util/positions.ts';
import type { Config } from '../config.ts';
import { say } from '../output.ts';
import { CallStack } from './call-stack.ts';
import { showPlace } from './describe-frame.ts';
import { chromeProfile, foldedStacks, speedscopeFile } from './formats.ts';
import { profilePage } from './page.ts';
import type { Observing, ProfileForm } from './observing.ts';
import { CallCounter, CollectionWatch, statisticsJson } from './statistics.ts';

const FILE_NAMES: Readonly<Record<ProfileForm, string>> = {
  flamegraph: 'nix.profile',
  speedscope: 'nix.speedscope.json',
  chrome: 'nix.cpuprofile',
  html: 'nix-profile.html',
};

/** Samples a second, where the setting says nothing: finer than Nix's, for they cost little here. */
const FREQUENCY = 1000;

export class Observation {
  readonly evaluator: ObservedEvaluator;
  private readonly observing: Observing;
  private readonly stack: CallStack | undefined;
  private readonly calls: CallCounter | undefined;
  private readonly gc: CollectionWatch | undefined;
  private readonly file: string;

  /** @throws UsageError where the file of the profile can't be written */
  constructor(options: EvaluatorOptions, observing: Observing, config: Config) {
    this.observing = observing;
    const { form } = observing;
    const observers: CallObserver[] = [];
    this.file =
      observing.file ??
      (config.isSet('eval-profile-file') || form === undefined ? config.string('eval-profile-file') : FILE_NAMES[form]);
    if (form !== undefined) {
      const likeNix = form === 'flamegraph';
      const frequency =
        likeNix || config.isSet('eval-profiler-frequency') ? config.int('eval-profiler-frequency') : FREQUENCY;
      this.stack = new CallStack({ frequency, likeNix });
      observers.push(this.stack);
      this.write('');
    }
    if (observing.countCalls) observers.push((this.calls = new CallCounter()));
    if (observing.traceCalls) observers.push(new CallTrace((pos) => this.place(pos)));
    if (observing.statistics) this.gc = new CollectionWatch();
    this.evaluator = new ObservedEvaluator(options, observers);
    if (this.stack !== undefined) {
      this.stack.ev = this.evaluator;
      this.stack.counts = this.evaluator.counts;
    }
  }

  private place(pos: Pos): string {
    return showPlace(this.evaluator.positions, pos) ?? utf8('«none»:0');
  }

  /** Writes what was found out. */
  end(): void {
    const { stack, evaluator, observing } = this;
    const { positions } = evaluator;
    if (stack !== undefined) {
      stack.finish();
      switch (observing.form) {
        case 'flamegraph':
          this.write(toBuffer(foldedStacks(stack, positions)));
          break;
        case 'speedscope':
          this.write(speedscopeFile(stack, positions));
          break;
        case 'chrome':
          this.write(chromeProfile(stack, positions));
          break;
        default:
          this.write(profilePage(stack, evaluator));
      }
    }
    if (this.gc === undefined) return;
    const text = statisticsJson(evaluator, { gc: this.gc, calls: this.calls, symbols: observing.symbols });
    if (observing.statisticsFile === undefined) say(utf8(text.trimEnd()));
    else writeFileSync(observing.statisticsFile, text);
  }

  private write(data: string | Uint8Array): void {
    try {
      writeFileSync(this.file, data);
    } catch (error) {
      throw new UsageError(`opening file '${this.file}': ${utf8((error as Error).message)}`);
    }
  }
}

/** --trace-function-calls. */
class CallTrace implements CallObserver {
  private readonly place: (pos: Pos) => string;

  constructor(place: (pos: Pos) => string) {
    this.place = place;
  }

  enter(_callee: unknown, pos: Pos): void {
    say(`function-trace entered ${this.place(pos)} at ${nanoseconds()}`);
  }
  leave(pos: Pos): void {
    say(`function-trace exited ${this.place(pos)} at ${nanoseconds()}`);
  }
}

function nanoseconds(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1e3)) * 1000n;
}
