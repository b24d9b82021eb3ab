import { type RawBuilder, sql } from 'kysely';
import { type Db, inTransaction, type Tx } from '../db/connect.ts';
import { wakeWorker } from '../db/notify.ts';
import type { BulkAction } from '../db/schema-bulk.ts';
import { readWriteTime } from '../db/trusted-time.ts';
import { anyOf } from '../db/unnest.ts';
import { refused } from '../kernel/faults.ts';
import type { CustomerId } from '../kernel/ids.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { requireKeyNotInFlight, withIdempotencyKey } from '../subscription/commands/command.ts';
import { type ListedCustomer, listCustomers } from '../subscription/queries/customer-list.ts';
import { countList, type ListCount } from '../subscription/queries/list-count.ts';
import { walkPages } from '../subscription/queries/list-page.ts';
import { readMatchingCustomers } from '../subscription/queries/matches.ts';
import {
  type FilterTexts,
  matchCustomer,
  matchSubscription,
  needsSubscription,
  requireKnownNames,
  type SubscriptionFilter,
} from '../subscription/queries/subscription-filter.ts';
import type { Caller } from '../subscription/store/command-context.ts';
import { type Actor, recordEvents } from '../subscription/store/events.ts';
import {
  type BulkJob,
  type BulkRequest,
  parseStoredRequest,
  requireValidTexts,
  toBulkFilter,
  toStoredParams,
} from './job.ts';

// Creates, reads and cancels bulk jobs.

/** A job as the command line and the API show it. */
export type BulkJobAnswer = ReturnType<typeof toAnswer>;

export interface BulkPreview extends ListCount {
  readonly filter: FilterTexts;
  /** The first customers by id. */
  readonly customers: readonly ListedCustomer[];
}

const previewMax = 10;

async function checkRequest(
  db: Db | Tx,
  request: BulkRequest,
  where: FilterTexts,
): Promise<SubscriptionFilter> {
  const filter = toBulkFilter(request.action, where);
  if (request.action === 'announcement') requireValidTexts(request.texts);
  await requireKnownNames(db, filter);
  return filter;
}

/** The customers whom a job would change now. @throws the faults of `createBulkJob` */
export async function previewBulkJob(
  db: Db,
  request: BulkRequest,
  where: FilterTexts,
): Promise<BulkPreview> {
  const filter = await checkRequest(db, request, where);
  const customers: ListedCustomer[] = [];
  const pages = walkPages((page) => listCustomers(db, page), { filter, max: previewMax });
  for await (const { items } of pages) customers.push(...items);
  return { filter: filter.texts, ...(await countList(db, 'customers', filter)), customers };
}

/**
 * Creates a job with its customers, in one transaction. The same key returns the first answer.
 * @throws UsageFault; Fault `no_plan`, `no_group`, `key_reused`, `in_flight`
 */
export async function createBulkJob(
  caller: Caller,
  request: BulkRequest,
  where: FilterTexts,
): Promise<BulkJobAnswer> {
  const filter = await checkRequest(caller.db, request, where);
  return inTransaction(caller.db, async (tx) => {
    await requireKeyNotInFlight(tx, 'bulk-job', caller);
    const body = { ...request, filter: filter.texts };
    return withIdempotencyKey(tx, 'bulk-job', caller, body, async () => {
      const now = await readWriteTime(tx);
      const id = await insertJob(tx, request, filter, caller.actor, now);
      await wakeWorker(tx, 'bulk-jobs');
      await recordJobEvent(tx, id, 'bulk_job_created', caller.actor, now);
      return toAnswer(await readJobRow(tx, id));
    });
  });
}

