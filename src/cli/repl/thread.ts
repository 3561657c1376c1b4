// The thread of a repl at a terminal: evaluates, and writes what it has to say by itself.
import threads from 'node:worker_threads';
import type { Config } from '../config.ts';
import { parseFlags } from '../flags.ts';
import { FLAGS } from '../commands/repl.ts';
import { setStyled } from '../markdown.ts';
import { setErrorColor } from '../output.ts';
import { setSelfCommand } from '../self.ts';
import { setLineSource } from './debugger.ts';
import { Repl, type LineResult } from './repl.ts';
import type { ThreadAnswer, ThreadData, ThreadRequest } from './terminal.ts';

/** Ends with its thread. */
export async function replThread(argv: readonly string[], config: Config): Promise<number> {
  const port = threads.parentPort!;
  const { cancel, self, color, errorColor } = threads.workerData as ThreadData;
  setSelfCommand(self);
  setErrorColor(errorColor);
  setStyled(color);
  const stopped = (): string | undefined => (Atomics.load(cancel, 0) === 0 ? undefined : 'interrupted by the user');
  const repl = new Repl({ config, flags: parseFlags(argv, FLAGS, config), color, stopped });
  const answer = (message: ThreadAnswer): void => {
    port.postMessage(message);
  };
  let ready = false;
  const answerLine = (result: LineResult): void => {
    answer(ready ? { result } : { ready: true });
    ready = true;
  };
  // What stopped in the middle of a line answers it, and takes those that follow until it goes on.
  setLineSource({
    next(last, nested) {
      answerLine(last);
      for (;;) {
        const seen = Atomics.load(cancel, 1);
        const got = threads.receiveMessageOnPort(port) as { message: ThreadRequest } | undefined;
        if (got === undefined) Atomics.wait(cancel, 1, seen);
        else if ('complete' in got.message) answer({ completion: nested.complete(got.message.complete) });
        else return got.message.line;
      }
    },
  });
  repl.start();
  return await new Promise((resolve, reject) => {
    port.on('message', (request: ThreadRequest) => {
      if ('complete' in request) {
        answer({ completion: repl.complete(request.complete) });
        return;
      }
      try {
        const result = repl.line(request.line);
        if (result !== 'quit') answerLine(result);
        else {
          void repl.close().then(() => {
            answer({ result });
            port.close();
            resolve(0);
          });
        }
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
    answerLine('done');
  });
}
