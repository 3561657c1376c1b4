import { userInfo } from 'node:os';
import { expect, it } from 'vitest';
import { homeDir, nixHome, xdgHome } from './user-dirs.ts';

it.each([
  [{ HOME: '/h' }, '/h/.config', '/h/.config/nix'],
  [{ HOME: '' }, `${userInfo().homedir}/.config`, `${userInfo().homedir}/.config/nix`],
  [{ HOME: '/h', XDG_CONFIG_HOME: '/c' }, '/c', '/c/nix'],
  [{ HOME: '/h', XDG_CONFIG_HOME: '' }, '/h/.config', '/h/.config/nix'],
  [{ HOME: '/h', XDG_CONFIG_HOME: 'relative' }, '/h/.config', '/h/.config/nix'],
  [{ HOME: '/h', XDG_CONFIG_HOME: '/c', NIX_CONFIG_HOME: '/n' }, '/c', '/n'],
])('%j', (env: Record<string, string>, xdg, nix) => {
  expect(xdgHome(env, 'CONFIG')).toBe(xdg);
  expect(nixHome(env, 'CONFIG')).toBe(nix);
});

it('without HOME, the home of the user', () => {
  expect(homeDir({})).not.toBe('');
});
