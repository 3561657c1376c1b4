// Import from derivation: evaluation is synchronous, so it starts this command and waits. `realise-for-evaluation
// --store URI DRV!OUT,OUT …`; not for users.
import { COMMON_FLAGS, BUILD_FLAGS, EVAL_FLAGS, parseFlags } from '../flags.ts';
import type { Config } from '../config.ts';
import { realiseTargets } from '../realise-targets.ts';
import { Session } from '../session.ts';
import { sandboxShell } from './build.ts';

export async function realiseForEvaluation(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, [...COMMON_FLAGS, ...BUILD_FLAGS, ...EVAL_FLAGS], config);
  const session = new Session({ config, flags, readOnly: false });
  try {
    const targets = flags.positionals.map((word) => {
      const [drvPath = '', outputs = ''] = word.split('!');
      return { kind: 'derivation' as const, drvPath: session.asStorePath(drvPath), outputs: outputs.split(',') };
    });
    await realiseTargets(targets, {
      config,
      store: session.store,
      logs: false,
      quiet: false,
      dryRun: false,
      check: false,
      shell: () => sandboxShell(session, false),
    });
    return 0;
  } finally {
    await session.close();
  }
}
