import { sql } from 'kysely';
import { readClock } from '../../db/clock.ts';
import { type Db, inTransaction, type Tx } from '../../db/connect.ts';
import { wakeWorker } from '../../db/notify.ts';
import { anyOf } from '../../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime, later } from '../../kernel/instant.ts';
import { computeReminderLeadMs } from '../../outbox/reminder-schedule.ts';
import { lockFreeCustomers } from './customer-locks.ts';
import { readSettings } from './settings.ts';

// Price reviews: after a change of prices, discounts or settings, reminders are due at once.
//
// 1. Customers have to be notified of a new price in time. So the change stores a job in its
//    transaction.
// 2. The job runs after the commit, in chunks. Each chunk is a transaction that locks its customers
//    with SKIP LOCKED.
// 3. A customer that another transaction holds stays in the job, and follows at its end.
// 4. After an interruption the next run of expiry-reminders finishes the job.
// 5. A job concerns only subscriptions whose reminders have begun. The others are examined at their
//    `remind_at`, before a notification is due.

/** The renewals that a change affects; all of them if no field is set. */
export interface PriceReview {
  readonly plan?: string;
  readonly periodDays?: number;
  readonly currency?: string;
}

/** Stores a job in the transaction of the change. */
export async function writePriceReview(tx: Tx, review: PriceReview, now: Instant): Promise<void> {
  await tx
    .insertInto('perennial.price_review')
    .values({
      plan: review.plan ?? null,
      period_days: review.periodDays ?? null,
      currency: review.currency ?? null,
      ordered_at: isoTime(now),
    })
    .execute();
}

/** Subscriptions per chunk. Their locks are held well under a second. */
const chunkMax = 2_000;
/** Skipped customers that one further attempt tries. */
const missedMax = 500;

interface PriceReviewJob {
  readonly id: bigint;
  readonly plan: string | null;
  readonly periodDays: number | null;
  readonly currency: string | null;
  /** The last subscription of the walk; null: the walk has not begun. */
  readonly afterAt: Instant | null;
  readonly afterId: SubscriptionId | null;
  readonly missed: readonly CustomerId[];
}

interface PriceReviewChunk {
  readonly customers: readonly CustomerId[];
  /** The last subscription that was read; undefined: the walk is complete. */
  readonly last: { readonly at: Instant; readonly id: SubscriptionId } | undefined;
}

/** The ids of a PostgreSQL array: `{1,2}`. */
const parseIds = (text: string): CustomerId[] =>
  text
    .slice(1, -1)
    .split(',')
    .filter((id) => id !== '')
    .map((id) => BigInt(id) as CustomerId);

/** @returns the number of subscriptions that are due now; undefined: no progress is possible */
async function reviewChunk(tx: Tx): Promise<number | undefined> {
  const { rows } = await sql<Omit<PriceReviewJob, 'missed'> & { missed: string }>`
    SELECT id, plan, period_days AS "periodDays", currency, after_at AS "afterAt",
      after_id AS "afterId", missed::text
    FROM perennial.price_review ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED`.execute(tx);
  const [row] = rows;
  if (row === undefined) return undefined;
  const job: PriceReviewJob = { ...row, missed: parseIds(row.missed) };
  const now = await readClock(tx);
  const { renewalAhead } = await readSettings(tx);
  const chunk = await readChunk(tx, job, later(now, computeReminderLeadMs(renewalAhead)));
  const isWalking = chunk.last !== undefined;
  const wanted = isWalking ? chunk.customers : job.missed.slice(0, missedMax);
  const locked = await lockFreeCustomers(tx, wanted);
  const due = await writeRemindAt(tx, job, locked, now);
  const lockedIds = new Set(locked);
  const left = wanted.filter((id) => !lockedIds.has(id));
  const missed = isWalking ? [...job.missed, ...left] : [...job.missed.slice(missedMax), ...left];
  if (isWalking || missed.length > 0) await writeJobProgress(tx, job, chunk, missed);
  else await sql`DELETE FROM perennial.price_review WHERE id = ${job.id}`.execute(tx);
  if (due > 0) await wakeWorker(tx, 'expiry-reminders');
  // Other transactions hold all remaining customers. The next run continues.
  return !isWalking && locked.length === 0 && missed.length > 0 ? undefined : due;
}

