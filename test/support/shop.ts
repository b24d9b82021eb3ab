import { sql } from 'kysely';
import { expect } from 'vitest';
import { inTransaction } from '../../src/db/connect.ts';
import type { SubscriptionId } from '../../src/kernel/ids.ts';
import { dayMs, type Instant, isoTime, later, parseInstant } from '../../src/kernel/instant.ts';
import { openReplica } from '../../src/leases/replica.ts';
import { openLogChannel } from '../../src/notifications/channels/log/log.ts';
import { openTexts } from '../../src/notifications/texts.ts';
import type { RunContext } from '../../src/runs/run-context.ts';
import type { RunRow } from '../../src/runs/run-record.ts';
import { type CustomerFields, createCustomer } from '../../src/subscription/commands/customer.ts';
import { type Purchase, purchase } from '../../src/subscription/commands/purchase.ts';
import { topUp } from '../../src/subscription/commands/top-up.ts';
import type { Caller } from '../../src/subscription/store/command-context.ts';
import type { Delivery } from '../../src/workers/deliver-notifications/claim.ts';
import { createRunnableWorkers } from '../../src/workers/index.ts';
import { createDatabase, type DatabaseOptions, type TestDatabase } from './database.ts';

// A shop for tests: plans, prices, a node, customers that buy by the real commands, and runs.

type DatabaseHandle = Pick<TestDatabase, 'db' | 'url'>;

export const parseTime = (text: string): Instant => parseInstant(text, 'test');

export const createCaller = (database: Pick<TestDatabase, 'db'>, key?: string): Caller => ({
  db: database.db,
  actor: 'test',
  ...(key === undefined ? {} : { key }),
});

/**
 * `basic` costs 149.00 RUB a month and 399.00 for 90 days, `plus` 299.00 and `mini` 10.00 a month.
 * A trial has three days of `basic`. One node.
 */
export async function createShop({ db }: Pick<TestDatabase, 'db'>): Promise<void> {
  await sql`
    INSERT INTO perennial.plan (key, title, groups) VALUES
      ('basic', '{"en": "Basic"}', '{all}'), ('plus', '{"en": "Plus"}', '{all,fast}'),
      ('mini', '{"en": "Mini"}', '{all}')`.execute(db);
  await setPrice({ db }, 'basic', 30, 149_00n, 'RUB');
  await setPrice({ db }, 'basic', 90, 399_00n, 'RUB');
  await setPrice({ db }, 'plus', 30, 299_00n, 'RUB');
  await setPrice({ db }, 'mini', 30, 10_00n, 'RUB');
  await sql`
    INSERT INTO perennial.setting (key, value)
    VALUES ('trial', '{"plan": "basic", "days": 3}')`.execute(db);
  await sql`
    INSERT INTO perennial.node (id, api, inbounds, groups, link)
    VALUES ('nl-1', '127.0.0.1:1', '{vless}', '{all}',
      '{"host": "nl1.example.net", "port": 443}')`.execute(db);
}

/** A database with `createShop`. */
export async function createShopDatabase(options?: DatabaseOptions): Promise<TestDatabase> {
  const database = await createDatabase(options);
  await createShop(database);
  return database;
}

/** Writes a price, or with null that the plan has none from `validFrom` on. */
export async function setPrice(
  { db }: Pick<TestDatabase, 'db'>,
  plan: string,
  periodDays: number,
  minor: bigint | null,
  currency: string,
  validFrom = '2020-01-01T00:00:00Z',
): Promise<void> {
  await sql`
    INSERT INTO perennial.plan_price (plan, period_days, currency, valid_from, amount_minor)
    VALUES (${plan}, ${periodDays}, ${currency}, ${validFrom}, ${minor})`.execute(db);
}

export interface CustomerOptions extends CustomerFields {
  readonly balanceMinor?: bigint;
}

/** A customer in RUB, unless the options name another currency. */
export async function addCustomer(
  database: Pick<TestDatabase, 'db'>,
  telegramId: bigint,
  { balanceMinor = 0n, ...fields }: CustomerOptions = {},
): Promise<void> {
  await createCustomer(createCaller(database), { telegramId, currency: 'RUB', ...fields });
  if (balanceMinor > 0n) await addBalance(database, telegramId, balanceMinor);
}

export async function addBalance(
  database: Pick<TestDatabase, 'db'>,
  telegramId: bigint,
  amountMinor: bigint,
): Promise<void> {
  await topUp(createCaller(database), { telegramId, amountMinor });
}

