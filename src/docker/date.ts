// Dates as people give them to dockerTools, whose newer functions hand them to date(1): ISO 8601 in whole or in part
// (`2024-05-01`, `2024-05-01T12:30:00+02:00`), without what separates its numbers (`20240501`, `20240501123000`, as a flake's
// lastModifiedDate has it), or `@` and Unix seconds. UTC where nothing is said.

const DATE =
  /^(\d{4})-?(\d\d)-?(\d\d)(?:[T ]?(\d\d):?(\d\d)(?::?(\d\d)(?:[.,]\d+)?)?\s*(Z|UTC|GMT|([+-])(\d\d)(?::?(\d\d))?)?)?$/;

/** Unix seconds; undefined where `text` is no date, or one before 1970. */
export function parseDate(text: string): number | undefined {
  const [, digits] = /^@(\d{1,11})$/.exec(text.trim()) ?? [];
  if (digits !== undefined) return Number(digits);
  const match = DATE.exec(text.trim());
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0));
  const local = Date.UTC(year!, month! - 1, day, hour, minute, second);
  const fields = new Date(local);
  const real =
    fields.getUTCMonth() === month! - 1 &&
    fields.getUTCDate() === day &&
    fields.getUTCHours() === hour! &&
    second! < 60;
  if (!real || minute! > 59) return undefined;
  const offset = (match[8] === '-' ? -1 : 1) * (Number(match[9] ?? 0) * 60 + Number(match[10] ?? 0));
  const time = Math.floor(local / 1000) - offset * 60;
  return time < 0 ? undefined : time;
}

/** As `date -u -Iseconds` prints it. */
export function printDate(time: number): string {
  return `${new Date(time * 1000).toISOString().slice(0, 19)}+00:00`;
}
