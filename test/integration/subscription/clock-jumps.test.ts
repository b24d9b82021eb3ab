import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readClock } from '../../../src/db/clock.ts';
import {
  dayMs,
  hourMs,
  type Instant,
  instant,
  later,
  minuteMs,
} from '../../../src/kernel/instant.ts';
import { refund } from '../../../src/subscription/commands/refund.ts';
import { findViolations, readDatabaseSnapshot } from '../../support/database-snapshot.ts';
import { createRestorePoint } from '../../support/restore-point.ts';
import {
  addBalance,
  addCustomer,
  buyPlan,
  createCaller,
  createShopDatabase,
  createSubscriber,
  parseTime,
  runAutoRenewal,
  runWorkerAt,
} from '../../support/shop.ts';

// A clock that jumps: back, over hours that a wall clock skips or repeats, and over whole periods.

/** Minutes around the special moments of wall clocks and calendars. */
const edges = [
  '2026-12-31T23:59:59.999Z',
  '2027-01-31T00:00:00Z',
  '2027-02-28T23:30:00Z',
  '2027-03-28T00:59:59.999Z', // Europe: an hour is lost
  '2027-03-28T01:00:00Z',
  '2027-10-31T00:30:00Z', // and one is there twice
  '2027-10-31T01:30:00Z',
  '2028-02-29T12:00:00Z',
].map(parseTime);

type ClockMove = (now: Instant) => Instant;

const moves: fc.Arbitrary<ClockMove> = fc.oneof(
  fc.constantFrom(-hourMs, -minuteMs, -dayMs, -1, hourMs).map(
    (by): ClockMove =>
      (now) =>
        later(now, by),
  ),
  fc.integer({ min: 1, max: 40 * 24 * 60 }).map(
    (minutes): ClockMove =>
      (now) =>
        later(now, minutes * minuteMs),
  ),
  fc.constantFrom(30 * dayMs, 30 * dayMs - 6 * hourMs, 60 * dayMs).map(
    (by): ClockMove =>
      (now) =>
        later(now, by),
  ),
  fc.constantFrom(...edges).map(
    (edge): ClockMove =>
      (now) =>
        edge > now ? edge : later(now, -hourMs),
  ),
);

test('R5: no period is paid twice for any jumps of the clock, and a clock that goes back charges nothing', async () => {
  await using database = await createShopDatabase({ now: '2026-11-01T00:00:00Z' });
  await createSubscriber(database, 1n, 99_000_00n);
  await createSubscriber(database, 2n, 400_00n);
  await using restorePoint = await createRestorePoint(database);
  const runClockMoves = async (clock: readonly ClockMove[]) => {
    await restorePoint.restore();
    let latest = parseTime('2026-11-01T00:00:00Z');
    let now = latest;
    for (const move of clock) {
      now = instant(Math.max(move(now), 0));
      const charged = (await runWorkerAt(database, now, 'auto-renewal')).changed;
      if (now <= latest) expect(charged).toBe(0n);
      // Until nothing is due at this time, so that each charge was due.
      while ((await runAutoRenewal(database)).changed > 0n);
      if (now > latest) latest = now;
    }
    expect(await findViolations(database.db)).toEqual([]);
    const rows = await database.query<{ twice: number }>`
      SELECT count(*)::int AS twice FROM perennial.period a JOIN perennial.period b
        ON b.subscription_id = a.subscription_id AND b.id > a.id
          AND b.starts_at < a.ends_at AND b.ends_at > a.starts_at`;
    expect(rows).toEqual([{ twice: 0 }]);
  };
  const clocks = fc.array(moves, { minLength: 2, maxLength: 8 });
  await fc.assert(fc.asyncProperty(clocks, runClockMoves), { numRuns: 25 });
}, 300_000);

