import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { inTransaction } from '../../../../src/db/connect.ts';
import { minuteMs } from '../../../../src/kernel/instant.ts';
import type { CustomerKind } from '../../../../src/outbox/kinds.ts';
import { setAutoRenew } from '../../../../src/subscription/commands/auto-renew.ts';
import { setCustomer } from '../../../../src/subscription/commands/customer.ts';
import { grant } from '../../../../src/subscription/commands/grant.ts';
import { refund } from '../../../../src/subscription/commands/refund.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import { topUp } from '../../../../src/subscription/commands/top-up.ts';
import { startTrial } from '../../../../src/subscription/commands/trial.ts';
import { until } from '../../../../testbed/until.ts';
import {
  createEndingSubscriber,
  createNotifiedSubscriber,
  createStage,
  enqueueReceipts,
  readNotifications,
  runDelivery,
  type Stage,
  startStageCouriers,
} from '../../../support/delivery.ts';
import { hookDatabase } from '../../../support/hooked-pool.ts';
import { enqueueOne } from '../../../support/notifications.ts';
import {
  addCustomer,
  buyPlan,
  createCaller,
  runWorker,
  runWorkerAt,
} from '../../../support/shop.ts';

// Changes between the search of a notification and its send.

const noon = '2026-11-24T12:00:00Z';

/** One run, with a change between the search of a notification and the lock of its customer. */
async function runDuring(stage: Stage, meanwhile: () => Promise<unknown>) {
  let todo: typeof meanwhile | undefined = meanwhile;
  await using database = hookDatabase(stage.database, async ({ when, sql: text }) => {
    if (when !== 'before' || !text.includes('FOR NO KEY UPDATE SKIP LOCKED')) return;
    const now = todo;
    todo = undefined;
    await now?.();
  });
  expect(await runDelivery({ ...stage, database })).toMatchObject({ outcome: 'success' });
  expect(todo).toBeUndefined();
}

interface RelevanceCase {
  readonly kind: CustomerKind;
  readonly what: string;
  /** Creates a customer for whom the notification is relevant at `at`. */
  readonly setUp: (stage: Stage, telegramId: bigint) => Promise<unknown>;
  readonly at: string;
  /** Applied to the first of two customers. */
  readonly change: (stage: Stage) => Promise<unknown>;
  readonly reason: string;
}

const telegramId = 1n;
const topUpOnce = (stage: Stage) =>
  topUp(createCaller(stage.database), { telegramId, amountMinor: 149_00n });
const buyAgain = async (stage: Stage) => {
  await topUpOnce(stage);
  await buyPlan(stage.database, telegramId);
};
const renewOnce = async (stage: Stage) => {
  await topUpOnce(stage);
  expect(await runWorker(stage.database, 'auto-renewal')).toMatchObject({ changed: 1n });
};
const revokeCustomer = (stage: Stage, id = telegramId) =>
  revoke(createCaller(stage.database), { telegramId: id, reason: 'test' });
const grantCustomer = (stage: Stage, id = telegramId) =>
  grant(createCaller(stage.database), { telegramId: id, days: 3 });
const createRenewalSwitch = (on: boolean) => (stage: Stage) =>
  setAutoRenew(createCaller(stage.database), { telegramId, on });
const refundCustomer = async (stage: Stage) => {
  const rows = await stage.database.query<{ id: bigint }>`
    SELECT min(p.id) AS id FROM perennial.period p JOIN perennial.customer c ON c.id = p.customer_id
    WHERE c.telegram_id = ${telegramId}`;
  await refund(createCaller(stage.database), {
    telegramId,
    periodId: rows[0]?.id as never,
    part: 'whole',
  });
};
const setDiscount10 = (stage: Stage) =>
  setCustomer(createCaller(stage.database), { telegramId, discountPercent: 10 });

