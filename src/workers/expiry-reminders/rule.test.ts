import { expect, test } from 'vitest';
import { hourMs, type Instant, instant, later } from '../../kernel/instant.ts';
import type { Forecast } from '../../subscription/rules/forecast.ts';
import type { PriceChange, RenewalTerms } from '../../subscription/rules/price-cap.ts';
import { decideEndReminder, type EndFacts } from './rule.ts';

// A month that ends on 24 December at 12 h UTC. All times are hours before that.

const end = instant(Date.UTC(2026, 11, 24, 12));
const before = (hours: number): Instant => later(end, -hours * hourMs);

const paid = (more: Partial<EndFacts> = {}): EndFacts => ({
  kind: 'paid',
  state: 'active',
  isBlocked: false,
  expiresAt: end,
  remindAt: before(72),
  timeZone: 'UTC',
  runningDays: 30,
  forecast: { kind: 'ends' },
  aheadMs: undefined,
  ...more,
});

const changeText = ({ priceMinor, newPriceMinor }: PriceChange): string =>
  `${priceMinor} → ${newPriceMinor}`;

/** `ends_3d, then 24`; `wait 24`: the next check is 24 h before the end. */
function describeAt(facts: EndFacts, hoursBefore: number): string {
  const decision = decideEndReminder(facts, before(hoursBefore));
  if (decision.do === 'nothing') return 'nothing';
  const next = decision.nextAt === null ? 'no more' : String((end - decision.nextAt) / hourMs);
  switch (decision.do) {
    case 'remind': {
      const change = decision.change === undefined ? '' : ` and ${changeText(decision.change)}`;
      return `${decision.reminder.kind}${change}, then ${next}`;
    }
    case 'tell-price':
      return `${changeText(decision.change)}, then ${next}`;
    case 'tell-withdrawn':
      return `no price at ${decision.reminder.kind}, then ${next}`;
    case 'tell-renewal':
      return `renews for ${decision.chargeMinor}, then ${next}`;
    case 'wait':
      return `wait ${next}`;
  }
}

const msInHours = 1 / 3_600_000;
const terms = (priceMinor: bigint, more: Partial<RenewalTerms> = {}): RenewalTerms => ({
  priceMinor,
  followingMinor: null,
  expectedMinor: 149_00n,
  isNotified: true,
  effectiveFrom: end,
  ...more,
});
const renewed = (priceMinor: bigint, more: Partial<RenewalTerms> = {}): { forecast: Forecast } => ({
  forecast: { kind: 'renewed', priceMinor, terms: terms(priceMinor, more) },
});
const short = {
  kind: 'short',
  priceMinor: 149_00n,
  terms: terms(149_00n),
  missingMinor: 1n,
  othersMinor: 0n,
} as const;
const dearer: Forecast = { ...short, terms: terms(449_00n) };
const ahead = (hours: number) => ({ aheadMs: hours * hourMs });

