import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UsageFault } from './faults.ts';
import {
  dayMs,
  earliest,
  formatDuration,
  hourMs,
  instant,
  isoTime,
  later,
  latest,
  minuteMs,
  never,
  parseInstant,
  tryParseDurationMs,
  tryParseInstant,
} from './instant.ts';

const times: readonly [text: string, iso: string | undefined][] = [
  ['2026-11-24T09:00:00Z', '2026-11-24T09:00:00.000Z'],
  ['2026-11-24T09:00:00+03:00', '2026-11-24T06:00:00.000Z'],
  ['2026-11-24T09:00:00+0300', '2026-11-24T06:00:00.000Z'],
  ['2026-11-24T00:30:00+05:45', '2026-11-23T18:45:00.000Z'],
  ['2026-11-24T23:30:00-09:30', '2026-11-25T09:00:00.000Z'],
  ['2026-11-24T09:00Z', '2026-11-24T09:00:00.000Z'],
  ['2026-11-24T09:00:00.1Z', '2026-11-24T09:00:00.100Z'],
  ['2026-11-24T09:00:00.1239Z', '2026-11-24T09:00:00.123Z'],
  ['2026-11-24T09:00:00.123999999Z', '2026-11-24T09:00:00.123Z'],
  ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
  ['2000-02-29T00:00:00Z', '2000-02-29T00:00:00.000Z'],
  ['2026-02-28T23:59:59.999Z', '2026-02-28T23:59:59.999Z'],
  // An hour that Europe skips, and an hour that it repeats. With an offset both are unambiguous.
  ['2026-03-29T02:30:00+01:00', '2026-03-29T01:30:00.000Z'],
  ['2026-10-25T02:30:00+01:00', '2026-10-25T01:30:00.000Z'],
  ['2026-11-24T09:00:00', undefined],
  ['2026-11-24', undefined],
  ['24.11.2026 09:00', undefined],
  ['2026-11-24 09:00:00Z', undefined],
  ['2026-11-24T09:00:00z', undefined],
  ['2026-11-24T09:00:00.Z', undefined],
  ['2026-11-24T09:00:00+3', undefined],
  ['2026-11-24T09:00:00+24:00', undefined],
  ['2026-02-29T00:00:00Z', undefined],
  ['1900-02-29T00:00:00Z', undefined],
  ['2026-04-31T00:00:00Z', undefined],
  ['2026-13-01T00:00:00Z', undefined],
  ['2026-00-01T00:00:00Z', undefined],
  ['2026-01-00T00:00:00Z', undefined],
  ['2026-11-24T25:00:00Z', undefined],
  ['2026-11-24T09:60:00Z', undefined],
  ['2026-11-24T09:00:60Z', undefined],
  [' 2026-11-24T09:00:00Z', undefined],
  ['now', undefined],
  ['', undefined],
];

test.for(times)('time %s is %s', ([text, iso]) => {
  const read = tryParseInstant(text);
  expect(read === undefined ? undefined : isoTime(read)).toBe(iso);
});

test('an invalid time is refused in a sentence with its place and the expected form', () => {
  expect(parseInstant('1970-01-01T00:00:00Z', '--now')).toBe(0);
  expect(() => parseInstant('tomorrow', '--now')).toThrow(
    new UsageFault(
      'bad_time',
      '--now: "tomorrow" is not a time; expected ISO 8601 with an offset, like 2026-11-24T09:00:00Z',
    ),
  );
});

const anyTime = fc
  .integer({ min: Date.UTC(0, 0, 1), max: Date.UTC(9999, 11, 31) })
  .map((ms) => instant(ms));

test('a time that is written is read as the same millisecond', () => {
  fc.assert(
    fc.property(anyTime, (at) => {
      expect(tryParseInstant(isoTime(at))).toBe(at);
    }),
  );
});

describe('never', () => {
  test('is later than every moment, and is infinity in PostgreSQL', () => {
    fc.assert(
      fc.property(anyTime, (at) => {
        expect(latest(at, never)).toBe(never);
      }),
    );
    expect(isoTime(never)).toBe('infinity');
    expect(earliest(never, instant(1))).toBe(1);
  });
});

test('the earlier and the later of two times are each one of the two', () => {
  fc.assert(
    fc.property(anyTime, anyTime, (a, b) => {
      expect([earliest(a, b), latest(a, b)].sort((x, y) => x - y)).toEqual(
        [a, b].sort((x, y) => x - y),
      );
      expect(earliest(a, b) <= latest(a, b)).toBe(true);
    }),
  );
});

test('R5: a day has 24 hours, also on the day when the clocks go back', () => {
  const beforeChange = tryParseInstant('2026-10-25T00:00:00+02:00');
  expect(isoTime(later(beforeChange ?? instant(0), dayMs))).toBe('2026-10-25T22:00:00.000Z');
});

const durations: readonly [text: string, ms: number | undefined][] = [
  ['250ms', 250],
  ['15s', 15_000],
  ['10m', 10 * minuteMs],
  ['6h', 6 * hourMs],
  ['7d', 7 * dayMs],
  ['0s', 0],
  ['1.5h', 90 * minuteMs],
  ['0.5d', 12 * hourMs],
  // 1.005 s in binary is slightly less. A duration is whole milliseconds.
  ['1.005s', 1_005],
  ['0.3ms', 0],
  ['10', undefined],
  ['6 h', undefined],
  ['-6h', undefined],
  ['6H', undefined],
  ['6h30m', undefined],
  ['.5h', undefined],
  ['1.h', undefined],
  ['1w', undefined],
  ['', undefined],
];

test.for(durations)('duration %s is %d ms', ([text, ms]) => {
  expect(tryParseDurationMs(text)).toBe(ms);
});

test.for([
  [250, '250ms'],
  [15_000, '15s'],
  [90 * minuteMs, '90m'],
  [6 * hourMs, '6h'],
  [12 * hourMs, '12h'],
  [dayMs, '1d'],
  [1_095 * dayMs, '1095d'],
] as const)('%d ms is written as %s', ([ms, text]) => {
  expect(formatDuration(ms)).toBe(text);
  expect(tryParseDurationMs(text)).toBe(ms);
});

test('every duration is a whole number of milliseconds', () => {
  const text = fc
    .tuple(
      fc.double({ min: 0, max: 9_999, noNaN: true }),
      fc.constantFrom('ms', 's', 'm', 'h', 'd'),
    )
    .map(([count, unit]) => `${count.toFixed(3)}${unit}`);
  fc.assert(
    fc.property(text, (duration) => {
      expect(tryParseDurationMs(duration)).toSatisfy(Number.isInteger);
    }),
  );
});
