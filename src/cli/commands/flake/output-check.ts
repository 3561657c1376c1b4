// What `nix flake check` asks of each output of a flake, by its name. What is wrong is reported, and the rest looked at.
import { autoCall } from '../../../eval/auto-call.ts';
import { findAlongAttrPath } from '../../../eval/attr-path.ts';
import { Attrs } from '../../../eval/attrs.ts';
import { ContextBuilder } from '../../../eval/context.ts';
import type { Evaluator } from '../../../eval/evaluator.ts';
import { Lambda } from '../../../eval/lambda.ts';
import { printPosition } from '../../../eval/print-position.ts';
import type { Slot } from '../../../eval/value.ts';
import { EvalError } from '../../../util/errors.ts';
import type { Pos } from '../../../util/positions.ts';
import { intern, symbolName } from '../../../util/symbols.ts';
import { table } from '../../../util/table.ts';
import { drvPathOf, isDerivation } from '../../derivations.ts';
import { say } from '../../output.ts';

export interface OutputCheckOptions {
  readonly allSystems: boolean;
  /** Told what is wrong; throws it where the first mistake ends the command. */
  readonly report: (error: unknown) => void;
  /** Tells what is being checked. */
  readonly progress: (what: string) => void;
}

type Check = (path: string, slot: Slot, pos: Pos) => void;

const REPLACED_BY = table({
  defaultPackage: 'packages.<system>.default',
  defaultApp: 'apps.<system>.default',
  defaultTemplate: 'templates.default',
  defaultBundler: 'bundlers.<system>.default',
  overlay: 'overlays.default',
  devShell: 'devShells.<system>.default',
  nixosModule: 'nixosModules.default',
});

/** Known, and not looked at. */
const UNCHECKED: readonly string[] = [
  'lib',
  'darwinConfigurations',
  'darwinModules',
  'flakeModule',
  'flakeModules',
  'herculesCI',
  'homeConfigurations',
  'homeModule',
  'homeModules',
  'nixopsConfigurations',
];

export class OutputCheck {
  /** Systems that were not looked at. */
  readonly omitted = new Set<string>();
  /** Of this system's checks: the attributes that have them. */
  readonly derivations = new Map<string, string[]>();
  private readonly ev: Evaluator;
  private readonly system: string;
  private readonly options: OutputCheckOptions;
  private readonly outputs: Readonly<Record<string, Check>>;

  constructor(ev: Evaluator, system: string, options: OutputCheckOptions) {
    this.ev = ev;
    this.system = system;
    this.options = options;
    const { derivation, app, overlay, module, template, bundler } = this;
    const each =
      (check: Check): Check =>
      (path, slot) => {
        this.members(slot, 0, (name, member, at) => check(`${path}.${name}`, member, at));
      };
    const bySystem =
      (check: Check): Check =>
      (path, slot) => {
        this.members(slot, 0, (name, member, at) => {
          this.checkSystemName(name, at);
          if (this.wantsSystem(name)) check(`${path}.${name}`, member, at);
        });
      };
    this.outputs = table<Check>({
      checks: bySystem((path, slot) => {
        this.members(slot, 0, (name, member, at) => this.checkOfSystem(path, name, member, at));
      }),
      formatter: bySystem(derivation),
      packages: bySystem(each(derivation)),
      devShells: bySystem(each(derivation)),
      apps: bySystem(each(app)),
      defaultPackage: bySystem(derivation),
      devShell: bySystem(derivation),
      defaultApp: bySystem(app),
      legacyPackages: bySystem(() => undefined),
      overlay,
      overlays: each(overlay),
      nixosModule: module,
      nixosModules: each(module),
      nixosConfigurations: each(this.nixosConfiguration),
      hydraJobs: this.hydraJobs,
      defaultTemplate: template,
      templates: each(template),
      defaultBundler: bySystem(bundler),
      bundlers: bySystem(each(bundler)),
    });
  }

  /** An output of the flake. */
  output(name: string, slot: Slot, pos: Pos): void {
    this.options.progress(`checking flake output '${name}'`);
    this.guarded(`while checking flake output '${name}'`, pos, () => {
      this.ev.force(slot, pos);
      const replacement = REPLACED_BY[name];
      if (replacement !== undefined) {
        say(`warning: flake output attribute '${name}' is deprecated; use '${replacement}' instead`);
      }
      const check = this.outputs[name];
      if (check !== undefined) check(name, slot, pos);
      else if (!UNCHECKED.includes(name)) say(`warning: unknown flake output '${name}'`);
    });
  }

  private guarded(doing: string, pos: Pos, body: () => void): void {
    try {
      body();
    } catch (error) {
      this.options.report(this.ev.frame(error, doing, pos));
    }
  }

  private members(slot: Slot, pos: Pos, visit: (name: string, member: Slot, pos: Pos) => void): void {
    this.ev.expectAttrs(slot, pos, '').forEachByName(visit);
  }

  private checkSystemName(system: string, pos: Pos): void {
    if (system.includes('-')) return;
    const at = printPosition(this.ev.positions, pos);
    this.options.report(new EvalError(`'${system}' is not a valid system type, at ${at}`));
  }

  private wantsSystem(system: string): boolean {
    if (this.options.allSystems || system === this.system) return true;
    this.omitted.add(system);
    return false;
  }

