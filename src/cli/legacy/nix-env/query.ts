// `nix-env --query`: installed or available packages as a table, XML or JSON.
import { compareVersions } from '../../../builtins/versions.ts';
import { Attrs } from '../../../eval/attrs.ts';
import { ContextBuilder } from '../../../eval/context.ts';
import { formatFloatG } from '../../../eval/format-float.ts';
import { valueToJson } from '../../../eval/json.ts';
import { escapeXml } from '../../../eval/print-xml.ts';
import { NixFloat, type Slot, type Value } from '../../../eval/value.ts';
import type { StorePath } from '../../../store/store.ts';
import { compareBytes } from '../../../util/bytes.ts';
import { parseDrvName } from '../../../util/drv-name.ts';
import { CatchableError, UsageError } from '../../../util/errors.ts';
import { isTerminal, print, say } from '../../output.ts';
import { compactJson, indentJson, JsonText, type JsonValue } from '../../print-json.ts';
import { stringText, withFrame, type PackageInfo } from '../../user-env/package-info.ts';
import { selectPackages } from '../../user-env/selectors.ts';
import { installedPackages } from '../../user-env/user-env.ts';
import { availablePackages, type NixEnvContext } from './context.ts';
import { substitutablePaths } from './prebuilt.ts';

/** Flags of --query, by what they switch on. */
const SWITCHES: Readonly<Record<string, keyof QueryOptions>> = {
  '--status': 'status',
  '-s': 'status',
  '--no-name': 'noName',
  '--system': 'system',
  '--description': 'description',
  '--compare-versions': 'compare',
  '-c': 'compare',
  '--drv-path': 'drvPath',
  '--out-path': 'outPath',
  '--meta': 'meta',
  '--available': 'available',
  '-a': 'available',
  '--xml': 'xml',
  '--json': 'json',
  '--attr-path': 'attrPath',
  '-P': 'attrPath',
};

type QueryOptions = Partial<
  Record<
    | 'status'
    | 'noName'
    | 'system'
    | 'description'
    | 'compare'
    | 'drvPath'
    | 'outPath'
    | 'meta'
    | 'available'
    | 'xml'
    | 'json'
    | 'attrPath',
    boolean
  >
>;

/** What is known of the paths of packages. */
interface PathStates {
  readonly installed: ReadonlySet<StorePath>;
  readonly valid: ReadonlySet<StorePath>;
  readonly substitutable: ReadonlySet<StorePath>;
}

export async function query(context: NixEnvContext): Promise<void> {
  const { session, profile, args, prebuiltOnly } = context;
  const options: QueryOptions = {};
  let attrPath = '';
  for (const [name, value] of context.flags) {
    const known = SWITCHES[name];
    if (known !== undefined) options[known] = true;
    else if (name === '--installed') options.available = false;
    else if (name === '--attr' || name === '-A') attrPath = value!;
    else throw new UsageError(`unknown flag '${name}'`);
  }
  if (options.attrPath === true && options.available !== true) {
    throw new UsageError('--attr-path(-P) only works with --available');
  }
  const both = options.compare === true;
  const ofProfile =
    options.available !== true || both || options.status === true ? installedPackages(session, profile) : [];
  const ofExpressions = options.available === true || both ? availablePackages(context, attrPath) : [];
  const [asked, others] = options.available === true ? [ofExpressions, ofProfile] : [ofProfile, ofExpressions];
  const warn = (message: string): void => say(`warning: ${message}`);
  const packages = selectPackages(asked, args, { newestOnly: false, system: session.config.system, warn }).sort(byName);
  const states =
    options.status === true || prebuiltOnly ? await pathStates(context, packages, ofProfile, options) : undefined;
  const wanted = packages.filter((one) => !one.failed);
  if (options.json === true) {
    print(`${json(context, wanted, options)}\n`);
    return;
  }
  const output = options.xml === true ? new XmlItems() : new Table();
  const printer = new ItemPrinter(context, options, others, states, output);
  try {
    for (const one of wanted) {
      describing(one, () => {
        if (prebuiltOnly && !states!.valid.has(one.outPath) && !states!.substitutable.has(one.outPath)) return;
        printer.add(one);
      });
    }
  } catch (error) {
    // What an interrupted Nix has printed by then.
    if (output instanceof XmlItems) print(output.text());
    throw error;
  }
  print(output.text());
}

/** By name with version, whatever the case. */
function byName(a: PackageInfo, b: PackageInfo): number {
  const upper = (text: string): string => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
  return compareBytes(upper(a.name), upper(b.name));
}

/** Leaves out packages that fail an assertion. @throws NixError */
function describing(one: PackageInfo, work: () => void): void {
  try {
    withFrame(() => `while querying the derivation named '${one.name}'`, work);
  } catch (error) {
    if (!(error instanceof CatchableError)) throw error;
  }
}

