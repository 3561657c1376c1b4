// `tsnix flake show`: a flake's outputs as a tree, or as JSON. No more is evaluated than is shown.
import { lockArgument } from '../../flake-installable.ts';
import { Attrs } from '../../../eval/attrs.ts';
import type { Evaluator } from '../../../eval/evaluator.ts';
import { printAttrName } from '../../../eval/print-string.ts';
import type { Slot, Value } from '../../../eval/value.ts';
import { showFlakeRef } from '../../../builtins/flake-ref/flake-ref.ts';
import { utf8 } from '../../../util/bytes.ts';
import { EvalError, ImportFromDerivationError, TypeMismatchError } from '../../../util/errors.ts';
import { intern } from '../../../util/symbols.ts';
import type { Config } from '../../config.ts';
import { isDerivation } from '../../derivations.ts';
import { flag, parseFlags, type Flag } from '../../flags.ts';
import { print, say, styledOutput } from '../../output.ts';
import { JSON_FLAGS, printJson, type JsonValue } from '../../print-json.ts';
import { flakeArgument, outputsOf, PLAIN_FLAGS, withSession } from './flags.ts';

export const SHOW_FLAGS: readonly Flag[] = [
  flag('legacy', 'show what is in legacyPackages'),
  flag('all-systems', 'show the outputs for all systems'),
  ...JSON_FLAGS,
  ...PLAIN_FLAGS,
];

const [BOLD, GREEN, MAGENTA, NORMAL] = ['\x1b[1m', '\x1b[32;1m', '\x1b[35;1m', '\x1b[0m'];
const LAST = utf8('└───');
const BRANCH = utf8('├───');
const LINE = utf8('│   ');

export async function flakeShow(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, SHOW_FLAGS, config);
  if (!config.isSet('allow-import-from-derivation')) config.set('allow-import-from-derivation', 'false');
  return withSession(flags, config, ({ evaluator: ev }) => {
    const { locked } = lockArgument(ev, flakeArgument(flags), flags, config, { configure: undefined });
    const json = flags.has('json');
    const show = new Show(ev, config.system, {
      json,
      legacy: flags.has('legacy'),
      allSystems: flags.has('all-systems'),
    });
    const tree = show.visit(outputsOf(ev, locked), [], show.bold(showFlakeRef(locked.flake.locked)), '');
    if (json) printJson(tree, flags);
    return 0;
  });
}

interface ShowOptions {
  readonly json: boolean;
  readonly legacy: boolean;
  readonly allSystems: boolean;
}

type Path = readonly string[];

/** Sets of sets by system. */
const BY_SYSTEM = ['apps', 'checks', 'devShells', 'packages'];
const ONE_LEVEL = ['formatter', 'nixosConfigurations', 'nixosModules', 'overlays'];
const ONE_PER_SYSTEM = ['defaultPackage', 'devShell', 'formatter'];

class Show {
  private readonly ev: Evaluator;
  private readonly system: string;
  private readonly options: ShowOptions;
  private readonly styled = styledOutput();

  constructor(ev: Evaluator, system: string, options: ShowOptions) {
    this.ev = ev;
    this.system = system;
    this.options = options;
  }

  bold(text: string): string {
    return this.style(BOLD, text);
  }

  private style(style: string, text: string): string {
    return this.styled ? `${style}${text}${NORMAL}` : text;
  }

  /** @returns what JSON has for it */
  visit(slot: Slot, path: Path, header: string, indent: string): JsonValue {
    try {
      return this.describe(slot, path, header, indent);
    } catch (error) {
      if (error instanceof EvalError && path[0] === 'legacyPackages') return {};
      throw error;
    }
  }

  private describe(slot: Slot, path: Path, header: string, indent: string): JsonValue {
    const [kind = ''] = path;
    const depth = path.length;
    const isSet =
      depth === 0 ||
      (depth === 1 && [...ONE_LEVEL, 'defaultPackage', 'devShell', 'defaultApp', 'templates'].includes(kind)) ||
      (depth <= 2 && BY_SYSTEM.includes(kind));
    if (isSet) return this.members(slot, path, header, indent);
    if (
      (depth === 2 && ONE_PER_SYSTEM.includes(kind)) ||
      (depth === 3 && ['checks', 'packages', 'devShells'].includes(kind))
    ) {
      if (this.isOtherSystem(path)) return this.omitted(path, header, " (use '--all-systems' to show)");
      return this.withoutBuilding(path, header, () => {
        if (isDerivation(this.ev, this.ev.force(slot))) return this.derivation(slot, path, header);
        say(`warning: ${showPath([...path, 'name'])} is not a derivation`);
        return {};
      });
    }
    if (kind === 'hydraJobs') {
      return this.withoutBuilding(path, header, () =>
        isDerivation(this.ev, this.ev.force(slot))
          ? this.derivation(slot, path, header)
          : this.members(slot, path, header, indent),
      );
    }
    if (kind === 'legacyPackages') return this.legacy(slot, path, header, indent);
    if ((depth === 2 && kind === 'defaultApp') || (depth === 3 && kind === 'apps')) return this.app(slot, header);
    if ((depth === 1 && kind === 'defaultTemplate') || (depth === 2 && kind === 'templates')) {
      const description = this.text(this.attr(slot, path, 'description'), [...path, 'description']);
      if (this.options.json) return { type: 'template', description };
      return this.line(`${header}: template: ${this.bold(description)}`);
    }
    const [type, shown] = kindOf(kind, depth);
    if (this.options.json) return { type };
    return this.line(`${header}: ${this.style(MAGENTA, shown)}`);
  }

  private line(text: string): JsonValue {
    print(`${text}\n`);
    return {};
  }

