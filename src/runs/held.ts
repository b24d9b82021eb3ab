import { sql } from 'kysely';
import type { Db, Tx } from '../db/connect.ts';
import { dayMs, type Instant, isoTime, later } from '../kernel/instant.ts';
import type { OpenAlarm } from '../outbox/alarms.ts';

// The changes that the guards hold now.
//
// 1. The last run that reports the state of its guard counts. It held items, or it was complete. A
//    run that failed before, found the guard locked or had no time left does not count.
// 2. Held charges belong to auto-renewal. fast-expiry-cleanup finds those of them that are past
//    their end, so they are not added up.
// 3. A node has its own guard. Its comparison raises the alarm, and a later one clears it.

/** Runs before this time do not count. */
const reportMaxMs = dayMs;

/** The last report of each guard: `worker`, `finished_at`, `held` and `held_charges`. */
export const selectGuardReports = (now: Instant) => sql`
  SELECT DISTINCT ON (worker) worker, finished_at, coalesce((detail->>'held')::bigint, 0) AS held,
    coalesce((detail->>'held_charges')::bigint, 0) AS held_charges
  FROM perennial.worker_run
  WHERE finished_at IS NOT NULL AND started_at > ${isoTime(later(now, -reportMaxMs))}
    AND ((detail->>'held')::bigint > 0 OR outcome IN ('success', 'degraded')
      AND detail->'work_left' IS NULL
      AND coalesce((detail->>'left_to_another')::bigint, 0) = 0)
  ORDER BY worker, id DESC`;

/** `ends`, `charges`: of subscriptions. `removals`: users of the node `subject`. */
export type HeldKind = 'ends' | 'charges' | 'removals';

export interface HeldItems {
  readonly kind: HeldKind;
  readonly worker: string;
  /** The worker, or the node. */
  readonly subject: string;
  readonly held: number;
  /** null: no alarm is open yet. */
  readonly since: Instant | null;
}

/** @param open the open alarms */
export async function readHeldItems(
  db: Db | Tx,
  now: Instant,
  open: readonly OpenAlarm[],
): Promise<HeldItems[]> {
  const { rows } = await sql<{ ends: bigint; charges: bigint }>`
    SELECT coalesce(max(held) FILTER (WHERE worker = 'fast-expiry-cleanup'), 0) AS ends,
      coalesce(max(CASE worker WHEN 'auto-renewal' THEN held
        WHEN 'fast-expiry-cleanup' THEN held_charges END), 0) AS charges
    FROM (${selectGuardReports(now)}) report`.execute(db);
  const { ends = 0n, charges = 0n } = rows[0] ?? {};
  const sinceOf = (kind: OpenAlarm['kind'], subject: string) =>
    open.find((alarm) => alarm.kind === kind && alarm.subject === subject)?.since ?? null;
  const ofWorker = (kind: HeldKind, worker: string, held: bigint, alarm: OpenAlarm['kind']) => ({
    ...{ kind, worker, subject: worker, held: Number(held), since: sinceOf(alarm, worker) },
  });
  return [
    ofWorker('charges', 'auto-renewal', charges, 'alarm_money_guard'),
    ofWorker('ends', 'fast-expiry-cleanup', ends, 'alarm_guard'),
    ...open.filter(isOfNode).map((alarm) => ({
      kind: 'removals' as const,
      worker: alarm.worker ?? '',
      subject: alarm.subject,
      held: alarm.lastRaised.at(-1)?.size ?? 0,
      since: alarm.since,
    })),
  ].filter(({ held }) => held > 0);
}

const isOfNode = ({ kind, worker, subject }: OpenAlarm): boolean =>
  kind === 'alarm_guard' && worker !== subject;
