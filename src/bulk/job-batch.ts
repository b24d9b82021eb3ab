import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import type { BulkOutcome } from '../db/schema-bulk.ts';
import { readTrustedTime } from '../db/trusted-time.ts';
import { unnest } from '../db/unnest.ts';
import type { CustomerId } from '../kernel/ids.ts';
import { isoTime } from '../kernel/instant.ts';
import { lockFreeCustomers } from '../subscription/store/customer-locks.ts';
import { readSettings } from '../subscription/store/settings.ts';
import { applyToCustomers, type ItemOutcome } from './actions.ts';
import type { BulkJob } from './job.ts';
import { findRunningJob, recordJobEvent } from './job-store.ts';

// One batch of a bulk job: lock, read again, change, and store the outcomes, in one transaction.

/** The result of a batch. */
export type BatchStep =
  /** The job no longer runs. */
  | { readonly kind: 'over' }
  | {
      readonly kind: 'processed';
      /** Customers that have an outcome now. */
      readonly count: number;
      /** The last customer that was examined; undefined: the walk is at its end. */
      readonly last: CustomerId | undefined;
      readonly isFinished: boolean;
    };

export interface BatchRequest {
  readonly jobId: bigint;
  readonly after: CustomerId | undefined;
  readonly max: number;
  /** Called with the customers of the batch, before they are locked. */
  readonly onRead?: (customers: readonly CustomerId[]) => void;
  /** Counts the batch in a run record, as the last statement. */
  readonly count?: ((tx: Tx, result: BatchCounts) => Promise<void>) | undefined;
}

interface BatchCounts {
  readonly examined: number;
  readonly changed: number;
  readonly failed: number;
}

/**
 * The lock of the job serializes its batches. It comes before the locks of customers, and no
 * transaction that holds a customer waits for it.
 */
async function lockJob(tx: Tx, id: bigint): Promise<BulkJob | undefined> {
  await sql`SELECT FROM perennial.bulk_job WHERE id = ${id} FOR NO KEY UPDATE`.execute(tx);
  return findRunningJob(tx, id);
}

export async function runJobBatch(
  tx: Tx,
  { jobId, after, max, onRead, count }: BatchRequest,
): Promise<BatchStep> {
  const job = await lockJob(tx, jobId);
  if (job === undefined) return { kind: 'over' };
  const now = await readTrustedTime(tx);
  const waiting = await readWaiting(tx, job.id, after, max);
  onRead?.(waiting);
  const locked = await lockFreeCustomers(tx, waiting);
  const context = { tx, now, settings: await readSettings(tx), actor: job.actor };
  const outcomes = await applyToCustomers(context, job, locked);
  await writeOutcomes(tx, job.id, outcomes);
  const isFinished = (await readWaiting(tx, job.id, undefined, 1)).length === 0;
  if (isFinished) {
    await sql`
      UPDATE perennial.bulk_job SET state = 'done', finished_at = ${isoTime(now)}
      WHERE id = ${job.id}`.execute(tx);
    await recordJobEvent(tx, job.id, 'bulk_job_done', job.actor, now);
  }
  const changed = outcomes.filter(({ outcome }) => outcome === 'done').length;
  await count?.(tx, { examined: outcomes.length, changed, failed: 0 });
  return {
    kind: 'processed',
    count: outcomes.length,
    last: waiting.length < max ? undefined : waiting.at(-1),
    isFinished,
  };
}

async function readWaiting(
  tx: Tx,
  job: bigint,
  after: CustomerId | undefined,
  max: number,
): Promise<CustomerId[]> {
  const { rows } = await sql<{ id: CustomerId }>`
    SELECT customer_id AS id FROM perennial.bulk_item
    WHERE job_id = ${job} AND outcome IS NULL AND customer_id > ${after ?? 0n}
    ORDER BY customer_id LIMIT ${max}`.execute(tx);
  return rows.map(({ id }) => id);
}

async function writeOutcomes(tx: Tx, job: bigint, outcomes: readonly ItemOutcome[]): Promise<void> {
  if (outcomes.length === 0) return;
  await sql`
    UPDATE perennial.bulk_item i SET outcome = result.outcome, reason = result.reason
    FROM ${unnest('result', outcomes, {
      customer_id: ['bigint', (row) => row.customerId],
      outcome: ['text', (row) => row.outcome],
      reason: ['text', (row) => row.reason],
    })}
    WHERE i.job_id = ${job} AND i.customer_id = result.customer_id AND i.outcome IS NULL`.execute(
    tx,
  );
  const count = (outcome: BulkOutcome) => outcomes.filter((one) => one.outcome === outcome).length;
  await sql`
    UPDATE perennial.bulk_job SET done = done + ${count('done')},
      skipped = skipped + ${count('skipped')}, failed = failed + ${count('failed')}
    WHERE id = ${job}`.execute(tx);
}

/**
 * Stores that the change of a customer failed by itself. A customer that another process has
 * processed meanwhile keeps that outcome.
 */
export async function failItem(tx: Tx, jobId: bigint, item: ItemOutcome): Promise<void> {
  const job = await lockJob(tx, jobId);
  if (job === undefined) return;
  const { rows } = await sql`
    SELECT FROM perennial.bulk_item
    WHERE job_id = ${jobId} AND customer_id = ${item.customerId} AND outcome IS NULL`.execute(tx);
  if (rows.length > 0) await writeOutcomes(tx, jobId, [item]);
}