const createTrial = async (stage: Stage, id: bigint) => {
  await stage.database.query`INSERT INTO perennial.setting (key, value)
    VALUES ('trial', '{"plan": "basic", "days": 3}') ON CONFLICT DO NOTHING`;
  await addCustomer(stage.database, id);
  await startTrial(createCaller(stage.database), { telegramId: id });
};
/** A month that ends by itself on December 24 at noon, and one without enough balance. */
const createEnding = createEndingSubscriber;
const createShort = (stage: Stage, id: bigint) => createNotifiedSubscriber(stage, id);
const createEnded =
  (setUp: RelevanceCase['setUp'], at: string) =>
  async (stage: Stage, id: bigint): Promise<void> => {
    await setUp(stage, id);
    // The second call sets the clock for both customers.
    await runWorkerAt(stage.database, at, 'fast-expiry-cleanup');
    await stage.database.setClock(noon);
  };
/** The next month is paid for, and will cost 199. */
const createHigherPrice = async (stage: Stage, id: bigint) => {
  await stage.database.query`
    INSERT INTO perennial.plan_price (plan, period_days, currency, valid_from, amount_minor)
    VALUES ('basic', 30, 'RUB', '2026-12-01Z', 19900) ON CONFLICT DO NOTHING`;
  await createNotifiedSubscriber(stage, id, 199_00n);
};
const createGranted = async (stage: Stage, id: bigint) => {
  await createNotifiedSubscriber(stage, id);
  await grantCustomer(stage, id);
};
const createRevoked = async (stage: Stage, id: bigint) => {
  await createNotifiedSubscriber(stage, id);
  await revokeCustomer(stage, id);
};

const end = '2026-12-24T12:00:00Z';
const [day3, day1, hour3] = [
  '2026-12-21T13:00:00Z',
  '2026-12-23T13:00:00Z',
  '2026-12-24T09:00:00Z',
];

const cases: readonly RelevanceCase[] = (
  [
    ['trial_6h', 'a purchase', createTrial, '2026-11-24T18:00:00Z', buyAgain, 'converted'],
    ['trial_48h', 'a purchase', createTrial, '2026-11-26T12:00:00Z', buyAgain, 'converted'],
    [
      'trial_ending',
      'a revocation',
      createTrial,
      '2026-11-27T09:00:00Z',
      revokeCustomer,
      'revoked',
    ],
    [
      ...(['trial_ended', 'a purchase'] as const),
      ...([createEnded(createTrial, '2026-11-27T12:00:00Z'), '2026-11-27T12:01:00Z'] as const),
      ...([buyAgain, 'pays_already'] as const),
    ],
    ['ends_3d', 'a grant', createEnding, day3, grantCustomer, 'end_moved'],
    ['ends_3d', 'a top-up', createShort, day3, topUpOnce, 'will_be_renewed'],
    ['ends_24h', 'a purchase', createEnding, day1, buyAgain, 'end_moved'],
    ['ends_24h', 'a revocation', createEnding, day1, revokeCustomer, 'revoked'],
    ['ends_24h', 'a refund', createEnding, day1, refundCustomer, 'end_moved'],
    ['ends_3h', 'a purchase', createEnding, hour3, buyAgain, 'end_moved'],
    ['low_balance', 'a renewal', createShort, hour3, renewOnce, 'end_moved'],
    ['low_balance', 'a switch', createShort, hour3, createRenewalSwitch(false), 'not_renewed'],
    ['low_balance', 'a revocation', createShort, hour3, revokeCustomer, 'revoked'],
    ['expired', 'a purchase', createEnded(createEnding, end), end, buyAgain, 'not_ended'],
    ['expired', 'a late renewal', createEnded(createShort, end), end, renewOnce, 'not_ended'],
    ['expired', 'a grant', createEnded(createEnding, end), end, grantCustomer, 'not_ended'],
    ['price_change', 'a discount', createHigherPrice, day3, setDiscount10, 'price_moved'],
    [
      'price_change',
      'a switch',
      createHigherPrice,
      day3,
      createRenewalSwitch(false),
      'not_renewed',
    ],
    ['price_change', 'a purchase', createHigherPrice, day3, buyAgain, 'end_moved'],
    ['price_change', 'a refund', createHigherPrice, day3, refundCustomer, 'end_moved'],
    ['grant', 'a revocation', createGranted, day3, revokeCustomer, 'revoked'],
  ] as const
).map(([kind, what, setUp, at, change, reason]) => ({ kind, what, setUp, at, change, reason }));

