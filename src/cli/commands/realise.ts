// Import from derivation: evaluation is synchronous, so it starts this command and waits. `realise-for-evaluation
// --store URI DRV^OUT,OUT … PATH …`, which prints their paths; not for users. With --content-address PATH is fetched
// from the substituters, whoever signed it, and rewritten: its new path is printed. What goes wrong is told through
// descriptor 3, as data: the message is part of the evaluation's error.
import { writeSync } from 'node:fs';
import { COMMON_FLAGS, BUILD_FLAGS, EVAL_FLAGS, flag, parseFlags } from '../flags.ts';
import type { Config } from '../config.ts';
import { realiseTargets } from '../realise-targets.ts';
import { print } from '../output.ts';
import { Session } from '../session.ts';
import { toBuffer, utf8 } from '../../util/bytes.ts';
import { NixError } from '../../util/errors.ts';
import { sandboxShell } from './build.ts';

const FLAGS = [...COMMON_FLAGS, ...BUILD_FLAGS, ...EVAL_FLAGS, flag('content-address', 'rewrite what was fetched')];

export async function realiseForEvaluation(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  const session = new Session({ config, flags, readOnly: false, writes: true });
  const logs = flags.has('print-build-logs');
  try {
    if (flags.has('content-address')) {
      const { fetchRewritten } = await import('../fetch-rewritten.ts');
      for (const word of flags.positionals)
        print(`${await fetchRewritten(session, session.asStorePath(utf8(word)))}\n`);
      return 0;
    }
    const targets = flags.positionals.map((word) => {
      const [drvPath = '', ...through] = utf8(word).split('^');
      if (through.length === 0) return { kind: 'path' as const, path: session.asStorePath(drvPath), outputs: ['out'] };
      const outputs = through.pop()!.split(',');
      return { kind: 'derivation' as const, drvPath: session.asStorePath(drvPath), through, outputs };
    });
    const made = await realiseTargets(targets, {
      config,
      store: session.store,
      logs,
      quiet: flags.has('quiet'),
      announce: false,
      dryRun: false,
      check: false,
      dieWithParent: true,
      shell: () => sandboxShell(session, logs),
    });
    made?.forEach((paths, i) => print(targets[i]!.outputs.map((output) => `${paths.get(output)!}\n`).join('')));
    return 0;
  } catch (error) {
    if (!(error instanceof NixError)) throw error;
    try {
      writeSync(3, toBuffer(error.message));
    } catch {
      // Who asked has gone: nobody is left to tell.
    }
    return error.exitStatus;
  } finally {
    await session.close();
  }
}