/** Buys a month of `basic`, unless the options state otherwise. */
export async function buyPlan(
  database: Pick<TestDatabase, 'db'>,
  telegramId: bigint,
  options: Partial<Purchase> = {},
): Promise<SubscriptionId> {
  const request = { telegramId, plan: 'basic', periodDays: 30, ...options };
  const purchased = await purchase(createCaller(database), request);
  return BigInt(purchased.subscription_id) as SubscriptionId;
}

/** A customer with a month of `basic` that starts now, and the balance that is left after it. */
export async function createSubscriber(
  database: Pick<TestDatabase, 'db'>,
  telegramId: bigint,
  leftMinor: bigint,
  options: CustomerOptions = {},
): Promise<SubscriptionId> {
  await addCustomer(database, telegramId, { ...options, balanceMinor: 149_00n + leftMinor });
  return buyPlan(database, telegramId);
}

export interface SubscriberBatch {
  readonly count: number;
  readonly endsAt: string;
  readonly balanceMinor: bigint;
  /** This many end at the same time, and the next ones a second later. The default is 1. */
  readonly together?: number;
  /** The default is true. */
  readonly autoRenew?: boolean;
  /** All subscriptions belong to `firstSubscriber`. */
  readonly ofOne?: boolean;
}

/** The Telegram id of the first customer of `createSubscribers`. */
export const firstSubscriber = 1_000_001n;

/** `count` customers with an imported month of `basic` each, written set-based for speed. */
export async function createSubscribers(
  { db }: Pick<TestDatabase, 'db'>,
  batch: SubscriberBatch,
): Promise<void> {
  const endsAt = parseTime(batch.endsAt);
  const { count, together = 1, autoRenew = true, ofOne = false } = batch;
  await inTransaction(db, async (tx) => {
    await sql`
      INSERT INTO perennial.customer (telegram_id, currency, balance_minor, sub_token, created_at)
      SELECT 1000000 + n, 'RUB', ${batch.balanceMinor}::bigint, 'token-of-the-crowd-' || n,
        least(perennial.clock(), ${isoTime(later(endsAt, -31 * dayMs))}::timestamptz)
      FROM generate_series(1, ${ofOne ? 1 : count}) n`.execute(tx);
    await sql`
      INSERT INTO perennial.ledger_entry (customer_id, amount_minor, balance_after_minor, kind,
        idempotency_key, created_at)
      SELECT id, balance_minor, balance_minor, 'opening', 'opening:' || telegram_id, created_at
      FROM perennial.customer WHERE telegram_id > 1000000 AND balance_minor > 0
      ORDER BY id`.execute(tx);
    await sql`
      INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
        expires_at, auto_renew)
      SELECT c.id, 'paid', 'basic', 30, 'active', ends.at - interval '30 days', ends.at,
        ${autoRenew}::boolean
      FROM generate_series(1, ${count}::int) n
      JOIN perennial.customer c ON c.telegram_id = 1000000 + CASE WHEN ${ofOne} THEN 1 ELSE n END
      CROSS JOIN LATERAL (SELECT ${isoTime(endsAt)}::timestamptz
        + (n - 1) / ${together}::int * interval '1 second' AS at) ends
      ORDER BY n`.execute(tx);
    const sourceSql = sql`perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
      WHERE c.telegram_id > 1000000 ORDER BY s.id`;
    await sql`
      INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at, ends_at,
        currency)
      SELECT s.id, c.id, 'import', s.plan, s.started_at, s.expires_at, 'RUB' FROM ${sourceSql}`.execute(
      tx,
    );
    await sql`
      INSERT INTO perennial.credential (id, subscription_id, customer_id, issued_at)
      SELECT gen_random_uuid(), s.id, c.id, s.started_at FROM ${sourceSql}`.execute(tx);
  });
}

/** A shop whose customer `firstSubscriber` has `count` subscriptions, as `createSubscribers`. */
export async function createReseller(
  now: string | Instant,
  count: number,
  endsAt: string,
): Promise<TestDatabase> {
  const database = await createShopDatabase({ now });
  await createSubscribers(database, { count, endsAt, balanceMinor: 0n, ofOne: true });
  await sql`ANALYZE`.execute(database.db);
  return database;
}