async function insertJob(
  tx: Tx,
  request: BulkRequest,
  filter: SubscriptionFilter,
  actor: Actor,
  now: Instant,
): Promise<bigint> {
  const { id } = await tx
    .insertInto('perennial.bulk_job')
    .values({
      action: request.action,
      params: JSON.stringify(toStoredParams(request)),
      filter: JSON.stringify(filter.texts),
      actor,
      total: 0n,
      created_at: isoTime(now),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const total =
    filter.values.short === undefined
      ? await insertMatches(tx, id, selectCustomers(filter))
      : await insertForecastMatches(tx, id, filter);
  await sql`UPDATE perennial.bulk_job SET total = ${total} WHERE id = ${id}`.execute(tx);
  return id;
}

const selectCustomers = (filter: SubscriptionFilter): RawBuilder<unknown> => sql`
  SELECT c.id FROM perennial.customer c
  WHERE ${matchCustomer(filter)} AND ${
    needsSubscription(filter)
      ? sql`EXISTS (SELECT FROM perennial.subscription s
          WHERE s.customer_id = c.id AND ${matchSubscription(filter)})`
      : sql`true`
  }`;

async function insertMatches(tx: Tx, job: bigint, select: RawBuilder<unknown>): Promise<bigint> {
  const { numAffectedRows } = await sql`
    INSERT INTO perennial.bulk_item (job_id, customer_id)
    SELECT ${job}::bigint, matching.id FROM (${select}) matching ORDER BY matching.id`.execute(tx);
  return numAffectedRows ?? 0n;
}

/** Customers whose forecasts are computed at once. */
const forecastMax = 1_000;

async function insertForecastMatches(
  tx: Tx,
  job: bigint,
  filter: SubscriptionFilter,
): Promise<bigint> {
  let total = 0n;
  for (let after = 0n; ; ) {
    const { rows } = await sql<{ id: CustomerId }>`
      ${selectCustomers(filter)} AND c.id > ${after} ORDER BY c.id LIMIT ${forecastMax}`.execute(
      tx,
    );
    const last = rows.at(-1);
    if (last === undefined) return total;
    after = last.id;
    const matching = await readMatchingCustomers(
      tx,
      filter,
      rows.map(({ id }) => id),
    );
    const ids = [...matching];
    const found = sql`SELECT c.id FROM perennial.customer c WHERE c.id = ${anyOf('bigint', ids)}`;
    total += await insertMatches(tx, job, found);
  }
}

interface JobRow extends Omit<BulkJob, 'request'> {
  readonly action: BulkAction;
  readonly params: Record<string, unknown>;
  readonly createdAt: Instant;
  readonly finishedAt: Instant | null;
}

const selectJobs = sql<JobRow>`
  SELECT id, action, params, filter, actor, state, total, done, skipped, failed,
    created_at AS "createdAt", finished_at AS "finishedAt"
  FROM perennial.bulk_job`;

/** @returns undefined: there is no such job, or it is over */
export async function findRunningJob(tx: Tx, id: bigint): Promise<BulkJob | undefined> {
  const { rows } = await sql<JobRow>`
    ${selectJobs} WHERE id = ${id} AND state = 'running'`.execute(tx);
  const [row] = rows;
  if (row === undefined) return undefined;
  return { ...row, request: parseStoredRequest(row.action, row.params) };
}

/** The jobs that are not over, the oldest first. */
export async function readRunningJobs(db: Db): Promise<BulkJobAnswer[]> {
  const { rows } = await sql<JobRow>`
    ${selectJobs} WHERE state = 'running' ORDER BY id`.execute(db);
  return rows.map(toAnswer);
}

const toAnswer = (row: JobRow) => ({
  id: Number(row.id),
  action: row.action,
  params: row.params,
  filter: row.filter,
  actor: row.actor,
  state: row.state,
  total: Number(row.total),
  done: Number(row.done),
  skipped: Number(row.skipped),
  failed: Number(row.failed),
  created_at: isoTime(row.createdAt),
  finished_at: row.finishedAt === null ? null : isoTime(row.finishedAt),
});

/** @throws Fault `no_job` */
async function readJobRow(db: Db | Tx, id: bigint): Promise<JobRow> {
  const { rows } = await sql<JobRow>`${selectJobs} WHERE id = ${id}`.execute(db);
  const [row] = rows;
  if (row === undefined)
    throw refused('no_job', `there is no bulk job ${id}`, 'list them with "perennial bulk list"');
  return row;
}

export type BulkJobDetails = BulkJobAnswer & {
  /** The customers by reason, of those that were skipped or failed. */
  readonly reasons: Readonly<Record<string, number>>;
};

/** @throws Fault `no_job` */
export async function readBulkJob(db: Db, id: bigint): Promise<BulkJobDetails> {
  const row = await readJobRow(db, id);
  const { rows } = await sql<{ reason: string; count: bigint }>`
    SELECT reason, count(*) AS count FROM perennial.bulk_item
    WHERE job_id = ${id} AND reason IS NOT NULL GROUP BY reason ORDER BY reason`.execute(db);
  const reasons = Object.fromEntries(rows.map(({ reason, count }) => [reason, Number(count)]));
  return { ...toAnswer(row), reasons };
}

/** Jobs, the newest first. */
export async function listBulkJobs(
  db: Db,
  { max, before }: { readonly max: number; readonly before?: bigint | undefined },
): Promise<BulkJobAnswer[]> {
  const { rows } = await sql<JobRow>`
    ${selectJobs} WHERE ${before === undefined ? sql`true` : sql`id < ${before}`}
    ORDER BY id DESC LIMIT ${max}`.execute(db);
  return rows.map(toAnswer);
}

/**
 * Cancels a job: it processes no further customer. What it did stays. Announcements that were not
 * sent yet are not sent.
 * @throws Fault `no_job`, `is_over`
 */
export function cancelBulkJob(db: Db, id: bigint, actor: Actor): Promise<BulkJobAnswer> {
  return inTransaction(db, async (tx) => {
    const now = await readWriteTime(tx);
    const { numAffectedRows } = await sql`
      UPDATE perennial.bulk_job SET state = 'cancelled', finished_at = ${isoTime(now)}
      WHERE id = ${id} AND (state = 'running' OR state = 'done' AND action = 'announcement')`.execute(
      tx,
    );
    const row = await readJobRow(tx, id);
    if (numAffectedRows === 0n) throw refused('is_over', `bulk job ${id} is ${row.state} already`);
    await recordJobEvent(tx, id, 'bulk_job_cancelled', actor, now);
    return toAnswer(row);
  });
}

export async function recordJobEvent(
  tx: Tx,
  id: bigint,
  action: string,
  actor: Actor,
  now: Instant,
): Promise<void> {
  const event = { customerId: null, subject: `bulk_job:${id}`, action, detail: {} };
  await recordEvents(tx, [event], actor, now);
}
