import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { anyOf } from '../db/unnest.ts';
import { hourMs, type Instant, isoTime, later, minuteMs } from '../kernel/instant.ts';

// The facts of the guards (`subscription/rules/hourly-limit.ts`): the counts of the last hour from
// the run records, and the number of active subscriptions.

/** A record may be this far ahead. Its run began before a step back within the tolerance. */
const futureToleranceMs = minuteMs;

/**
 * The sum of a count over the runs of the last hour, including the current run. Confirmed ends do
 * not count. A run that a wrong clock dated into the future does not count.
 */
export async function readLastHourTotal(
  tx: Tx,
  workers: readonly string[],
  count: 'ended' | 'late_charges',
  now: Instant,
): Promise<number> {
  const { rows } = await sql<{ done: bigint }>`
    SELECT coalesce(sum((detail->>${count}::text)::bigint - CASE WHEN ${count !== 'ended'} THEN 0
      ELSE coalesce((detail->>'confirmed')::bigint, 0) END), 0)::bigint AS done
    FROM perennial.worker_run
    WHERE worker = ${anyOf('text', workers)} AND detail ? ${count}
      AND (started_at > ${isoTime(later(now, -hourMs))}
        AND started_at <= ${isoTime(later(now, futureToleranceMs))} OR outcome = 'running')`.execute(
    tx,
  );
  return Number(rows[0]?.done ?? 0n);
}

/** At a million subscriptions this takes as long as half a batch, so a run counts once. */
export async function readActiveCount(tx: Tx): Promise<number> {
  const { rows } = await sql<{ active: bigint }>`
    SELECT count(*) AS active FROM perennial.subscription WHERE state = 'active'`.execute(tx);
  return Number(rows[0]?.active ?? 0n);
}
