// Makes what a command is to look at valid first.
import type { BuildTarget } from '../build/realise-options.ts';
import type { Config } from './config.ts';
import type { ParsedFlags } from './flags.ts';
import type { Installable } from './installables.ts';

/** Builds or fetches outputs that are not there. @throws BuildFailure */
export async function realisePathsOf(
  installables: readonly Installable[],
  { flags, config }: { readonly flags: ParsedFlags; readonly config: Config },
): Promise<void> {
  const targets: BuildTarget[] = installables.map(({ target }) => target).filter(({ kind }) => kind === 'derivation');
  if (targets.length === 0 || flags.has('derivation')) return;
  const [{ Session }, { realiseTargets }, { sandboxShell }] = await Promise.all([
    import('./session.ts'),
    import('./realise-targets.ts'),
    import('./commands/build.ts'),
  ]);
  const logs = flags.has('print-build-logs');
  const session = new Session({ config, flags, readOnly: false, writes: true, logs });
  try {
    await realiseTargets(targets, {
      config,
      store: session.store,
      logs,
      announce: true,
      quiet: flags.has('quiet'),
      dryRun: false,
      check: false,
      shell: () => sandboxShell(session, logs),
    });
  } finally {
    await session.close();
  }
}
