// Ids of mode vm: what the builder's root and its users are on this machine.
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { VmIds } from './backend.ts';
import { findExecutable } from './detect.ts';

/** As root: a range that owns nothing. Else the caller's subordinate ids (/etc/subuid), else the caller's id alone. */
export function vmIds(host: { readonly uid: number; readonly gid: number; readonly count: number } | undefined): VmIds {
  if (host !== undefined) {
    return host.count > 1
      ? { kind: 'range', firstUid: host.uid, firstGid: host.gid, count: host.count }
      : { kind: 'single' };
  }
  const newuidmap = findExecutable('newuidmap');
  const newgidmap = findExecutable('newgidmap');
  const uids = subordinateRange('/etc/subuid');
  const gids = subordinateRange('/etc/subgid');
  if (newuidmap === undefined || newgidmap === undefined || uids === undefined || gids === undefined) {
    return { kind: 'single' };
  }
  const count = Math.min(uids.count, gids.count, 65535);
  return { kind: 'subordinate', firstUid: uids.first, firstGid: gids.first, count, newuidmap, newgidmap };
}

/** Of whoever runs this; undefined for an id without a name, as containers often have. */
function userName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined; // no entry in the user database
  }
}

function subordinateRange(file: string): { first: number; count: number } | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'latin1');
  } catch {
    return undefined; // no such file: no ranges
  }
  const uid = process.getuid!();
  const username = userName();
  for (const line of text.split('\n')) {
    const [who, first, count] = line.split(':');
    if ((who === username || who === String(uid)) && first !== undefined && count !== undefined) {
      return { first: Number(first), count: Number(count) };
    }
  }
  return undefined;
}
