import { sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import { dayMs, type Instant, isoTime, later, minuteMs, secondMs } from '../../kernel/instant.ts';
import type { Alarm, OpenAlarm } from '../../notify/alarms.ts';
import {
  downMs,
  marksOfNode,
  type Outage,
  readLongOutages,
  readStalls,
  removalSince,
  removesAccess,
} from '../../subscription/outages.ts';
import { overdueItems } from './overdue.ts';
import type { Situation } from './rule.ts';

/** A worker that failed this often in a row. */
const failuresMin = 3;
/** A removal that no node confirmed for this long after the access ended. */
const unconfirmedMs = 5 * minuteMs;
/** A keeper probes every 2 s, and the next replica takes a node over within 15 s. */
const unkeptMs = 30 * secondMs;
/** Sends and questions in a row that a gateway failed: the rests between them are five minutes. */
const channelFailuresMin = 12;
/** What a gateway may tell us to wait before somebody is to know. */
const waitMaxMs = 5 * minuteMs;
/** A courier that lives and has something to send leaves a record each minute. */
const triedWithinMs = 10 * minuteMs;
/** The slowest worker tries, and is skipped, every 10 minutes. */
const skippedWithinMs = 15 * minuteMs;

/** What is so now, each part by one statement over an index. */
export async function readSituation(
  tx: Tx,
  now: Instant,
  open: readonly OpenAlarm[],
  isPreview: boolean,
): Promise<Situation> {
  return {
    troubles: [
      ...(await failingWorkers(tx, now)),
      ...(await lateRemovals(tx, now)),
      ...(await nodesDown(tx, now)),
      ...(await channelsAway(tx, now)),
      ...(await overdueItems(tx, now, open, isPreview)),
    ],
    unwell: await names(
      tx,
      sql`
      SELECT id AS name FROM perennial.courier
      WHERE failures > 0 OR rests_until > ${isoTime(now)}`,
    ),
    inQuarantine: await names(tx, sql`SELECT DISTINCT worker AS name FROM perennial.quarantine`),
    well: await ends(tx, wellRuns(now)),
    unheld: await ends(tx, unheldRuns(now)),
    nodes: await names(tx, sql`SELECT id AS name FROM perennial.node`),
    refusedKinds: await names(
      tx,
      sql`
      SELECT DISTINCT kind AS name FROM perennial.notification
      WHERE plain AND next_attempt_at > ${isoTime(later(now, -dayMs))}`,
    ),
    skewed: await names(
      tx,
      sql`
      SELECT DISTINCT split_part(replica, ':', 1) AS name FROM perennial.worker_run
      WHERE outcome = 'skipped' AND detail ? 'skew_s' AND started_at > ${isoTime(later(now, -skippedWithinMs))}
      UNION ALL
      SELECT CASE suspect_cause WHEN 'commits_lost' THEN 'commits' ELSE 'database' END
      FROM perennial.clock_state WHERE suspect_cause IS NOT NULL`,
    ),
  };
}

async function names(tx: Tx, query: ReturnType<typeof sql>): Promise<ReadonlySet<string>> {
  const { rows } = await (query as ReturnType<typeof sql<{ name: string }>>).execute(tx);
  return new Set(rows.map(({ name }) => name));
}

async function ends(tx: Tx, query: ReturnType<typeof sql>): Promise<ReadonlyMap<string, Instant>> {
  const found = query as ReturnType<typeof sql<{ worker: string; at: Instant }>>;
  const { rows } = await found.execute(tx);
  return new Map(rows.map(({ worker, at }) => [worker, at]));
}

const wellRuns = (now: Instant) => sql`
  SELECT worker, finished_at AS at FROM (
    SELECT DISTINCT ON (worker) worker, outcome, finished_at FROM perennial.worker_run
    WHERE finished_at IS NOT NULL AND outcome <> 'skipped'
      AND started_at > ${isoTime(later(now, -dayMs))}
    ORDER BY worker, id DESC) last
  WHERE outcome NOT IN ('failed', 'lost')`;

/**
 * What is held is said by a run that held something, or that went through all: not by one that
 * failed before, that found the guard taken, or whose time was up.
 */
const unheldRuns = (now: Instant) => sql`
  SELECT worker, finished_at AS at FROM (
    SELECT DISTINCT ON (worker) worker, detail, finished_at FROM perennial.worker_run
    WHERE finished_at IS NOT NULL AND started_at > ${isoTime(later(now, -dayMs))}
      AND ((detail->>'held')::bigint > 0 OR outcome IN ('success', 'degraded')
        AND detail->'work_left' IS NULL
        AND coalesce((detail->>'left_to_another')::bigint, 0) = 0)
    ORDER BY worker, id DESC) last
  WHERE coalesce((detail->>'held')::bigint, 0) = 0`;

/** A run whose process died counts as failed, one that a clock skipped as none. */
async function failingWorkers(tx: Tx, now: Instant): Promise<Alarm[]> {
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
    params: { worker, failures: Number(failures), error: error ?? 'its process died' },
  }));
}

/** Removals are urgent marks; a node that is filled again has millions of others. */
async function lateRemovals(tx: Tx, now: Instant): Promise<Alarm[]> {
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
async function nodesDown(tx: Tx, now: Instant): Promise<Alarm[]> {
  const before = later(now, -downMs);
  const of = (reason: string, otherwise: string, outages: readonly Outage[]): Alarm[] =>
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
    ...of('down', 'no answer yet', await readLongOutages(tx, before)),
    ...of('additions', 'no error is known', await readStalls(tx, now, before)),
  ];
}

/**
 * Writes the start of an outage for nodes that no keeper has reached for a while although none
 * failed: no replica keeps them. If the last answer is recent, the outage begins with it. Otherwise
 * nothing is known of the time in between, for example because the service was stopped, and the
 * outage begins now: the keepers of a service that has just started answer first.
 */
export async function noteUnkeptNodes(tx: Tx, now: Instant): Promise<void> {
  await sql`
    UPDATE perennial.node SET last_error = 'no replica keeps this node',
      down_since = CASE WHEN last_seen_at > ${isoTime(later(now, -downMs))}
        THEN last_seen_at ELSE ${isoTime(now)}::timestamptz END
    WHERE id IN (SELECT id FROM perennial.node
      WHERE down_since IS NULL AND last_seen_at <= ${isoTime(later(now, -unkeptMs))}
      FOR NO KEY UPDATE SKIP LOCKED)`.execute(tx);
}

/** Of a bot or mailbox that is no longer in use the books know too, but no run tries it. */
async function channelsAway(tx: Tx, now: Instant): Promise<Alarm[]> {
  const { rows } = await sql<{ channel: string; error: string }>`
    SELECT c.id AS channel, coalesce(c.last_error, 'no answer') AS error FROM perennial.courier c
    WHERE (c.failures >= ${channelFailuresMin} OR c.rests_until > ${isoTime(later(now, waitMaxMs))})
      AND EXISTS (SELECT FROM perennial.worker_run r
        WHERE r.worker = 'deliver-notifications' AND r.outcome = 'degraded' AND r.detail ? c.id
          AND r.started_at > ${isoTime(later(now, -triedWithinMs))})
    ORDER BY c.id`.execute(tx);
  return rows.map((params) => ({ kind: 'alarm_channel', params }));
}
