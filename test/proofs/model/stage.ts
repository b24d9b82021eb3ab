import { randomUUID } from 'node:crypto';
import { type Instant, instant } from '../../../src/kernel/instant.ts';
import { openReplica, type Replica } from '../../../src/leases/replica.ts';
import type { RunRow } from '../../../src/runs/run-record.ts';
import { runWorker } from '../../../src/runs/runner.ts';
import { createCustomer } from '../../../src/subscription/commands/customer.ts';
import { autoRenewal } from '../../../src/workers/auto-renewal/worker.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { toIso } from './commands.ts';
import { firstPrices, type PriceFrom, plans, trial } from './prices.ts';

// The database on which sequences run one after another. Each sequence has new customers, the
// initial prices and the initial time. At its end its subscriptions leave the due index, so that
// later runs find only their own.

export const startTime = Date.parse('2026-11-24T09:00:00Z');

export interface Stage {
  readonly database: TestDatabase;
  readonly replica: Replica;
  readonly prefix: string;
  next: number;
}

export async function createStage(): Promise<Stage> {
  const database = await createDatabase({
    now: instant(startTime),
    connectionsMax: 8,
    // Both lanes share one event loop, which the search for an order blocks. Transactions of the
    // other lane stand still meanwhile, and a wait for one of them is not a fault.
    limits: { statementMs: 0, lockMs: 0, idleInTransactionMs: 0 },
  });
  for (const key of plans) {
    await database.db
      .insertInto('perennial.plan')
      .values({ key, title: JSON.stringify({ en: key }), groups: ['all'] })
      .execute();
  }
  await database.db
    .insertInto('perennial.setting')
    .values({ key: 'trial', value: JSON.stringify(trial) })
    .execute();
  return { database, replica: openReplica(database.url), prefix: randomUUID(), next: 1 };
}

export async function closeStage(stage: Stage): Promise<void> {
  await stage.replica.close();
  await stage.database.close();
}

/**
 * Sets the clock, also back, and deletes the mark of the latest time. The model covers the rules.
 * The repair after a step back has separate tests.
 */
export async function setStageClock(database: TestDatabase, to: Instant): Promise<void> {
  await database.setClock(to);
  await database.query`UPDATE perennial.installation SET clock_high_at = NULL`;
}

/** Restores the initial time and prices. */
export async function resetStage({ database }: Stage): Promise<void> {
  await setStageClock(database, instant(startTime));
  await database.query`DELETE FROM perennial.quarantine`;
  // The hourly limit of late charges counts all sequences, so its count is reset.
  await database.query`DELETE FROM perennial.worker_run`;
  await database.query`DELETE FROM perennial.plan_price`;
  await database.db
    .insertInto('perennial.plan_price')
    .values(
      firstPrices.map((price) => ({
        plan: price.plan,
        period_days: price.days,
        currency: 'RUB',
        valid_from: toIso(price.from),
        amount_minor: price.amount === null ? null : BigInt(price.amount),
      })),
    )
    .execute();
}

export async function setPrice({ query }: TestDatabase, price: PriceFrom): Promise<void> {
  await query`
    INSERT INTO perennial.plan_price (plan, period_days, currency, valid_from, amount_minor)
    VALUES (${price.plan}, ${price.days}, 'RUB', ${toIso(price.from)}, ${price.amount})
    ON CONFLICT (plan, period_days, currency, valid_from)
    DO UPDATE SET amount_minor = excluded.amount_minor`;
}

export async function addCustomer(stage: Stage) {
  const telegramId = BigInt(stage.next);
  stage.next += 1;
  const call = { db: stage.database.db, actor: 'model', key: `create-${telegramId}` };
  const { id } = await createCustomer(call, { telegramId, currency: 'RUB' });
  return { telegramId, customerId: id };
}

/** Removes the subscriptions from the due index for the next sequence. */
export async function removeFromDueIndex(
  { database }: Stage,
  customers: readonly number[],
): Promise<void> {
  await database.query`
    UPDATE perennial.subscription SET auto_renew = false
    WHERE customer_id = ANY(${`{${customers.join(',')}}`}::bigint[])`;
}

/** One run of the real worker by the real runner. A failed run fails the test. */
export async function runAutoRenewal(stage: Stage, batchMax: number): Promise<RunRow> {
  const problems: object[] = [];
  const collect = (fields: object) => void problems.push(fields);
  const row = await runWorker(autoRenewal, {
    db: stage.database.db,
    replica: stage.replica,
    batchMax,
    budgetMs: 60_000,
    signal: new AbortController().signal,
    elapsedMs: () => 0,
    log: { warn: collect, error: collect },
  });
  if (problems.length === 0 && (row.outcome === 'success' || row.outcome === 'degraded'))
    return row;
  throw new Error(`the run ended as ${row.outcome}: ${JSON.stringify(row.detail)}`, {
    cause: (problems[0] as { err?: unknown } | undefined)?.err,
  });
}