async function pathStates(
  { session }: NixEnvContext,
  packages: readonly PackageInfo[],
  ofProfile: readonly PackageInfo[],
  options: QueryOptions,
): Promise<PathStates> {
  const paths = new Set<StorePath>();
  for (const one of packages) {
    try {
      paths.add(one.outPath);
    } catch (error) {
      if (!(error instanceof CatchableError)) throw error;
      one.failed = true;
    }
  }
  return {
    installed: new Set(options.status === true ? ofProfile.map(({ outPath }) => outPath) : []),
    valid: new Set([...paths].filter((path) => session.store.isValidPath(path))),
    substitutable: await substitutablePaths(session, [...paths]),
  };
}

function json(context: NixEnvContext, packages: readonly PackageInfo[], options: QueryOptions): string {
  const { evaluator: ev } = context.session;
  const all = new Map<string, JsonValue>();
  for (const one of packages) {
    describing(one, () => {
      const { name, version } = parseDrvName(one.name);
      const item = new Map<string, JsonValue>([
        ['name', one.name],
        ['pname', name],
        ['version', version],
        ['system', one.system],
        ['outputName', one.outputName],
      ]);
      // As Nix: it stays where what follows fails an assertion.
      all.set(one.attrPath, item);
      item.set('outputs', one.outputs(options.outPath === true));
      if (options.drvPath === true && one.drvPath !== null) item.set('drvPath', one.drvPath);
      if (options.meta !== true) return;
      const meta = new Map<string, JsonValue>();
      item.set('meta', meta);
      for (const key of one.metaNames()) {
        const value = one.metaValue(key);
        if (value === undefined) sayInvalid(one, key);
        const context = new ContextBuilder();
        meta.set(
          key,
          value === undefined ? null : new JsonText(valueToJson(ev, value, { strict: true, copyPaths: true, context })),
        );
      }
    });
  }
  return indentJson(compactJson(all));
}

function sayInvalid(one: PackageInfo, key: string): void {
  say(`derivation '${one.name}' has invalid meta attribute '${key}'`);
}

/** The highest version of the same name among others, and how this one compares to it: `<` is out of date. */
function compareWith(one: PackageInfo, others: readonly PackageInfo[]): { mark: string; version: string } {
  const { name, version } = parseDrvName(one.name);
  let found = { mark: '-', version: '?' };
  for (const other of others) {
    const its = parseDrvName(other.name);
    if (its.name !== name) continue;
    const comparison = compareVersions(version, its.version);
    if (comparison < 0) found = { mark: '<', version: its.version };
    else if (found.mark === '<') continue;
    else if (comparison === 0) found = { mark: '=', version: its.version };
    else if (found.mark !== '=') {
      const higher = found.version === '' || compareVersions(found.version, its.version) < 0;
      found = { mark: '>', version: higher ? its.version : found.version };
    }
  }
  return found;
}

class Table {
  private readonly rows: (readonly string[])[] = [];

  add(columns: readonly string[]): void {
    this.rows.push(columns);
  }

  text(): string {
    const widths: number[] = [];
    for (const row of this.rows) {
      row.forEach((cell, i) => {
        widths[i] = Math.max(widths[i] ?? 0, cell.length);
      });
    }
    const line = (row: readonly string[]): string =>
      row
        .map((cell, i) => {
          const flat = cell.replaceAll('\n', ' ');
          return i < row.length - 1 ? flat.padEnd(widths[i]! + 2) : flat;
        })
        .join('');
    return this.rows.map((row) => `${line(row)}\n`).join('');
  }
}

type XmlAttributes = ReadonlyMap<string, string>;

class XmlItems {
  private out = "<?xml version='1.0' encoding='utf-8'?>\n<items>\n";

  /** @param children whole elements, by name, with what is in them */
  add(attributes: XmlAttributes, children: readonly XmlElement[]): void {
    this.out += `  <item${attributesText(attributes)}>\n`;
    for (const child of children) this.out += elementText(child, 2);
    this.out += '  </item>\n';
  }

  text(): string {
    return `${this.out}</items>\n`;
  }
}

interface XmlElement {
  readonly name: string;
  readonly attributes: XmlAttributes;
  /** Undefined for one that can have none. */
  readonly children?: readonly XmlElement[];
}

const attributesText = (attributes: XmlAttributes): string =>
  [...attributes]
    .sort(([a], [b]) => compareBytes(a, b))
    .map(([key, value]) => ` ${key}="${escapeXml(value)}"`)
    .join('');

function elementText({ name, attributes, children }: XmlElement, depth: number): string {
  const indent = '  '.repeat(depth);
  if (children === undefined) return `${indent}<${name}${attributesText(attributes)} />\n`;
  const inner = children.map((child) => elementText(child, depth + 1)).join('');
  return `${indent}<${name}${attributesText(attributes)}>\n${inner}${indent}</${name}>\n`;
}

class ItemPrinter {
  private readonly context: NixEnvContext;
  private readonly options: QueryOptions;
  private readonly others: readonly PackageInfo[];
  private readonly states: PathStates | undefined;
  private readonly output: Table | XmlItems;

