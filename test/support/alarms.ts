import { sql } from 'kysely';
import type { JsonObject } from '../../src/db/schema.ts';
import type { RunId } from '../../src/kernel/ids.ts';
import type { Instant } from '../../src/kernel/instant.ts';
import { openReplica } from '../../src/leases/replica.ts';
import { finishRun, reserveRunId, startRun } from '../../src/runs/run-record.ts';
import type { TestDatabase } from './database.ts';
import { runWorkerAt } from './shop.ts';

// Alarms about Perennial itself, and run records that cause them.

/**
 * Each alarm in its order, with its subject. The alarm about notifications that no courier examines
 * is left out, because most shops of tests have no courier.
 */
export async function readAlarms({ db }: Pick<TestDatabase, 'db'>): Promise<string[]> {
  const { rows } = await sql<{ text: string }>`
    SELECT concat_ws(' ', kind, params->>'alarm', coalesce(params->>'subject', params->>'worker',
      params->>'node', params->>'replica', params->>'channel'), params->>'failures', params->>'waiting',
      params->>'held') AS text
    FROM perennial.notification WHERE customer_id IS NULL
      AND NOT (kind IN ('alarm_overdue', 'alarm_over')
        AND coalesce(params->>'subject', params->>'worker') = 'deliver-notifications'
        AND coalesce(params->>'alarm', kind) = 'alarm_overdue') ORDER BY id`.execute(db);
  return rows.map(({ text }) => text);
}

/** Writes the record of a run with this outcome. @returns its id */
export async function recordRun(
  database: TestDatabase,
  at: Instant,
  outcome: 'failed' | 'success' | 'partial' | 'degraded' | 'skipped',
  detail: JsonObject = {},
  worker = 'auto-renewal',
): Promise<RunId> {
  await database.setClock(at);
  const replica = openReplica(database.url);
  try {
    const id = await reserveRunId(database.db);
    await startRun(database.db, id, worker, { ...replica, name: 'host-2:17' }, at);
    await finishRun(database.db, id, at, outcome, detail);
    return id;
  } finally {
    await replica.close();
  }
}

/** A run of raise-alarms at this time. */
export const runRaiseAlarms = (database: TestDatabase, at: Instant) =>
  runWorkerAt(database, at, 'raise-alarms');

/** The parameters of each `alarm_node`, in the order of their notifications. */
export async function readNodeAlarmParams({
  db,
}: Pick<TestDatabase, 'db'>): Promise<Record<string, unknown>[]> {
  const { rows } = await sql<{ params: Record<string, unknown> }>`
    SELECT params FROM perennial.notification WHERE kind = 'alarm_node' ORDER BY id`.execute(db);
  return rows.map(({ params }) => params);
}
