import { expect, test } from 'vitest';
import { dayMs, hourMs, type Instant, instant, later, minuteMs } from '../../kernel/instant.ts';
import { decideTrialReminder, type TrialFacts } from './rule.ts';

// A trial that began on 24 November at 9 h UTC. All times are hours from then.

const start = instant(Date.UTC(2026, 10, 24, 9));
const hour = (hours: number): Instant => later(start, hours * hourMs);

const trial = (more: Partial<TrialFacts> = {}): TrialFacts => ({
  kind: 'trial',
  state: 'active',
  startedAt: start,
  expiresAt: later(start, 3 * dayMs),
  remindAt: hour(6),
  timeZone: 'UTC',
  hasPaid: false,
  isBlocked: false,
  ...more,
});

/** `trial_6h, then 48`; `wait 24`: the next check is at 24 h. */
function describeAt(facts: TrialFacts, atHours: number): string {
  const decision = decideTrialReminder(facts, hour(atHours));
  if (decision.do === 'nothing') return 'nothing';
  const next = decision.nextAt === null ? 'no more' : String((decision.nextAt - start) / hourMs);
  return decision.do === 'wait' ? `wait ${next}` : `${decision.reminder.kind}, then ${next}`;
}

const msInHours = 1 / 3_600_000;

test.each<[string, Partial<TrialFacts>, number, string]>([
  ['before it is due', {}, 6 - msInHours, 'nothing'],
  ['at 6 hours', {}, 6, 'trial_6h, then 48'],
  ['hours late', {}, 12, 'trial_6h, then 48'],
  ['of a blocked customer', { isBlocked: true }, 12, 'wait 48'],
  ['looked at too early', { remindAt: hour(1) }, 2, 'wait 6'],
  ['at 48 hours', { remindAt: hour(48) }, 48, 'trial_48h, then 66'],
  [
    '6 hours before the end, late enough',
    { remindAt: hour(66) },
    71.9,
    'trial_ending, then no more',
  ],
  ['two are overdue', {}, 49, 'trial_48h, then 66'],
  ['all are overdue', {}, 71, 'trial_ending, then no more'],
  ['at its end', {}, 72, 'nothing'],
  ['past its end', {}, 100, 'nothing'],
  // 9 h UTC + 14 h is 23 h in London: quiet until 24 h from the start.
  ['in the evening', {}, 14 - msInHours, 'trial_6h, then 48'],
  ['in the night', {}, 14, 'wait 24'],
  ['before the morning', {}, 24 - msInHours, 'wait 24'],
  ['in the morning', {}, 24, 'trial_6h, then 48'],
  ['in the night where the customer lives', { timeZone: 'Asia/Tokyo' }, 6, 'wait 15'],
  // The end is at 9 h, and so is the morning: a reminder of a present end is not sent.
  ['in the last night', { remindAt: hour(66) }, 66, 'trial_ending, then no more'],
  ['with a paid subscription', { hasPaid: true }, 6, 'wait 48'],
  ['with a paid one, at the last', { hasPaid: true, remindAt: hour(66) }, 66, 'wait no more'],
  ['done already by another run', { remindAt: hour(48) }, 7, 'nothing'],
  ['with no more to come', { remindAt: null }, 70, 'nothing'],
  ['ended', { state: 'expired' }, 6, 'nothing'],
  ['revoked', { state: 'revoked' }, 6, 'nothing'],
  ['converted', { kind: 'paid' }, 6, 'nothing'],
])('T4: a trial %s', (_, facts, atHours, expected) => {
  expect(describeAt(trial(facts), atHours)).toBe(expected);
});

test('T4: checks every 5 minutes, and at the planned times, enqueue each of the three reminders once', () => {
  for (const timeZone of ['UTC', 'Asia/Tokyo', 'America/New_York', 'Pacific/Kiritimati']) {
    const reminders: string[] = [];
    let remindAt: Instant | null = hour(6);
    for (let now = start; now < hour(73); now = later(now, 5 * minuteMs)) {
      const decision = decideTrialReminder(trial({ timeZone, remindAt }), now);
      if (decision.do === 'nothing') continue;
      remindAt = decision.nextAt;
      if (decision.do === 'remind') reminders.push(decision.reminder.kind);
    }
    expect(reminders).toEqual(['trial_6h', 'trial_48h', 'trial_ending']);
  }
});
