// Ctrl-C and its like for commands that write somewhere: they end by a signal, so that nothing half-written is left.
import { Interrupted } from '../../interrupted.ts';

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

export async function interruptible<T>(action: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const stop = (signal: NodeJS.Signals): void => {
    abort.abort(new Interrupted(signal));
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  try {
    return await action(abort.signal);
  } catch (error) {
    // Whatever broke off because of it.
    if (abort.signal.aborted) throw abort.signal.reason as Error;
    throw error;
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, stop);
  }
}
