import fc from 'fast-check';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { readClock } from '../../src/db/clock.ts';
import { dayMs, hourMs, type Instant, instant, later, minuteMs } from '../../src/kernel/instant.ts';
import { refund } from '../../src/subscription/refunding.ts';
import {
  at,
  buys,
  callOf,
  joins,
  payer,
  paysIn,
  runAutoRenewal,
  sells,
  snapshotOfBooks,
  wrongsIn,
} from '../a-book.ts';
import { freshBooks } from '../books.ts';
import { rewindable } from '../rewind.ts';

// A clock that jumps: back, over the hours that a wall clock loses and repeats, over ends of months
// and whole periods.

/** Minutes before and after which walls and calendars do something of their own. */
const edges = [
  '2026-12-31T23:59:59.999Z',
  '2027-01-31T00:00:00Z',
  '2027-02-28T23:30:00Z',
  '2027-03-28T00:59:59.999Z', // Europe: an hour is lost
  '2027-03-28T01:00:00Z',
  '2027-10-31T00:30:00Z', // and one is there twice
  '2027-10-31T01:30:00Z',
  '2028-02-29T12:00:00Z',
].map(at);

type Move = (now: Instant) => Instant;

const moves: fc.Arbitrary<Move> = fc.oneof(
  fc.constantFrom(-hourMs, -minuteMs, -dayMs, -1, hourMs).map(
    (by): Move =>
      (now) =>
        later(now, by),
  ),
  fc.integer({ min: 1, max: 40 * 24 * 60 }).map(
    (minutes): Move =>
      (now) =>
        later(now, minutes * minuteMs),
  ),
  fc.constantFrom(30 * dayMs, 30 * dayMs - 6 * hourMs, 60 * dayMs).map(
    (by): Move =>
      (now) =>
        later(now, by),
  ),
  fc.constantFrom(...edges).map(
    (edge): Move =>
      (now) =>
        edge > now ? edge : later(now, -hourMs),
  ),
);

test('R5: no period is paid twice, whatever the clock does, and a clock that goes back charges nothing', async () => {
  await using books = await freshBooks({ now: '2026-11-01T00:00:00Z' });
  await sells(books);
  await payer(books, 1n, 100_000_00n);
  await payer(books, 2n, 400_00n);
  await using kept = await rewindable(books);
  const play = async (clock: readonly Move[]) => {
    await kept.rewind();
    let latest = at('2026-11-01T00:00:00Z');
    let now = latest;
    for (const move of clock) {
      now = instant(Math.max(move(now), 0));
      await books.setClock(now);
      const charged = (await runAutoRenewal(books)).changed;
      if (now <= latest) expect(charged).toBe(0n);
      // Until nothing is due at this moment: what is charged is what is due, and no more.
      while ((await runAutoRenewal(books)).changed > 0n);
      if (now > latest) latest = now;
    }
    expect(await wrongsIn(books.db)).toEqual([]);
    const { rows } = await sql<{ twice: number }>`
      SELECT count(*)::int AS twice FROM perennial.period a JOIN perennial.period b
        ON b.subscription_id = a.subscription_id AND b.id > a.id
          AND b.starts_at < a.ends_at AND b.ends_at > a.starts_at`.execute(books.db);
    expect(rows).toEqual([{ twice: 0 }]);
  };
  const clocks = fc.array(moves, { minLength: 2, maxLength: 8 });
  await fc.assert(fc.asyncProperty(clocks, play), { numRuns: 25 });
}, 300_000);

test('R17: the money of a period goes back once, however many ask, and its start can be sold again', async () => {
  await using books = await freshBooks({ now: '2026-11-01T00:00:00Z' });
  await sells(books);
  const id = await payer(books, 1n, 0n);
  const { id: periodId } = await books.db
    .selectFrom('perennial.period')
    .select('id')
    .executeTakeFirstOrThrow();
  const asked = Array.from({ length: 8 }, (_, n) =>
    refund(callOf(books, `key-${n}`), { telegramId: 1n, periodId, part: 'whole' }),
  );
  const settled = await Promise.allSettled(asked);
  const refusals = settled.filter((one) => one.status === 'rejected');
  expect(refusals.map(({ reason }) => reason.code)).toEqual(
    Array.from({ length: 7 }, () => 'no_period'),
  );
  const [customer] = (await snapshotOfBooks(books.db)).customers;
  expect(customer).toMatchObject({ balance: 149_00, subs: [{ state: 'expired' }] });
  await buys(books, 1n, { subscriptionId: id });
  const [after] = (await snapshotOfBooks(books.db)).customers;
  expect(after?.periods.map(({ startsAt, refundedAt }) => [startsAt, refundedAt === null])).toEqual(
    [
      [at('2026-11-01T00:00:00Z'), false],
      [at('2026-11-01T00:00:00Z'), true],
    ],
  );
  expect(await wrongsIn(books.db)).toEqual([]);
});

type Deed = 'buy' | 'renew' | 'refund whole' | 'refund unused';

test('R17: whatever is bought, renewed and refunded, all money is paid in, spent or given back, and the end follows', async () => {
  await using books = await freshBooks({ now: '2026-11-01T00:00:00Z' });
  await sells(books);
  await joins(books, 1n);
  await paysIn(books, 1n, 5_000_00n);
  await using kept = await rewindable(books);
  const lastPeriod = () =>
    books.db
      .selectFrom('perennial.period')
      .select('id')
      .where('refunded_at', 'is', null)
      .orderBy('starts_at', 'desc')
      .executeTakeFirst();
  const deeds: Readonly<Record<Deed, () => Promise<unknown>>> = {
    buy: () => buys(books, 1n),
    renew: () => runAutoRenewal(books),
    'refund whole': () => giveBack('whole'),
    'refund unused': () => giveBack('unused'),
  };
  const giveBack = async (part: 'whole' | 'unused') => {
    const last = await lastPeriod();
    if (last === undefined) return;
    await refund(callOf(books), { telegramId: 1n, periodId: last.id, part, keepAutoRenew: true });
  };
  const refusable = ['short_balance', 'nothing_unused'];
  const steps = fc.array(
    fc.tuple(
      fc.constantFrom<Deed>('buy', 'renew', 'refund whole', 'refund unused'),
      fc.constantFrom(0, hourMs, 13 * dayMs + 7, 29 * dayMs + 20 * hourMs),
    ),
    { minLength: 2, maxLength: 10 },
  );
  const play = async (sequence: readonly (readonly [Deed, number])[]) => {
    await kept.rewind();
    for (const [deed, laterMs] of sequence) {
      await books.setClock(later(await readClock(books.db), laterMs));
      await deeds[deed]().catch((error: { code?: string }) => {
        if (!refusable.includes(error.code ?? '')) throw error;
      });
      expect(await wrongsIn(books.db)).toEqual([]);
    }
    const [customer] = (await snapshotOfBooks(books.db)).customers;
    const live = customer?.periods.filter(({ refundedAt }) => refundedAt === null) ?? [];
    const refunded = customer?.periods.filter(({ refundedAt }) => refundedAt !== null) ?? [];
    const given = customer?.ledger.filter(({ kind }) => kind === 'refund') ?? [];
    const sum = (amounts: readonly { readonly amount: number }[]) =>
      amounts.reduce((total, { amount }) => total + amount, 0);
    expect((customer?.balance ?? 0) + sum(live) + sum(refunded) - sum(given)).toBe(5_000_00);
    expect(sum(given)).toBeLessThanOrEqual(sum(refunded));
  };
  await fc.assert(fc.asyncProperty(steps, play), { numRuns: 25 });
}, 300_000);
