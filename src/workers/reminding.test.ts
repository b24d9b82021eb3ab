import { sql } from 'kysely';
import { expect, test } from 'vitest';
import {
  at,
  buys,
  callOf,
  joins,
  payer,
  paysIn,
  type RunOptions,
  runOf,
  sells,
  setsPrice,
} from '../../test/a-book.ts';
import { type Books, type BooksOptions, freshBooks } from '../../test/books.ts';
import { hookPool } from '../../test/hooked-pool.ts';
import type { SubscriptionId } from '../kernel/ids.ts';
import { hourMs, type Instant, later } from '../kernel/instant.ts';
import { grant, setAutoRenew } from '../subscription/granting.ts';
import { refund } from '../subscription/refunding.ts';
import { startTrial } from '../subscription/trial.ts';

// The two workers that remind, on real books. What is said when: the tables of their rules.

const begin = at('2026-11-24T09:00:00Z');
const hour = (hours: number): Instant => later(begin, hours * hourMs);
const days = (count: number): Instant => hour(24 * count);

async function shop(options: BooksOptions = {}): Promise<Books> {
  const books = await freshBooks({ now: begin, ...options });
  await sells(books);
  return books;
}

async function onTrial(books: Books, telegramId: bigint): Promise<SubscriptionId> {
  await joins(books, telegramId);
  const { subscription_id } = await startTrial(callOf(books), { telegramId });
  return BigInt(subscription_id) as SubscriptionId;
}

/** A run at a moment; what has been said so far, apart from receipts. */
async function heard(books: Books, worker: string, now: Instant, options: RunOptions = {}) {
  await books.setClock(now);
  const run = await runOf(books, worker, options);
  expect(run.outcome).toBe('success');
  const { rows } = await sql<{ kind: string }>`
    SELECT kind FROM perennial.notification WHERE kind <> 'receipt' ORDER BY id`.execute(books.db);
  return rows.map(({ kind }) => kind);
}

const trials = (books: Books, now: Instant, options?: RunOptions) =>
  heard(books, 'trial-notifications', now, options);
const endings = (books: Books, now: Instant, options?: RunOptions) =>
  heard(books, 'expiry-reminders', now, options);

async function remindAt({ db }: Books, id: SubscriptionId): Promise<number | null> {
  const row = await db
    .selectFrom('perennial.subscription')
    .select('remind_at')
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  return row.remind_at === null ? null : (row.remind_at - begin) / hourMs;
}

test('T4: somebody on a trial hears the three, each once however often one looks', async () => {
  await using books = await shop();
  const id = await onTrial(books, 1n);
  expect(await trials(books, hour(5))).toEqual([]);
  expect(await trials(books, hour(6))).toEqual(['trial_6h']);
  expect(await remindAt(books, id)).toBe(48);
  expect(await trials(books, hour(7))).toEqual(['trial_6h']);
  // What was told stays told, also if somebody sets the time of the next look back.
  await sql`UPDATE perennial.subscription SET remind_at = ${'2026-11-24T09:00:00Z'}`.execute(
    books.db,
  );
  expect(await trials(books, hour(8))).toEqual(['trial_6h']);
  expect(await trials(books, hour(48))).toEqual(['trial_6h', 'trial_48h']);
  // In the night, for the morning is past the end.
  expect(await trials(books, hour(66))).toEqual(['trial_6h', 'trial_48h', 'trial_ending']);
  expect(await trials(books, hour(71.9))).toHaveLength(3);
  expect(await remindAt(books, id)).toBeNull();
});

test('T4: what is due in the night of the customer waits for the morning there', async () => {
  await using books = await shop();
  const id = await onTrial(books, 1n);
  await sql`UPDATE perennial.customer SET time_zone = 'Asia/Tokyo'`.execute(books.db);
  expect(await trials(books, hour(6))).toEqual([]);
  expect(await remindAt(books, id)).toBe(15);
  expect(await trials(books, hour(14.99))).toEqual([]);
  expect(await trials(books, hour(15))).toEqual(['trial_6h']);
});

