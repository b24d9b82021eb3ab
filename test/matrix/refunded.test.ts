import { expect, test } from 'vitest';
import { changePlan } from '../../src/subscription/plan-change.ts';
import { portraitOf } from '../../src/subscription/portrait.ts';
import { refund } from '../../src/subscription/refunding.ts';
import { buys, callOf, payer, paysIn, runOf } from '../a-book.ts';
import { grants, periodOf, shop, standOf, takesBack, termsNow, wrongs } from './sold-terms.ts';

// A refund ends the running period, and later periods move to an earlier start.

test.each(['whole', 'unused'] as const)(
  'B3: a refund (%s) ends the running period at that moment, and a top-up a minute later revives',
  async (part) => {
    const books = await shop();
    await payer(books, 1n, 0n);
    const now = '2026-11-21T00:00:00.000Z';
    await books.setClock(now);
    const periodId = await periodOf(books, { source: 'purchase' });
    await refund(callOf(books), { telegramId: 1n, periodId, part, keepAutoRenew: true });
    const ended = await standOf(books);
    expect(ended).toMatchObject({ state: 'expired', expires_at: now });
    const served = {
      part_of: Number(periodId),
      starts_at: '2026-11-01T00:00:00.000Z',
      ends_at: now,
    };
    expect(ended.periods.filter(({ refunded_at }) => refunded_at === null)).toMatchObject([served]);
    expect(await wrongs(books)).toEqual([]);
    await books.setClock('2026-11-21T00:01:00Z');
    await paysIn(books, 1n, 149_00n);
    await runOf(books, 'auto-renewal');
    expect(await standOf(books)).toMatchObject({ state: 'active', plan: 'basic' });
    expect(await wrongs(books)).toEqual([]);
  },
);

test('B3: a change of plan now leaves the time before it explained', async () => {
  const books = await shop();
  await payer(books, 1n, 500_00n);
  await books.setClock('2026-11-11T00:00:00Z');
  await changePlan(callOf(books), { telegramId: 1n, plan: 'plus', periodDays: 30, when: 'now' });
  const { periods } = await standOf(books);
  const live = periods.filter(({ refunded_at }) => refunded_at === null);
  expect(live.map(({ plan, starts_at }) => `${plan} ${starts_at.slice(0, 10)}`)).toEqual([
    'basic 2026-11-01',
    'plus 2026-11-11',
  ]);
  expect(await termsNow(books)).toBe('paid plus 30');
  expect(await wrongs(books)).toEqual([]);
});

test('B4: a grant is taken back, and the paid period before it stays', async () => {
  const books = await shop();
  await payer(books, 1n, 0n);
  const periodId = await grants(books, 300);
  const answer = await takesBack(books, periodId);
  expect(answer).toMatchObject({ amount: '0.00', expires_at: '2026-12-01T00:00:00.000Z' });
  expect(await standOf(books)).toMatchObject({ state: 'active', auto_renew: true });
  const { notices } = await portraitOf(books.db, 1n, 1);
  expect(notices[0]).toMatchObject({
    kind: 'grant_taken_back',
    params: { plan: 'basic', ends_at: '2026-12-01T00:00:00.000Z' },
  });
  expect(await wrongs(books)).toEqual([]);
});

test('B4: the paid period before a grant is refunded, and no granted day is lost', async () => {
  const books = await shop();
  await payer(books, 1n, 0n);
  await grants(books, 3);
  await grants(books, 5);
  await books.setClock('2026-11-11T00:00:00Z');
  const paid = await periodOf(books, { source: 'purchase' });
  const answer = await takesBack(books, paid, 'unused');
  expect(answer).toMatchObject({ expires_at: '2026-11-19T00:00:00.000Z', state: 'active' });
  const { periods } = await standOf(books);
  const given = periods.filter(({ source }) => source === 'grant');
  expect(given.map((one) => [one.starts_at.slice(0, 10), one.moved_from?.slice(0, 10)])).toEqual([
    ['2026-11-11', '2026-12-01'],
    ['2026-11-14', '2026-12-04'],
  ]);
  expect(await wrongs(books)).toEqual([]);
});

test('B4: a running grant that is taken back lets the paid period behind it start now', async () => {
  const books = await shop();
  await payer(books, 1n, 0n);
  const periodId = await grants(books, 10);
  await paysIn(books, 1n, 399_00n);
  await buys(books, 1n, { periodDays: 90 });
  await books.setClock('2026-12-05T00:00:00Z');
  await runOf(books, 'fast-expiry-cleanup');
  const answer = await takesBack(books, periodId, 'unused');
  expect(answer).toMatchObject({ expires_at: '2027-03-05T00:00:00.000Z', state: 'active' });
  expect(await termsNow(books)).toBe('paid basic 90');
  expect(await wrongs(books)).toEqual([]);
});

test('B4: a grant that is over is not taken back, and a period with a bought one behind it waits', async () => {
  const books = await shop();
  await payer(books, 1n, 0n);
  const periodId = await grants(books, 3);
  await paysIn(books, 1n, 149_00n);
  await buys(books, 1n);
  const first = await periodOf(books, { source: 'purchase' });
  await expect(takesBack(books, first)).rejects.toMatchObject({ code: 'refund_later_first' });
  await books.setClock('2026-12-04T00:00:00Z');
  await expect(takesBack(books, periodId)).rejects.toMatchObject({ code: 'nothing_unused' });
});
