import { describe, expect, test } from 'vitest';
import { end, endFor, type Given, judged, now, outcome, outlooks } from '../../test/judged.ts';
import { dayMs, hourMs, type Instant, later, minuteMs } from '../kernel/instant.ts';
import { kinds, type NoticeKind, noticeKinds } from './kinds.ts';

// Why a notice is not said, in the order in which the rule asks. Nights: judging-nights.test.ts.

test.each(noticeKinds)('%s is sent while it is true', (kind) => {
  expect(judged(kind, { end: endFor(kind) })).toMatchObject({ do: 'send', silent: false });
});

const reminders = [
  'trial_6h',
  'trial_48h',
  'trial_ending',
  'ends_3d',
  'ends_24h',
  'ends_3h',
] as const;
const told = [
  ...reminders,
  'price_change',
  'price_withdrawn',
  'renewal_ahead',
  'low_balance',
] as const;

describe('what has come to be untrue is not said', () => {
  const cases: (readonly [NoticeKind, string, Given, string])[] = [
    // A subscription that was renewed, bought, granted or refunded ends at another time.
    ...told.map(
      (kind) =>
        [
          kind,
          'its end moved',
          { sub: { expiresAt: later(now, 33 * dayMs) } },
          'end_moved',
        ] as const,
    ),
    ...told.map((kind) => [kind, 'revoked', { sub: { state: 'revoked' } }, 'revoked'] as const),
    ...told.map((kind) => [kind, 'ended', { sub: { state: 'expired' } }, 'ended'] as const),
    ...told.map((kind) => [kind, 'at its end', { now: endFor(kind) }, 'ended'] as const),
    ...reminders.map(
      (kind) =>
        [kind, 'a later one is owed', { words: { later: true } }, 'later_reminder'] as const,
    ),
    ...(['trial_6h', 'trial_48h', 'trial_ending'] as const).flatMap((kind) => [
      [kind, 'bought', { sub: { kind: 'paid' } }, 'converted'] as const,
      [kind, 'pays for another', { customer: { pays: true } }, 'pays_already'] as const,
    ]),
    ...(['ends_3d', 'ends_24h', 'ends_3h'] as const).flatMap((kind) => [
      [kind, 'topped up', { sub: { outlook: outlooks.renewed } }, 'will_be_renewed'] as const,
      [kind, 'no price: our trouble', { sub: { outlook: outlooks.no_price } }, 'no_price'] as const,
      [kind, 'auto-renewal is off', { sub: { outlook: outlooks.ends } }, 'send'] as const,
    ]),
    ['low_balance', 'topped up', { sub: { outlook: outlooks.renewed } }, 'will_be_renewed'],
    [
      'low_balance',
      'auto-renewal was switched off',
      { sub: { outlook: outlooks.ends } },
      'not_renewed',
    ],
    ['low_balance', 'its price went', { sub: { outlook: outlooks.no_price } }, 'no_price'],
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
    ['price_change', 'auto-renewal is off', { sub: { outlook: outlooks.ends } }, 'not_renewed'],
    ['price_change', 'its price went', { sub: { outlook: outlooks.no_price } }, 'no_price'],
    ['price_withdrawn', 'the price is back', { sub: { outlook: outlooks.short } }, 'price_is_back'],
    ['price_withdrawn', 'auto-renewal is off', { sub: { outlook: outlooks.ends } }, 'not_renewed'],
    ['price_withdrawn', 'another plan was chosen', { sub: { plan: 'plus' } }, 'price_moved'],
    ['price_withdrawn', 'a later one is owed', { words: { later: true } }, 'later_reminder'],
    ['renewal_ahead', 'the balance is short', { sub: { outlook: outlooks.short } }, 'not_renewed'],
    ['renewal_ahead', 'auto-renewal is off', { sub: { outlook: outlooks.ends } }, 'not_renewed'],
    ['renewal_ahead', 'its price went', { sub: { outlook: outlooks.no_price } }, 'no_price'],
    ['renewal_ahead', 'another plan was chosen', { sub: { plan: 'plus' } }, 'price_moved'],
    ['alarm_worker', 'over', { moot: true }, 'over'],
    ['alarm_overdue', 'over', { moot: true }, 'over'],
    ['alarm_guard', 'over', { moot: true }, 'over'],
    ['alarm_quarantine', 'over', { moot: true }, 'over'],
    ['alarm_removal', 'over', { moot: true }, 'over'],
    ['alarm_node', 'over', { moot: true }, 'over'],
    ['alarm_clock', 'over', { moot: true }, 'over'],
    ['alarm_channel', 'over', { moot: true }, 'over'],
    ['alarm_notice', 'over', { moot: true }, 'over'],
    ['alarm_over', 'the alarm was never said', { moot: true }, 'alarm_never_said'],
  ];
  test.each(cases)('%s, %s', (kind, _, given, expected) => {
    expect(outcome(judged(kind, { end: endFor(kind), ...given }))).toBe(expected);
  });
});

