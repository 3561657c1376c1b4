/**
 * A table that has the entries given and no others: looking up what a user wrote never finds `toString` or another name
 * that plain objects inherit.
 */
export function table<T>(entries: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.freeze(Object.assign(Object.create(null) as Record<string, T>, entries));
}