test.each<[string, Partial<EndFacts>, number, string]>([
  ['before it is due', {}, 72 + msInHours, 'nothing'],
  ['at 3 days', {}, 72, 'ends_3d, then 24'],
  ['a day late', {}, 48, 'ends_3d, then 24'],
  ['at 24 hours', { remindAt: before(24) }, 24, 'ends_24h, then 3'],
  ['at 3 hours', { remindAt: before(3) }, 3, 'ends_3h, then no more'],
  ['two are overdue', {}, 20, 'ends_24h, then 3'],
  ['all are overdue', {}, 1, 'ends_3h, then no more'],
  ['at its end', {}, 0, 'nothing'],
  ['past its end', {}, -1, 'nothing'],
  ['looked at too early', { remindAt: before(700) }, 600, 'wait 72'],
  // 12 h UTC: 13 h before the end it is 23 h, 3 h before it is 9 h.
  ['in the night', {}, 13, 'wait 3'],
  [
    'in the night, where the morning is past the end',
    { timeZone: 'America/New_York' },
    3,
    'ends_3h, then no more',
  ],
  ['in the morning', {}, 3, 'ends_3h, then no more'],
  // Renewals that will succeed.
  ['that can be paid', renewed(149_00n), 72, 'wait 24'],
  [
    'that can be paid, at the last',
    { ...renewed(149_00n), remindAt: before(3) },
    3,
    'wait no more',
  ],
  ['whose money is short', { forecast: short }, 72, 'ends_3d, then 24'],
  ['without a price', { forecast: { kind: 'no_price' } }, 72, 'no price at ends_3d, then 24'],
  [
    'without a price, a day before',
    { forecast: { kind: 'no_price' } },
    24,
    'no price at ends_24h, then 3',
  ],
  [
    'without a price, before 3 days',
    { forecast: { kind: 'no_price' }, remindAt: before(99) },
    99,
    'wait 72',
  ],
  // A price that will differ.
  ['that becomes dearer', renewed(159_00n), 72, '14900 → 15900, then 24'],
  ['that becomes cheaper', renewed(99_00n), 24, '14900 → 9900, then 3'],
  ['that becomes dearer, at the last', renewed(159_00n), 3, 'wait no more'],
  ['that becomes dearer, in the night', renewed(159_00n), 13, 'wait 3'],
  [
    'whose price the customer does not know',
    renewed(99_00n, { expectedMinor: null, isNotified: false }),
    72,
    'renews for 9900, then 24',
  ],
  [
    'that was imported at the price of today',
    renewed(149_00n, { isNotified: false }),
    72,
    'renews for 14900, then 24',
  ],
  [
    'short of a price that the customer does not know: the price first',
    { forecast: dearer },
    72,
    '14900 → 44900, then 70',
  ],
  [
    'short, and the price was not sent within 4 hours: both',
    { forecast: dearer },
    68,
    'ends_3d and 14900 → 44900, then 24',
  ],
  [
    'that renews, notified ahead',
    { ...renewed(149_00n), ...ahead(98), remindAt: before(200) },
    99,
    'wait 98',
  ],
  [
    'that renews, at that time',
    { ...renewed(149_00n), ...ahead(98), remindAt: before(98) },
    98,
    'renews for 14900, then 72',
  ],
  ['that renews, in the last 3 hours', { ...renewed(149_00n), ...ahead(100) }, 3, 'wait no more'],
  [
    'that is short is not notified of a renewal',
    { forecast: short, ...ahead(72) },
    72,
    'ends_3d, then 24',
  ],
  [
    'whose new price takes the place of its renewal',
    { ...renewed(159_00n), ...ahead(72) },
    72,
    '14900 → 15900, then 24',
  ],
  [
    'of a day, whose price after the next one is another',
    { runningDays: 1, ...renewed(149_00n, { followingMinor: 199_00n }), remindAt: before(99) },
    24,
    '14900 → 19900, then 3',
  ],
  // Periods that are shorter than the lead of a reminder.
  ['of a day', { runningDays: 1 }, 23, 'wait 3'],
  ['of a day, at 3 hours', { runningDays: 1 }, 3, 'ends_3h, then no more'],
  ['of a week', { runningDays: 7 }, 72, 'ends_3d, then 24'],
  ['done already by another run', { remindAt: before(24) }, 60, 'nothing'],
  ['ended', { state: 'expired' }, 24, 'nothing'],
  ['that is a trial', { kind: 'trial' }, 24, 'nothing'],
])('a subscription %s', (_, facts, hoursBefore, expected) => {
  expect(describeAt(paid(facts), hoursBefore)).toBe(expected);
});

test('a blocked customer is not reminded, and the next check stays', () => {
  expect(describeAt(paid({ isBlocked: true }), 72)).toBe('wait 24');
  expect(describeAt(paid(), 72)).toBe('ends_3d, then 24');
});