test('T1: a purchase between the finding and the locking of a batch is seen: nobody is asked to buy what was bought', async () => {
  let meanwhile: (() => Promise<unknown>) | undefined;
  await using books = await shop({
    wrapPool: (pool) =>
      hookPool(pool, async ({ sql: text, when }) => {
        if (when !== 'before' || !text.includes('SKIP LOCKED')) return;
        const happens = meanwhile;
        meanwhile = undefined;
        await happens?.();
      }),
  });
  const converted = await onTrial(books, 1n);
  const other = await onTrial(books, 2n);
  for (const customer of [1n, 2n]) await paysIn(books, customer, 149_00n);
  meanwhile = async () => {
    await buys(books, 1n);
    await buys(books, 2n, { isNew: true });
  };
  expect(await trials(books, hour(48))).toEqual([]);
  expect(meanwhile).toBeUndefined();
  expect(await remindAt(books, converted)).toBe(24 * (33 - 3));
  expect(await remindAt(books, other)).toBe(66);
  expect(await trials(books, hour(67))).toEqual([]);
});

test('who will not be renewed hears of the end three times, who will be hears nothing', async () => {
  await using books = await shop();
  await payer(books, 1n, 0n);
  await payer(books, 2n, 149_00n);
  const off = await payer(books, 3n, 149_00n);
  await setAutoRenew(callOf(books), { telegramId: 3n, on: false });
  expect(await endings(books, days(26.9))).toEqual([]);
  expect(await endings(books, days(27))).toEqual(['ends_3d', 'ends_3d']);
  expect(await endings(books, days(28))).toHaveLength(2);
  expect(await endings(books, days(29))).toHaveLength(4);
  expect(await remindAt(books, off)).toBe(24 * 30 - 3);
  // The one with money is renewed, and is looked at again before the next end.
  await books.setClock(hour(24 * 30 - 5));
  await runOf(books, 'auto-renewal');
  const said = await endings(books, hour(24 * 30 - 3));
  expect(said.filter((kind) => kind !== 'low_balance')).toEqual([
    ...['ends_3d', 'ends_3d', 'ends_24h', 'ends_24h', 'ends_3h', 'ends_3h'],
  ]);
  const { rows } = await sql<{ customer: bigint; missing: string | null }>`
    SELECT customer_id AS customer, params->>'missing' AS missing FROM perennial.notification
    WHERE kind = 'ends_3h' ORDER BY customer_id`.execute(books.db);
  expect(rows).toEqual([
    { customer: 1n, missing: '149.00' },
    { customer: 3n, missing: null },
  ]);
});

test('money that another subscription will take before is not counted on', async () => {
  await using books = await shop();
  await payer(books, 1n, 149_00n);
  await paysIn(books, 1n, 149_00n);
  await books.setClock(hour(1));
  await buys(books, 1n, { isNew: true });
  // 149.00 for two of 149.00: the one that ends first is renewed.
  expect(await endings(books, days(27))).toEqual([]);
  expect(await endings(books, hour(24 * 27 + 1))).toEqual(['ends_3d']);
  await paysIn(books, 1n, 149_00n);
  expect(await endings(books, hour(24 * 29 + 1))).toEqual(['ends_3d']);
});

test('a price that will differ is told to who will be renewed, from three days ahead, once a price', async () => {
  await using books = await shop();
  await payer(books, 1n, 500_00n);
  // Has enough for the old price only, which counts until the message was sent.
  await payer(books, 2n, 149_00n);
  await setsPrice(books, 'basic', 30, 159_00n, 'RUB', '2026-12-20T00:00:00Z');
  // After the renewal is due: this one comes too late.
  await setsPrice(books, 'basic', 30, 300_00n, 'RUB', '2026-12-24T04:00:00Z');
  expect(await endings(books, days(27))).toEqual(['price_change', 'price_change']);
  expect(await endings(books, days(29))).toEqual(['price_change', 'price_change']);
  const { rows } = await sql`
    SELECT DISTINCT params FROM perennial.notification
    WHERE kind = 'price_change'`.execute(books.db);
  expect(rows).toEqual([
    {
      params: {
        plan: 'basic',
        period_days: 30,
        currency: 'RUB',
        price: '149.00',
        new_price: '159.00',
        from: '2026-12-24T09:00:00.000Z',
        next_price: null,
        expires_at: '2026-12-24T09:00:00.000Z',
      },
    },
  ]);
});

