// The seed of everything random in tests. It is the same every time, so that a run tells of the change under test and
// nothing else; `TSNIX_SEED=new npm test` looks for what no run has seen, and prints a seed that shows it again.

const chosen = process.env['TSNIX_SEED'] ?? '2019';

export const seed = chosen === 'new' ? Date.now() % 0x7fffffff : Number(chosen);
if (!Number.isSafeInteger(seed)) throw new Error(`TSNIX_SEED must be an integer or 'new', not '${chosen}'`);
