import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { describeWith } from '../../test/support/requirements.ts';
import { parseDate, printDate } from './date.ts';

const DATES = [
  '1970-01-01T00:00:01Z',
  '2024-05-01',
  '20240501',
  '2024-02-29',
  '2023-02-29',
  '2024-05-01T12:30:45Z',
  '2024-05-01T12:30:45.678Z',
  '2024-05-01 12:30:45',
  '2024-05-01 12:30',
  '2024-05-01T12:30:45+02:00',
  '2024-05-01T12:30:45-0530',
  '2024-05-01T23:30+02',
  '2024-05-01 12:30:45 UTC',
  '2024-13-01',
  '2024-05-32',
  '2024-05-01T24:30:00Z',
  '2024-05-01T12:60:00Z',
  '@0',
  '@1700000000',
  '@x',
  'nonsense',
];

describeWith(['date'], 'parseDate() against date(1)', () => {
  it.each(DATES)('%s', (text) => {
    const { status, stdout } = spawnSync('date', ['-u', '-d', text, '+%s %Y-%m-%dT%H:%M:%S%:z'], { encoding: 'utf8' });
    const [seconds, printed] = stdout.trim().split(' ');
    const time = parseDate(text);
    expect(time).toBe(status === 0 ? Number(seconds) : undefined);
    if (time !== undefined) expect(printDate(time)).toBe(printed);
  });
});

describe('parseDate()', () => {
  it('reads what date(1) does not: lastModifiedDate of flakes', () => {
    expect(parseDate('20240501123045')).toBe(Date.UTC(2024, 4, 1, 12, 30, 45) / 1000);
  });
  it.each(['', '1969-12-31', '2024', '05/01/2024', '2024-05-01T12:30:45+2:00', '2024-05-01x'])('refuses %j', (text) => {
    expect(parseDate(text)).toBeUndefined();
  });
});
