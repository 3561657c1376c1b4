// Runs a builder to its end: what it prints goes to the log, its time, silence and talkativeness are limited.
import { fromBuffer } from '../util/bytes.ts';
import type { BuildContext } from './build-derivation.ts';
import { BuildFailure } from './failure.ts';
import type { BuilderExit, SandboxBackend, SandboxRequest } from './sandbox/backend.ts';

/**
 * How the builder ended. No process of it is left then.
 * @throws BuildFailure where a limit ended it, or the signal's reason
 */
export async function runBuilder(
  context: BuildContext,
  backend: SandboxBackend,
  request: SandboxRequest,
): Promise<BuilderExit> {
  const { settings, log, logFile, signal, drvPath } = context;
  signal.throwIfAborted();
  const running = backend.start(request);
  let reason: unknown;
  const stop = (why: unknown): void => {
    reason ??= why;
    running.kill();
  };
  const timedOut = (seconds: number, kind: string): void =>
    stop(
      new BuildFailure('timedOut', `Cannot build '${drvPath}'.\nReason: timed out after ${seconds} seconds${kind}.`),
    );
  const aborted = (): void => stop(signal.reason);
  signal.addEventListener('abort', aborted, { once: true });
  const total =
    settings.timeout > 0 ? setTimeout(() => timedOut(settings.timeout, ''), settings.timeout * 1000) : undefined;
  const { maxSilentTime } = settings;
  const silence =
    maxSilentTime > 0 ? setTimeout(() => timedOut(maxSilentTime, ' of silence'), maxSilentTime * 1000) : undefined;
  running.output.on('data', (chunk: Buffer) => {
    if (reason !== undefined) return;
    silence?.refresh();
    try {
      log.write(fromBuffer(chunk));
      logFile?.write(chunk);
    } catch (error) {
      stop(error); // a full disk
      return;
    }
    if (settings.maxLogSize > 0 && log.size > settings.maxLogSize) {
      const message = `building derivation '${drvPath}' killed after writing more than ${settings.maxLogSize} bytes of log output`;
      stop(new BuildFailure('logLimitExceeded', message));
    }
  });
  try {
    const exit = await running.exit;
    log.flush();
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- an abort's reason is the caller's
    if (reason !== undefined) throw reason;
    return exit;
  } finally {
    clearTimeout(total);
    clearTimeout(silence);
    signal.removeEventListener('abort', aborted);
  }
}
