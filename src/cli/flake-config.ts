// `nixConfig` of flakes: settings that a flake asks for. Those that could do harm count only where the user trusts them:
// by --accept-flake-config, by an answer, or by an earlier one that was kept (libflake/config.cc).
import { existsSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import threads from 'node:worker_threads';
import type { Flake } from '../builtins/flake/read-flake.ts';
import { fromUtf8, utf8 } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import { makeDirs } from '../util/make-dirs.ts';
import { nixHome } from '../util/user-dirs.ts';
import type { Config } from './config.ts';
import { isTerminal, say } from './output.ts';

const HARMLESS: readonly string[] = [
  'bash-prompt',
  'bash-prompt-prefix',
  'bash-prompt-suffix',
  'flake-registry',
  'commit-lock-file-summary',
  'commit-lockfile-summary',
];

/** Setting → value → whether it is trusted. */
type Answers = Map<string, Map<string, boolean>>;

/** @throws UsageError for a value that the setting can't have */
export function applyFlakeConfig(settings: Flake['config'], config: Config): void {
  for (const [name, value] of [...settings].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const text = fromUtf8(Array.isArray(value) ? value.join(' ') : String(value));
    if (!HARMLESS.includes(name.replace(/^extra-/, '')) && !config.bool('accept-flake-config')) {
      if (!isTrusted(name, text)) {
        say(
          `warning: ignoring untrusted flake configuration setting '${name}'.\nPass '--accept-flake-config' to trust it`,
        );
        continue;
      }
    }
    config.set(fromUtf8(name), text);
  }
}

function isTrusted(name: string, value: string): boolean {
  const file = join(nixHome(process.env, 'DATA'), 'trusted-settings.json');
  const answers = readAnswers(file);
  const saved = answers.get(name)?.get(value);
  if (saved !== undefined) {
    say(`Using saved setting for '${name} = ${utf8(value)}' from ~/.local/share/nix/trusted-settings.json.`);
    return saved;
  }
  const trusted = ask(`do you want to allow configuration setting '${name}' to be set to '${utf8(value)}' (y/N)?`);
  if (ask(`do you want to permanently mark this value as ${trusted ? 'trusted' : 'untrusted'} (y/N)?`)) {
    answers.set(name, new Map(answers.get(name)).set(value, trusted));
    makeDirs(utf8(dirname(file)));
    const entries = [...answers].map(([key, values]) => [key, Object.fromEntries(values)] as const);
    writeFileSync(file, JSON.stringify(Object.fromEntries(entries)));
  }
  return trusted;
}

/** @throws StoreError */
function readAnswers(file: string): Answers {
  if (!existsSync(file)) return new Map();
  try {
    const json = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Record<string, boolean>>;
    return new Map(Object.entries(json).map(([name, values]) => [name, new Map(Object.entries(values))]));
  } catch (error) {
    throw new StoreError(`could not parse '${utf8(file)}': ${utf8((error as Error).message)}`, { cause: error });
  }
}

/** No where there is nobody to ask, or where somebody else reads what is typed: the repl. */
function ask(question: string): boolean {
  if (!threads.isMainThread || !isTerminal(0) || !isTerminal(2)) return false;
  say(question);
  let line = '';
  const byte = Buffer.alloc(1);
  while (readSync(0, byte) === 1 && byte[0] !== 0x0a) line += byte.toString('latin1');
  return line.trim().toLowerCase() === 'y';
}
