import { expect, test } from 'vitest';
import type { SubscriptionId } from '../../../../src/kernel/ids.ts';
import { setAutoRenew } from '../../../../src/subscription/commands/auto-renew.ts';
import { refund } from '../../../../src/subscription/commands/refund.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { findViolations } from '../../../support/database-snapshot.ts';
import { hookPool } from '../../../support/hooked-pool.ts';
import { holdLocks, type LockHolder } from '../../../support/locks.ts';
import {
  addBalance,
  buyPlan,
  createCaller,
  createShopDatabase,
  createSubscriber,
  expectSubscription,
  runAutoRenewal,
  type WorkerRunOptions,
} from '../../../support/shop.ts';

// A change commits between the finding and the locking of a batch. The decision must include it,
// because its facts are read after the lock.

const dueAt = '2026-11-30T20:00:00Z';
const end = '2026-12-01T00:00:00Z';

interface GapScene {
  readonly database: TestDatabase;
  readonly id: SubscriptionId;
  /** A run in whose gap `meanwhile` happens, once. */
  run(
    meanwhile: () => Promise<unknown>,
    options?: WorkerRunOptions,
  ): ReturnType<typeof runAutoRenewal>;
}

/**
 * A customer with `leftMinor` who is due now, and a database whose runs can be stopped in the gap.
 */
async function runInGap(leftMinor: bigint, work: (gap: GapScene) => Promise<void>): Promise<void> {
  let meanwhile: (() => Promise<unknown>) | undefined;
  const hook = async ({ sql, when }: { sql: string; when: string }) => {
    if (when !== 'before' || !sql.includes('SKIP LOCKED') || meanwhile === undefined) return;
    const happens = meanwhile;
    meanwhile = undefined;
    await happens();
  };
  await using database = await createShopDatabase({
    now: '2026-11-01T00:00:00Z',
    wrapPool: (pool) => hookPool(pool, hook),
  });
  const id = await createSubscriber(database, 1n, leftMinor);
  await database.setClock(dueAt);
  await work({
    database,
    id,
    async run(happens, options) {
      meanwhile = happens;
      const row = await runAutoRenewal(database, options);
      expect(meanwhile, 'the run reached the gap').toBeUndefined();
      return row;
    },
  });
  expect(await findViolations(database.db)).toEqual([]);
}

test('R14: a top-up in the gap counts: the subscription is renewed, without a notification of missing money', () =>
  runInGap(0n, async ({ database, id, run }) => {
    const row = await run(() => addBalance(database, 1n, 149_00n));
    expect(row).toMatchObject({ outcome: 'success', changed: 1n });
    const wanted = { ends: '2026-12-31T00:00:00Z', balance: 0, charges: 2, lowBalanceNotices: 0 };
    await expectSubscription(database, id, wanted);
  }));

test('R14: a purchase in the gap counts: nothing is charged on top of it', () =>
  runInGap(447_00n, async ({ database, id, run }) => {
    const row = await run(() => buyPlan(database, 1n));
    expect(row).toMatchObject({ outcome: 'success', changed: 0n, failed: 0n });
    const wanted = {
      ends: '2026-12-31T00:00:00Z',
      balance: 298_00,
      charges: 2,
      quarantined: false,
    };
    await expectSubscription(database, id, wanted);
  }));

test('R14: a purchase of something else in the gap counts: the remaining balance decides', () =>
  runInGap(149_00n, async ({ database, id, run }) => {
    const row = await run(() => buyPlan(database, 1n, { isNew: true }));
    expect(row).toMatchObject({ outcome: 'success', changed: 0n, failed: 0n });
    await expectSubscription(database, id, { ends: end, balance: 0, lowBalanceNotices: 1 });
  }));

test('R14: a refund in the gap counts: the refunded period is not sold again', () =>
  runInGap(149_00n, async ({ database, id, run }) => {
    const period = await database.db
      .selectFrom('perennial.period')
      .select('id')
      .executeTakeFirstOrThrow();
    const row = await run(() =>
      refund(createCaller(database), { telegramId: 1n, periodId: period.id, part: 'whole' }),
    );
    expect(row).toMatchObject({ outcome: 'success', changed: 0n, failed: 0n });
    await expectSubscription(database, id, { state: 'expired', balance: 298_00, charges: 1 });
  }));

test('R14: a refund in the gap that leaves auto-renewal on can be spent', () =>
  runInGap(0n, async ({ database, id, run }) => {
    const other = await (async () => {
      await addBalance(database, 1n, 149_00n);
      return buyPlan(database, 1n, { isNew: true, autoRenew: false });
    })();
    const period = await database.db
      .selectFrom('perennial.period')
      .select('id')
      .where('subscription_id', '=', other)
      .executeTakeFirstOrThrow();
    const row = await run(() =>
      refund(createCaller(database), {
        ...{ telegramId: 1n, periodId: period.id, part: 'whole' },
        keepAutoRenew: true,
      }),
    );
    expect(row).toMatchObject({ outcome: 'success', changed: 1n });
    await expectSubscription(database, id, { ends: '2026-12-31T00:00:00Z', balance: 0 });
  }));

test('R14: auto-renewal that is switched off in the gap charges nothing', () =>
  runInGap(149_00n, async ({ database, id, run }) => {
    const row = await run(() =>
      setAutoRenew(createCaller(database), { telegramId: 1n, on: false }),
    );
    expect(row).toMatchObject({ outcome: 'success', changed: 0n, failed: 0n });
    await expectSubscription(database, id, { ends: end, balance: 149_00, charges: 1 });
  }));

test('R14: a subscription that is revoked in the gap is not renewed', () =>
  runInGap(149_00n, async ({ database, id, run }) => {
    const row = await run(() => revoke(createCaller(database), { telegramId: 1n, reason: 'test' }));
    expect(row).toMatchObject({ outcome: 'success', changed: 0n, failed: 0n });
    await expectSubscription(database, id, { state: 'revoked', balance: 149_00, charges: 1 });
  }));

test('R14: a renewal by another run in the gap counts', () =>
  runInGap(447_00n, async ({ database, id, run }) => {
    const row = await run(() => runAutoRenewal(database));
    expect(row).toMatchObject({ outcome: 'success', changed: 0n, failed: 0n });
    await expectSubscription(database, id, { balance: 298_00, charges: 2 });
  }));

test('R14: a customer whom another session holds in the gap is left to the next run, without a wait', () =>
  runInGap(149_00n, async ({ database, id, run }) => {
    let holder: LockHolder | undefined;
    const row = await run(async () => {
      holder = await holdLocks(database, 'SELECT FROM perennial.customer FOR NO KEY UPDATE');
    });
    await holder?.release();
    expect(row).toMatchObject({ outcome: 'success', changed: 0n, failed: 0n });
    expect(await runAutoRenewal(database)).toMatchObject({ outcome: 'success', changed: 1n });
    await expectSubscription(database, id, { balance: 0, charges: 2 });
  }));