  private legacy(slot: Slot, path: Path, header: string, indent: string): JsonValue {
    if (path.length === 1) return this.members(slot, path, header, indent);
    if (!this.options.legacy) return this.omitted(path, header, " (use '--legacy' to show)");
    if (this.isOtherSystem(path)) return this.omitted(path, header, " (use '--all-systems' to show)");
    return this.withoutBuilding(path, header, () => {
      if (isDerivation(this.ev, this.ev.force(slot))) return this.derivation(slot, path, header);
      return path.length <= 2 ? this.members(slot, path, header, indent) : {};
    });
  }

  private isOtherSystem(path: Path): boolean {
    return !this.options.allSystems && path[1] !== this.system;
  }

  private omitted(path: Path, header: string, why: string): JsonValue {
    if (!this.options.json) return this.line(`${header} ${this.style(MAGENTA, 'omitted')}${why}`);
    say(`warning: ${showPath(path)} omitted${why}`);
    return {};
  }

  /** What only a build would tell is left out. */
  private withoutBuilding(path: Path, header: string, body: () => JsonValue): JsonValue {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof ImportFromDerivationError)) throw error;
      const why = 'omitted due to use of import from derivation';
      if (!this.options.json) return this.line(`${header} ${this.style(MAGENTA, why)}`);
      say(`warning: ${showPath(path)} ${why}`);
      return {};
    }
  }

  private members(slot: Slot, path: Path, header: string, indent: string): JsonValue {
    if (!this.options.json) print(`${header}\n`);
    const shown: [string, Slot][] = [];
    this.set(slot, path).forEachByName((name, member) => {
      if (this.hasContent(member, [...path, name])) shown.push([name, member]);
    });
    const json = new Map<string, JsonValue>();
    shown.forEach(([name, member], i) => {
      const last = i === shown.length - 1;
      const branch = this.style(GREEN, `${indent}${last ? LAST : BRANCH}`);
      const below = indent + (last ? '    ' : LINE);
      json.set(name, this.visit(member, [...path, name], `${branch}${this.bold(name)}`, below));
    });
    return json;
  }

  /** Frameworks make attributes for every system, and leave them empty. */
  private hasContent(slot: Slot, path: Path): boolean {
    const [kind] = path;
    const isContainer =
      (path.length <= 2 && [...BY_SYSTEM, 'legacyPackages'].includes(kind!)) ||
      (path.length === 1 && ONE_LEVEL.includes(kind!));
    if (!isContainer) return true;
    try {
      let found = false;
      this.set(slot, path).forEachByName((name, member) => {
        found ||= this.hasContent(member, [...path, name]);
      });
      return found;
    } catch (error) {
      // It is shown then, and fails there.
      if (error instanceof EvalError) return true;
      throw error;
    }
  }

  private derivation(slot: Slot, path: Path, header: string): JsonValue {
    const [kind] = path;
    const name = this.text(this.attr(slot, path, 'name'), [...path, 'name']);
    if (this.options.json) {
      return { type: 'derivation', name, description: this.descriptionOf(slot) ?? '' };
    }
    const what =
      (path.length === 2 && kind === 'devShell') || kind === 'devShells'
        ? 'development environment'
        : kind === 'checks' || kind === 'hydraJobs'
          ? 'derivation'
          : 'package';
    return this.line(`${header}: ${what} '${name}'`);
  }

  private app(slot: Slot, header: string): JsonValue {
    const value = this.ev.force(slot);
    const type = value instanceof Attrs ? value.get(intern('type')) : undefined;
    const description = this.descriptionOf(slot);
    if (type === undefined || this.text(type, ['type']) !== 'app') throw new EvalError('not an app definition');
    if (this.options.json) return { type: 'app', ...(description === undefined ? {} : { description }) };
    return this.line(`${header}: app: ${this.bold(description ?? 'no description')}`);
  }

  private descriptionOf(slot: Slot): string | undefined {
    const member = (value: Value, name: string): Slot | undefined =>
      value instanceof Attrs ? value.get(intern(name)) : undefined;
    const meta = member(this.ev.force(slot), 'meta');
    const description = meta === undefined ? undefined : member(this.ev.force(meta), 'description');
    return description === undefined ? undefined : this.text(description, ['meta', 'description']);
  }

  private set(slot: Slot, path: Path): Attrs {
    const value = this.ev.force(slot);
    if (value instanceof Attrs) return value;
    throw new TypeMismatchError(`'${showPath(path)}' is not an attribute set`);
  }

  private attr(slot: Slot, path: Path, name: string): Slot {
    const found = this.set(slot, path).get(intern(name));
    if (found !== undefined) return found;
    throw new EvalError(`attribute '${showPath([...path, name])}' does not exist`);
  }

  private text(slot: Slot, path: Path): string {
    const value = this.ev.force(slot);
    if (typeof value === 'string') return value;
    if (typeof value === 'object' && value !== null && 'text' in value) return value.text;
    throw new TypeMismatchError(`'${showPath(path)}' is not a string but ${this.ev.showType(value)}`);
  }
}

function showPath(path: Path): string {
  return path.map(printAttrName).join('.');
}

function kindOf(kind: string, depth: number): readonly [type: string, shown: string] {
  if ((depth === 1 && kind === 'overlay') || (depth === 2 && kind === 'overlays')) {
    return ['nixpkgs-overlay', 'Nixpkgs overlay'];
  }
  if (depth === 2 && kind === 'nixosConfigurations') return ['nixos-configuration', 'NixOS configuration'];
  if ((depth === 1 && kind === 'nixosModule') || (depth === 2 && kind === 'nixosModules')) {
    return ['nixos-module', 'NixOS module'];
  }
  return ['unknown', 'unknown'];
}
