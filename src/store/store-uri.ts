// URIs of stores and their parameters: `BASE?NAME=VALUE&…`.
import { StoreError } from '../util/errors.ts';

/** `BASE?NAME=VALUE&…`. @throws StoreError */
export function splitStoreUri(uri: string): { readonly base: string; readonly params: Map<string, string> } {
  const question = uri.indexOf('?');
  const params = new Map<string, string>();
  if (question < 0) return { base: uri, params };
  for (const part of uri.slice(question + 1).split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    if (equals < 0) throw new StoreError(`invalid URI parameter '${part}' in store URI '${uri}'`);
    // Byte strings: what percent signs hide is bytes too.
    const value = part
      .slice(equals + 1)
      .replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
    params.set(part.slice(0, equals), value);
  }
  return { base: uri.slice(0, question), params };
}

/** Whether a URI names a binary cache, and no store. */
export function isBinaryCacheUri(uri: string): boolean {
  return /^(?:https?|file):\/\//.test(uri);
}

/** @throws StoreError */
export function numberParameter(params: ReadonlyMap<string, string>, name: string): number | undefined {
  const value = params.get(name);
  if (value === undefined) return undefined;
  if (!/^-?\d{1,9}$/.test(value)) throw new StoreError(`setting '${name}' has invalid value '${value}'`);
  return Number(value);
}

/** @throws StoreError */
export function booleanParameter(params: ReadonlyMap<string, string>, name: string): boolean | undefined {
  const value = params.get(name);
  if (value === undefined) return undefined;
  if (['true', 'yes', '1'].includes(value)) return true;
  if (['false', 'no', '0'].includes(value)) return false;
  throw new StoreError(`Boolean setting '${name}' has invalid value '${value}'`);
}
