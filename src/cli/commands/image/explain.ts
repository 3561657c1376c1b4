// `tsnix image explain`: why an image is as large as it is: as text, as JSON, or as a page of its own.
import { writeFileSync } from 'node:fs';
import { explainImage } from '../../../docker/inspect/explain.ts';
import type { ExplainedPath, Explanation } from '../../../docker/inspect/explain.ts';
import { explanationJson } from '../../../docker/inspect/explanation-json.ts';
import { packageName } from '../../../docker/inspect/image-contents.ts';
import { fromUtf8, utf8 } from '../../../util/bytes.ts';
import { UsageError } from '../../../util/errors.ts';
import { humanSize } from '../../../util/human-size.ts';
import { fillPage } from '../../../util/page-template.ts';
import { flag } from '../../flags.ts';
import { print, say } from '../../output.ts';
import type { ImageCommand } from './index.ts';
import { interruptible } from './interruptible.ts';
import { READ_FLAGS, selectsByFlags, withImage } from './opened-image.ts';

const SHOWN = 25;

function clean(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, ' ');
}

function step(text: string): string {
  return text.startsWith('/nix/store/') ? packageName(text) : fromUtf8(text);
}

/** Columns, the last one as it is, the others to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>((all, row) => row.map((cell, i) => Math.max(all[i] ?? 0, cell.length)), []);
  return rows.map(
    (row) => `  ${row.map((cell, i) => (i === row.length - 1 ? cell : cell.padStart(widths[i]!))).join('  ')}`,
  );
}

function layerNumbers(layers: readonly number[]): string {
  return layers.map((layer) => layer + 1).join(',');
}

function pathRow(path: ExplainedPath): string[] {
  const { size, closureSize, ownedSize, layers } = path;
  return [
    humanSize(size),
    humanSize(closureSize),
    humanSize(ownedSize),
    layerNumbers(layers),
    clean(packageName(path.path)),
  ];
}

function overview(explanation: Explanation, all: boolean): string {
  const { layers, paths, graph, size, layerings } = explanation;
  const shown = all ? paths : paths.slice(0, SHOWN);
  const lines = [
    `${layers.length} layers, ${paths.length} store paths, ${humanSize(size)} in files`,
    '',
    'Layers',
    ...table([
      ['layer', 'size', 'files', 'holds'],
      ...layers.map((layer) => {
        const names = layer.paths.slice(0, 4).map(packageName).join(', ');
        const more = layer.paths.length > 4 ? `, ${layer.paths.length - 4} more` : '';
        const others = layer.otherSize > 0 || layer.paths.length === 0 ? ' (other files)' : '';
        return [
          String(layer.index + 1),
          humanSize(layer.size),
          String(layer.files),
          clean(`${names}${more}${others}`.trim()),
        ];
      }),
    ]),
    '',
    'Store paths, the largest first (closure: with all that it needs; alone: what only it needs)',
    ...table([['size', 'closure', 'alone', 'layer', 'name'], ...shown.map(pathRow)]),
    ...(shown.length < paths.length ? [`  … ${paths.length - shown.length} more: --all`] : []),
    '',
    'What brought them in',
    ...shown.map(({ chain }) => `  ${clean(chain.map(step).join(' -> '))}`),
    '',
    'Bytes to send again when something changes (top: what the image asks for itself; any: the mean of all store paths)',
    ...table([
      ['top', 'any', 'layers', 'layering'],
      ...layerings.map((l) => [humanSize(l.afterTopChange), humanSize(l.afterAnyChange), String(l.layers), l.name]),
    ]),
  ];
  if (graph.missing.size > 0) {
    lines.push(
      '',
      'Missing store paths',
      ...[...graph.missing].map(([path, who]) => `  ${clean(fromUtf8(path))} (mentioned by ${clean(fromUtf8(who))})`),
    );
  }
  return lines.join('\n');
}

/** All about the store paths of a name. */
function details(explanation: Explanation, wanted: string): string {
  const found = explanation.paths.filter(({ path }) => fromUtf8(path) === wanted || packageName(path).includes(wanted));
  if (found.length === 0) throw new UsageError(`${explanation.what} has no store path named '${utf8(wanted)}'`);
  const names = (paths: readonly string[]): string => paths.map((path) => clean(step(path))).join(', ') || '-';
  return found
    .map((path) => {
      const referrers = explanation.paths.filter((other) => other.references.includes(path.path)).map((p) => p.path);
      const roots = explanation.graph.roots
        .filter((root) => root.references.includes(path.path))
        .map(({ name }) => name);
      return [
        clean(fromUtf8(path.path)),
        `  size       ${humanSize(path.size)} in ${path.files} files, layer ${layerNumbers(path.layers)}`,
        `  closure    ${humanSize(path.closureSize)}`,
        `  alone      ${humanSize(path.ownedSize)}`,
        `  because    ${clean(path.chain.map(step).join(' -> '))}`,
        `  wanted by  ${names([...roots, ...referrers])}`,
        `  wants      ${names(path.references)}`,
      ].join('\n');
    })
    .join('\n\n');
}

export const explain: ImageCommand = {
  usage: 'explain [IMAGE] [NAME]',
  describe:
    'Show why an image is as large as it is\n' +
    'For each store path the chain of references that brought it in, its layer and its size; and what the layering costs\n' +
    'when something changes, against other layerings. With NAME all about the store paths of that name.',
  flags: [
    flag('json', 'print JSON'),
    flag('html', 'write a page to FILE: a map of layers and paths, their graph, search', { args: ['FILE'] }),
    flag('all', 'list all store paths'),
    ...READ_FLAGS,
  ],
  run: async (flags, config) => {
    const built = selectsByFlags(flags);
    const [word, name, ...more] = built ? [undefined, ...flags.positionals] : flags.positionals;
    if ((word === undefined && !built) || more.length > 0)
      throw new UsageError('usage: tsnix image explain IMAGE [NAME]');
    return await interruptible((signal) =>
      withImage(flags, config, word, signal, async (opened) => {
        const explanation = await explainImage(opened.contents, signal);
        const page = flags.get('html');
        const title = opened.name ?? fromUtf8(opened.contents.what);
        if (page !== undefined) writeFileSync(page, fillPage('explain', explanationJson(title, explanation), title));
        if (flags.has('json')) print(`${utf8(JSON.stringify(explanationJson(title, explanation), null, 2))}\n`);
        else if (name !== undefined) print(`${utf8(details(explanation, name))}\n`);
        else if (page === undefined) print(`${utf8(overview(explanation, flags.has('all')))}\n`);
        else say(`wrote ${utf8(page)}`);
        return 0;
      }),
    );
  },
};