test('whoever sets an end sets when its reminders begin', async () => {
  await using books = await shop();
  const call = callOf(books);
  const id = await payer(books, 1n, 149_00n);
  const inDays = async () => Number(await remindAt(books, id)) / 24;
  expect(await inDays()).toBe(27);
  await buys(books, 1n);
  expect(await inDays()).toBe(57);
  const { rows } = await sql<{ id: bigint }>`SELECT max(id) AS id FROM perennial.period`.execute(
    books.db,
  );
  await refund(call, { telegramId: 1n, periodId: rows[0]?.id as never, part: 'whole' });
  expect(await inDays()).toBe(27);
  await grant(call, { telegramId: 1n, days: 5 });
  expect(await inDays()).toBe(32);
  // What would have been due before is not said: a day more than a minute before the end.
  await books.setClock(hour(24 * 35 - 0.5));
  await grant(call, { telegramId: 1n, days: 1 });
  expect(await remindAt(books, id)).toBe(24 * 35);
  const gift = await grant(call, { telegramId: 1n, days: 1, newPlan: 'plus' });
  expect(await remindAt(books, BigInt(gift.subscription_id) as SubscriptionId)).toBe(
    24 * 36 - 0.5 - 3,
  );
  await setAutoRenew(call, { telegramId: 1n, subscriptionId: id, on: true });
  await books.setClock(hour(24 * 36 - 5));
  await runOf(books, 'auto-renewal');
  expect(await inDays()).toBe(63);
});

test('a clock that jumped ahead and came back has used up no reminder of those who were past their end', async () => {
  await using books = await shop();
  await onTrial(books, 1n);
  expect(await trials(books, days(300))).toEqual([]);
  expect(await trials(books, hour(6))).toEqual(['trial_6h']);
});

test.each(['trial-notifications', 'expiry-reminders'])(
  'P7 P9: of a batch of %s one that fails is put aside, the others are told, and it is when it is mended',
  async (worker) => {
    await using books = await shop();
    for (let customer = 1n; customer <= 9n; customer += 1n) {
      if (worker === 'trial-notifications') await onTrial(books, customer);
      else await payer(books, customer, 0n);
    }
    await sql`
      CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'poisoned';
      END $$`.execute(books.db);
    await sql`
      CREATE TRIGGER refuse BEFORE INSERT ON perennial.notification FOR EACH ROW
      WHEN (NEW.subscription_id = 4) EXECUTE FUNCTION public.refuse()`.execute(books.db);
    const now = worker === 'trial-notifications' ? hour(6) : days(27);
    await books.setClock(now);
    expect(await runOf(books, worker)).toMatchObject({
      outcome: 'degraded',
      changed: 8n,
      failed: 1n,
    });
    await sql`DROP TRIGGER refuse ON perennial.notification`.execute(books.db);
    await books.setClock(later(now, hourMs));
    expect(await runOf(books, worker)).toMatchObject({ outcome: 'success', changed: 1n });
    const { rows } = await sql`SELECT FROM perennial.quarantine`.execute(books.db);
    expect(rows).toEqual([]);
  },
);

test('T4: runs at once say each reminder once', async () => {
  await using books = await shop();
  for (let customer = 1n; customer <= 40n; customer += 1n) await onTrial(books, customer);
  await books.setClock(hour(6));
  await Promise.all(
    Array.from({ length: 4 }, () => runOf(books, 'trial-notifications', { batchMax: 7 })),
  );
  await runOf(books, 'trial-notifications');
  const { rows } = await sql`
    SELECT count(*)::int AS said, count(DISTINCT subscription_id)::int AS heard
    FROM perennial.notification WHERE kind = 'trial_6h'`.execute(books.db);
  expect(rows).toEqual([{ said: 40, heard: 40 }]);
});
