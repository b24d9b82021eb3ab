import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dayMs, hourMs, instant, isoTime, minuteMs, parseInstant } from './instant.ts';
import { isTimeZone, nextTimeOfDay, offsetMs, sinceMidnightMs } from './time-zone.ts';

const at = (text: string) => parseInstant(text, 'test');

test.each([
  ['UTC', '2026-11-24T09:00:00Z', 0],
  ['Europe/Moscow', '2026-11-24T09:00:00Z', 3],
  ['Asia/Kathmandu', '2026-11-24T09:00:00Z', 5.75],
  ['America/St_Johns', '2026-11-24T09:00:00Z', -3.5],
  ['Pacific/Kiritimati', '2026-11-24T09:00:00Z', 14],
  // 1 ms before, and at the moments at which summer time begins and ends.
  ['Europe/Berlin', '2026-03-29T00:59:59.999Z', 1],
  ['Europe/Berlin', '2026-03-29T01:00:00Z', 2],
  ['Europe/Berlin', '2026-10-25T00:59:59.999Z', 2],
  ['Europe/Berlin', '2026-10-25T01:00:00Z', 1],
  ['No/Such_Zone', '2026-11-24T09:00:00Z', 0],
  ['', '2026-11-24T09:00:00Z', 0],
])('clocks in "%s" at %s are %d h ahead of UTC', (zone, time, hours) => {
  expect(offsetMs(zone, at(time))).toBe(hours * hourMs);
});

test('`isTimeZone` accepts the zones of this machine, and no other text', () => {
  expect(['UTC', 'Europe/Moscow', 'Asia/Kathmandu'].map(isTimeZone)).toEqual([true, true, true]);
  expect(['', 'Moscow', 'Europe/Mosco', 'UTC+3h'].map(isTimeZone)).toEqual(Array(4).fill(false));
});

test.each([
  ['Europe/Moscow', '2026-11-24T21:30:00Z', '2026-11-25T06:00:00.000Z'],
  ['Europe/Moscow', '2026-11-24T06:00:00Z', '2026-11-24T06:00:00.000Z'],
  ['Europe/Moscow', '2026-11-24T06:00:00.001Z', '2026-11-25T06:00:00.000Z'],
  // The night is one hour shorter in March and one hour longer in October.
  ['Europe/Berlin', '2026-03-28T23:30:00Z', '2026-03-29T07:00:00.000Z'],
  ['Europe/Berlin', '2026-10-24T22:30:00Z', '2026-10-25T08:00:00.000Z'],
  ['America/New_York', '2026-11-01T04:30:00Z', '2026-11-01T14:00:00.000Z'],
  // Samoa skipped a whole day.
  ['Pacific/Apia', '2011-12-30T09:30:00Z', '2011-12-30T19:00:00.000Z'],
])('9 in the morning in %s after %s is at %s', (zone, time, morning) => {
  expect(isoTime(nextTimeOfDay(zone, at(time), 9 * hourMs))).toBe(morning);
});

test('the next 9 in the morning is 9 by the clocks of the zone, less than 25 hours away', () => {
  const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe');
  const moment = fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2035, 0, 1) });
  fc.assert(
    fc.property(zone, moment, (name, ms) => {
      const next = nextTimeOfDay(name, instant(ms), 9 * hourMs);
      expect(sinceMidnightMs(name, next)).toBe(9 * hourMs);
      expect(next - ms).toBeGreaterThanOrEqual(0);
      expect(next - ms).toBeLessThan(dayMs + 60 * minuteMs + 1);
    }),
  );
});
