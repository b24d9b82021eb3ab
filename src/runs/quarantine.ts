import { sql } from 'kysely';
import type { Db, Tx } from '../db/connect.ts';
import { isSchemaFault } from '../db/faults.ts';
import { anyOf, unnest } from '../db/unnest.ts';
import type { Fault } from '../kernel/faults.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { raiseAlarms } from '../outbox/alarms.ts';
import { graceMs } from '../subscription/rules/expiry.ts';
import { type DueItemRow, toDueItem } from './keyset.ts';
import type { DueItem, QuarantinedItem } from './worker.ts';

// Items that failed for a reason of their own, so that they do not delay the others.
//
// 1. An item is retried after 1, 2, 4, 8, 16 and then every 24 hours.
// 2. A retry that succeeds takes the item out of quarantine.
// 3. The operator gets one alarm per reason and day while items are there, and again after a
//    tenfold growth.
// 4. A run never mixes items in quarantine with new ones. It excludes them from its pages, and
//    tries those that are due at its end (`runner.ts`).
// 5. No retry of a renewal or an end lies beyond the grace that keeps its subscription active
//    (`subscription/rules/expiry.ts`).

/** The workers that decide whether a subscription keeps its access at its end. */
const endingWorkers = ['auto-renewal', 'fast-expiry-cleanup'];

/** If more items than this fail in one run, the items are not the cause. */
export const quarantinedMax = 50;

/** True if the fault belongs to this item. A schema error affects all items. */
export const isItemFault = (fault: Fault): boolean =>
  fault.kind !== 'transient' && !isSchemaFault(fault);

/** The items of a worker in quarantine. Limit: of more than 10,000 some are also in the pages. */
export async function readQuarantinedItems(
  db: Db | Tx,
  worker: string,
): Promise<{ readonly skip: readonly string[]; readonly retries: readonly string[] }> {
  const { rows } = await sql<{ item: string; due: boolean }>`
    SELECT item, retry_at <= perennial.clock() AS due FROM perennial.quarantine
    WHERE worker = ${worker} ORDER BY item LIMIT 10000`.execute(db);
  return {
    skip: rows.map(({ item }) => item),
    retries: rows.flatMap(({ item, due }) => (due ? [item] : [])),
  };
}

/**
 * A page of these subscriptions in quarantine. The items with the fewest attempts come first, so
 * each item gets its turn.
 */
export async function findQuarantinedItems(
  db: Db | Tx,
  worker: string,
  items: readonly string[],
  max: number,
): Promise<DueItem[]> {
  if (items.length === 0) return [];
  const { rows } = await sql<DueItemRow>`
    SELECT s.id AS "subscriptionId", s.customer_id AS "customerId", s.expires_at AS at
    FROM perennial.quarantine q JOIN perennial.subscription s
      ON s.id = CASE WHEN q.item ~ '^[0-9]{1,18}$' THEN q.item::bigint END
    WHERE q.worker = ${worker} AND q.item = ${anyOf('text', items)}
    ORDER BY q.attempts, q.retry_at, q.item LIMIT ${max}`.execute(db);
  return rows.map((row) => ({ ...toDueItem(row), isRetry: true }));
}

/** An item by a name of its worker: a subscription, or a subscription on a node. */
export interface FailedItem extends Omit<QuarantinedItem, 'subscriptionId'> {
  readonly item: string;
}

/**
 * Puts subscriptions into quarantine and raises the alarm, in the transaction that found them bad.
 */
export async function quarantineSubscriptions(
  tx: Tx,
  worker: string,
  items: readonly QuarantinedItem[],
  now: Instant,
): Promise<void> {
  const named = items.map((each) => ({ ...each, item: each.subscriptionId.toString() }));
  await quarantineItems(tx, worker, named, now);
  if (endingWorkers.includes(worker)) await retryWithinGrace(tx, worker, named);
}

/** After the grace a retry stays due, so each run tries it. */
async function retryWithinGrace(
  tx: Tx,
  worker: string,
  items: readonly FailedItem[],
): Promise<void> {
  if (items.length === 0) return;
  await sql`
    UPDATE perennial.quarantine q
    SET retry_at = least(q.retry_at, s.expires_at + ${`${graceMs} ms`}::interval)
    FROM ${unnest('bad', items, { item: ['text', (row) => row.item] })}
    JOIN perennial.subscription s ON s.id = bad.item::bigint AND s.state = 'active'
    WHERE q.worker = ${worker} AND q.item = bad.item`.execute(tx);
}

/** As `quarantineSubscriptions`, for items of any name. @returns the number of new items */
export async function quarantineItems(
  tx: Tx,
  worker: string,
  items: readonly FailedItem[],
  now: Instant,
): Promise<number> {
  if (items.length === 0) return 0;
  const { rows } = await sql<{ attempts: number }>`
    INSERT INTO perennial.quarantine AS q (worker, item, reason, retry_at, first_seen_at)
    SELECT ${worker}, bad.item, bad.reason, ${isoTime(now)}::timestamptz + interval '1 hour',
      ${isoTime(now)}::timestamptz
    FROM ${unnest('bad', items, {
      item: ['text', (row) => row.item],
      reason: ['text', (row) => `${row.reason}: ${row.sentence}`],
    })}
    ON CONFLICT (worker, item) DO UPDATE SET
      reason = excluded.reason, attempts = q.attempts + 1,
      retry_at = ${isoTime(now)}::timestamptz
        + interval '1 hour' * least(24, power(2, least(q.attempts, 5)))
    RETURNING attempts`.execute(tx);
  const count = await readQuarantineCount(tx, worker);
  const reasons = [...new Map(items.map((item) => [item.reason, item]))];
  const alarms = reasons.map(([reason, { item, sentence }]) => ({
    kind: 'alarm_quarantine' as const,
    params: { worker, reason, item, sentence, items: count },
  }));
  await raiseAlarms(tx, alarms);
  return rows.filter(({ attempts }) => attempts === 1).length;
}

async function readQuarantineCount(tx: Tx, worker: string): Promise<number> {
  const { rows } = await sql<{ items: bigint }>`
    SELECT count(*) AS items FROM perennial.quarantine WHERE worker = ${worker}`.execute(tx);
  return Number(rows[0]?.items ?? 0n);
}

/** Takes items out of quarantine. Costs nothing if there are no items. */
export async function releaseQuarantined(
  tx: Tx,
  worker: string,
  items: readonly string[],
): Promise<void> {
  if (items.length === 0) return;
  await sql`
    DELETE FROM perennial.quarantine
    WHERE worker = ${worker} AND item = ${anyOf('text', items)}`.execute(tx);
}
