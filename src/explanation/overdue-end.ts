import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { anyOf } from '../db/unnest.ts';
import { dayMs, type Instant, isoTime, later } from '../kernel/instant.ts';
import { createReason, type Reason } from '../kernel/reason.ts';
import type { SubscriptionDetails } from '../subscription/queries/subscription-details.ts';

// Why subscriptions are still active after their end. Access stays until fast-expiry-cleanup
// decides. The first cause that applies counts:
//
// 1. The end itself failed, and is in quarantine.
// 2. The renewal is in quarantine, or the spend guard holds its charge.
// 3. The blast guard holds ends.
// 4. The next run decides.

interface QuarantineRow {
  readonly worker: string;
  readonly item: string;
  readonly reason: string;
  readonly retryAt: Instant;
}

type EndedSubscription = Pick<SubscriptionDetails, 'id' | 'state' | 'expires_at' | 'next_charge'>;

/** The reasons by subscription. A subscription that is not overdue has none. */
export async function readOverdueEnds(
  tx: Tx,
  subscriptions: readonly EndedSubscription[],
  now: Instant,
): Promise<ReadonlyMap<number, Reason>> {
  const overdue = subscriptions.filter(
    ({ state, expires_at }) => state === 'active' && expires_at <= isoTime(now),
  );
  if (overdue.length === 0) return new Map();
  const { rows } = await sql<QuarantineRow>`
    SELECT worker, item, reason, retry_at AS "retryAt" FROM perennial.quarantine
    WHERE worker IN ('auto-renewal', 'fast-expiry-cleanup')
      AND item = ${anyOf(
        'text',
        overdue.map(({ id }) => String(id)),
      )}`.execute(tx);
  const areEndsHeld = await hasHeldEnds(tx, now);
  return new Map(overdue.map((one) => [one.id, describeEnd(one, rows, areEndsHeld)]));
}

/** While ends are held, each run has a record. */
async function hasHeldEnds(tx: Tx, now: Instant): Promise<boolean> {
  const { rows } = await sql<{ held: string | null }>`
    SELECT detail->>'held' AS held FROM perennial.worker_run
    WHERE worker = 'fast-expiry-cleanup' AND outcome IN ('success', 'partial', 'degraded')
      AND started_at > ${isoTime(later(now, -dayMs))}
    ORDER BY started_at DESC, id DESC LIMIT 1`.execute(tx);
  return Number(rows[0]?.held ?? 0) > 0;
}

function describeEnd(
  { id, expires_at: endedAt, next_charge: { reason: charge } }: EndedSubscription,
  quarantine: readonly QuarantineRow[],
  areEndsHeld: boolean,
): Reason {
  const find = (worker: string) =>
    quarantine.find((row) => row.worker === worker && row.item === String(id));
  const state = (code: string, params: Reason['params'], sentence: string) =>
    createReason(
      code,
      { ended_at: endedAt, ...params },
      `the end was at ${endedAt}, and access stays: ${sentence}`,
    );
  const end = find('fast-expiry-cleanup');
  if (end !== undefined) {
    const retryAt = isoTime(end.retryAt);
    const sentence = `the end is in quarantine (${end.reason}); the next attempt is at ${retryAt}`;
    return state('end_quarantined', { reason: end.reason, retry_at: retryAt }, sentence);
  }
  if (find('auto-renewal') !== undefined)
    return state('renewal_quarantined', {}, 'the renewal is in quarantine');
  if (charge.code === 'held_by_guard')
    return state('charge_held', {}, 'the spend guard holds the charge');
  if (areEndsHeld) return state('end_held', {}, 'a guard holds ends until a person confirms them');
  return state('end_due', {}, 'the next run of fast-expiry-cleanup decides');
}
