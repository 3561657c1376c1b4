// Builders written in TypeScript: `builtin:NAME`, run in this process with directories of their own.
import { chmodSync, lstatSync } from 'node:fs';
import { fsPath, toBuffer, utf8 } from '../util/bytes.ts';
import { NixError } from '../util/errors.ts';
import { baseName } from '../store/store-path.ts';
import type { BuildContext } from './build-derivation.ts';
import { BuildFailure } from './failure.ts';
import { mayReachOut } from '../store/derivation.ts';
import { knownOutputs, logTail } from './run-program.ts';

/** @throws BuildFailure with the builder's own words, or the signal's reason */
export async function runBuiltin(context: BuildContext): Promise<void> {
  const { drv, drvPath, log, logFile, space, signal, settings } = context;
  const name = drv.builder.slice('builtin:'.length);
  const builder = await context.builtins(name);
  const print = (line: string): void => {
    log.write(`${line}\n`);
    logFile?.write(toBuffer(`${line}\n`));
  };
  const fail = (message: string): never => {
    print(message);
    throw new BuildFailure(
      mayReachOut(drv) ? 'transient' : 'permanent',
      `Cannot build '${drvPath}'.\nReason: builder failed with exit code 1.${knownOutputs(context.finalPaths)}${logTail(context)}`,
    );
  };
  if (builder === undefined) return fail(`unsupported builtin builder '${name}'`);
  const limit = settings.timeout > 0 ? AbortSignal.timeout(settings.timeout * 1000) : undefined;
  const outputs = new Map(
    [...context.scratchPaths].map(([output, path]) => [output, `${space.outputsDir}/${baseName(path)}`]),
  );
  try {
    await builder({
      drvPath,
      drv,
      env: new Map(context.environment.variables),
      outputs,
      outputPaths: context.scratchPaths,
      store: context.store,
      tmpDir: space.buildDir,
      notesDir: context.mode === 'normal' ? `${context.store.stateDir}/tsnix` : undefined,
      http: settings.http,
      hashedMirrors: settings.hashedMirrors,
      hostFiles: settings.sandbox !== 'true' && context.store.realStoreDir === context.store.storeDir,
      log: print,
      signal: limit === undefined ? signal : AbortSignal.any([signal, limit]),
    });
  } catch (error) {
    signal.throwIfAborted();
    if (limit?.aborted === true) {
      throw new BuildFailure(
        'timedOut',
        `Cannot build '${drvPath}'.\nReason: timed out after ${settings.timeout} seconds.`,
      );
    }
    if (error instanceof BuildFailure) throw error;
    fail(error instanceof NixError ? error.message : utf8(error instanceof Error ? error.message : String(error)));
  }
  signal.throwIfAborted();
  // They run with our umask; outputs that others may write to would be refused.
  for (const path of outputs.values()) {
    const stat = lstatSync(fsPath(path), { throwIfNoEntry: false });
    if (stat !== undefined && !stat.isSymbolicLink()) chmodSync(fsPath(path), stat.mode & 0o755);
  }
}
