import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { freshBooks } from '../../test/books.ts';
import { endFor, end as endOf, type Given, judged, now, outlooks } from '../../test/judged.ts';
import { call, earlierOne, end, judgedNow, shortPayer, start } from '../../test/owed-warnings.ts';
import { runOf } from '../../test/shop.ts';
import { dayMs, hourMs, isoTime, later } from '../kernel/instant.ts';
import { topUp } from '../subscription/balance.ts';
import { changePlan } from '../subscription/plan-change.ts';
import { kinds, noticeKinds, type Params } from './kinds.ts';
import { samplesOf } from './texts/samples.ts';

// What a notice says of now is so when it is sent; what it says of then stays as it was.

/** What it says; undefined: it isn't sent. */
const saidBy = (...asked: Parameters<typeof judged>): Params | undefined => {
  const verdict = judged(...asked);
  return verdict.do === 'send' ? verdict.params : undefined;
};

const anHourAgo = { createdAt: later(now, -hourMs) };

test('part of what was missing has been paid', () => {
  const outlook = { ...outlooks.short, priceMinor: 150_00n, missingMinor: 10_00n };
  const given: Given = { sub: { outlook }, params: { missing: '149.00', price: '149.00' } };
  expect(saidBy('low_balance', given)).toMatchObject({ missing: '10.00', price: '150.00' });
  expect(saidBy('ends_3h', given)).toMatchObject({ missing: '10.00' });
});

test('auto-renewal was switched off: nothing is missing', () => {
  const given: Given = { sub: { outlook: outlooks.ends }, params: { missing: '149.00' } };
  expect(saidBy('ends_3h', given)).toMatchObject({ missing: null, others: null });
});

test('another plan was chosen for the next period: that is what the balance is short for', () => {
  const given: Given = { sub: { plan: 'plus', periodDays: 90 }, params: { plan: 'basic' } };
  expect(saidBy('low_balance', given)).toMatchObject({ plan: 'plus', period_days: 90 });
});

test('a refund and a gift say until when there is access now', () => {
  const then = { params: { ends_at: isoTime(endOf) } };
  const moved = isoTime(later(endOf, dayMs));
  const sub = { expiresAt: later(endOf, dayMs) };
  expect(saidBy('refund', { ...then, sub })).toMatchObject({ ends_at: moved });
  expect(saidBy('grant', { ...then, sub })).toMatchObject({ ends_at: moved });
  expect(saidBy('refund', { ...then, sub: { state: 'expired' } })).toMatchObject({ ends_at: null });
  expect(saidBy('refund', { ...then, now: endOf })).toMatchObject({ ends_at: null });
  expect(saidBy('refund', { ...then, now: later(endOf, -1) })).toMatchObject(then.params);
});

test.each(['receipt', 'refund'] as const)('an hour late, a %s says when it was', (kind) => {
  const name = kind === 'receipt' ? 'paid_at' : 'refunded_at';
  expect(saidBy(kind, { createdAt: later(now, 1 - hourMs) })).toMatchObject({ [name]: null });
  expect(saidBy(kind, anHourAgo)).toMatchObject({ [name]: isoTime(anHourAgo.createdAt) });
});

const otherwise: readonly Given['sub'][] = [
  { outlook: outlooks.ends, plan: 'plus', periodDays: 90, currency: 'EUR' },
  { outlook: { ...outlooks.short, priceMinor: 1n, missingMinor: 1n, othersMinor: 1n } },
  { expiresAt: later(now, 90 * dayMs), state: 'active' },
];
test.each(noticeKinds)('%s: nothing else that it says is changed', (kind) => {
  const [sample = {}] = samplesOf(kind);
  const fact = Object.keys(sample).filter((name) => !kinds[kind].now.some((each) => each === name));
  const plain = saidBy(kind, { end: endFor(kind) });
  for (const sub of otherwise) {
    const params = saidBy(kind, { ...anHourAgo, end: endFor(kind), ...(sub && { sub }) });
    for (const name of params === undefined ? [] : fact) {
      expect(params?.[name]).toBe(plain?.[name]);
    }
  }
});

test('R11: what is missing is enough, also where the balance is short for an earlier one too', async () => {
  await using books = await freshBooks({ now: start });
  const id = await shortPayer(books);
  await earlierOne(books, id);
  const told = { missing: '198.00', others: '149.00' };
  expect(await judgedNow(books)).toMatchObject({ low_balance: { params: told } });
  await topUp(call(books), { telegramId: 1n, amountMinor: 198_00n });
  await runOf(books, 'auto-renewal');
  const ended = await sql`
    SELECT FROM perennial.subscription WHERE expires_at <= ${end}`.execute(books.db);
  expect(ended.rows).toEqual([]);
});

test('a short balance is told of the plan that is next by now', async () => {
  await using books = await freshBooks({ now: start });
  await shortPayer(books);
  await changePlan(call(books), { telegramId: 1n, plan: 'plus', periodDays: 30, when: 'next' });
  const params = { plan: 'plus', price: '299.00', missing: '199.00' };
  expect(await judgedNow(books)).toMatchObject({ low_balance: { params } });
});
