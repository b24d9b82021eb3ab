import { describe, expect, test } from 'vitest';
import {
  chooseEnd,
  end,
  forecasts,
  now,
  type RelevanceOptions,
  relevanceOf,
  toOutcome,
} from '../../test/support/relevance.ts';
import { dayMs, hourMs, type Instant, later, minuteMs } from '../kernel/instant.ts';
import { type NoticeKind, noticeKinds, noticeSpecs } from '../outbox/kinds.ts';

// The reasons to suppress a notification, in the order of the rule. Nights:
// `relevance-at-night.test.ts`.

test.each(noticeKinds)('%s is sent while it is true', (kind) => {
  expect(relevanceOf(kind, { end: chooseEnd(kind) })).toMatchObject({ do: 'send', silent: false });
});

const reminders = [
  'trial_6h',
  'trial_48h',
  'trial_ending',
  'ends_3d',
  'ends_24h',
  'ends_3h',
] as const;
const endKinds = [
  ...reminders,
  'price_change',
  'price_withdrawn',
  'renewal_ahead',
  'low_balance',
] as const;

describe('an outdated notification is suppressed', () => {
  const cases: (readonly [NoticeKind, string, RelevanceOptions, string])[] = [
    // A renewal, purchase, grant or refund moves the end.
    ...endKinds.map(
      (kind) =>
        [
          kind,
          'its end moved',
          { sub: { expiresAt: later(now, 33 * dayMs) } },
          'end_moved',
        ] as const,
    ),
    ...endKinds.map((kind) => [kind, 'revoked', { sub: { state: 'revoked' } }, 'revoked'] as const),
    ...endKinds.map((kind) => [kind, 'ended', { sub: { state: 'expired' } }, 'ended'] as const),
    ...endKinds.map((kind) => [kind, 'at its end', { now: chooseEnd(kind) }, 'ended'] as const),
    ...reminders.map(
      (kind) =>
        [
          kind,
          'a later one is pending',
          { words: { hasLaterReminder: true } },
          'later_reminder',
        ] as const,
    ),
    ...(['trial_6h', 'trial_48h', 'trial_ending'] as const).flatMap((kind) => [
      [kind, 'bought', { sub: { kind: 'paid' } }, 'converted'] as const,
      [kind, 'pays for another', { customer: { pays: true } }, 'pays_already'] as const,
    ]),
    ...(['ends_3d', 'ends_24h', 'ends_3h'] as const).flatMap((kind) => [
      [kind, 'topped up', { sub: { forecast: forecasts.renewed } }, 'will_be_renewed'] as const,
      [
        kind,
        'no price: our trouble',
        { sub: { forecast: forecasts.no_price } },
        'no_price',
      ] as const,
      [kind, 'auto-renewal is off', { sub: { forecast: forecasts.ends } }, 'send'] as const,
    ]),
    ['low_balance', 'topped up', { sub: { forecast: forecasts.renewed } }, 'will_be_renewed'],
    [
      'low_balance',
      'auto-renewal was switched off',
      { sub: { forecast: forecasts.ends } },
      'not_renewed',
    ],
    ['low_balance', 'its price went', { sub: { forecast: forecasts.no_price } }, 'no_price'],
    ['expired', 'revived', { sub: { state: 'active' } }, 'not_ended'],
    ['expired', 'revived and ended again', { sub: { expiresAt: later(end, dayMs) } }, 'end_moved'],
    ['expired', 'revoked', { sub: { state: 'revoked' } }, 'revoked'],
    [
      'trial_ended',
      'bought after its end',
      { sub: { state: 'active', kind: 'paid' } },
      'not_ended',
    ],
    ['trial_ended', 'pays for another', { customer: { pays: true } }, 'pays_already'],
    ['grant', 'revoked', { sub: { state: 'revoked' } }, 'revoked'],
    ['grant', 'its time was taken back', { sub: { expiresAt: later(end, -1) } }, 'end_moved'],
    ['grant', 'it is over', { now: end }, 'ended'],
    ['grant', 'ended with a refund', { sub: { state: 'expired' } }, 'ended'],
    ['restored', 'it is over', { now: end }, 'ended'],
    ['restored', 'revoked', { sub: { state: 'revoked' } }, 'revoked'],
    ['grant', 'more time was added', { sub: { expiresAt: later(end, dayMs) } }, 'send'],
    ['grant_taken_back', 'revoked', { sub: { state: 'revoked' } }, 'revoked'],
    ['grant_taken_back', 'it is over', { now: end }, 'ended'],
    ['grant_taken_back', 'the end moved again', { sub: { expiresAt: later(end, 1) } }, 'send'],
    ['revoke', 'active again', { sub: { state: 'active' } }, 'restored'],
    ['receipt', 'its period was refunded', { sub: { state: 'expired', expiresAt: now } }, 'send'],
    ['refund', 'bought again', { sub: { expiresAt: later(end, dayMs) } }, 'send'],
    ['price_change', 'another price again', { params: { new_price: '179.00' } }, 'price_moved'],
    ['price_change', 'another plan was chosen', { sub: { plan: 'plus' } }, 'price_moved'],
    ['price_change', 'another period was chosen', { sub: { periodDays: 90 } }, 'price_moved'],
    ['price_change', 'auto-renewal is off', { sub: { forecast: forecasts.ends } }, 'not_renewed'],
    ['price_change', 'its price went', { sub: { forecast: forecasts.no_price } }, 'no_price'],
    [
      'price_withdrawn',
      'the price is back',
      { sub: { forecast: forecasts.short } },
      'price_is_back',
    ],
    [
      'price_withdrawn',
      'auto-renewal is off',
      { sub: { forecast: forecasts.ends } },
      'not_renewed',
    ],
    ['price_withdrawn', 'another plan was chosen', { sub: { plan: 'plus' } }, 'price_moved'],
    [
      'price_withdrawn',
      'a later one is pending',
      { words: { hasLaterReminder: true } },
      'later_reminder',
    ],
    [
      'renewal_ahead',
      'the balance is short',
      { sub: { forecast: forecasts.short } },
      'not_renewed',
    ],
    ['renewal_ahead', 'auto-renewal is off', { sub: { forecast: forecasts.ends } }, 'not_renewed'],
    ['renewal_ahead', 'its price went', { sub: { forecast: forecasts.no_price } }, 'no_price'],
    ['renewal_ahead', 'another plan was chosen', { sub: { plan: 'plus' } }, 'price_moved'],
    ['alarm_worker', 'over', { resolved: true }, 'over'],
    ['alarm_overdue', 'over', { resolved: true }, 'over'],
    ['alarm_guard', 'over', { resolved: true }, 'over'],
    ['alarm_quarantine', 'over', { resolved: true }, 'over'],
    ['alarm_removal', 'over', { resolved: true }, 'over'],
    ['alarm_node', 'over', { resolved: true }, 'over'],
    ['alarm_clock', 'over', { resolved: true }, 'over'],
    ['alarm_channel', 'over', { resolved: true }, 'over'],
    ['alarm_notice', 'over', { resolved: true }, 'over'],
    ['alarm_over', 'its alarm was never sent', { resolved: true }, 'alarm_never_said'],
  ];
  test.each(cases)('%s, %s', (kind, _, given, expected) => {
    expect(toOutcome(relevanceOf(kind, { end: chooseEnd(kind), ...given }))).toBe(expected);
  });
});

