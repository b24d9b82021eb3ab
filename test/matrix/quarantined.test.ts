import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { setPrice } from '../../src/catalog/apply.ts';
import { readClock } from '../../src/db/clock.ts';
import { inTransaction } from '../../src/db/connect.ts';
import type { SubscriptionId } from '../../src/kernel/ids.ts';
import { hourMs, later, minuteMs } from '../../src/kernel/instant.ts';
import { grant } from '../../src/subscription/granting.ts';
import { changePlan } from '../../src/subscription/plan-change.ts';
import { at, buys, callOf, crowd, payer, runOf, sells, standOf, wrongsIn } from '../a-book.ts';
import { type Books, freshBooks } from '../books.ts';

// Renewals in quarantine, by a fault of ours: a trigger that refuses the periods of renewals.

const start = '2026-11-01T00:00:00Z';
const end = at('2026-12-01T00:00:00Z');

/** @param customers a condition on the new period */
async function refusesRenewals({ db }: Books, customers: string): Promise<void> {
  await sql`
    CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      RAISE EXCEPTION 'a fault of ours';
    END $$`.execute(db);
  await sql
    .raw(`CREATE TRIGGER refuse BEFORE INSERT ON perennial.period FOR EACH ROW
      WHEN (NEW.source = 'renewal' AND ${customers}) EXECUTE FUNCTION public.refuse()`)
    .execute(db);
}

const repairs = ({ db }: Books) => sql`DROP TRIGGER refuse ON perennial.period`.execute(db);

/** Both workers, each 30 minutes, as a service runs them; in the order that is worse for access. */
async function lives(books: Books, fromMs: number, toMs: number): Promise<void> {
  for (let ms = fromMs; ms <= toMs; ms += 30 * minuteMs) {
    await books.setClock(later(end, ms));
    await runOf(books, 'fast-expiry-cleanup');
    await runOf(books, 'auto-renewal');
    const { rows } = await sql`
      SELECT q.retry_at, s.expires_at FROM perennial.quarantine q
      JOIN perennial.subscription s ON s.id = q.item::bigint
      WHERE q.worker = 'auto-renewal' AND q.retry_at > s.expires_at + interval '24 hours'`.execute(
      books.db,
    );
    expect(rows).toEqual([]);
  }
}

test('F10 R19: a fault that is repaired within the grace costs no customer with enough balance the access', async () => {
  await using books = await freshBooks({ now: start });
  await sells(books);
  const id = await payer(books, 1n, 149_00n);
  await refusesRenewals(books, 'true');
  await lives(books, -6 * hourMs, 10 * hourMs);
  expect(await standOf(books, id)).toMatchObject({ state: 'active', quarantined: true });
  await repairs(books);
  await lives(books, 10.5 * hourMs, 26 * hourMs);
  expect(await standOf(books, id)).toMatchObject({
    state: 'active',
    charges: 2,
    quarantined: false,
    ends: '2026-12-31T00:00:00Z',
  });
  expect(await wrongsIn(books.db)).toEqual([]);
}, 120_000);

test('F10: the rule decides at the end of the grace, with no run of auto-renewal at all', async () => {
  await using books = await freshBooks({ now: start });
  await sells(books);
  const rich = await payer(books, 1n, 149_00n);
  const short = await payer(books, 2n, 0n);
  await sql`
    INSERT INTO perennial.quarantine (worker, item, reason, attempts, retry_at, first_seen_at)
    SELECT 'auto-renewal', id::text, 'test', 5, '2027-01-01Z', ${start}::timestamptz
    FROM perennial.subscription`.execute(books.db);
  await books.setClock(later(end, 24 * hourMs));
  await runOf(books, 'fast-expiry-cleanup');
  expect(await standOf(books, rich)).toMatchObject({ state: 'active', charges: 2 });
  expect(await standOf(books, short)).toMatchObject({ state: 'expired', charges: 1 });
});

const changes: readonly (readonly [string, (books: Books) => Promise<unknown>])[] = [
  ['a purchase', (books) => buys(books, 1n)],
  ['a grant', (books) => grant(callOf(books), { telegramId: 1n, days: 3 })],
  [
    'a price of the plan',
    ({ db }) =>
      inTransaction(db, async (tx) => {
        const now = await readClock(tx);
        const price = { plan: 'basic', periodDays: 30, currency: 'RUB', amountMinor: 99_00n };
        await setPrice(tx, price, now, now);
      }),
  ],
  [
    'a change of plan',
    (books) =>
      changePlan(callOf(books), { telegramId: 1n, plan: 'mini', periodDays: 30, when: 'next' }),
  ],
];

test.each(changes)('R19: %s releases a renewal from quarantine at once', async (_, change) => {
  await using books = await freshBooks({ now: start });
  await sells(books);
  const id = await payer(books, 1n, 500_00n);
  await refusesRenewals(books, 'true');
  await books.setClock(later(end, -hourMs));
  await runOf(books, 'auto-renewal');
  expect(await standOf(books, id)).toMatchObject({ quarantined: true });
  await change(books);
  expect(await standOf(books, id)).toMatchObject({ quarantined: false });
});

test('R20: with 300 failing of 3,000 the good ones are renewed in one run, and old failures hold up no new ones', async () => {
  await using books = await freshBooks({ now: start });
  await sells(books);
  await crowd(books, {
    count: 3_000,
    endsAt: '2026-12-01T00:00:00Z',
    balanceMinor: 149_00n,
    together: 3_000,
  });
  await refusesRenewals(books, 'NEW.customer_id % 10 = 0');
  const standing = async () => {
    const { rows } = await sql<{ renewed: number; aside: number; tried: number }>`
      SELECT (SELECT count(*)::int FROM perennial.period WHERE source = 'renewal') AS renewed,
        count(*)::int AS aside, coalesce(sum(attempts), 0)::int AS tried
      FROM perennial.quarantine`.execute(books.db);
    return rows[0];
  };
  await books.setClock(later(end, -5 * hourMs));
  const first = await runOf(books, 'auto-renewal');
  expect(first).toMatchObject({ outcome: 'failed', detail: { code: 'too_many_failures' } });
  expect(await standing()).toEqual({ renewed: 2_700, aside: 50, tried: 50 });
  // When the first 50 are due again, 50 new ones are put aside all the same.
  await books.setClock(later(end, -4 * hourMs));
  await runOf(books, 'auto-renewal');
  expect(await standing()).toEqual({ renewed: 2_700, aside: 100, tried: 150 });
}, 180_000);

test('R20: when a fault is repaired, a run renews all items in quarantine whose retry is due', async () => {
  await using books = await freshBooks({ now: start });
  await sells(books);
  const endsAt = '2026-12-01T00:00:00Z';
  await crowd(books, { count: 120, endsAt, balanceMinor: 149_00n });
  await refusesRenewals(books, 'true');
  await books.setClock(later(end, -5 * hourMs));
  for (let n = 0; n < 3; n += 1) await runOf(books, 'auto-renewal');
  await repairs(books);
  await books.setClock(later(end, -4 * hourMs));
  expect(await runOf(books, 'auto-renewal')).toMatchObject({ outcome: 'success', changed: 120n });
  const one = 7n as SubscriptionId;
  expect(await standOf(books, one)).toMatchObject({ charges: 1, quarantined: false });
}, 120_000);
