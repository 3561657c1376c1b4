// The environment of a derivation for a person: its variables in a shell that has sourced its $stdenv/setup, as nix-shell
// makes it. What the shell reads first (rc) is Nix's, word for word where it matters.
// Follows Nix's nix-build/nix-build.cc.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { builderEnvironment } from '../../build/environment.ts';
import { derivationOptions } from '../../build/derivation-options.ts';
import type { Derivation } from '../../store/derivation.ts';
import type { StorePath, SyncStore } from '../../store/store.ts';
import { fromUtf8, toBuffer } from '../../util/bytes.ts';
import { shellQuote } from './words.ts';

/** Variables that --pure keeps. */
const keptVariables = [
  'HOME', 'XDG_RUNTIME_DIR', 'USER', 'LOGNAME', 'DISPLAY', 'WAYLAND_DISPLAY', 'WAYLAND_SOCKET', 'PATH', 'TERM',
  'IN_NIX_SHELL', 'NIX_SHELL_PRESERVE_PROMPT', 'TZ', 'PAGER', 'NIX_BUILD_SHELL', 'SHLVL',
  'http_proxy', 'https_proxy', 'ftp_proxy', 'all_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'ALL_PROXY',
  'no_proxy', 'NO_PROXY',
]; // prettier-ignore

export interface ShellEnvironmentOptions {
  readonly store: SyncStore;
  /** Resolved: without placeholders of other derivations. */
  readonly drv: Derivation;
  /** The closure of its inputs. */
  readonly inputs: ReadonlySet<StorePath>;
  readonly cores: number;
  readonly pure: boolean;
  /** --keep. */
  readonly keep: readonly string[];
  readonly callerEnv: Readonly<Record<string, string | undefined>>;
  /** Path of bash, or `bash`. */
  readonly shell: string;
  /** What the shell does then; empty for a prompt. */
  readonly command: string;
  readonly name: string;
}

export interface ShellEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** File for `bash --rcfile FILE` or `bash FILE`. */
  readonly rcFile: string;
  /** Removed by the shell when it ends, and by who starts it. */
  readonly dir: string;
}

/** Writes the files that the shell needs to a new temporary directory. */
export function shellEnvironment(options: ShellEnvironmentOptions): ShellEnvironment {
  const { store, drv, pure, callerEnv, shell } = options;
  const dir = mkdtempSync(join(tmpdir(), `${options.name}-`));
  const env: Record<string, string | undefined> = {};
  const kept = new Set([...keptVariables, ...options.keep]);
  for (const [name, value] of Object.entries(callerEnv)) if (!pure || kept.has(name)) env[name] = value;
  // Else /etc/bashrc of NixOS sources /etc/profile.
  if (pure) env['__ETC_PROFILE_SOURCED'] = '1';
  for (const name of ['NIX_BUILD_TOP', 'TMPDIR', 'TEMPDIR', 'TMP', 'TEMP']) env[name] = dir;
  env['NIX_STORE'] = fromUtf8(store.storeDir);
  env['NIX_BUILD_CORES'] = String(options.cores);

  const settings = derivationOptions(drv, store.storeDir);
  let structured = '';
  if (settings.structured === undefined) {
    let files = 0;
    for (const [name, value] of drv.env) {
      if (settings.passAsFile.has(name)) {
        const file = join(dir, `.attr-${files++}`);
        writeFileSync(file, toBuffer(value));
        env[`${fromUtf8(name)}Path`] = file;
      } else env[fromUtf8(name)] = fromUtf8(value);
    }
  } else {
    // Nix quirk: outputs are placeholders here.
    const { files } = builderEnvironment({
      drv,
      options: settings,
      store,
      inputs: options.inputs,
      buildTop: dir,
      cores: options.cores,
      outputPaths: new Map(),
      callerEnv: {},
    });
    for (const [name, contents] of files) writeFileSync(join(dir, name), toBuffer(contents));
    for (const [name, value] of drv.env) if (name !== '__json') env[fromUtf8(name)] = fromUtf8(value);
    structured = files.get('.attrs.sh') ?? '';
    env['NIX_ATTRS_SH_FILE'] = join(dir, '.attrs.sh');
    env['NIX_ATTRS_JSON_FILE'] = join(dir, '.attrs.json');
  }

  const zone = callerEnv['TZ'];
  const color = process.getuid?.() === 0 ? 31 : 32;
  const rc =
    `_nix_shell_clean_tmpdir() { command rm -rf ${shellQuote(dir)}; };` +
    'trap _nix_shell_clean_tmpdir EXIT; ' +
    'exitHooks+=(_nix_shell_clean_tmpdir); ' +
    'failureHooks+=(_nix_shell_clean_tmpdir); ' +
    (pure ? '' : '[ -n "$PS1" ] && [ -e ~/.bashrc ] && source ~/.bashrc;p=$PATH; ') +
    'unset PATH;dontAddDisableDepTrack=1;\n' +
    `${fromUtf8(structured)}\n[ -e $stdenv/setup ] && source $stdenv/setup; ` +
    (pure ? '' : 'PATH=$PATH:$p; unset p; ') +
    `PATH=${shellQuote(dirname(shell))}:"$PATH"; SHELL=${shellQuote(shell)}; BASH=${shellQuote(shell)}; set +e; ` +
    `[ -n "$PS1" -a -z "$NIX_SHELL_PRESERVE_PROMPT" ] && PS1='\\n\\[\\033[1;${color}m\\][nix-shell:\\w]\\$\\[\\033[0m\\] '; ` +
    (options.name === 'nix-develop'
      ? 'eval "${shellHook:-}"; '
      : 'if [ "$(type -t runHook)" = function ]; then runHook shellHook; fi; ') +
    'unset NIX_ENFORCE_PURITY; shopt -u nullglob; unset TZ; ' +
    (zone === undefined ? '' : `export TZ=${shellQuote(zone)}; `) +
    `shopt -s execfail;${options.command}`;
  const rcFile = join(dir, 'rc');
  writeFileSync(rcFile, rc);
  return { env, rcFile, dir };
}
