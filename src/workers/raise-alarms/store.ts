import { type RawBuilder, sql } from 'kysely';
import { marksOfNode, removalSince, removesAccess } from '../../access/marks.ts';
import {
  longOutageMs,
  type NodeOutage,
  readLongOutages,
  readStalls,
} from '../../access/node-outages.ts';
import { inTransaction, type Tx, workLimits } from '../../db/connect.ts';
import { toFault } from '../../db/faults.ts';
import { formatLockHolder, type LockHolder, transactionAgeSql } from '../../db/lock-holders.ts';
import { dayMs, type Instant, isoTime, later, minuteMs, secondMs } from '../../kernel/instant.ts';
import type { Alarm, AlarmKind, OpenAlarm } from '../../outbox/alarms.ts';
import { selectGuardReports } from '../../runs/held.ts';
import { readOverdueAlarms } from './overdue.ts';
import type { AlarmFacts } from './rule.ts';

/** A worker that failed this often in a row. */
const failuresMin = 3;
/** A removal that a node has not confirmed for this long after the end of the access. */
const unconfirmedMs = 5 * minuteMs;
/** A keeper probes every 2 s, and the next replica takes a node over within 15 s. */
const unkeptMs = 30 * secondMs;
/**
 * Failed sends and checks of a gateway in a row. The pauses between them add up to five minutes.
 */
const channelFailuresMin = 12;
/** The longest pause that a gateway may require without an alarm. */
const waitMaxMs = 5 * minuteMs;
/** A running courier with notifications to send leaves a record each minute. */
const attemptWithinMs = 10 * minuteMs;
/** The slowest worker tries, and is skipped, every 10 minutes. */
const skippedWithinMs = 15 * minuteMs;
/** `apply` and migrations lock tables for less time. */
const lockedMs = minuteMs;

/** A query on a table that another session has locked ends after this time. */
const queryLockMs = 200;

/**
 * Independent queries. If the lock of another session stops a query, its kinds of alarms stay as
 * they are. `alarm_lock` names the session.
 */
class AlarmQueries {
  readonly #tx: Tx;
  readonly unread: Set<AlarmKind> = new Set();

  constructor(tx: Tx) {
    this.#tx = tx;
  }

  /** @returns the result of the query; undefined: a lock stopped it */
  async read<T>(
    kinds: readonly AlarmKind[],
    query: (tx: Tx) => Promise<T>,
  ): Promise<T | undefined> {
    const result = await runUnlessLocked(this.#tx, query);
    if (result === undefined) for (const kind of kinds) this.unread.add(kind);
    return result;
  }

  async readAlarms(kind: AlarmKind, query: (tx: Tx) => Promise<Alarm[]>): Promise<Alarm[]> {
    return (await this.read([kind], query)) ?? [];
  }

  async readNames(kinds: readonly AlarmKind[], query: Query): Promise<ReadonlySet<string>> {
    return (await this.read(kinds, (tx) => readNames(tx, query))) ?? new Set();
  }

  async readTimes(
    kinds: readonly AlarmKind[],
    query: Query,
  ): Promise<ReadonlyMap<string, Instant>> {
    return (await this.read(kinds, (tx) => readTimes(tx, query))) ?? new Map();
  }
}

type Query = RawBuilder<unknown>;

/**
 * Runs a part of a transaction. @returns undefined: another session has locked a row or a table of
 * it
 */
export async function runUnlessLocked<T>(
  tx: Tx,
  work: (tx: Tx) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await inTransaction(tx, async (part) => {
      await sql`SET LOCAL lock_timeout = ${sql.lit(queryLockMs)}`.execute(part);
      const result = await work(part);
      await sql`SET LOCAL lock_timeout = ${sql.lit(workLimits.lockMs)}`.execute(part);
      return result;
    });
  } catch (error) {
    if (toFault(error).code === 'pg_55P03') return undefined;
    throw error;
  }
}