test('R17: the money of a period returns once for any number of requests, and its start can be sold again', async () => {
  await using database = await createShopDatabase({ now: '2026-11-01T00:00:00Z' });
  const id = await createSubscriber(database, 1n, 0n);
  const { id: periodId } = await database.db
    .selectFrom('perennial.period')
    .select('id')
    .executeTakeFirstOrThrow();
  const asked = Array.from({ length: 8 }, (_, n) =>
    refund(createCaller(database, `key-${n}`), { telegramId: 1n, periodId, part: 'whole' }),
  );
  const settled = await Promise.allSettled(asked);
  const refusals = settled.filter((one) => one.status === 'rejected');
  expect(refusals.map(({ reason }) => reason.code)).toEqual(
    Array.from({ length: 7 }, () => 'no_period'),
  );
  const [customer] = (await readDatabaseSnapshot(database.db)).customers;
  expect(customer).toMatchObject({ balance: 149_00, subs: [{ state: 'expired' }] });
  await buyPlan(database, 1n, { subscriptionId: id });
  const [after] = (await readDatabaseSnapshot(database.db)).customers;
  expect(after?.periods.map(({ startsAt, refundedAt }) => [startsAt, refundedAt === null])).toEqual(
    [
      [parseTime('2026-11-01T00:00:00Z'), false],
      [parseTime('2026-11-01T00:00:00Z'), true],
    ],
  );
  expect(await findViolations(database.db)).toEqual([]);
});

type CustomerAction = 'buy' | 'renew' | 'refund whole' | 'refund unused';

test('R17: after any purchases, renewals and refunds, all money is accounted for, and the end follows the periods', async () => {
  await using database = await createShopDatabase({ now: '2026-11-01T00:00:00Z' });
  await addCustomer(database, 1n);
  await addBalance(database, 1n, 5_000_00n);
  await using restorePoint = await createRestorePoint(database);
  const lastPeriod = () =>
    database.db
      .selectFrom('perennial.period')
      .select('id')
      .where('refunded_at', 'is', null)
      .orderBy('starts_at', 'desc')
      .executeTakeFirst();
  const actions: Readonly<Record<CustomerAction, () => Promise<unknown>>> = {
    buy: () => buyPlan(database, 1n),
    renew: () => runAutoRenewal(database),
    'refund whole': () => refundLastPeriod('whole'),
    'refund unused': () => refundLastPeriod('unused'),
  };
  const refundLastPeriod = async (part: 'whole' | 'unused') => {
    const last = await lastPeriod();
    if (last === undefined) return;
    await refund(createCaller(database), {
      telegramId: 1n,
      periodId: last.id,
      part,
      keepAutoRenew: true,
    });
  };
  const refusable = ['short_balance', 'nothing_unused'];
  const steps = fc.array(
    fc.tuple(
      fc.constantFrom<CustomerAction>('buy', 'renew', 'refund whole', 'refund unused'),
      fc.constantFrom(0, hourMs, 13 * dayMs + 7, 29 * dayMs + 20 * hourMs),
    ),
    { minLength: 2, maxLength: 10 },
  );
  const runClockMoves = async (sequence: readonly (readonly [CustomerAction, number])[]) => {
    await restorePoint.restore();
    for (const [action, laterMs] of sequence) {
      await database.setClock(later(await readClock(database.db), laterMs));
      await actions[action]().catch((error: { code?: string }) => {
        if (!refusable.includes(error.code ?? '')) throw error;
      });
      expect(await findViolations(database.db)).toEqual([]);
    }
    const [customer] = (await readDatabaseSnapshot(database.db)).customers;
    const live = customer?.periods.filter(({ refundedAt }) => refundedAt === null) ?? [];
    const refunded = customer?.periods.filter(({ refundedAt }) => refundedAt !== null) ?? [];
    const given = customer?.ledger.filter(({ kind }) => kind === 'refund') ?? [];
    const sum = (amounts: readonly { readonly amount: number }[]) =>
      amounts.reduce((total, { amount }) => total + amount, 0);
    expect((customer?.balance ?? 0) + sum(live) + sum(refunded) - sum(given)).toBe(5_000_00);
    expect(sum(given)).toBeLessThanOrEqual(sum(refunded));
  };
  await fc.assert(fc.asyncProperty(steps, runClockMoves), { numRuns: 25 });
}, 300_000);
