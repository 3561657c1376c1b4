// What evaluation is told of a command's settings, flags and environment.
import type { Evaluator } from '../eval/evaluator.ts';
import type { EvalSettings } from '../eval/settings.ts';
import type { LintLevel } from '../parser/index.ts';
import { utf8 } from '../util/bytes.ts';
import { UsageError } from '../util/errors.ts';
import type { Config } from './config.ts';
import { fetchSettings } from './fetch-settings.ts';
import type { ParsedFlags } from './flags.ts';
import { searchPath } from './nix-path.ts';

/** @throws UsageError */
export function evalSettings(config: Config, flags: ParsedFlags, readOnly: boolean): EvalSettings {
  return {
    pureEval: config.bool('pure-eval'),
    restrictEval: config.bool('restrict-eval'),
    allowedUris: config.list('allowed-uris').map(utf8),
    allowImportFromDerivation: config.bool('allow-import-from-derivation'),
    traceImportFromDerivation: config.bool('trace-import-from-derivation'),
    nativeCode: config.bool('allow-unsafe-native-code-during-evaluation'),
    maxCallDepth: config.int('max-call-depth'),
    experimentalFeatures: config.experimentalFeatures,
    nixPath: searchPath(flags.list('include').map(utf8), config, process.env),
    traceVerbose: config.bool('trace-verbose'),
    abortOnWarn: config.bool('abort-on-warn') || ['1', 'yes', 'true'].includes(process.env['NIX_ABORT_ON_WARN'] ?? ''),
    debuggerOnTrace: config.bool('debugger-on-trace'),
    debuggerOnWarn: config.bool('debugger-on-warn'),
    ignoreTry: config.bool('ignore-try'),
    readOnly,
    showTrace: config.bool('show-trace'),
    fetch: fetchSettings(config, process.env),
    lints: {
      urlLiterals: lintLevel(config, 'lint-url-literals'),
      absolutePathLiterals: lintLevel(config, 'lint-absolute-path-literals'),
      shortPathLiterals:
        config.bool('warn-short-path-literals') && !config.isSet('lint-short-path-literals')
          ? 'warn'
          : lintLevel(config, 'lint-short-path-literals'),
    },
  };
}

/** After settings have changed; what may be read was decided when evaluation began. */
export function applySettings({ settings }: Evaluator, flags: ParsedFlags, config: Config): void {
  const { pureEval, restrictEval, readOnly } = settings;
  Object.assign(settings, evalSettings(config, flags, readOnly), { pureEval, restrictEval });
}

/** @throws UsageError */
function lintLevel(config: Config, name: string): LintLevel {
  const value = config.string(name);
  if (value !== 'ignore' && value !== 'warn' && value !== 'fatal') {
    throw new UsageError(`option '${name}' has invalid value '${value}' (expected 'ignore', 'warn', or 'fatal')`);
  }
  return value;
}