describe('a reminder is suppressed from the millisecond in which the next one is due', () => {
  test.each([
    ['trial_6h', 6 * hourMs],
    ['trial_48h', 6 * hourMs],
    ['trial_ending', 0],
    ['ends_3d', 24 * hourMs],
    ['ends_24h', 3 * hourMs],
    ['ends_3h', 0],
    ['low_balance', 0],
    ['price_change', 0],
    ['price_withdrawn', 0],
    ['renewal_ahead', 0],
  ] as const)('%s: %i ms before the end', (kind, beforeMs) => {
    expect(toOutcome(relevanceOf(kind, { end: later(now, beforeMs + 1) }))).toBe('send');
    const tooLate = beforeMs === 0 ? 'ended' : 'too_late';
    expect(toOutcome(relevanceOf(kind, { end: later(now, beforeMs) }))).toBe(tooLate);
  });
});

describe('one notification at a time about one end', () => {
  const short = { lowBalance: 'current' } as const;
  const sentAgo = (ms: number) => ({ lastSentAt: later(now, -ms), lowBalance: 'past' }) as const;
  const due = { forecast: forecasts.short, isRenewalDue: true } as const;
  const quarter = 15 * minuteMs;
  const wait = (ms: number, waitsFor = 'distance') => ({
    do: 'wait',
    until: later(now, ms),
    waitsFor,
  });
  const suppress = (reason: string) => ({ do: 'suppress', reason });
  const send = { do: 'send' };
  test.each<[NoticeKind, string, RelevanceOptions, object]>([
    [
      'ends_24h',
      'a low balance is pending, or was sent since',
      { words: short },
      suppress('low_balance'),
    ],
    [
      'ends_24h',
      'a pending low balance is outdated',
      { words: short, sub: { forecast: forecasts.ends } },
      send,
    ],
    ['ends_24h', 'another one was sent two hours ago', { words: sentAgo(2 * hourMs) }, send],
    [
      'ends_24h',
      'another one was sent since',
      { words: sentAgo(2 * hourMs - 1) },
      suppress('just_told'),
    ],
    [
      'trial_48h',
      'another one was sent a moment ago',
      { words: sentAgo(0) },
      suppress('just_told'),
    ],
    [
      'ends_24h',
      'auto-renewal will find the low balance',
      { sub: due },
      wait(quarter, 'low_balance'),
    ],
    [
      'ends_24h',
      'auto-renewal had 15 minutes',
      { sub: due, createdAt: later(now, -quarter) },
      send,
    ],
    ['ends_24h', 'the low balance was sent before', { sub: due, words: sentAgo(dayMs) }, send],
    [
      'ends_24h',
      'auto-renewal has nothing to do',
      { sub: { isRenewalDue: true, forecast: forecasts.ends } },
      send,
    ],
    [
      'low_balance',
      'a reminder was sent a moment ago',
      { words: sentAgo(1), end: chooseEnd('ends_3h') },
      wait(2 * hourMs - 1),
    ],
    [
      'low_balance',
      'a reminder was sent a moment ago, and the end is near',
      { words: sentAgo(1), end: later(now, hourMs) },
      send,
    ],
    ['price_change', 'a reminder was sent a moment ago', { words: sentAgo(hourMs) }, wait(hourMs)],
    [
      'price_change',
      'a later reminder is pending',
      { words: { hasLaterReminder: true } },
      wait(2 * hourMs, 'reminder'),
    ],
    [
      'renewal_ahead',
      'a new price was sent a moment ago',
      { words: sentAgo(hourMs) },
      wait(hourMs),
    ],
  ])('%s: %s', (kind, _, given, expected) => {
    expect(relevanceOf(kind, { end: chooseEnd(kind), ...given })).toMatchObject(expected);
  });
});

