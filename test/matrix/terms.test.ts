import { expect, test } from 'vitest';
import { refund } from '../../src/subscription/refunding.ts';
import { startTrial } from '../../src/subscription/trial.ts';
import { buys, callOf, joins, runOf } from '../a-book.ts';
import {
  choosesNext,
  grants,
  marksOf,
  nodesOf,
  periodOf,
  shop,
  standOf,
  termsNow,
  wrongs,
} from './sold-terms.ts';

// Plan, length and kind follow the period in force, and the last period that is not refunded.

test.each([
  ['plus', 'basic', ['fast-1', 'nl-1'], ['nl-1']],
  ['basic', 'plus', ['nl-1'], ['fast-1', 'nl-1']],
])(
  'B1: access changes from %s to %s at the start of the renewed period, not at its charge',
  async (from, to, before, after) => {
    const books = await shop();
    await joins(books, 1n, { balanceMinor: 1_000_00n });
    await buys(books, 1n, { plan: from });
    await choosesNext(books, to);
    await books.setClock('2026-11-30T18:05:00Z');
    await marksOf(books);
    expect(await runOf(books, 'auto-renewal')).toMatchObject({ changed: 1n });
    expect([await nodesOf(books), await marksOf(books)]).toEqual([before, []]);
    expect(await termsNow(books)).toBe(`paid ${from} 30, then ${to} 30`);
    await books.setClock('2026-11-30T23:59:59.999Z');
    expect(await runOf(books, 'fast-expiry-cleanup')).toMatchObject({ examined: 0n });
    await books.setClock('2026-12-01T00:00:00Z');
    expect(await runOf(books, 'fast-expiry-cleanup')).toMatchObject({ changed: 1n });
    expect([await nodesOf(books), await marksOf(books)]).toEqual([after, ['fast-1', 'nl-1']]);
    expect(await termsNow(books)).toBe(`paid ${to} 30`);
    expect(await wrongs(books)).toEqual([]);
  },
);

test('B1: a trial that was bought as plus stays basic until its end', async () => {
  const books = await shop();
  await joins(books, 1n, { balanceMinor: 1_000_00n });
  await startTrial(callOf(books), { telegramId: 1n });
  await buys(books, 1n, { plan: 'plus' });
  expect([await termsNow(books), await nodesOf(books)]).toEqual([
    'paid basic 3, then plus 30',
    ['nl-1'],
  ]);
  await books.setClock('2026-11-04T00:00:00Z');
  await runOf(books, 'fast-expiry-cleanup');
  expect([await termsNow(books), await nodesOf(books)]).toEqual([
    'paid plus 30',
    ['fast-1', 'nl-1'],
  ]);
});

test('B1: a plan that is chosen after the charge counts from the renewal after it', async () => {
  const books = await shop();
  await joins(books, 1n, { balanceMinor: 2_000_00n });
  await buys(books, 1n);
  await choosesNext(books, 'plus');
  await books.setClock('2026-11-30T20:00:00Z');
  await runOf(books, 'auto-renewal');
  await choosesNext(books, 'basic');
  await books.setClock('2026-12-01T00:00:00Z');
  await runOf(books, 'fast-expiry-cleanup');
  expect(await termsNow(books)).toBe('paid plus 30, then basic 30');
  await books.setClock('2026-12-30T20:00:00Z');
  await runOf(books, 'auto-renewal');
  await books.setClock('2026-12-31T00:00:00Z');
  await runOf(books, 'fast-expiry-cleanup');
  expect(await termsNow(books)).toBe('paid basic 30');
});

test('B1: after a downtime over several periods the terms are those of the running one', async () => {
  const books = await shop();
  await joins(books, 1n, { balanceMinor: 5_000_00n });
  await buys(books, 1n);
  await buys(books, 1n, { periodDays: 90 });
  await buys(books, 1n, { periodDays: 365 });
  expect(await termsNow(books)).toBe('paid basic 30, then basic 365');
  await books.setClock('2027-04-01T00:00:00Z');
  await runOf(books, 'fast-expiry-cleanup');
  expect(await termsNow(books)).toBe('paid basic 365');
  expect(await wrongs(books)).toEqual([]);
});

test('B2: after the refund of a year the renewal is for a month again', async () => {
  const books = await shop();
  await joins(books, 1n, { balanceMinor: 5_000_00n });
  await buys(books, 1n);
  await buys(books, 1n, { periodDays: 365 });
  const periodId = await periodOf(books, { amount: '1399.00' });
  await refund(callOf(books), { telegramId: 1n, periodId, part: 'whole', keepAutoRenew: true });
  expect(await termsNow(books)).toBe('paid basic 30');
  await books.setClock('2026-11-30T20:00:00Z');
  await runOf(books, 'auto-renewal');
  const periods = (await standOf(books)).periods.filter(({ source }) => source === 'renewal');
  expect(periods.map(({ amount }) => amount)).toEqual(['149.00']);
});

test('B2: a grant after the refund of a running year continues the month before it', async () => {
  const books = await shop();
  await joins(books, 1n, { balanceMinor: 5_000_00n });
  await buys(books, 1n);
  await buys(books, 1n, { periodDays: 365 });
  await books.setClock('2026-12-11T00:00:00Z');
  await runOf(books, 'fast-expiry-cleanup');
  const periodId = await periodOf(books, { amount: '1399.00' });
  await refund(callOf(books), { telegramId: 1n, periodId, part: 'whole', keepAutoRenew: true });
  await grants(books, 3);
  expect(await termsNow(books)).toBe('paid basic 30');
  await books.setClock('2026-12-13T20:00:00Z');
  await runOf(books, 'auto-renewal');
  const periods = (await standOf(books)).periods.filter(({ source }) => source === 'renewal');
  expect(periods.map(({ amount }) => amount)).toEqual(['149.00']);
  expect(await wrongs(books)).toEqual([]);
});

test.each(['whole', 'unused'] as const)(
  'B2: a trial that was bought as plus and refunded (%s) is a trial of basic again',
  async (part) => {
    const books = await shop();
    await joins(books, 1n, { balanceMinor: 1_000_00n });
    await startTrial(callOf(books), { telegramId: 1n });
    await buys(books, 1n, { plan: 'plus' });
    await books.setClock('2026-11-02T00:00:00Z');
    const periodId = await periodOf(books, { source: 'purchase' });
    await refund(callOf(books), { telegramId: 1n, periodId, part, keepAutoRenew: true });
    expect(await standOf(books)).toMatchObject({ state: 'active', auto_renew: false });
    expect([await termsNow(books), await nodesOf(books)]).toEqual(['trial basic 3', ['nl-1']]);
    expect(await wrongs(books)).toEqual([]);
  },
);

test('B2: the refund of a renewal that was charged early keeps the plan in force', async () => {
  const books = await shop();
  await joins(books, 1n, { balanceMinor: 1_000_00n });
  await buys(books, 1n, { plan: 'plus' });
  await choosesNext(books, 'basic');
  await books.setClock('2026-11-30T20:00:00Z');
  await runOf(books, 'auto-renewal');
  const periodId = await periodOf(books, { source: 'renewal' });
  await refund(callOf(books), { telegramId: 1n, periodId, part: 'whole', keepAutoRenew: true });
  expect([await termsNow(books), await nodesOf(books)]).toEqual([
    'paid plus 30',
    ['fast-1', 'nl-1'],
  ]);
  await books.setClock('2026-12-01T00:00:00Z');
  expect(await wrongs(books)).toEqual([]);
});
