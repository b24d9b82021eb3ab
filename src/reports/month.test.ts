import { expect, test } from 'vitest';
import { isoTime, parseInstant } from '../kernel/instant.ts';
import { resolveMonth } from './month.ts';

const at = (text: string) => parseInstant(text, 'test');
const now = at('2027-01-15T10:00:00Z');

test.each([
  [undefined, '2026-12', '2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z', true],
  ['2026-02', '2026-02', '2026-02-01T00:00:00.000Z', '2026-03-01T00:00:00.000Z', true],
  ['2027-01', '2027-01', '2027-01-01T00:00:00.000Z', '2027-01-15T10:00:00.001Z', false],
])('month %s is %s', (given, label, from, until, isComplete) => {
  const month = resolveMonth(given, now);
  expect({ ...month, from: isoTime(month.from), until: isoTime(month.until) }).toEqual({
    label,
    from,
    until,
    isComplete,
  });
});

test('at the first moment of a month the month before is complete', () => {
  const first = at('2027-01-01T00:00:00Z');
  expect(resolveMonth(undefined, first)).toMatchObject({ label: '2026-12', isComplete: true });
  expect(resolveMonth('2027-01', first)).toMatchObject({ from: first, isComplete: false });
});

test.each([
  ['2026-13', 'bad_month'],
  ['2026-1', 'bad_month'],
  ['last', 'bad_month'],
  ['2027-02', 'future_month'],
])('month %s is refused with %s', (label, code) => {
  expect(() => resolveMonth(label, now)).toThrow(expect.objectContaining({ code }));
});
