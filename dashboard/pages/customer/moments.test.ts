import { expect, test } from 'vitest';
import { groupMoments, type HistoryItem, toEffect } from './moments.ts';

const toEvent = (at: string, id: number, action: string): HistoryItem => ({
  kind: 'event',
  at,
  event: { id, subject: 'subscription:1', action, actor: 'test', at, detail: {} },
});

const toEntry = (at: string, id: number): HistoryItem => ({
  kind: 'ledger',
  at,
  entry: {
    id,
    kind: 'renewal',
    amount: '-149.00',
    balance_after: '0.00',
    provider: null,
    provider_ref: null,
    dispute: null,
    claim: null,
    created_at: at,
  },
});

const [later, earlier] = ['2026-11-25T00:00:00.000Z', '2026-11-24T00:00:00.000Z'];

test('rows with the same time are one moment, in the order of the rows', () => {
  const moments = groupMoments([
    toEvent(later, 2, 'renewed'),
    toEntry(later, 7),
    toEvent(earlier, 1, 'expired'),
  ]);
  expect(moments.map(({ at }) => at)).toEqual([later, earlier]);
  expect(moments[0]).toMatchObject({ events: [{ id: 2 }], entries: [{ id: 7 }], notices: [] });
  expect(moments[1]).toMatchObject({ events: [{ id: 1 }], entries: [] });
});

test.each([
  [['renewed'], 'gain'],
  [['expired'], 'loss'],
  [['refunded', 'purchased', 'plan_changed'], 'gain'],
  [['auto_renew_off', 'refunded'], 'loss'],
  [['set'], 'other'],
] as const)('the effect of %j is %s', (actions, effect) => {
  const items = actions.map((action, id) => toEvent(later, id + 1, action));
  expect(groupMoments(items).map(toEffect)).toEqual([effect]);
});

test('a moment with money only has the effect money', () => {
  expect(groupMoments([toEntry(later, 7)]).map(toEffect)).toEqual(['money']);
});