/** `count` customers whose month ends at `endsAt`, without money and without auto-renewal. */
export const createEndingSubscribers = (
  database: Pick<TestDatabase, 'db'>,
  count: number,
  endsAt: string,
): Promise<void> =>
  createSubscribers(database, {
    count,
    endsAt,
    balanceMinor: 0n,
    together: count,
    autoRenew: false,
  });

export interface WorkerRunOptions extends Partial<Omit<RunContext, 'db' | 'log'>> {
  /** Receives the warnings and errors that the run logs. */
  readonly problems?: object[];
}

/** Read and checked once, as at the start of a service. */
const texts = openTexts();

/** Sends notifications to a log that is discarded. The database keeps them. */
const createSilentDelivery = (): Delivery => ({
  channels: [openLogChannel({ info: () => undefined })],
  texts,
  admins: { locale: 'en', timeZone: 'UTC' },
});

/** One run of a worker in this process. The budget is a minute unless the options set another. */
export async function runWorker(
  database: DatabaseHandle,
  name: string,
  { problems, ...options }: WorkerRunOptions = {},
): Promise<RunRow> {
  const worker = createRunnableWorkers(createSilentDelivery).find((one) => one.name === name);
  if (worker === undefined) throw new Error(`no worker ${name}`);
  const replica = options.replica ?? openReplica(database.url);
  const collect = (fields: object, message: string) => void problems?.push({ ...fields, message });
  try {
    return await worker.run({
      db: database.db,
      replica,
      batchMax: 1_000,
      budgetMs: 60_000,
      signal: new AbortController().signal,
      elapsedMs: () => 0,
      log: { warn: collect, error: collect },
      ...options,
    });
  } finally {
    if (options.replica === undefined) await replica.close();
  }
}

/** Moves the clock, and runs a worker at that time. */
export async function runWorkerAt(
  database: DatabaseHandle & Pick<TestDatabase, 'setClock'>,
  now: string | Instant,
  name: string,
  options: WorkerRunOptions = {},
): Promise<RunRow> {
  await database.setClock(now);
  return runWorker(database, name, options);
}

export const runAutoRenewal = (
  database: DatabaseHandle,
  options: WorkerRunOptions = {},
): Promise<RunRow> => runWorker(database, 'auto-renewal', options);

/** A subscription with the balance of its customer. */
export async function readSubscription({ db }: Pick<TestDatabase, 'db'>, id: SubscriptionId) {
  const { rows } = await sql<{
    state: string;
    ends: string;
    nextTry: string | null;
    balance: number;
    /** Credentials that open nodes. */
    live: number;
    charges: number;
    lowBalanceNotices: number;
    quarantined: boolean;
  }>`
    SELECT s.state, to_char(s.expires_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS ends,
      CASE s.next_try_at WHEN 'infinity' THEN 'never'
        ELSE to_char(s.next_try_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') END AS "nextTry",
      c.balance_minor::int AS balance,
      (SELECT count(*)::int FROM perennial.credential k
        WHERE k.subscription_id = s.id AND k.retired_at IS NULL) AS live,
      (SELECT count(*)::int FROM perennial.period p
        WHERE p.subscription_id = s.id AND p.ledger_entry_id IS NOT NULL) AS charges,
      (SELECT count(*)::int FROM perennial.notification n
        WHERE n.subscription_id = s.id AND n.kind = 'low_balance') AS "lowBalanceNotices",
      EXISTS (SELECT FROM perennial.quarantine q WHERE q.item = s.id::text) AS quarantined
    FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    WHERE s.id = ${id}`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error(`no subscription ${id}`);
  return row;
}

/** Compares a subscription and the balance of its customer with these values. */
export async function expectSubscription(
  database: Pick<TestDatabase, 'db'>,
  id: SubscriptionId,
  expected: Partial<Awaited<ReturnType<typeof readSubscription>>>,
): Promise<void> {
  expect(await readSubscription(database, id)).toMatchObject(expected);
}

/** Active subscriptions, renewals, and the alarms with their held items. */
export async function readChargeCounts({ db }: Pick<TestDatabase, 'db'>) {
  const { rows } = await sql<{ active: number; charges: number; alarms: string[] }>`
    SELECT (SELECT count(*)::int FROM perennial.subscription WHERE state = 'active') AS active,
      (SELECT count(*)::int FROM perennial.period WHERE source = 'renewal') AS charges,
      (SELECT coalesce(array_agg(kind || ' ' || (params->>'held') ORDER BY id), '{}')
        FROM perennial.notification WHERE customer_id IS NULL) AS alarms`.execute(db);
  return rows[0];
}
