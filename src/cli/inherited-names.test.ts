import { expect, it } from 'vitest';
import { parsePlatform, platformOfSystem } from '../docker/image/platform.ts';
import { image } from './commands/image/index.ts';
import { Config } from './config.ts';
import { parseFlags } from './flags.ts';
import { nixCommandLine } from './nix-command.ts';

// What every plain object has is no command, flag or setting.
const names = Object.getOwnPropertyNames(Object.prototype);
const config = (): Config => Config.load({ HOME: '/nonexistent', NIX_CONF_DIR: '/nonexistent' });

it.each(names)('%s is no flag', (name) => {
  for (const word of [`--${name}`, `--no-${name}`, `--extra-${name}`]) {
    expect(() => parseFlags([word, 'x'], [], config())).toThrow(`unrecognised flag '${word}'`);
  }
});

it.each(names)('%s is no setting', (name) => {
  for (const word of [name, `extra-${name}`]) {
    const settings = config();
    expect(settings.has(word)).toBe(false);
    settings.setByFlag(word, 'x');
    expect(settings.takeWarnings()).toEqual([`unknown setting '${word}'`]);
    expect(settings.isSet(word)).toBe(false);
    expect(settings.flagArguments()).toEqual([]);
  }
});

it.each(names)('%s is no command of images, and has no old name', async (name) => {
  expect(nixCommandLine([name, 'x'])).toEqual({ words: [name, 'x'] });
  await expect(image([name], config())).rejects.toThrow(`'image ${name}' is not a recognised command`);
});

it.each(names)('%s is no machine', (name) => {
  expect(parsePlatform(`linux/${name.toLowerCase()}`).architecture).toBe(name.toLowerCase());
  expect(platformOfSystem(`${name}-linux`).architecture).toBe(name);
});
