import { sql } from 'kysely';
import type { JsonObject } from '../../src/db/schema.ts';
import type { Instant } from '../../src/kernel/instant.ts';
import { openReplica } from '../../src/leases/replica.ts';
import { finishRun, reserveRunId, startRun } from '../../src/runs/run-record.ts';
import type { TestDatabase } from './database.ts';
import { runWorker } from './shop.ts';

// What the operator is told of ourselves.

/**
 * Each alarm that was owed, in order, with what it is about. Without the one about notifications that
 * no courier examines: most shops of tests have no courier.
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

/** A run of a worker that came out so, as its record has it. */
export async function recordRun(
  database: TestDatabase,
  at: Instant,
  outcome: 'failed' | 'success' | 'partial' | 'degraded' | 'skipped',
  detail: JsonObject = {},
  worker = 'auto-renewal',
): Promise<void> {
  await database.setClock(at);
  const replica = openReplica(database.url);
  try {
    const id = await reserveRunId(database.db);
    await startRun(database.db, id, worker, { ...replica, name: 'host-2:17' }, at);
    await finishRun(database.db, id, at, outcome, detail);
  } finally {
    await replica.close();
  }
}

/** A run of raise-alarms then. */
export const runRaiseAlarms = async (database: TestDatabase, at: Instant) => {
  await database.setClock(at);
  return runWorker(database, 'raise-alarms');
};

/** The parameters of each `alarm_node`, in the order of their notifications. */
export async function readNodeAlarmParams({
  db,
}: Pick<TestDatabase, 'db'>): Promise<Record<string, unknown>[]> {
  const { rows } = await sql<{ params: Record<string, unknown> }>`
    SELECT params FROM perennial.notification WHERE kind = 'alarm_node' ORDER BY id`.execute(db);
  return rows.map(({ params }) => params);
}
