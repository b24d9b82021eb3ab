import { expect, test } from 'vitest';
import { isoTime, parseInstant } from '../kernel/instant.ts';
import { earliestSendAt } from './quiet-hours.ts';

const at = (text: string) => parseInstant(text, 'test');
const far = '2027-01-01T00:00:00Z';

test.each([
  // In Moscow: a moment before 23, 23, midnight, a moment before 9, 9, noon.
  ['Europe/Moscow', '2026-11-24T19:59:59.999Z', far, '2026-11-24T19:59:59.999Z'],
  ['Europe/Moscow', '2026-11-24T20:00:00Z', far, '2026-11-25T06:00:00.000Z'],
  ['Europe/Moscow', '2026-11-24T21:00:00Z', far, '2026-11-25T06:00:00.000Z'],
  ['Europe/Moscow', '2026-11-25T05:59:59.999Z', far, '2026-11-25T06:00:00.000Z'],
  ['Europe/Moscow', '2026-11-25T06:00:00Z', far, '2026-11-25T06:00:00.000Z'],
  ['Europe/Moscow', '2026-11-25T09:00:00Z', far, '2026-11-25T09:00:00.000Z'],
  // The same moments in other zones.
  ['UTC', '2026-11-24T20:00:00Z', far, '2026-11-24T20:00:00.000Z'],
  ['America/New_York', '2026-11-25T05:59:59.999Z', far, '2026-11-25T14:00:00.000Z'],
  // The morning counts only if it is before the end.
  ['UTC', '2026-11-24T02:00:00Z', '2026-11-24T09:00:00.001Z', '2026-11-24T09:00:00.000Z'],
  ['UTC', '2026-11-24T02:00:00Z', '2026-11-24T09:00:00Z', '2026-11-24T02:00:00.000Z'],
  ['UTC', '2026-11-24T02:00:00Z', '2026-11-24T05:00:00Z', '2026-11-24T02:00:00.000Z'],
  // An unknown zone counts as UTC.
  ['nowhere', '2026-11-24T02:00:00Z', far, '2026-11-24T09:00:00.000Z'],
])('in %s, a reminder due at %s about the end at %s is sent at %s', (zone, due, end, sendAt) => {
  for (let again = 0; again < 2; again += 1) {
    expect(isoTime(earliestSendAt(at(due), zone, at(end)))).toBe(sendAt);
  }
});