test.each(
  noticeKinds.filter((kind) => kind !== 'announcement' && !endKinds.some((one) => one === kind)),
)('%s is sent for 30 days, and not after that', (kind) => {
  const createdAt = later(now, -30 * dayMs);
  expect(toOutcome(relevanceOf(kind, { createdAt: later(createdAt, 1) }))).toBe('send');
  expect(toOutcome(relevanceOf(kind, { createdAt }))).toBe('too_late');
});

describe('a customer who blocked the bot', () => {
  const unreachableSince = (failedAt: Instant | null): RelevanceOptions => ({
    customer: { reachable: false, failedAt },
  });
  const week = 7 * dayMs;
  test.each(noticeKinds.filter((kind) => noticeSpecs[kind].to === 'customer'))('%s', (kind) => {
    const given = { end: chooseEnd(kind) };
    const waits = noticeSpecs[kind].policy === 'at_least_once';
    const tried = later(now, -week + 1);
    expect(relevanceOf(kind, { ...given, ...unreachableSince(tried) })).toEqual(
      waits
        ? { do: 'wait', until: later(now, 1), waitsFor: 'customer' }
        : { do: 'suppress', reason: 'unreachable' },
    );
    expect(toOutcome(relevanceOf(kind, { ...given, ...unreachableSince(later(now, -week)) }))).toBe(
      waits ? 'send' : 'unreachable',
    );
    expect(toOutcome(relevanceOf(kind, { ...given, ...unreachableSince(null) }))).toBe(
      waits ? 'send' : 'unreachable',
    );
  });

  test('an outdated notification does not wait', () => {
    const given = { ...unreachableSince(now), sub: { state: 'active' } } as const;
    expect(toOutcome(relevanceOf('expired', given))).toBe('not_ended');
  });
});
