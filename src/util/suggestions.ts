// "Did you mean one of x or y?"
const MAX_DISTANCE = 2;
const MAX_SUGGESTIONS = 5;

/** Edits (insert, delete, replace a byte) between two names. */
function levenshtein(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  let current = new Array<number>(b.length + 1).fill(0);
  for (let i = 0; i < a.length; i++) {
    current[0] = i + 1;
    for (let j = 0; j < b.length; j++) {
      const replaced = previous[j]! + (a[i] === b[j] ? 0 : 1);
      current[j + 1] = Math.min(previous[j + 1]! + 1, current[j]! + 1, replaced);
    }
    [previous, current] = [current, previous];
  }
  return previous[b.length]!;
}

/** The names nearest to `query`, nearest first. */
export function bestMatches(names: Iterable<string>, query: string): string[] {
  const found: { name: string; distance: number }[] = [];
  for (const name of names) {
    if (Math.abs(name.length - query.length) > MAX_DISTANCE) continue;
    const distance = levenshtein(query, name);
    if (distance <= MAX_DISTANCE) found.push({ name, distance });
  }
  found.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return found.slice(0, MAX_SUGGESTIONS).map((f) => f.name);
}
