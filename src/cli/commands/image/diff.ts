// `tsnix image diff`: what differs between two images, or between an image and what an expression would build. Exit
// status as diff(1): 0 the same, 1 different, 2 trouble.
import { diffImages } from '../../../docker/inspect/diff.ts';
import type { FieldChange, FileChange, ImageDiff, LayerChange, PathChange } from '../../../docker/inspect/diff.ts';
import { whyChanged } from '../../../docker/inspect/why.ts';
import type { DerivationSource, WhyChanged } from '../../../docker/inspect/why.ts';
import type { StorePath } from '../../../store/store.ts';
import { fromUtf8, utf8 } from '../../../util/bytes.ts';
import { NixError, UsageError } from '../../../util/errors.ts';
import { humanDifference, humanSize } from '../../../util/human-size.ts';
import type { Config } from '../../config.ts';
import { flag } from '../../flags.ts';
import type { ParsedFlags } from '../../flags.ts';
import { print } from '../../output.ts';
import type { ImageCommand } from './index.ts';
import { interruptible } from './interruptible.ts';
import { derivationSource, READ_FLAGS, selectsByFlags, withImage } from './opened-image.ts';

const TROUBLE = 2;

/** Names come from strangers. */
function clean(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function value(of: unknown): string {
  return of === null ? '-' : typeof of === 'string' ? clean(of) : clean(JSON.stringify(of));
}

function fieldLine({ field, before, after }: FieldChange): string {
  if (before === null && after === null) return `${field} differs`;
  return `${field}: ${value(before)} -> ${value(after)}`;
}

const MARKS = { added: '+', removed: '-', changed: '~', same: '=' } as const;

function layerLine({ change, before, after, beforeSize, afterSize }: LayerChange): string {
  const number =
    before === null ? after! + 1 : after === null || after === before ? before + 1 : `${before + 1} -> ${after + 1}`;
  const size =
    change === 'changed' ? `${humanSize(beforeSize)} -> ${humanSize(afterSize)}` : humanSize(afterSize || beforeSize);
  return `${MARKS[change]} layer ${number}  ${size}`;
}

function pathLines({ name, before, after, beforeSize, afterSize }: PathChange, why: WhyChanged | undefined): string[] {
  const mark = before === null ? '+' : after === null ? '-' : '~';
  const lines = [`${mark} ${clean(fromUtf8(name))}  ${humanDifference(afterSize - beforeSize)}`];
  for (const path of [before, after]) if (path !== null) lines.push(`    ${clean(fromUtf8(path))}`);
  for (const { name: drv, through, changes } of why?.causes ?? []) {
    const way = through.length === 0 ? '' : ` (by way of ${through.map(fromUtf8).join(', ')})`;
    lines.push(`    because of ${clean(fromUtf8(drv))}${clean(way)}`);
    for (const change of changes) {
      lines.push(
        `      ${clean(fromUtf8(change.what))}: ${clean(fromUtf8(change.before)) || '-'} -> ${clean(fromUtf8(change.after)) || '-'}`,
      );
    }
  }
  return lines;
}

function fileLines({ path, change, fields, layers, sizeDifference }: FileChange): string[] {
  const [before, after] = layers;
  const layer = after ?? before!;
  const size = sizeDifference === 0 ? '' : `  ${humanDifference(sizeDifference)}`;
  return [
    `${MARKS[change]} ${clean(fromUtf8(path))}  layer ${layer + 1}${size}`,
    ...fields.map((field) => `    ${fieldLine(field)}`),
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`), ''];
}

function text(diff: ImageDiff, reasons: ReadonlyMap<PathChange, WhyChanged>): string {
  if (diff.same) return '';
  const changedLayers = diff.layers.filter(({ change }) => change !== 'same');
  return [
    ...section('Configuration', diff.config.map(fieldLine)),
    ...section(`Layers (${diff.layers.length - changedLayers.length} are the same)`, changedLayers.map(layerLine)),
    ...section(
      'Store paths',
      diff.paths.flatMap((path) => pathLines(path, reasons.get(path))),
    ),
    ...section('Files', diff.files.flatMap(fileLines)),
  ].join('\n');
}

function json(diff: ImageDiff, reasons: ReadonlyMap<PathChange, WhyChanged>): string {
  const decode = (_: string, of: unknown): unknown => (typeof of === 'string' ? fromUtf8(of) : of);
  const whole = {
    ...diff,
    // What configurations say is text already.
    config: undefined,
    paths: diff.paths.map((path) => ({ ...path, ...(reasons.has(path) ? { why: reasons.get(path) } : {}) })),
  };
  const decoded = JSON.parse(JSON.stringify(whole, decode)) as object;
  return `${JSON.stringify({ ...decoded, config: diff.config }, null, 2)}\n`;
}

function reasonsFor(paths: readonly PathChange[], store: DerivationSource | undefined): Map<PathChange, WhyChanged> {
  const reasons = new Map<PathChange, WhyChanged>();
  for (const path of store === undefined ? [] : paths) {
    if (path.before === null || path.after === null) continue;
    const why = whyChanged(store!, path.before as StorePath, path.after as StorePath);
    if (why !== undefined && why.causes.length + why.unknown.length > 0) reasons.set(path, why);
  }
  return reasons;
}

async function compare(flags: ParsedFlags, config: Config): Promise<number> {
  const [first, second, ...more] = flags.positionals;
  if (first === undefined || more.length > 0 || (second === undefined) !== selectsByFlags(flags)) {
    throw new UsageError('usage: tsnix image diff IMAGE IMAGE, or with -E, -f or -A: tsnix image diff IMAGE');
  }
  return interruptible((signal) =>
    // Flags that select an expression are about the second one.
    withImage(withoutSelection(flags), config, first, signal, (before) =>
      withImage(flags, config, second, signal, async (after) => {
        const options = { ignoreTimes: flags.has('ignore-times'), hideNewPaths: !flags.has('all-files') };
        const diff = await diffImages(before.contents, after.contents, options, signal);
        const reasons = reasonsFor(diff.paths, derivationSource(config));
        if (flags.has('json')) print(utf8(json(diff, reasons)));
        else if (!flags.has('brief') && !diff.same) print(utf8(text(diff, reasons)));
        else if (!diff.same) print('the images differ\n');
        return diff.same ? 0 : 1;
      }),
    ),
  );
}

/** The same flags as if nothing were to be built. */
function withoutSelection(flags: ParsedFlags): ParsedFlags {
  const view = Object.create(flags) as ParsedFlags;
  view.has = (name) => !['expr', 'file', 'attr'].includes(name) && flags.has(name);
  return view;
}

export const diff: ImageCommand = {
  usage: 'diff IMAGE [IMAGE]',
  describe:
    'Show what differs between two images\n' +
    'Or between an image and what an expression (-E, -f, -A) would build: layers, configuration, store paths and why they\n' +
    'are others, and files down to mode, owner, time and contents. Exit status: 0 the same, 1 different, 2 trouble.',
  flags: [
    flag('json', 'print JSON'),
    flag('brief', 'only say whether they differ', { short: 'q' }),
    flag('ignore-times', 'take no notice of modification times'),
    flag('all-files', 'list files of store paths that only one image has, too'),
    ...READ_FLAGS,
  ],
  run: async (flags, config) => {
    try {
      return await compare(flags, config);
    } catch (error) {
      if (error instanceof NixError) error.exitStatus = TROUBLE;
      throw error;
    }
  },
};