test.for(cases.map((each) => [each.what, each.kind, each] as const))(
  'T1: %s between the finding and the sending of %s suppresses it, with the reason in its row',
  async ([, kind, { setUp, at, change, reason }]) => {
    await using stage = await createStage({ now: noon });
    // The second customer has no change, so the notification is sent.
    for (const id of [1n, 2n]) await setUp(stage, id);
    await stage.database.query`DELETE FROM perennial.notification`;
    await stage.database.setClock(at);
    for (const id of [1n, 2n]) await enqueueOne(stage.database, kind, id);
    await runDuring(stage, () => change(stage));
    const [first, second] = await readNotifications(stage.database, kind);
    expect(first).toMatchObject({ state: 'suppressed', reason, attempts: 0 });
    expect(stage.api.texts(2n)).not.toEqual([]);
    expect(second).toMatchObject({ state: 'sent' });
    // The change itself may have a notification, which is sent.
    const sent = (await readNotifications(stage.database)).filter(({ state }) => state === 'sent');
    expect(stage.api.log).toHaveLength(sent.length);
  },
);

test.for([
  ['receipt', 'a refund', createNotifiedSubscriber, refundCustomer],
  ['receipt', 'a revocation', createNotifiedSubscriber, revokeCustomer],
  ['refund', 'a purchase', createNotifiedSubscriber, buyAgain],
  // A revoked subscription stays revoked beside another one.
  ['revoke', 'a purchase', createRevoked, buyAgain],
] as const)('%s is never outdated: %s meanwhile changes nothing', async (each) => {
  const [kind, , setUp, change] = each;
  await using stage = await createStage({ now: noon });
  await setUp(stage, 1n);
  await stage.database.query`DELETE FROM perennial.notification`;
  await enqueueOne(stage.database, kind, 1n);
  await runDuring(stage, () => change(stage));
  expect((await readNotifications(stage.database, kind))[0]).toMatchObject({ state: 'sent' });
});

test('T1: a notification whose customer a purchase has locked is checked only after its commit', async () => {
  await using stage = await createStage({ now: noon });
  await createEnding(stage, 1n);
  await stage.database.setClock('2026-12-23T13:00:00Z');
  await enqueueOne(stage.database, 'ends_24h', 1n);
  await using database = hookDatabase(stage.database);
  await inTransaction(stage.database.db, async (tx) => {
    await sql`SELECT FROM perennial.customer FOR NO KEY UPDATE`.execute(tx);
    const row = await runDelivery({ ...stage, database });
    expect(row).toMatchObject({ outcome: 'success', examined: 0n });
  });
  expect(stage.api.log).toEqual([]);
  await runDelivery(stage);
  expect(await readNotifications(stage.database)).toMatchObject([{ state: 'sent' }]);
});

test('T3: no connection is held and no transaction is open during a send', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  await enqueueReceipts(stage, 30);
  const used = () => database.pool.totalCount - database.pool.idleCount;
  const gate = Promise.withResolvers<void>();
  api.conduct = () => gate.promise.then(() => 'serve' as const);
  await using _ = startStageCouriers(stage, { pollMs: 5 * minuteMs });
  // As many as may be pending at once.
  await until(
    'all sends are pending',
    async () =>
      (await readNotifications(database)).filter(({ state }) => state === 'sending').length === 16,
  );
  await until('nothing is held', () => used() === 0);
  const rows = await database.query<{ open: bigint }>`
    SELECT count(*) AS open FROM pg_stat_activity
    WHERE datname = current_database() AND state LIKE 'idle in transaction%'`;
  expect(rows).toEqual([{ open: 0n }]);
  gate.resolve();
  await until('all are sent', async () =>
    (await readNotifications(database)).every(({ state }) => state === 'sent'),
  );
  expect(api.log).toHaveLength(30);
});

test('T3: notifications that follow each other take one connection in total', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  await enqueueReceipts(stage, 30);
  await using separate = hookDatabase(database);
  const { pool } = separate;
  const held: number[] = [];
  api.conduct = () => {
    held.push(pool.totalCount - pool.idleCount);
    return 'serve';
  };
  await runDelivery({ ...stage, database: separate });
  expect(api.log).toHaveLength(30);
  // The claim of the next notification, and the settlements of the last ones.
  expect(Math.max(...held)).toBeLessThanOrEqual(4);
});
