// What the operations of `nix-env` work with.
import { lstatSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { findAlongAttrPath } from '../../../eval/attr-path.ts';
import type { AutoCallOptions } from '../../../eval/auto-call.ts';
import { Attrs } from '../../../eval/attrs.ts';
import { isPseudoUrl } from '../../../eval/search-path.ts';
import type { Slot, Value } from '../../../eval/value.ts';
import { followLinksToStorePath } from '../../../store/follow-links.ts';
import { isDerivationPath, isInStore, storePathName } from '../../../store/store-path.ts';
import { fromUtf8, fsPath, utf8 } from '../../../util/bytes.ts';
import { EvalError } from '../../../util/errors.ts';
import { asDerivationStore } from '../../realise-targets.ts';
import { say } from '../../output.ts';
import type { Session } from '../../session.ts';
import { COMBINE_CHANNELS, findPackages } from '../../user-env/find-packages.ts';
import { PackageInfo } from '../../user-env/package-info.ts';
import { selectPackages } from '../../user-env/selectors.ts';
import { installedPackages } from '../../user-env/user-env.ts';

/** Where packages to install come from. */
export type InstallSource =
  { readonly kind: 'names' | 'attributes' | 'expressions' } | { readonly kind: 'profile'; readonly profile: string };

export interface NixEnvContext {
  readonly session: Session;
  /** Byte string. */
  readonly profile: string;
  /** Byte string: the file or folder of expressions. */
  readonly expressions: string;
  /** `*` for all. */
  readonly systemFilter: string;
  readonly dryRun: boolean;
  readonly prebuiltOnly: boolean;
  readonly forceName: string;
  /** Flags of the operation, as they were written, with their arguments. */
  readonly flags: readonly (readonly [name: string, ...args: string[]])[];
  readonly args: readonly string[];
  /** Tells what is done; nothing with --quiet. */
  readonly info: (message: string) => void;
}

export const callsOf = ({ session }: NixEnvContext): AutoCallOptions => ({ args: session.autoArgs() });

/** How many expressions a folder may hold. */
const MAX_EXPRESSIONS = 1024;

/** The value of the file, or a set of those in the folder. @throws EvalError */
export function loadExpressions({ session, expressions }: NixEnvContext): Value {
  // What was fetched lies where only evaluation may find it.
  if (isInStore(expressions, session.store.storeDir)) return session.evaluator.evalFile(expressions);
  const path = expressions;
  const stat = statSync(fsPath(path), { throwIfNoEntry: false });
  if (stat === undefined) throw new EvalError(`path '${expressions}' does not exist`);
  if (isExpression(path, stat.isFile(), stat.isDirectory())) return session.evaluator.evalFile(expressions);
  if (!stat.isDirectory()) throw new EvalError(`path '${expressions}' is not a directory or a Nix expression`);
  const found = new Map<string, Slot>([[COMBINE_CHANNELS, []]]);
  collectExpressions(session, path, found);
  return Attrs.from(found);
}

function isExpression(path: string, isFile: boolean, isDirectory: boolean): boolean {
  return isFile || (isDirectory && statSync(fsPath(`${path}/default.nix`), { throwIfNoEntry: false }) !== undefined);
}

function collectExpressions(session: Session, folder: string, found: Map<string, Slot>): void {
  for (const name of readdirSync(fsPath(folder), 'latin1').sort()) {
    if (name === 'manifest.nix') continue; // of a profile, as channels are
    const link = `${folder}/${name}`;
    const stat = statSync(fsPath(link), { throwIfNoEntry: false });
    if (stat === undefined) continue;
    const path = lstatSync(fsPath(link)).isSymbolicLink() ? utf8(realpathSync(fromUtf8(link))) : link;
    if (isExpression(path, stat.isFile(), stat.isDirectory()) && (!stat.isFile() || path.endsWith('.nix'))) {
      const attr = name.endsWith('.nix') ? name.slice(0, -4) : name;
      if (found.has(attr)) {
        const isChannel = path.includes('channels') && folder.includes('channels');
        const advice = isChannel
          ? `\nsuggestion: remove '${attr}' from either the root channels or the user channels`
          : '';
        say(`warning: name collision in input Nix expressions, skipping '${path}'${advice}`);
        continue;
      }
      if (found.size === MAX_EXPRESSIONS) {
        throw new EvalError(`too many Nix expressions in directory '${folder}'`);
      }
      found.set(
        attr,
        session.evaluator.lazy(() => session.evaluator.evalFile(path)),
      );
    } else if (stat.isDirectory()) collectExpressions(session, path, found);
  }
}

/** All packages of the expressions. @throws EvalError */
export function availablePackages(context: NixEnvContext, attrPath = ''): PackageInfo[] {
  const { session, systemFilter } = context;
  const calls = callsOf(context);
  const { slot } = findAlongAttrPath(session.evaluator, attrPath, loadExpressions(context), calls);
  const found = findPackages(session.evaluator, slot, attrPath, { calls, ignoreAssertions: true });
  return systemFilter === '*' ? found : found.filter(({ system }) => system === systemFilter);
}

/** What the arguments of an operation name. @throws EvalError, StoreError */
export function packagesFrom(context: NixEnvContext, source: InstallSource, newestOnly: boolean): PackageInfo[] {
  const { session, args } = context;
  const { evaluator: ev } = session;
  const calls = callsOf(context);
  const warn = (message: string): void => say(`warning: ${message}`);
  const selection = { newestOnly, system: session.config.system, warn };
  if (source.kind === 'names') {
    if (args[0]?.includes('/') === true) return args.map((word) => packageAt(session, word));
    return selectPackages(availablePackages(context), args, selection);
  }
  if (source.kind === 'profile') {
    const profile = utf8(resolve(fromUtf8(source.profile)));
    return selectPackages(installedPackages(session, profile), args, selection);
  }
  const root = loadExpressions(context);
  return args.flatMap((word) => {
    const slot =
      source.kind === 'attributes'
        ? findAlongAttrPath(ev, word, root, calls).slot
        : ev.call(ev.evalString(word, utf8(process.cwd()), { kind: 'string' }), [root], 0);
    return findPackages(ev, slot, '', { calls, ignoreAssertions: true });
  });
}

/** A store path, or a link to one. @throws StoreError */
function packageAt(session: Session, word: string): PackageInfo {
  const path = followLinksToStorePath(session.store, word, utf8(process.cwd()));
  const name = storePathName(path);
  if (!isDerivationPath(path)) return new PackageInfo(session.evaluator, '', { name, outPath: path });
  const outPath = asDerivationStore(session.store).derivationOutputs(path).get('out');
  if (outPath === undefined) throw new EvalError(`derivation '${path}' does not have output 'out'`);
  // Nix quirk: the name keeps its `.drv`.
  return new PackageInfo(session.evaluator, '', { name, outPath, drvPath: path });
}

/** A FILE of the command line. */
export function expressionsOf(session: Session, file: string): string {
  if (isPseudoUrl(file) || /^<.+>$/.test(file) || file.startsWith('flake:')) {
    const path = session.resolveFileArgument(file);
    return basename(path) === 'default.nix' ? path.slice(0, -'/default.nix'.length) : path;
  }
  return utf8(resolve(file));
}
