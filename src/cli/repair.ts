// A valid path that is damaged or lost is fetched again, or built by its deriver where no cache has it.
import type { LocalStore } from '../store/local-store.ts';
import { requirePathInfo } from '../store/query.ts';
import type { StorePath } from '../store/store.ts';
import { sandboxShell } from './commands/build.ts';
import type { Config } from './config.ts';
import type { ParsedFlags } from './flags.ts';
import { realiseTargets } from './realise-targets.ts';
import { Session } from './session.ts';

/** @throws StoreError for a path that is not valid, BuildFailure where it cannot be had */
export async function repairStorePath(
  store: LocalStore,
  path: StorePath,
  { config, parsed }: { readonly config: Config; readonly parsed: ParsedFlags },
): Promise<void> {
  requirePathInfo(store, path);
  const logs = !parsed.has('no-build-output') && !parsed.has('quiet');
  let session: Session | undefined;
  try {
    await realiseTargets([{ kind: 'path', path, rebuild: true }], {
      config,
      store,
      logs,
      plainLogs: true,
      announce: false,
      quiet: parsed.has('quiet'),
      dryRun: false,
      check: false,
      repair: true,
      shell: () => {
        session = new Session({ config, flags: parsed, readOnly: false, writes: true, logs });
        return sandboxShell(session, logs);
      },
    });
  } finally {
    await session?.close();
  }
}
