import { sql } from 'kysely';
import type { JsonObject } from '../src/db/schema.ts';
import type { Instant } from '../src/kernel/instant.ts';
import { openReplica } from '../src/workers/replica.ts';
import { finishRun, reserveRunId, startRun } from '../src/workers/run-record.ts';
import type { Books } from './books.ts';
import { runOf } from './shop.ts';

// What the operator is told of ourselves.

/**
 * Each alarm that was owed, in order, with what it is about. Without the one about notifications that
 * no courier examines: most shops of tests have no courier.
 */
export async function told({ db }: Pick<Books, 'db'>): Promise<string[]> {
  const { rows } = await sql<{ said: string }>`
    SELECT concat_ws(' ', kind, params->>'alarm', coalesce(params->>'subject', params->>'worker',
      params->>'node', params->>'replica', params->>'channel'), params->>'failures', params->>'waiting',
      params->>'held') AS said
    FROM perennial.notification WHERE customer_id IS NULL
      AND NOT (kind IN ('alarm_overdue', 'alarm_over')
        AND coalesce(params->>'subject', params->>'worker') = 'deliver-notifications'
        AND coalesce(params->>'alarm', kind) = 'alarm_overdue') ORDER BY id`.execute(db);
  return rows.map(({ said }) => said);
}

/** A run of a worker that came out so, as its record has it. */
export async function ran(
  books: Books,
  at: Instant,
  outcome: 'failed' | 'success' | 'partial' | 'degraded' | 'skipped',
  detail: JsonObject = {},
  worker = 'auto-renewal',
): Promise<void> {
  await books.setClock(at);
  const replica = openReplica(books.url);
  try {
    const id = await reserveRunId(books.db);
    await startRun(books.db, id, worker, { ...replica, name: 'host-2:17' }, at);
    await finishRun(books.db, id, at, outcome, detail);
  } finally {
    await replica.close();
  }
}

/** A run of raise-alarms then. */
export const look = async (books: Books, at: Instant) => {
  await books.setClock(at);
  return runOf(books, 'raise-alarms');
};

/** The parameters of each `alarm_node`, in the order of their notifications. */
export async function nodeAlarms({ db }: Pick<Books, 'db'>): Promise<Record<string, unknown>[]> {
  const { rows } = await sql<{ params: Record<string, unknown> }>`
    SELECT params FROM perennial.notification WHERE kind = 'alarm_node' ORDER BY id`.execute(db);
  return rows.map(({ params }) => params);
}
