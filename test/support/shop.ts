import { sql } from 'kysely';
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
import type { TestDatabase } from './database.ts';

// A book for a test, set up by the real commands, and what there is to do with it: let a worker run
// over it, and hold it, whole, against another.

type DatabaseHandle = Pick<TestDatabase, 'db' | 'url'>;

export const parseTime = (text: string): Instant => parseInstant(text, 'test');

export const createCaller = (database: Pick<TestDatabase, 'db'>, key?: string): Caller => ({
  db: database.db,
  actor: 'test',
  ...(key === undefined ? {} : { key }),
});

/** What a month costs: `basic` 149.00 RUB, `plus` 299.00 RUB, `mini` 10.00 RUB; 90 days of basic 399.00. */
const prices = [
  ['basic', 30, 149_00n],
  ['basic', 90, 399_00n],
  ['plus', 30, 299_00n],
  ['mini', 30, 10_00n],
] as const;

/** Plans with prices in RUB, three days of basic as a trial, and a node on which access is marked. */
export async function createPlans({ db }: Pick<TestDatabase, 'db'>): Promise<void> {
  for (const key of new Set(prices.map(([plan]) => plan))) {
    const title = JSON.stringify({ en: key });
    await db
      .insertInto('perennial.plan')
      .values({ key, title, groups: ['all'] })
      .execute();
  }
  for (const [plan, days, minor] of prices) await setPrice({ db }, plan, days, minor, 'RUB');
  await sql`
    INSERT INTO perennial.setting (key, value)
    VALUES ('trial', '{"plan": "basic", "days": 3}')`.execute(db);
  await sql`
    INSERT INTO perennial.node (id, api, inbounds, groups, link)
    VALUES ('nl-1', '127.0.0.1:1', '{vless}', '{all}', '{"host": "nl1.example.net"}')`.execute(db);
}

/** A price, or from now on none. */
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

/** A customer with money in RUB, unless another currency is said. */
export async function addCustomer(
  database: Pick<TestDatabase, 'db'>,
  telegramId: bigint,
  { balanceMinor = 0n, ...particulars }: CustomerOptions = {},
): Promise<void> {
  await createCustomer(createCaller(database), { telegramId, currency: 'RUB', ...particulars });
  if (balanceMinor > 0n) await addBalance(database, telegramId, balanceMinor);
}

export async function addBalance(
  database: Pick<TestDatabase, 'db'>,
  telegramId: bigint,
  amountMinor: bigint,
): Promise<void> {
  await topUp(createCaller(database), { telegramId, amountMinor });
}

/** Buys a month of basic, unless something else is said. */
export async function buyPlan(
  database: Pick<TestDatabase, 'db'>,
  telegramId: bigint,
  options: Partial<Purchase> = {},
): Promise<SubscriptionId> {
  const request = { telegramId, plan: 'basic', periodDays: 30, ...options };
  const purchased = await purchase(createCaller(database), request);
  return BigInt(purchased.subscription_id) as SubscriptionId;
}

/** Somebody with a month of basic that begins now, and what is left on the balance after it. */
export async function createSubscriber(
  database: Pick<TestDatabase, 'db'>,
  telegramId: bigint,
  leftMinor: bigint,
  options: CustomerOptions = {},
): Promise<SubscriptionId> {
  await addCustomer(database, telegramId, { ...options, balanceMinor: 149_00n });
  const id = await buyPlan(database, telegramId);
  if (leftMinor > 0n) await addBalance(database, telegramId, leftMinor);
  return id;
}

export interface SubscriberBatch {
  readonly count: number;
  readonly endsAt: string;
  readonly balanceMinor: bigint;
  /** How many of them end at the same moment; the next ones a second later. */
  readonly together?: number;
}

/** `count` customers with one imported month of basic each, written set-based for speed. */
export async function createSubscribers(
  { db }: Pick<TestDatabase, 'db'>,
  batch: SubscriberBatch,
): Promise<void> {
  const endsAt = parseTime(batch.endsAt);
  await inTransaction(db, async (tx) => {
    await sql`
      INSERT INTO perennial.customer (telegram_id, currency, balance_minor, sub_token, created_at)
      SELECT 1000000 + n, 'RUB', ${batch.balanceMinor}::bigint, 'token-of-the-crowd-' || n,
        ${isoTime(later(endsAt, -31 * dayMs))}
      FROM generate_series(1, ${batch.count}) n`.execute(tx);
    await sql`
      INSERT INTO perennial.ledger_entry (customer_id, amount_minor, balance_after_minor, kind,
        idempotency_key, created_at)
      SELECT id, balance_minor, balance_minor, 'opening', 'opening:' || telegram_id, created_at
      FROM perennial.customer WHERE telegram_id > 1000000 AND balance_minor > 0
      ORDER BY id`.execute(tx);
    await sql`
      INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
        expires_at)
      SELECT c.id, 'paid', 'basic', 30, 'active', ends.at - interval '30 days', ends.at
      FROM perennial.customer c CROSS JOIN LATERAL (
        SELECT ${isoTime(endsAt)}::timestamptz
          + (telegram_id - 1000001) / ${batch.together ?? 1} * interval '1 second' AS at) ends
      WHERE telegram_id > 1000000 ORDER BY c.id`.execute(tx);
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

export interface WorkerRunOptions extends Partial<Omit<RunContext, 'db' | 'log'>> {
  /** Gets what the run logs as warning or error. */
  readonly problems?: object[];
}

/** Messages are said to nobody; the books have them. */
const createSilentDelivery = (): Delivery => ({
  channels: [openLogChannel({ info: () => undefined })],
  texts: openTexts(),
  admins: { locale: 'en', timeZone: 'UTC' },
});

/** One run of a worker in this process, with time for everything unless something else is said. */
export async function runWorker(
  database: DatabaseHandle,
  name: string,
  { problems, ...options }: WorkerRunOptions = {},
): Promise<RunRow> {
  const worker = createRunnableWorkers(createSilentDelivery).find((one) => one.name === name);
  if (worker === undefined) throw new Error(`there is no worker ${name}`);
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

export const runAutoRenewal = (
  database: DatabaseHandle,
  options: WorkerRunOptions = {},
): Promise<RunRow> => runWorker(database, 'auto-renewal', options);

/** One subscription as it stands, with the balance of its customer. */
export async function readSubscription({ db }: Pick<TestDatabase, 'db'>, id: SubscriptionId) {
  const { rows } = await sql<{
    state: string;
    ends: string;
    nextTry: string | null;
    balance: number;
    charges: number;
    lowBalanceNotices: number;
    quarantined: boolean;
  }>`
    SELECT s.state, to_char(s.expires_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS ends,
      CASE s.next_try_at WHEN 'infinity' THEN 'never'
        ELSE to_char(s.next_try_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') END AS "nextTry",
      c.balance_minor::int AS balance,
      (SELECT count(*)::int FROM perennial.period p
        WHERE p.subscription_id = s.id AND p.ledger_entry_id IS NOT NULL) AS charges,
      (SELECT count(*)::int FROM perennial.notification n
        WHERE n.subscription_id = s.id AND n.kind = 'low_balance') AS "lowBalanceNotices",
      EXISTS (SELECT FROM perennial.quarantine q WHERE q.item = s.id::text) AS quarantined
    FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    WHERE s.id = ${id}`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error(`there is no subscription ${id}`);
  return row;
}
