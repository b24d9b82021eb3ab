import { sql } from 'kysely';
import { marksOfNode, removalSince, removesAccess } from '../access/marks.ts';
import type { Db } from '../db/connect.ts';

// The metrics for the monitoring of the operator. Each one is read by an index or from a small
// table, so a scrape costs the same at any number of customers.

export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly values: readonly {
    readonly of: Readonly<Record<string, string>>;
    readonly value: number;
  }[];
}

interface MetricRow {
  readonly figure: string;
  readonly label: string | null;
  readonly value: number;
}

const metricTexts: Readonly<Record<string, { readonly help: string; readonly label?: string }>> = {
  perennial_worker_last_run_timestamp_seconds: {
    help: 'Start of the last recorded run of each worker; idle runs have no record.',
    label: 'worker',
  },
  perennial_worker_runs_failed: {
    help: 'Runs of the last hour that failed, were lost or skipped.',
    label: 'worker',
  },
  perennial_quarantine_items: { help: 'Items in quarantine.', label: 'worker' },
  perennial_notices_owed: { help: 'Notifications not sent yet, at most 10,000.' },
  perennial_node_up: { help: '1 while a node answers its keeper.', label: 'node' },
  perennial_node_marks_waiting: {
    help: 'Credentials for which a node may differ from the database.',
    label: 'node',
  },
  perennial_node_oldest_removal_seconds: {
    help: 'Age of the oldest removal that a node has not confirmed.',
    label: 'node',
  },
  perennial_node_down_seconds: {
    help: 'Seconds without an answer of the node; 0 while it answers.',
    label: 'node',
  },
  perennial_clock_suspect: {
    help: '1 while the time of the database is suspect, or its last commits may be lost.',
  },
  perennial_clock_offset_seconds: {
    help: 'How far the suspect time of the database is off: above 0 is ahead; 0 while it is trusted.',
  },
  perennial_due_seconds: {
    help: 'How long the longest overdue subscription that auto-renewal has not tried is past its end.',
  },
};

export async function readMetrics(db: Db): Promise<Metric[]> {
  const { rows } = await sql<MetricRow>`
    SELECT 'perennial_worker_last_run_timestamp_seconds' AS figure, worker AS label,
      extract(epoch FROM max(started_at))::float8 AS value
    FROM perennial.worker_run GROUP BY worker
    UNION ALL
    SELECT 'perennial_worker_runs_failed', worker,
      count(*) FILTER (WHERE outcome IN ('failed', 'lost', 'skipped'))::float8
    FROM perennial.worker_run WHERE started_at > perennial.clock() - interval '1 hour'
    GROUP BY worker
    UNION ALL
    SELECT 'perennial_quarantine_items', worker, count(*)::float8
    FROM perennial.quarantine GROUP BY worker
    UNION ALL
    SELECT 'perennial_notices_owed', NULL, count(*)::float8 FROM (
      SELECT FROM perennial.notification WHERE state IN ('pending', 'uncertain') LIMIT 10000) owed
    UNION ALL
    SELECT 'perennial_node_up', id, (failures = 0 AND last_seen_at IS NOT NULL)::int::float8
    FROM perennial.node
    UNION ALL
    SELECT 'perennial_node_marks_waiting', n.id, count(m.credential_id)::float8
    FROM perennial.node n LEFT JOIN perennial.access_sync m ON m.node_id = n.id GROUP BY n.id
    UNION ALL
    SELECT 'perennial_node_oldest_removal_seconds', n.id, coalesce(extract(epoch FROM
      perennial.clock() - (SELECT min(${removalSince}) FROM ${marksOfNode}
        WHERE m.node_id = n.id AND m.urgent AND ${removesAccess})), 0)::float8
    FROM perennial.node n
    UNION ALL
    SELECT 'perennial_node_down_seconds', id,
      coalesce(extract(epoch FROM perennial.clock() - down_since), 0)::float8
    FROM perennial.node
    UNION ALL
    SELECT 'perennial_clock_suspect', NULL, (suspect_cause IS NOT NULL OR only_row IS NULL)::int::float8
    FROM (SELECT) one LEFT JOIN perennial.clock_state ON true
    UNION ALL
    SELECT 'perennial_clock_offset_seconds', NULL, coalesce(
      CASE suspect_cause WHEN 'back' THEN -suspect_by_ms ELSE suspect_by_ms END, 0) / 1000::float8
    FROM (SELECT) one LEFT JOIN perennial.clock_state ON true
    UNION ALL
    SELECT 'perennial_due_seconds', NULL, greatest(0, coalesce((
      SELECT extract(epoch FROM perennial.clock() - expires_at) FROM perennial.subscription
      WHERE kind = 'paid' AND auto_renew AND next_try_at IS NULL AND state IN ('active', 'expired')
      ORDER BY expires_at, id LIMIT 1), 0))::float8`.execute(db);
  return Object.entries(metricTexts).map(([name, { help, label }]) => ({
    name,
    help,
    labels: label === undefined ? [] : [label],
    values: rows
      .filter((row) => row.figure === name)
      .map((row) => ({
        of: label === undefined ? {} : { [label]: row.label ?? '' },
        value: row.value,
      })),
  }));
}