describe('a reminder gives way when the next one is due, to the millisecond', () => {
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
    expect(outcome(judged(kind, { end: later(now, beforeMs + 1) }))).toBe('send');
    const tooLate = beforeMs === 0 ? 'ended' : 'too_late';
    expect(outcome(judged(kind, { end: later(now, beforeMs) }))).toBe(tooLate);
  });
});

describe('of one end one word at a time', () => {
  const short = { lowBalance: 'stands' } as const;
  const ago = (ms: number) => ({ toldAt: later(now, -ms), lowBalance: 'over' }) as const;
  const due = { outlook: outlooks.short, renewalDue: true } as const;
  const quarter = 15 * minuteMs;
  const wait = (ms: number) => ({ do: 'wait', until: later(now, ms) });
  const drop = (reason: string) => ({ do: 'suppress', reason });
  const send = { do: 'send' };
  test.each<[NoticeKind, string, Given, object]>([
    [
      'ends_24h',
      'the short balance is owed, or was said since',
      { words: short },
      drop('low_balance'),
    ],
    [
      'ends_24h',
      'a short balance is owed that is not true',
      { words: short, sub: { outlook: outlooks.ends } },
      send,
    ],
    ['ends_24h', 'something was said two hours ago', { words: ago(2 * hourMs) }, send],
    ['ends_24h', 'something was said since', { words: ago(2 * hourMs - 1) }, drop('just_told')],
    ['trial_48h', 'something was said just now', { words: ago(0) }, drop('just_told')],
    ['ends_24h', 'auto-renewal is to find it short', { sub: due }, wait(quarter)],
    [
      'ends_24h',
      'auto-renewal had its quarter of an hour',
      { sub: due, createdAt: later(now, -quarter) },
      send,
    ],
    ['ends_24h', 'the short balance was said before', { sub: due, words: ago(dayMs) }, send],
    [
      'ends_24h',
      'auto-renewal has nothing to do',
      { sub: { renewalDue: true, outlook: outlooks.ends } },
      send,
    ],
    [
      'low_balance',
      'a reminder was said just now',
      { words: ago(1), end: endFor('ends_3h') },
      wait(2 * hourMs - 1),
    ],
    ['low_balance', 'and the end is too near', { words: ago(1), end: later(now, hourMs) }, send],
    ['price_change', 'a reminder was said just now', { words: ago(hourMs) }, wait(hourMs)],
    ['price_change', 'a later reminder is owed', { words: { later: true } }, wait(2 * hourMs)],
    ['renewal_ahead', 'a new price was said just now', { words: ago(hourMs) }, wait(hourMs)],
  ])('%s: %s', (kind, _, given, expected) => {
    expect(judged(kind, { end: endFor(kind), ...given })).toMatchObject(expected);
  });
});

test.each(noticeKinds.filter((kind) => !told.some((one) => one === kind)))(
  '%s is said for 30 days, and then no more',
  (kind) => {
    const createdAt = later(now, -30 * dayMs);
    expect(outcome(judged(kind, { createdAt: later(createdAt, 1) }))).toBe('send');
    expect(outcome(judged(kind, { createdAt }))).toBe('too_late');
  },
);

describe('somebody who blocked the bot', () => {
  const away = (failedAt: Instant | null): Given => ({ customer: { reachable: false, failedAt } });
  const week = 7 * dayMs;
  test.each(noticeKinds.filter((kind) => kinds[kind].to === 'customer'))('%s', (kind) => {
    const given = { end: endFor(kind) };
    const waits = kinds[kind].policy === 'at_least_once';
    const tried = later(now, -week + 1);
    expect(judged(kind, { ...given, ...away(tried) })).toEqual(
      waits ? { do: 'wait', until: later(now, 1) } : { do: 'suppress', reason: 'unreachable' },
    );
    expect(outcome(judged(kind, { ...given, ...away(later(now, -week)) }))).toBe(
      waits ? 'send' : 'unreachable',
    );
    expect(outcome(judged(kind, { ...given, ...away(null) }))).toBe(waits ? 'send' : 'unreachable');
  });

  test('what is untrue is not waited with', () => {
    const given = { ...away(now), sub: { state: 'active' } } as const;
    expect(outcome(judged('expired', given))).toBe('not_ended');
  });
});
