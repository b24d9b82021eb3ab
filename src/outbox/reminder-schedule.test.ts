import { expect, test } from 'vitest';
import { dayMs, hourMs, type Instant, instant, later } from '../kernel/instant.ts';
import {
  computeEndReminders,
  computeNextReminderAt,
  computeTrialReminders,
  type ReminderSchedule,
  selectDueReminder,
} from './reminder-schedule.ts';

const start = instant(Date.UTC(2026, 10, 24, 9));

/** In hours from the start. */
const inHours = (reminders: ReminderSchedule<string>): Record<string, number> =>
  Object.fromEntries(reminders.map(({ kind, at }) => [kind, (at - start) / hourMs]));

test.each([
  [3, { trial_6h: 6, trial_48h: 48, trial_ending: 66 }],
  [1, { trial_6h: 6, trial_ending: 18 }],
  // At 48 hours a trial of two days has ended.
  [2, { trial_6h: 6, trial_ending: 42 }],
  [14, { trial_6h: 6, trial_48h: 48, trial_ending: 330 }],
])('T4: a trial of %i days has its reminders at', (days, hours) => {
  expect(inHours(computeTrialReminders(start, later(start, days * dayMs)))).toEqual(hours);
});

test.each([
  [30, { ends_3d: 27 * 24, ends_24h: 29 * 24, ends_3h: 30 * 24 - 3 }],
  [4, { ends_3d: 24, ends_24h: 3 * 24, ends_3h: 4 * 24 - 3 }],
  // A reminder at the start of the period is left out.
  [3, { ends_24h: 2 * 24, ends_3h: 3 * 24 - 3 }],
  [1, { ends_3h: 21 }],
])('a paid period of %i days has its reminders at', (days, hours) => {
  expect(inHours(computeEndReminders(later(start, days * dayMs), days))).toEqual(hours);
});

test('T4: the current reminder is the latest due one, and the next one is the first that is not due', () => {
  const trial = computeTrialReminders(start, later(start, 3 * dayMs));
  const readAt = (hours: number): [string | undefined, number | null] => {
    const now: Instant = later(start, hours * hourMs);
    const next = computeNextReminderAt(trial, now);
    return [selectDueReminder(trial, now)?.kind, next === null ? null : (next - start) / hourMs];
  };
  expect(readAt(0)).toEqual([undefined, 6]);
  expect(readAt(5.999)).toEqual([undefined, 6]);
  expect(readAt(6)).toEqual(['trial_6h', 48]);
  expect(readAt(47.999)).toEqual(['trial_6h', 48]);
  expect(readAt(48)).toEqual(['trial_48h', 66]);
  expect(readAt(66)).toEqual(['trial_ending', null]);
  expect(readAt(71)).toEqual(['trial_ending', null]);
});
