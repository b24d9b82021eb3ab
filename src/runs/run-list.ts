import { sql } from 'kysely';
import type { Db, Tx } from '../db/connect.ts';
import type { JsonObject, RunOutcome } from '../db/schema.ts';
import { refused } from '../kernel/faults.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { majorUnits } from '../kernel/money.ts';
import type { RunRow } from './run-record.ts';

// Run records for a person: a list, and what one run did.
//
// Rows of customers carry no id of a run. A run is the actor of its events, and each batch writes
// its events and its notifications with one time of the run. So the events of a run are those of
// its worker between its start and its end. If another run of the worker overlaps it, the events
// belong to both, and the answer names the other run.

export const runOutcomes: readonly RunOutcome[] = [
  'running',
  'success',
  'partial',
  'skipped',
  'degraded',
  'failed',
  'lost',
];

export interface RunFilter {
  readonly worker?: string | undefined;
  readonly outcome?: RunOutcome | undefined;
  /** Only runs that started at this time or later. */
  readonly since?: Instant | undefined;
  /** Only ids below this one: the next page. */
  readonly before?: bigint | undefined;
}

const columns = sql`id, worker, replica, started_at, finished_at, outcome, examined, changed,
  failed, detail`;

/** A page of the records, the newest first. */
export async function listRuns(db: Db | Tx, filter: RunFilter, max: number): Promise<RunRow[]> {
  const { worker, outcome, since, before } = filter;
  const { rows } = await sql<RunRow>`
    SELECT ${columns} FROM perennial.worker_run
    WHERE ${before === undefined ? sql`true` : sql`id < ${before}`}
      AND ${worker === undefined ? sql`true` : sql`worker = ${worker}`}
      AND ${outcome === undefined ? sql`true` : sql`outcome = ${outcome}`}
      AND ${since === undefined ? sql`true` : sql`started_at >= ${isoTime(since)}`}
    ORDER BY id DESC LIMIT ${max}`.execute(db);
  return rows;
}

/** Items that a guard or a quarantine held, by the counts of the worker. */
export const readHeldCount = ({ detail }: Pick<RunRow, 'detail'>): number =>
  ['held', 'held_charges', 'in_quarantine']
    .map((name) => Number(detail[name] ?? 0))
    .reduce((sum, count) => sum + (Number.isFinite(count) ? count : 0), 0);

export interface RunEvent {
  readonly telegram_id: bigint | null;
  readonly subject: string;
  readonly action: string;
  readonly at: Instant;
  readonly detail: JsonObject;
}

/** The changes of a run, as far as rows still show them. */
export interface RunEffects {
  readonly run: RunRow;
  /** Other runs of this worker at the same time: the events may belong to them. */
  readonly overlapping: readonly bigint[];
  /** The number of events by action. */
  readonly actions: readonly { readonly action: string; readonly events: bigint }[];
  /** Entries of the ledger that the events name. */
  readonly charges: readonly {
    readonly currency: string;
    readonly kind: string;
    readonly entries: bigint;
    readonly amount: string;
  }[];
  /** Notifications that the same batches stored for the customers of the events. */
  readonly notices: readonly { readonly kind: string; readonly notices: bigint }[];
  /** The number of items that went to quarantine for the first time, and are still there. */
  readonly quarantined_total: bigint;
  /** The first of these items. */
  readonly quarantined: readonly { readonly item: string; readonly reason: string }[];
  /** The first events. */
  readonly events: readonly RunEvent[];
}

/** @param max of listed events and items; the counts are of all @throws Fault `no_run` */
export async function readRunEffects(db: Db, id: bigint, max: number): Promise<RunEffects> {
  const { rows } = await sql<RunRow>`
    SELECT ${columns} FROM perennial.worker_run WHERE id = ${id}`.execute(db);
  const [run] = rows;
  if (run === undefined) {
    throw refused('no_run', `there is no run ${id}`, 'list them with "perennial runs list"');
  }
  return {
    run,
    overlapping: await readOverlappingRuns(db, run),
    actions: await readActions(db, run),
    charges: await readCharges(db, run),
    notices: await readNotices(db, run),
    ...(await readQuarantined(db, run, max)),
    events: await readRunEvents(db, run, max),
  };
}