  private checkOfSystem(path: string, name: string, slot: Slot, pos: Pos): void {
    const drvPath = this.drvPathAt(`${path}.${name}`, slot, pos);
    if (drvPath === undefined) this.options.report(new EvalError(`'${path}.drvPath' does not exist`));
    else if (path === `checks.${this.system}`) {
      const attributes = this.derivations.get(drvPath) ?? [];
      this.derivations.set(drvPath, [...attributes, `${path}.${name}`]);
    }
  }

  private readonly derivation: Check = (path, slot, pos) => {
    this.drvPathAt(path, slot, pos);
  };

  private drvPathAt(path: string, slot: Slot, pos: Pos): string | undefined {
    let drvPath: string | undefined;
    this.guarded(`while checking the derivation '${path}'`, pos, () => {
      this.options.progress(`checking derivation ${path}`);
      const value = this.ev.force(slot, pos);
      if (!isDerivation(this.ev, value)) throw new EvalError(`flake attribute '${path}' is not a derivation`);
      drvPath = drvPathOf(this.ev, value);
      this.options.progress(`derivation evaluated to ${drvPath}`);
    });
    return drvPath;
  }

  private readonly app: Check = (path, slot, pos) => {
    this.guarded(`while checking the app definition '${path}'`, pos, () => {
      this.options.progress(`checking app '${path}'`);
      const { ev } = this;
      const app = ev.expectAttrs(slot, pos, '');
      ev.expectStringNoContext(this.required(app, 'type', `app '${path}'`), 0, '');
      ev.expectString(this.required(app, 'program', `app '${path}'`), 0, '');
      const meta = app.get(intern('meta'));
      if (meta === undefined) say(`warning: app '${path}' lacks attribute 'meta'`);
      else {
        const description = ev.expectAttrs(meta, 0, '').get(intern('description'));
        if (description === undefined) say(`warning: app '${path}' lacks attribute 'meta.description'`);
        else ev.expectStringNoContext(description, 0, '');
      }
      this.refuseOthers(app, ['type', 'program', 'meta'], `app '${path}'`);
    });
  };

  private readonly overlay: Check = (path, slot, pos) => {
    this.guarded(`while checking the overlay '${path}'`, pos, () => {
      this.options.progress(`checking overlay '${path}'`);
      const value = this.ev.force(slot, pos);
      if (!(value instanceof Lambda)) {
        throw new EvalError(`overlay is not a function, but ${this.ev.showType(value)} instead`);
      }
      const { arg, formals } = value.record;
      const name = arg === null ? '' : symbolName(arg);
      if (formals !== null || !['final', '_', '_final'].includes(name)) {
        throw new EvalError("overlay does not take an argument named 'final'");
      }
    });
  };

  private readonly module: Check = (path, slot, pos) => {
    this.guarded(`while checking the NixOS module '${path}'`, pos, () => {
      this.options.progress(`checking NixOS module '${path}'`);
      this.ev.force(slot, pos);
    });
  };

  private readonly hydraJobs: Check = (path, slot, pos) => {
    this.guarded(`while checking the Hydra jobset '${path}'`, pos, () => {
      this.options.progress(`checking Hydra job '${path}'`);
      if (isDerivation(this.ev, this.ev.expectAttrs(slot, pos, ''))) {
        throw new EvalError('jobset should not be a derivation at top-level');
      }
      this.members(slot, pos, (name, member, at) => {
        const below = `${path}.${name}`;
        if (isDerivation(this.ev, this.ev.expectAttrs(member, at, ''))) this.derivation(below, member, at);
        else this.hydraJobs(below, member, at);
      });
    });
  };

  private readonly nixosConfiguration: Check = (path, slot, pos) => {
    this.guarded(`while checking the NixOS configuration '${path}'`, pos, () => {
      this.options.progress(`checking NixOS configuration '${path}'`);
      const toplevel = 'config.system.build.toplevel';
      const found = findAlongAttrPath(this.ev, toplevel, slot, { args: Attrs.EMPTY });
      if (!isDerivation(this.ev, autoCall(this.ev, found.slot, { args: Attrs.EMPTY }))) {
        throw new EvalError(`attribute '${toplevel}' is not a derivation`);
      }
    });
  };

  private readonly template: Check = (path, slot, pos) => {
    this.guarded(`while checking the template '${path}'`, pos, () => {
      this.options.progress(`checking template '${path}'`);
      const { ev } = this;
      const template = ev.expectAttrs(slot, pos, '');
      const folder = ev.coerceToPath(
        this.required(template, 'path', `template '${path}'`),
        0,
        new ContextBuilder(),
        '',
      );
      if (ev.io.fileType(folder) === null) {
        throw new EvalError(`template '${path}' refers to a non-existent path '${folder}'`);
      }
      ev.expectStringNoContext(this.required(template, 'description', `template '${path}'`), 0, '');
      this.refuseOthers(template, ['path', 'description', 'welcomeText'], `template '${path}'`);
    });
  };

  private readonly bundler: Check = (path, slot, pos) => {
    this.guarded(`while checking the template '${path}'`, pos, () => {
      this.options.progress(`checking bundler '${path}'`);
      if (!(this.ev.force(slot, pos) instanceof Lambda)) throw new EvalError('bundler must be a function');
    });
  };

  private required(set: Attrs, name: string, what: string): Slot {
    const slot = set.get(intern(name));
    if (slot === undefined) throw new EvalError(`${what} lacks attribute '${name}'`);
    return slot;
  }

  private refuseOthers(set: Attrs, known: readonly string[], what: string): void {
    set.forEachByName((name) => {
      if (!known.includes(name)) throw new EvalError(`${what} has unsupported attribute '${name}'`);
    });
  }
}