/** Reads the next subscriptions by their end from `subscription_ending`, and the affected ones. */
async function readChunk(tx: Tx, job: PriceReviewJob, until: Instant): Promise<PriceReviewChunk> {
  const after =
    job.afterAt === null
      ? sql`true`
      : sql`(s.expires_at, s.id) > (${isoTime(job.afterAt)}::timestamptz, ${job.afterId}::bigint)`;
  const { rows } = await sql<{
    at: Instant;
    id: SubscriptionId;
    customerId: CustomerId | null;
  }>`
    SELECT page.expires_at AS at, page.id, c.id AS "customerId"
    FROM (SELECT s.* FROM perennial.subscription s
      WHERE s.state = 'active' AND s.expires_at <= ${isoTime(until)}
        AND ${after}
      ORDER BY s.expires_at, s.id LIMIT ${chunkMax}) page
    LEFT JOIN perennial.customer c ON c.id = page.customer_id
      AND page.kind = 'paid' AND page.auto_renew
      AND coalesce(${job.plan}, coalesce(page.next_plan, page.plan))
        = coalesce(page.next_plan, page.plan)
      AND coalesce(${job.periodDays}::int, coalesce(page.next_period_days, page.period_days))
        = coalesce(page.next_period_days, page.period_days)
      AND coalesce(${job.currency}, c.currency) = c.currency
    ORDER BY page.expires_at, page.id`.execute(tx);
  const customers = rows.flatMap((row) => row.customerId ?? []);
  return { customers: [...new Set(customers)], last: rows.at(-1) };
}

async function writeRemindAt(
  tx: Tx,
  { plan, periodDays }: PriceReviewJob,
  customers: readonly CustomerId[],
  now: Instant,
): Promise<number> {
  if (customers.length === 0) return 0;
  const { numAffectedRows } = await sql`
    UPDATE perennial.subscription s SET remind_at = ${isoTime(now)}
    WHERE s.customer_id = ${anyOf('bigint', customers)} AND s.state = 'active'
      AND s.kind = 'paid' AND s.auto_renew
      AND coalesce(${plan}, coalesce(s.next_plan, s.plan)) = coalesce(s.next_plan, s.plan)
      AND coalesce(${periodDays}::int, coalesce(s.next_period_days, s.period_days))
        = coalesce(s.next_period_days, s.period_days)`.execute(tx);
  return Number(numAffectedRows ?? 0n);
}

async function writeJobProgress(
  tx: Tx,
  job: PriceReviewJob,
  { last }: PriceReviewChunk,
  missed: readonly CustomerId[],
) {
  const at = last?.at ?? job.afterAt;
  await sql`
    UPDATE perennial.price_review
    SET after_at = ${at === null ? null : isoTime(at)}::timestamptz,
      after_id = ${last?.id ?? job.afterId}::bigint, missed = ${`{${missed.join(',')}}`}::bigint[]
    WHERE id = ${job.id}`.execute(tx);
}

export interface PriceReviewOptions {
  /** Called between two chunks. A run that ends leaves the rest to the next one. */
  readonly isOver?: () => boolean;
  /** Called after each chunk with the number of subscriptions that are due until then. */
  readonly onReviewed?: (due: number) => void;
}

/**
 * Runs the stored jobs that no other process runs.
 * @returns the number of subscriptions that are due now
 */
export async function runPriceReviews(
  db: Db,
  { isOver = () => false, onReviewed = () => undefined }: PriceReviewOptions = {},
): Promise<number> {
  let due = 0;
  for (;;) {
    if (isOver()) return due;
    const count = await inTransaction(db, (tx) => reviewChunk(tx));
    if (count === undefined) return due;
    due += count;
    onReviewed(due);
  }
}
