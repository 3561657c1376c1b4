// Run as a program: realises one derivation of a store (arguments: root, derivation, timeout in seconds) and prints
// what happens. For tests of several processes at once.
import { realise } from '../../src/build/goals.ts';
import { defaultBuildSettings } from '../../src/build/settings.ts';
import { parseStorePath } from '../../src/store/store-path.ts';
import { noBuiltins } from './build-fixture.ts';
import { chrootStore } from './chroot-store.ts';

const [root, drv, timeout] = process.argv.slice(2) as [string, string, string];
const store = chrootStore(root);
const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
try {
  await realise(store, [{ kind: 'derivation', drvPath: parseStorePath(drv), outputs: 'all' }], {
    settings: { ...defaultBuildSettings(), compressLog: false, timeout: Number(timeout) },
    builtins: noBuiltins,
    observer: {
      started: () => say('started'),
      finished: () => say('finished'),
      waiting: () => {
        say('waiting');
        return () => undefined;
      },
      line: (_, line) => say(`line ${line}`),
    },
  });
  say('valid');
} catch (error) {
  say(`failed ${(error as Error).message}`);
} finally {
  await store.close();
}
