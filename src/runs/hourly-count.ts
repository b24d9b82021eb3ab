import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { anyOf } from '../db/unnest.ts';
import { hourMs, type Instant, isoTime, later, minuteMs } from '../kernel/instant.ts';

// The facts of the guards (`subscription/rules/hourly-limit.ts`): what was done within the last hour, by
// the records of the runs, and how many subscriptions are active.

/** A record may be this far ahead: of a run that began before a step back within the tolerance. */
const futureToleranceMs = minuteMs;

/**
 * The sum of a count over the runs of the last hour, the current run included. A confirmed run does
 * not count its ends, and a run that a wrong clock dated into the future does not count.
 */
export async function readLastHourTotal(
  tx: Tx,
  workers: readonly string[],
  count: 'ended' | 'late_charges',
  now: Instant,
): Promise<number> {
  const { rows } = await sql<{ done: bigint }>`
    SELECT coalesce(sum((detail->>${count}::text)::bigint), 0)::bigint AS done
    FROM perennial.worker_run
    WHERE worker = ${anyOf('text', workers)} AND detail ? ${count}
      AND (${count !== 'ended'} OR NOT detail ? 'confirmed')
      AND (started_at > ${isoTime(later(now, -hourMs))}
        AND started_at <= ${isoTime(later(now, futureToleranceMs))} OR outcome = 'running')`.execute(
    tx,
  );
  return Number(rows[0]?.done ?? 0n);
}

/** Takes as long as half a batch at a million, so a run counts once. */
export async function readActiveCount(tx: Tx): Promise<number> {
  const { rows } = await sql<{ active: bigint }>`
    SELECT count(*) AS active FROM perennial.subscription WHERE state = 'active'`.execute(tx);
  return Number(rows[0]?.active ?? 0n);
}