  constructor(
    context: NixEnvContext,
    options: QueryOptions,
    others: readonly PackageInfo[],
    states: PathStates | undefined,
    output: Table | XmlItems,
  ) {
    this.context = context;
    this.options = options;
    this.others = others;
    this.states = states;
    this.output = output;
  }

  add(one: PackageInfo): void {
    if (this.output instanceof Table) this.output.add(this.columns(one));
    else this.output.add(this.attributes(one), this.children(one));
  }

  private states3(one: PackageInfo): [installed: boolean, valid: boolean, substitutable: boolean] {
    const { outPath } = one;
    const { installed, valid, substitutable } = this.states!;
    return [installed.has(outPath), valid.has(outPath), substitutable.has(outPath)];
  }

  private columns(one: PackageInfo): string[] {
    const { options } = this;
    const columns: string[] = [];
    if (options.status === true) {
      columns.push(
        this.states3(one)
          .map((is, i) => (is ? 'IPS'[i]! : '-'))
          .join(''),
      );
    }
    if (options.attrPath === true) columns.push(one.attrPath);
    if (options.noName !== true) columns.push(one.name);
    if (options.compare === true) {
      const { mark, version } = compareWith(one, this.others);
      const text = `${mark} ${version}`;
      columns.push(mark === '<' && isTerminal(2) ? `\x1b[31;1m${text}\x1b[0m` : text);
    }
    if (options.system === true) columns.push(one.system);
    if (options.drvPath === true) columns.push(one.drvPath ?? '-');
    if (options.outPath === true) {
      const outputs = [...one.outputs(true)].map(([name, path]) => (name === 'out' ? path! : `${name}=${path!}`));
      columns.push(outputs.join(';'));
    }
    if (options.description === true) columns.push(one.metaString('description'));
    return columns;
  }

  private attributes(one: PackageInfo): XmlAttributes {
    const { options } = this;
    const attributes = new Map<string, string>();
    if (options.status === true) {
      this.states3(one).forEach((is, i) => {
        attributes.set(['installed', 'valid', 'substitutable'][i]!, is ? '1' : '0');
      });
    }
    const { name, version } = parseDrvName(one.name);
    attributes.set('attrPath', one.attrPath).set('name', one.name).set('pname', name).set('version', version);
    if (options.compare === true) {
      const { mark, version: compared } = compareWith(one, this.others);
      if (mark !== '-') attributes.set('versionDiff', mark).set('maxComparedVersion', compared);
    }
    if (one.system !== '') attributes.set('system', one.system);
    if (options.drvPath === true && one.drvPath !== null) attributes.set('drvPath', one.drvPath);
    attributes.set('outputName', one.outputName);
    const description = options.description === true ? one.metaString('description') : '';
    if (description !== '') attributes.set('description', description);
    return attributes;
  }

  private children(one: PackageInfo): XmlElement[] {
    const children: XmlElement[] = [...one.outputs(this.options.outPath === true)].map(([name, path]) => ({
      name: 'output',
      attributes: new Map([['name', name], ...(path === null ? [] : [['path', path] as [string, string]])]),
    }));
    if (this.options.meta !== true) return children;
    for (const key of one.metaNames()) {
      const value = one.metaValue(key);
      if (value === undefined) sayInvalid(one, key);
      else children.push(...this.metaElement(key, value));
    }
    return children;
  }

  /** None for what Nix leaves out. */
  private metaElement(key: string, value: Value): XmlElement[] {
    const simple = (type: string, text: string): XmlElement[] => [
      {
        name: 'meta',
        attributes: new Map([
          ['name', key],
          ['type', type],
          ['value', text],
        ]),
      },
    ];
    const { evaluator: ev } = this.context.session;
    const strings = (items: readonly (readonly [string | undefined, Slot])[]): XmlElement[] => [
      {
        name: 'meta',
        attributes: new Map([
          ['name', key],
          ['type', 'strings'],
        ]),
        children: items.flatMap(([type, slot]) => {
          const text = stringText(ev.force(slot));
          if (text === undefined) return [];
          const attributes = new Map([['value', text]]);
          return [{ name: 'string', attributes: type === undefined ? attributes : attributes.set('type', type) }];
        }),
      },
    ];
    const text = stringText(value);
    if (text !== undefined) return simple('string', text);
    if (typeof value === 'number' || typeof value === 'bigint') return simple('int', value.toString());
    if (value instanceof NixFloat) return simple('float', formatFloatG(value.value));
    if (typeof value === 'boolean') return simple('bool', String(value));
    if (Array.isArray(value)) return strings((value as Slot[]).map((slot) => [undefined, slot] as const));
    if (!(value instanceof Attrs)) return [];
    const members: [string, Slot][] = [];
    value.forEachByName((name, slot) => {
      members.push([name, slot]);
    });
    return strings(members);
  }
}
