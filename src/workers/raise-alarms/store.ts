import { sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import { dayMs, type Instant, isoTime, later, minuteMs } from '../../kernel/instant.ts';
import { type Alarm, alarmOf } from '../../notify/alarms.ts';
import type { Situation } from './rule.ts';

/** A worker that failed this often in a row. */
const failuresMin = 3;
/** A removal that no node confirmed for this long after the access ended. */
const unconfirmedMs = 5 * minuteMs;
/** The slowest worker tries, and is skipped, every 10 minutes. */
const skippedWithinMs = 15 * minuteMs;

/** What is so now, each part by one statement over an index. */
export async function readSituation(tx: Tx, now: Instant): Promise<Situation> {
  return {
    troubles: [...(await failingWorkers(tx, now)), ...(await lateRemovals(tx, now))],
    inQuarantine: await names(tx, sql`SELECT DISTINCT worker AS name FROM perennial.quarantine`),
    held: await names(tx, heldBy(now)),
    skewed: await names(
      tx,
      sql`
      SELECT DISTINCT split_part(replica, ':', 1) AS name FROM perennial.worker_run
      WHERE outcome = 'skipped' AND detail ? 'skew_s' AND started_at > ${isoTime(later(now, -skippedWithinMs))}`,
    ),
  };
}

async function names(tx: Tx, query: ReturnType<typeof sql>): Promise<ReadonlySet<string>> {
  const { rows } = await (query as ReturnType<typeof sql<{ name: string }>>).execute(tx);
  return new Set(rows.map(({ name }) => name));
}

/**
 * Workers whose last run of the day left something to a guard. Of a comparison of nodes whoever
 * compares knows which node it is, and calls it off; here only nodes that are gone are.
 */
const heldBy = (now: Instant) => sql`
  SELECT id AS name FROM perennial.node
  UNION ALL
  SELECT worker FROM (
    SELECT DISTINCT ON (worker) worker, detail FROM perennial.worker_run
    WHERE finished_at IS NOT NULL AND outcome <> 'skipped'
      AND started_at > ${isoTime(later(now, -dayMs))}
    ORDER BY worker, id DESC) last
  WHERE (detail->>'held')::bigint > 0`;

/** A run whose process died counts as failed, one that a clock skipped as none. */
async function failingWorkers(tx: Tx, now: Instant): Promise<Alarm[]> {
  const { rows } = await sql<{
    worker: string;
    failures: bigint;
    since: Instant;
    error: string | null;
  }>`
    SELECT worker, count(*) AS failures, min(started_at) AS since,
      (array_agg(detail->>'error' ORDER BY id DESC))[1] AS error
    FROM (
      SELECT id, worker, outcome, started_at, detail,
        max(id) FILTER (WHERE outcome NOT IN ('failed', 'lost')) OVER (PARTITION BY worker) AS well
      FROM perennial.worker_run
      WHERE finished_at IS NOT NULL AND outcome <> 'skipped'
        AND started_at > ${isoTime(later(now, -dayMs))}) run
    WHERE well IS NULL OR id > well
    GROUP BY worker HAVING count(*) >= ${failuresMin} ORDER BY worker`.execute(tx);
  return rows.map(({ worker, failures, since, error }) =>
    alarmOf(
      'alarm_worker',
      { worker, failures: Number(failures), error: error ?? 'its process died' },
      since,
    ),
  );
}

/** Removals are urgent marks; a node that is filled again has millions of others. */
async function lateRemovals(tx: Tx, now: Instant): Promise<Alarm[]> {
  const { rows } = await sql<{ node: string; waiting: bigint; oldest: Instant }>`
    SELECT m.node_id AS node, count(*) AS waiting, min(c.retired_at) AS oldest
    FROM perennial.access_sync m JOIN perennial.credential c ON c.id = m.credential_id
    WHERE m.urgent AND c.retired_at <= ${isoTime(later(now, -unconfirmedMs))}
    GROUP BY m.node_id ORDER BY m.node_id`.execute(tx);
  return rows.map(({ node, waiting, oldest }) =>
    alarmOf('alarm_removal', { node, waiting: Number(waiting), oldest_at: isoTime(oldest) }, now),
  );
}