/** The end of a run in progress is now. */
const toEndSql = ({ finished_at }: RunRow) =>
  finished_at === null ? sql`perennial.clock()` : sql`${isoTime(finished_at)}::timestamptz`;

/** True for an event `v` of this run. Uses the index on the time of events. */
const isOfRun = (run: RunRow) => sql`(v.actor = ${run.worker}
  AND v.at BETWEEN ${isoTime(run.started_at)}::timestamptz AND ${toEndSql(run)})`;

/** Runs that started over a day before are not searched. */
async function readOverlappingRuns(db: Db, run: RunRow): Promise<bigint[]> {
  const { rows } = await sql<{ id: bigint }>`
    SELECT id FROM perennial.worker_run
    WHERE worker = ${run.worker} AND id <> ${run.id}
      AND started_at BETWEEN ${isoTime(run.started_at)}::timestamptz - interval '1 day'
        AND ${toEndSql(run)}
      AND coalesce(finished_at, 'infinity') >= ${isoTime(run.started_at)}::timestamptz
    ORDER BY id`.execute(db);
  return rows.map((row) => row.id);
}

async function readActions(db: Db, run: RunRow): Promise<RunEffects['actions']> {
  const { rows } = await sql<{ action: string; events: bigint }>`
    SELECT v.action, count(*) AS events FROM perennial.event v WHERE ${isOfRun(run)}
    GROUP BY v.action ORDER BY events DESC, v.action`.execute(db);
  return rows;
}

async function readCharges(db: Db, run: RunRow): Promise<RunEffects['charges']> {
  const { rows } = await sql<{ currency: string; kind: string; entries: bigint; minor: string }>`
    SELECT c.currency, e.kind, count(*) AS entries, sum(e.amount_minor)::text AS minor
    FROM perennial.event v
    JOIN perennial.ledger_entry e ON e.customer_id = v.customer_id
      AND e.id::text = v.detail->>'ledger_entry_id'
    JOIN perennial.customer c ON c.id = v.customer_id
    WHERE ${isOfRun(run)} GROUP BY 1, 2 ORDER BY 1, 2`.execute(db);
  return rows.map(({ minor, ...row }) => ({
    ...row,
    amount: majorUnits(BigInt(minor), row.currency),
  }));
}

async function readNotices(db: Db, run: RunRow): Promise<RunEffects['notices']> {
  const { rows } = await sql<{ kind: string; notices: bigint }>`
    SELECT n.kind, count(DISTINCT n.id) AS notices
    FROM (SELECT DISTINCT v.customer_id, v.at FROM perennial.event v
      WHERE ${isOfRun(run)} AND v.customer_id IS NOT NULL) done
    JOIN perennial.notification n ON n.customer_id = done.customer_id AND n.created_at = done.at
    GROUP BY n.kind ORDER BY notices DESC, n.kind`.execute(db);
  return rows;
}

async function readQuarantined(
  db: Db,
  run: RunRow,
  max: number,
): Promise<Pick<RunEffects, 'quarantined' | 'quarantined_total'>> {
  const isFirstSeen = sql`q.worker = ${run.worker} AND q.first_seen_at
    BETWEEN ${isoTime(run.started_at)}::timestamptz AND ${toEndSql(run)}`;
  const { rows } = await sql<{ item: string; reason: string }>`
    SELECT q.item, q.reason FROM perennial.quarantine q WHERE ${isFirstSeen}
    ORDER BY q.item LIMIT ${max}`.execute(db);
  const { rows: counts } = await sql<{ total: bigint }>`
    SELECT count(*) AS total FROM perennial.quarantine q WHERE ${isFirstSeen}`.execute(db);
  return { quarantined: rows, quarantined_total: counts[0]?.total ?? 0n };
}

async function readRunEvents(db: Db, run: RunRow, max: number): Promise<RunEvent[]> {
  if (max === 0) return [];
  const { rows } = await sql<RunEvent>`
    SELECT c.telegram_id, v.subject, v.action, v.at, v.detail
    FROM (SELECT * FROM perennial.event v WHERE ${isOfRun(run)} ORDER BY v.at, v.id LIMIT ${max}) v
    LEFT JOIN perennial.customer c ON c.id = v.customer_id
    ORDER BY v.at, v.id`.execute(db);
  return rows;
}
