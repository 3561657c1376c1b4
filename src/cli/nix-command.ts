// `nix COMMAND …`, the drop-in: tsnix's commands of the same names, called as Nix calls them. Flags may stand before the
// command, old names still work, and positional arguments are installables.
import { COMMON_FLAGS, flag, type Flag } from './flags.ts';
import { GROUPS } from './nested-commands.ts';
import { SETTINGS, SETTING_ALIASES } from './settings-table.ts';
import { table } from '../util/table.ts';

/** What `nix NAME` was called once. */
const ALIASES = table<string>({
  'add-to-store': 'store add-path',
  'cat-nar': 'nar cat',
  'cat-store': 'store cat',
  'copy-sigs': 'store copy-sigs',
  'dev-shell': 'develop',
  'diff-closures': 'store diff-closures',
  doctor: 'config check',
  'dump-path': 'store dump-path',
  'hash-file': 'hash file',
  'hash-path': 'hash path',
  'ls-nar': 'nar ls',
  'ls-store': 'store ls',
  'make-content-addressable': 'store make-content-addressed',
  'optimise-store': 'store optimise',
  'ping-store': 'store info',
  realisation: 'store build-trace',
  'show-config': 'config show',
  'show-derivation': 'derivation show',
  'sign-paths': 'store sign',
  'to-base16': 'hash to-base16',
  'to-base32': 'hash to-base32',
  'to-base64': 'hash to-base64',
  verify: 'store verify',
});

/** Flags with arguments that Nix takes before the command too. */
const LEADING_FLAGS: readonly Flag[] = [...COMMON_FLAGS, flag('log-format', '', { args: ['FORMAT'] })];

export interface NixCommandLine {
  /** The command and its arguments, as tsnix has them. */
  readonly words: readonly string[];
  /** For the user, where the command goes by an old name. */
  readonly warning?: string;
}

/** @param words what follows `nix` on the command line */
export function nixCommandLine(words: readonly string[]): NixCommandLine {
  let at = 0;
  while (at < words.length && words[at]!.startsWith('-')) at += 1 + argumentsOf(words[at]!);
  const leading = words.slice(0, at);
  const [name, ...rest] = words.slice(at);
  // Of flags without a command only these mean something, and their order does not.
  if (name === undefined) {
    const meant = leading.includes('--version') ? /^(?:--help|--version|--verbose|-v+)$/ : /^--help$/;
    return { words: leading.filter((word) => meant.test(word)) };
  }
  // The only one of its kind, and `shell` is short for it.
  if (name === 'env' && rest[0] === 'shell') return { words: ['shell', ...leading, ...rest.slice(1)] };
  const alias = ALIASES[name];
  if (alias === undefined) {
    // The second word of `store ls` stays beside the first.
    const verbs = GROUPS[name] === undefined || rest[0]?.startsWith('-') === true ? 0 : 1;
    return { words: [name, ...rest.slice(0, verbs), ...leading, ...rest.slice(verbs)] };
  }
  return {
    words: [...alias.split(' '), ...leading, ...rest],
    warning: `'${name}' is a deprecated alias for '${alias}'`,
  };
}

/** How many arguments follow a flag of all commands, or a setting. */
export function argumentsOf(word: string): number {
  const name = word.replace(/^--?/, '');
  const known = LEADING_FLAGS.find((f) => f.name === name);
  if (known !== undefined) return known.args.length;
  const setting = SETTINGS[SETTING_ALIASES[name] ?? name] ?? SETTINGS[name.replace(/^extra-/, '')];
  return setting === undefined || setting.kind === 'bool' || setting.kind === 'sandbox' ? 0 : 1;
}
