// `tsnix image lint`: the known traps. Exit status 1 where something is an error, or with --strict anything but a note.
import { lintImage, RULES } from '../../../docker/inspect/lint.ts';
import type { Finding } from '../../../docker/inspect/lint.ts';
import { storeGraph } from '../../../docker/inspect/store-graph.ts';
import { utf8 } from '../../../util/bytes.ts';
import { UsageError } from '../../../util/errors.ts';
import { flag } from '../../flags.ts';
import { print } from '../../output.ts';
import type { ImageCommand } from './index.ts';
import { interruptible } from './interruptible.ts';
import { READ_FLAGS, selectsByFlags, withImage } from './opened-image.ts';

function clean(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, ' ');
}

function text({ rule, severity, message, advice, paths }: Finding): string {
  return [`${severity}: ${clean(message)} [${rule}]`, ...paths.map((path) => `    ${clean(path)}`), `  ${advice}`].join(
    '\n',
  );
}

export const lint: ImageCommand = {
  usage: 'lint [IMAGE]',
  describe:
    'Look for known traps in an image\n' +
    `Exit status 1 where there is an error. Rules:\n${Object.entries(RULES)
      .map(([rule, what]) => `  ${rule.padEnd(20)} ${what}`)
      .join('\n')}`,
  flags: [
    flag('json', 'print JSON'),
    flag('strict', 'warnings are errors, too'),
    flag('ignore', 'take no notice of RULE', { args: ['RULE'] }),
    ...READ_FLAGS,
  ],
  run: async (flags, config) => {
    const [word, ...more] = flags.positionals;
    if ((word === undefined && !selectsByFlags(flags)) || more.length > 0) {
      throw new UsageError('usage: tsnix image lint IMAGE');
    }
    const ignored = new Set(flags.list('ignore'));
    for (const rule of ignored) {
      if (!Object.hasOwn(RULES, rule)) {
        throw new UsageError(`there is no rule '${utf8(rule)}'; there are: ${Object.keys(RULES).join(', ')}`);
      }
    }
    return await interruptible((signal) =>
      withImage(flags, config, word, signal, async ({ contents, name }) => {
        const tags = name === undefined ? [] : [name];
        const all = await lintImage(contents, await storeGraph(contents, signal), tags);
        const found = all.filter(({ rule }) => !ignored.has(rule));
        if (flags.has('json')) print(`${utf8(JSON.stringify(found, null, 2))}\n`);
        else for (const finding of found) print(`${utf8(text(finding))}\n`);
        const fails = found.some(
          ({ severity }) => severity === 'error' || (severity === 'warning' && flags.has('strict')),
        );
        return fails ? 1 : 0;
      }),
    );
  },
};
