// What an evaluating command is asked about: -E expressions, FILE, standard input, or the default file; by `nix`
// installables, which are attributes of those or of flakes.
import { Attrs } from '../../eval/attrs.ts';
import type { Value } from '../../eval/value.ts';
import { utf8 } from '../../util/bytes.ts';
import { EvalError, UsageError } from '../../util/errors.ts';
import { intern } from '../../util/symbols.ts';
import { isThere } from '../cache/looks.ts';
import type { FoundDerivation } from '../derivations.ts';
import { flakeAttributes, isFlakeArgument, loadFlakeArgument, type FlakeAttributes } from '../flake-installable.ts';
import { splitOutputs, type WantedOutputs } from '../installable-outputs.ts';
import type { Session } from '../session.ts';

export interface Source {
  /** As the user wrote it; for messages. */
  readonly label: string;
  /** Whether it is the embedded package set: there is nothing else to evaluate. */
  readonly embedded: boolean;
  /** Whether what it loads is an output of a flake. */
  readonly flake: boolean;
  /** What is wanted of its value. */
  readonly attrPaths: readonly string[];
  /** The outputs named behind `^`. */
  readonly outputs: WantedOutputs | undefined;
  readonly load: () => Value;
  /** Once it is loaded: where the flake has it. */
  readonly foundAt?: () => string | undefined;
}

/**
 * FILEs, flakes and -E of a command line; without any ./default.nix, ./flake.nix, or the embedded package set.
 * @param flakes false: the older commands know none
 */
export function sourcesOf(
  session: Session,
  flakes = true,
  positionals: readonly string[] = session.flags.positionals,
  attributes: FlakeAttributes = flakeAttributes(session.config.system),
): Source[] {
  const { flags } = session;
  if (session.config.nixCommand) return installablesOf(session, positionals, attributes);
  const source = (label: string, load: () => Value, more: Partial<Source> = {}): Source => ({
    ...sourceOf(session, label, load),
    ...more,
  });
  const flakeSource = (argument: string): Source => ({
    ...source(argument, () => null),
    ...flakeParts(session, argument, attributes),
  });
  const expressions = flags.list('expr');
  if (expressions.length > 0) {
    if (flags.has('file')) throw new UsageError("'--file' and '--expr' are exclusive");
    if (positionals.length > 0) throw new UsageError(`'--expr' and FILE do not go together: '${positionals[0]!}'`);
    return expressions.map((text) => expressionSource(session, text));
  }
  const files = [...flags.list('file'), ...positionals];
  if (files.length > 0) {
    return files.map((file) => {
      if (file === '-') return source(file, () => session.evalStdin());
      return flakes && isFlake(session, file) ? flakeSource(file) : source(file, () => session.evalFileArgument(file));
    });
  }
  if (isThere('default.nix')) return [source('./default.nix', () => session.evalFileArgument('./default.nix'))];
  if (flakes && isFlake(session, '.')) return [flakeSource('.')];
  return [source('the embedded package set', () => session.embeddedPackageSet(), { embedded: true })];
}

function sourceOf(session: Session, label: string, load: () => Value): Source {
  const attrPaths = session.flags.has('attr') ? session.flags.list('attr') : [''];
  return { label, embedded: false, flake: false, attrPaths, outputs: undefined, load };
}

export function expressionSource(session: Session, text: string): Source {
  return sourceOf(session, text, () => session.evalExpression(text));
}

/** As `nix` has them: attributes of --file or --expr, else flakes' outputs. @throws UsageError */
function installablesOf(session: Session, words: readonly string[], attributes: FlakeAttributes): Source[] {
  const { flags } = session;
  const [expression, file] = [flags.get('expr'), flags.get('file')];
  if (expression === undefined && file === undefined) {
    return (words.length === 0 ? ['.'] : words).map((word) => {
      const { base, outputs } = splitOutputs(word);
      return { label: word, embedded: false, attrPaths: [''], outputs, ...flakeParts(session, base, attributes) };
    });
  }
  if (expression !== undefined && file !== undefined) throw new UsageError("'--file' and '--expr' are exclusive");
  let root: Value | undefined;
  const load = (): Value => {
    root ??=
      expression !== undefined
        ? session.evalExpression(expression)
        : file === '-'
          ? session.evalStdin()
          : session.evalFileArgument(file!);
    return root;
  };
  return (words.length === 0 ? [''] : words).map((word) => {
    const { base, outputs } = splitOutputs(word);
    return { label: word, embedded: false, flake: false, attrPaths: [base === '.' ? '' : base], outputs, load };
  });
}

function isFlake(session: Session, argument: string): boolean {
  return isFlakeArgument(argument, session.config);
}

function flakeParts(
  session: Session,
  argument: string,
  attributes: FlakeAttributes,
): Pick<Source, 'flake' | 'load' | 'foundAt'> {
  let foundAt: string | undefined;
  const load = (): Value => {
    session.doubtResult('a flake was locked first');
    const found = loadFlakeArgument(session.evaluator, argument, session.flags, session.config, attributes);
    foundAt = found.attrPath;
    return found.value;
  };
  return { flake: true, load, foundAt: () => foundAt };
}

const sOutputs = intern('outputs');
const sOutputSpecified = intern('outputSpecified');
const sMeta = intern('meta');
const sOutputsToInstall = intern('outputsToInstall');

/**
 * Which outputs of a derivation a source means: those it names, else the one that the derivation stands for; by `nix`
 * those that are to be installed. @throws EvalError
 */
export function outputsWanted(session: Session, source: Source, drv: FoundDerivation): WantedOutputs {
  if (source.outputs !== undefined) return source.outputs;
  const own = drv.outputName;
  if (!session.config.nixCommand) {
    if (own !== '') return [own];
    throw new EvalError(`derivation '${utf8(drv.name)}' lacks an 'outputName' attribute`);
  }
  const { evaluator: ev } = session;
  const strings = (set: Attrs, name: ReturnType<typeof intern>): string[] | undefined => {
    const slot = set.get(name);
    if (slot === undefined) return undefined;
    return ev.expectList(slot, 0, '').map((element) => ev.expectStringNoContext(element, 0, ''));
  };
  const specified = drv.attrs.get(sOutputSpecified);
  if (specified !== undefined && ev.force(specified) === true) return [own === '' ? 'out' : own];
  const metaSlot = drv.attrs.get(sMeta);
  const meta = metaSlot === undefined ? undefined : ev.force(metaSlot);
  const toInstall = meta instanceof Attrs ? strings(meta, sOutputsToInstall) : undefined;
  if (toInstall !== undefined && toInstall.length > 0) return toInstall.sort();
  return (source.flake ? undefined : strings(drv.attrs, sOutputs)?.sort()) ?? ['out'];
}
