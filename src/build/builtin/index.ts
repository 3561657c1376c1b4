// The builders of this folder by name: `builtin:NAME`. Those without `tsnix-` are Nix's own.
import type { BuiltinBuilder } from '../builtin-builder.ts';
import { buildEnv, buildenv } from './build-env.ts';
import { closureInfo } from './closure-info.ts';
import { fetchArchive, fetchurl, unpackChannel } from './download.ts';
import { hostToolBuilder } from './host-tool.ts';
import { linkFarm } from './link-farm.ts';
import { popularity } from './popularity.ts';
import { references } from './references.ts';
import { substitute } from './substitute.ts';
import { symlinkJoin } from './symlink-join.ts';
import { writeText } from './write-text.ts';

export const builtinBuilders: ReadonlyMap<string, BuiltinBuilder> = new Map([
  ['buildenv', buildenv],
  ['fetchurl', fetchurl],
  ['unpack-channel', unpackChannel],
  ['tsnix-build-env', buildEnv],
  ['tsnix-closure-info', closureInfo],
  ['tsnix-fetch-archive', fetchArchive],
  ['tsnix-host-tool', hostToolBuilder],
  ['tsnix-link-farm', linkFarm],
  ['tsnix-popularity', popularity],
  ['tsnix-references', references],
  ['tsnix-substitute', substitute],
  ['tsnix-symlink-join', symlinkJoin],
  ['tsnix-write-text', writeText],
]);