/** The present facts, each part by one statement over an index. */
export async function readAlarmFacts(
  tx: Tx,
  now: Instant,
  open: readonly OpenAlarm[],
  isPreview: boolean,
): Promise<AlarmFacts> {
  const queries = new AlarmQueries(tx);
  return {
    unreadKinds: queries.unread,
    problems: [
      ...(await queries.readAlarms('alarm_lock', (part) => readLockedTables(part))),
      ...(await queries.readAlarms('alarm_worker', (part) => readFailingWorkers(part, now))),
      ...(await queries.readAlarms('alarm_removal', (part) => readLateRemovals(part, now))),
      ...(await queries.readAlarms('alarm_node', (part) => readNodesDown(part, now))),
      ...(await queries.readAlarms('alarm_channel', (part) => readFailingChannels(part, now))),
      ...(await queries.readAlarms('alarm_overdue', (part) =>
        readOverdueAlarms(part, now, open, isPreview),
      )),
    ],
    failingChannels: await queries.readNames(
      ['alarm_channel'],
      sql`
      SELECT id AS name FROM perennial.courier
      WHERE failures > 0 OR rests_until > ${isoTime(now)}`,
    ),
    quarantinedWorkers: await queries.readNames(
      ['alarm_quarantine'],
      sql`SELECT DISTINCT worker AS name FROM perennial.quarantine`,
    ),
    lastSuccessAt: await queries.readTimes(['alarm_worker'], selectSuccessfulRuns(now)),
    lastUnheldAt: await queries.readTimes(
      ['alarm_guard', 'alarm_money_guard'],
      selectUnheldRuns(now),
    ),
    nodes: await queries.readNames(['alarm_guard'], sql`SELECT id AS name FROM perennial.node`),
    refusedKinds: await queries.readNames(
      ['alarm_notice'],
      sql`
      SELECT DISTINCT kind AS name FROM perennial.notification
      WHERE plain AND next_attempt_at > ${isoTime(later(now, -dayMs))}`,
    ),
    skewedMachines: await queries.readNames(
      ['alarm_clock'],
      sql`
      SELECT DISTINCT split_part(replica, ':', 1) AS name FROM perennial.worker_run
      WHERE outcome = 'skipped' AND detail ? 'skew_s' AND started_at > ${isoTime(later(now, -skippedWithinMs))}
      UNION ALL
      SELECT CASE suspect_cause WHEN 'commits_lost' THEN 'commits' ELSE 'database' END
      FROM perennial.clock_state WHERE suspect_cause IS NOT NULL`,
    ),
  };
}

/**
 * Tables that a session has locked against changes for long. Reads the catalogs, so it never waits.
 */
export async function readLockedTables(
  tx: Tx,
  minMs: number = lockedMs,
): Promise<Extract<Alarm, { kind: 'alarm_lock' }>[]> {
  const { rows } = await sql<LockHolder & { readonly table: string }>`
    SELECT DISTINCT ON (c.relname) c.relname AS table, a.pid, a.application_name AS application,
      coalesce(a.state, 'unknown') AS state, ${transactionAgeSql('a')} AS "ageS"
    FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
      AND c.relnamespace = to_regnamespace('perennial') AND c.relkind = 'r'
    JOIN pg_stat_activity a ON a.pid = l.pid AND a.datname = current_database()
    WHERE l.granted AND l.pid <> pg_backend_pid() AND l.mode IN
        ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
      AND ${transactionAgeSql('a')} * 1000 >= ${minMs}::float8
    ORDER BY c.relname, a.xact_start`.execute(tx);
  return rows.map(({ table, ...holder }) => ({
    kind: 'alarm_lock' as const,
    params: { subject: table, cause: formatLockHolder(holder) },
  }));
}

async function readNames(tx: Tx, query: Query): Promise<ReadonlySet<string>> {
  const { rows } = await (query as RawBuilder<{ name: string }>).execute(tx);
  return new Set(rows.map(({ name }) => name));
}

async function readTimes(tx: Tx, query: Query): Promise<ReadonlyMap<string, Instant>> {
  const { rows } = await (query as RawBuilder<{ worker: string; at: Instant }>).execute(tx);
  return new Map(rows.map(({ worker, at }) => [worker, at]));
}

const selectSuccessfulRuns = (now: Instant) => sql`
  SELECT worker, finished_at AS at FROM (
    SELECT DISTINCT ON (worker) worker, outcome, finished_at FROM perennial.worker_run
    WHERE finished_at IS NOT NULL AND outcome <> 'skipped'
      AND started_at > ${isoTime(later(now, -dayMs))}
    ORDER BY worker, id DESC) last
  WHERE outcome NOT IN ('failed', 'lost')`;

const selectUnheldRuns = (now: Instant) => sql`
  SELECT worker, finished_at AS at FROM (${selectGuardReports(now)}) report WHERE held = 0`;

/**
 * A run of a dead process counts as failed. A run that was skipped because of a clock does not
 * count.
 */
