import { expect, test } from 'vitest';
import type { PeriodId } from '../../kernel/ids.ts';
import { dayMs, type Instant, instant, later } from '../../kernel/instant.ts';
import { type CurrentTerms, computeNextTerms, decideTerms, type TermPeriod } from './terms.ts';

const now = instant(Date.parse('2026-11-24T09:00:00Z'));
const day = (days: number): Instant => later(now, days * dayMs);

const current: CurrentTerms = {
  plan: 'basic',
  periodDays: 30,
  kind: 'paid',
  nextPlan: null,
  nextPeriodDays: null,
};

function period(from: number, days: number, other: Partial<TermPeriod> = {}): TermPeriod {
  return {
    source: 'purchase',
    plan: 'basic',
    startsAt: day(from),
    endsAt: day(from + days),
    periodDays: days,
    kind: null,
    partOf: null,
    isPaidPart: false,
    ...other,
  };
}

const grant = (from: number, days: number, other: Partial<TermPeriod> = {}): TermPeriod =>
  period(from, days, { source: 'grant', periodDays: null, kind: 'paid', ...other });
const trial = (from: number, days: number): TermPeriod => period(from, days, { source: 'trial' });
const served = (from: number, days: number, other: Partial<TermPeriod> = {}): TermPeriod =>
  period(from, days, { partOf: 1n as PeriodId, isPaidPart: true, ...other });

type Case = readonly [
  why: string,
  periods: readonly TermPeriod[],
  inForce: string,
  last: string,
  kind: 'trial' | 'paid',
  changesInDays: number | null,
];

test.each<Case>([
  ['one period', [period(-10, 30)], 'basic 30', 'basic 30', 'paid', null],
  [
    'a paid period of another plan comes into force at its start',
    [period(-10, 30), period(20, 30, { plan: 'plus' })],
    'basic 30',
    'plus 30',
    'paid',
    20,
  ],
  [
    'a paid period of another length comes into force at its start',
    [period(-10, 30), period(20, 365)],
    'basic 30',
    'basic 365',
    'paid',
    20,
  ],
  [
    'a period is in force from its first moment',
    [period(-30, 30), period(0, 30, { plan: 'plus' })],
    'plus 30',
    'plus 30',
    'paid',
    null,
  ],
  [
    'a converted trial keeps its plan until it ends, and is paid',
    [trial(-1, 3), period(2, 30, { plan: 'plus' })],
    'basic 3',
    'plus 30',
    'paid',
    2,
  ],
  ['a trial alone', [trial(-1, 3)], 'basic 3', 'basic 3', 'trial', null],
  [
    'a grant continues the length before it',
    [period(-10, 30), grant(20, 5)],
    'basic 30',
    'basic 30',
    'paid',
    null,
  ],
  [
    'a grant continues the length of the bought period, not that of a served part',
    [period(-60, 30), served(-30, 30, { periodDays: 365 }), grant(0, 3)],
    'basic 30',
    'basic 30',
    'paid',
    null,
  ],
  [
    'a grant that follows a refunded conversion continues the length that was bought',
    [trial(-13, 3), grant(0, 5, { refundedDays: 30 })],
    'basic 30',
    'basic 30',
    'paid',
    null,
  ],
  [
    'a grant to a trial continues the length of the trial',
    [trial(-13, 3), served(-10, 10, { isPaidPart: false }), grant(0, 5, { kind: 'trial' })],
    'basic 3',
    'basic 3',
    'trial',
    null,
  ],
  [
    'the second of three periods decides the next change',
    [period(-10, 30), period(20, 90), grant(110, 3), period(113, 30, { plan: 'plus' })],
    'basic 30',
    'plus 30',
    'paid',
    20,
  ],
  [
    'an old row without a length has that of its range',
    [period(-10, 90, { periodDays: null })],
    'basic 90',
    'basic 90',
    'paid',
    null,
  ],
  [
    'an old import has the length of its subscription',
    [period(-10, 17, { source: 'import', periodDays: null })],
    'basic 30',
    'basic 30',
    'paid',
    null,
  ],
  [
    'after a refund of the unused part the period before it gives the terms',
    [period(-40, 30), served(-10, 10, { plan: 'plus' })],
    'basic 30',
    'basic 30',
    'paid',
    null,
  ],
  [
    'without another period a served part that was paid gives the terms',
    [trial(-13, 3), served(-10, 10, { plan: 'plus', periodDays: 30 })],
    'plus 30',
    'plus 30',
    'paid',
    null,
  ],
  [
    'a served part of which nothing was kept gives no terms',
    [trial(-13, 3), served(-10, 10, { plan: 'plus', isPaidPart: false })],
    'basic 3',
    'basic 3',
    'trial',
    null,
  ],
  [
    'between two periods the last terms are in force',
    [period(-40, 30), period(5, 90)],
    'basic 90',
    'basic 90',
    'paid',
    null,
  ],
  ['without periods the terms stay', [], 'basic 30', 'basic 30', 'paid', null],
])('%s', (_, periods, inForce, last, kind, changesInDays) => {
  const decided = decideTerms(periods.toReversed(), now, current);
  const text = (terms: { plan: string; periodDays: number }) => `${terms.plan} ${terms.periodDays}`;
  expect([text(decided.inForce), text(decided.last), decided.kind, decided.changesAt]).toEqual([
    inForce,
    last,
    kind,
    changesInDays === null ? null : day(changesInDays),
  ]);
});

const basic = { plan: 'basic', periodDays: 30 };
const plus = { plan: 'plus', periodDays: 30 };
const year = { plan: 'basic', periodDays: 365 };
const next = (terms: { plan: string; periodDays: number } | null) => ({
  nextPlan: terms?.plan ?? null,
  nextPeriodDays: terms?.periodDays ?? null,
});

test.each([
  ['without a choice the renewal takes the last terms', null, basic, plus, basic, plus],
  ['a choice stays when a period is bought', plus, basic, year, basic, plus],
  ['a choice that comes into force is no choice any more', plus, basic, plus, plus, null],
  ['the terms of a refunded period are not renewed', year, year, basic, basic, null],
  ['a choice stays when a period is refunded', plus, year, basic, basic, plus],
])('%s', (_, chosen, lastBefore, last, inForce, expected) => {
  const before = { ...current, ...next(chosen) };
  expect(computeNextTerms(before, lastBefore, { inForce, last })).toEqual(next(expected));
});
