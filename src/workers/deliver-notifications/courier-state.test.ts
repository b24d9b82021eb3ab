import { expect, test } from 'vitest';
import { instant } from '../../kernel/instant.ts';
import {
  type AnswersState,
  afterAnswers,
  afterDelivery,
  afterPage,
  type CourierState,
  type DeliveryProgress,
  type DeliveryState,
  firstPage,
} from './courier-state.ts';
import type { DueNotice } from './store.ts';

const startedAt = instant(Date.parse('2026-11-24T12:00:00Z'));
const never = Number.POSITIVE_INFINITY;

const dueNotice = (id: bigint): DueNotice => ({
  id,
  customerId: null,
  recipient: `r${id}`,
  wasQuarantined: false,
  key: { bulk: false, at: startedAt, id },
});
const page = [dueNotice(1n), dueNotice(2n)];
const keyOf = (index: number) => page[index]?.key;

test('a page that was read is delivered, and the walk keeps its progress', () => {
  const state = { ...firstPage, after: keyOf(0), freeInMs: 500 };
  expect(afterPage(state, { page, isLast: true, startedAt })).toEqual({
    kind: 'delivery',
    after: keyOf(0),
    freeInMs: 500,
    page,
    isLast: true,
    startedAt,
  });
});

test.each([{ is: 'stopped' }, { is: 'paused', ms: 2_000, error: 'gateway unreachable' }] as const)(
  'the walk ends before a page if it is $is',
  (result) => {
    expect(afterPage(firstPage, result)).toEqual({ kind: 'end', result });
  },
);

const delivery = (changes: Partial<DeliveryState>): DeliveryState => ({
  kind: 'delivery',
  after: undefined,
  page,
  isLast: true,
  startedAt,
  freeInMs: never,
  ...changes,
});
const visit = (changes: Partial<DeliveryProgress>): DeliveryProgress => ({
  visited: 2,
  freeInMs: never,
  isWoken: false,
  ...changes,
});

test.each<[string, DeliveryState, DeliveryProgress, Partial<CourierState>]>([
  ['the last page was visited', delivery({}), visit({}), { kind: 'answers', after: keyOf(1) }],
  ['the last page is empty', delivery({ page: [] }), visit({ visited: 0 }), { kind: 'answers' }],
  [
    'another page may follow',
    delivery({ isLast: false }),
    visit({}),
    { kind: 'page', after: keyOf(1) },
  ],
  [
    'the page was interrupted',
    delivery({}),
    visit({ visited: 1 }),
    { kind: 'page', after: keyOf(0) },
  ],
  [
    'no notification of a later page was visited',
    delivery({ after: keyOf(0), isLast: false }),
    visit({ visited: 0 }),
    { kind: 'page', after: keyOf(0) },
  ],
  [
    'a wake-up came during the page',
    delivery({ after: keyOf(0) }),
    visit({ visited: 1, isWoken: true }),
    { kind: 'page', after: undefined },
  ],
  [
    'a wake-up came with the last notification',
    delivery({}),
    visit({ isWoken: true }),
    { kind: 'page', after: undefined },
  ],
])('after a delivery the walk continues: %s', (_, state, progress, expected) => {
  expect(afterDelivery(state, progress)).toMatchObject({ ...expected, startedAt });
});

test.each([
  [never, 300, 300],
  [200, 300, 200],
  [200, never, 200],
])('of the waits %s ms and %s ms for recipients the shorter one remains', (before, now, left) => {
  const next = afterDelivery(delivery({ freeInMs: before }), visit({ freeInMs: now }));
  expect(next).toMatchObject({ kind: 'answers', freeInMs: left });
});

const answers = (freeInMs: number): AnswersState => ({
  kind: 'answers',
  after: keyOf(1),
  startedAt,
  freeInMs,
});

test.each<[string, AnswersState, boolean, boolean, CourierState]>([
  [
    'a pause is checked first',
    answers(300),
    true,
    true,
    { kind: 'page', after: keyOf(1), startedAt, freeInMs: 300 },
  ],
  ['a stop ends the walk', answers(300), false, true, { kind: 'end', result: { is: 'stopped' } }],
  ['a recipient is not free', answers(300), false, false, { kind: 'gap', ms: 300 }],
  [
    'nothing is due any more',
    answers(never),
    false,
    false,
    { kind: 'end', result: { is: 'done', startedAt } },
  ],
])('after the answers: %s', (_, state, isPaused, isStopping, expected) => {
  expect(afterAnswers(state, { isPaused, isStopping })).toEqual(expected);
});