async function readFailingWorkers(tx: Tx, now: Instant): Promise<Alarm[]> {
  const { rows } = await sql<{
    worker: string;
    failures: bigint;
    error: string | null;
  }>`
    SELECT worker, count(*) AS failures,
      (array_agg(detail->>'error' ORDER BY id DESC))[1] AS error
    FROM (
      SELECT id, worker, outcome, started_at, detail,
        max(id) FILTER (WHERE outcome NOT IN ('failed', 'lost')) OVER (PARTITION BY worker) AS well
      FROM perennial.worker_run
      WHERE finished_at IS NOT NULL AND outcome <> 'skipped'
        AND started_at > ${isoTime(later(now, -dayMs))}) run
    WHERE well IS NULL OR id > well
    GROUP BY worker HAVING count(*) >= ${failuresMin} ORDER BY worker`.execute(tx);
  return rows.map(({ worker, failures, error }) => ({
    kind: 'alarm_worker',
    params: { worker, failures: Number(failures), error: error ?? 'its process ended' },
  }));
}

/** Removals are urgent marks. A node that is seeded again has millions of other marks. */
async function readLateRemovals(tx: Tx, now: Instant): Promise<Alarm[]> {
  const { rows } = await sql<{ node: string; waiting: bigint; oldest: Instant }>`
    SELECT n.id AS node, w.waiting, w.oldest
    FROM perennial.node n CROSS JOIN LATERAL (
      SELECT count(*) AS waiting, min(${removalSince}) AS oldest FROM ${marksOfNode}
      WHERE m.node_id = n.id AND m.urgent AND ${removesAccess}
        AND ${removalSince} <= ${isoTime(later(now, -unconfirmedMs))}) w
    WHERE w.waiting > 0 ORDER BY n.id`.execute(tx);
  return rows.map(({ node, waiting, oldest }) => ({
    kind: 'alarm_removal',
    params: { node, waiting: Number(waiting), oldest_at: isoTime(oldest) },
  }));
}

/** Nodes that do not answer, and nodes that answer and do not add users. */
async function readNodesDown(tx: Tx, now: Instant): Promise<Alarm[]> {
  const before = later(now, -longOutageMs);
  const toAlarms = (reason: string, otherwise: string, outages: readonly NodeOutage[]): Alarm[] =>
    outages.map(({ node, downSince, toAdd, toRemove, error }) => ({
      kind: 'alarm_node',
      params: {
        node,
        reason,
        down_since: isoTime(downSince),
        to_add: toAdd,
        to_remove: toRemove,
        error: error ?? otherwise,
      },
    }));
  return [
    ...toAlarms('down', 'no answer yet', await readLongOutages(tx, before)),
    ...toAlarms('additions', 'no error is known', await readStalls(tx, now, before)),
  ];
}

/**
 * Writes the start of an outage for nodes that no replica keeps: no keeper reached them for a
 * while, although none failed. If the last answer is recent, the outage begins with it. Otherwise
 * the time in between is unknown, for example because the service was stopped, and the outage
 * begins now. The keepers of a service that has just started probe first.
 */
export async function writeUnkeptNodes(tx: Tx, now: Instant): Promise<void> {
  await sql`
    UPDATE perennial.node SET last_error = 'no replica keeps this node',
      down_since = CASE WHEN last_seen_at > ${isoTime(later(now, -longOutageMs))}
        THEN last_seen_at ELSE ${isoTime(now)}::timestamptz END
    WHERE id IN (SELECT id FROM perennial.node
      WHERE down_since IS NULL AND last_seen_at <= ${isoTime(later(now, -unkeptMs))}
      FOR NO KEY UPDATE SKIP LOCKED)`.execute(tx);
}

/** The database also has bots and mailboxes that are no longer in use. No run tries them. */
async function readFailingChannels(tx: Tx, now: Instant): Promise<Alarm[]> {
  const { rows } = await sql<{ channel: string; error: string }>`
    SELECT c.id AS channel, coalesce(c.last_error, 'no answer') AS error FROM perennial.courier c
    WHERE (c.failures >= ${channelFailuresMin} OR c.rests_until > ${isoTime(later(now, waitMaxMs))})
      AND EXISTS (SELECT FROM perennial.worker_run r
        WHERE r.worker = 'deliver-notifications' AND r.outcome = 'degraded' AND r.detail ? c.id
          AND r.started_at > ${isoTime(later(now, -attemptWithinMs))})
    ORDER BY c.id`.execute(tx);
  return rows.map((params) => ({ kind: 'alarm_channel', params }));
}
