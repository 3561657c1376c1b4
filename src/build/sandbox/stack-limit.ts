// The launcher raises its stack limit for the evaluator; builders get the limit that its caller had.

/** The soft limit before the launcher raised it, in KiB; undefined where it raised none. */
export function callersStack(): number | undefined {
  const told = process.env['TSNIX_STACK_LIMIT'] ?? '';
  return /^\d{1,12}$/.test(told) ? Number(told) : undefined;
}
