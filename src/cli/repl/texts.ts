// The prompts of the repl, and what `:?` prints.
export const PROMPT = 'nix-repl> ';
export const CONTINUATION = '        > ';

const COMMANDS: readonly (readonly [command: string, ...what: string[]])[] = [
  ['<expr>', 'Evaluate and print expression'],
  ['<x> = <expr>', 'Bind expression to variable'],
  [':a, :add <expr>', 'Add attributes from resulting set to scope'],
  [':b <expr>', 'Build a derivation'],
  [':bl <expr>', 'Build a derivation, creating GC roots in the', 'working directory'],
  [':e, :edit <expr>', 'Open package or function in $EDITOR'],
  [':i <expr>', 'Build derivation, then install result into', 'current profile'],
  [':l, :load <path>', 'Load Nix expression and add it to scope'],
  [':lf, :load-flake <ref>', 'Load Nix flake and add it to scope'],
  [':ll, :last-loaded', 'Show most recently loaded variables added to scope'],
  [':p, :print <expr>', 'Evaluate and print expression recursively', 'Strings are printed directly, without escaping.'],
  [':q, :quit', 'Exit the repl'],
  [':r, :reload', 'Reload all files'],
  [':sh <expr>', 'Build dependencies of derivation, then start', 'nix-shell'],
  [':t <expr>', 'Describe result of evaluation'],
  [':u <expr>', 'Build derivation, then start nix-shell'],
  [':doc <expr>', 'Show documentation of a function'],
  [':log <expr>', 'Show logs for a derivation'],
  [':te, :trace-enable [bool]', 'Enable, disable or toggle showing traces for', 'errors'],
  [':?, :help', 'Brings up this help menu'],
];

const DEBUG_COMMANDS = [
  [':env', 'Show env stack'],
  [':bt, :backtrace', 'Show trace stack'],
  [':st', 'Show current trace'],
  [':st <idx>', 'Change to another trace in the stack'],
  [':c, :continue', 'Go until end of program, exception, or builtins.break'],
  [':s, :step', 'Go one step'],
] as const;

const WIDTH = 31;

export const HELP = `The following commands are available:\n\n${COMMANDS.map(
  ([command, first, ...more]) =>
    `  ${command.padEnd(WIDTH - 2)}${first}\n${more.map((line) => `${' '.repeat(WIDTH)}${line}\n`).join('')}`,
).join('')}`;

export const DEBUG_HELP = `\n        Debug mode commands\n${DEBUG_COMMANDS.map(
  ([command, what]) => `  ${command.padEnd(17)}${what}\n`,
).join('')}`;
