import { sql } from 'kysely';
import { isoTime, later } from '../../kernel/instant.ts';
import { type DueItemRow, isAfterCursor, isNotQuarantined, toDueItem } from '../../runs/keyset.ts';
import type { DuePass } from '../../runs/worker.ts';

/**
 * Due rows without an attempt for this period, in the order of their end. The rows are not locked,
 * so they only name candidates. Reads `subscription_due`, which contains due and future rows, so a
 * page costs its own rows.
 */
export const findDueRenewals: DuePass = async (tx, { now, settings }, { after, max, skip }) => {
  const { rows } = await sql<DueItemRow>`
    SELECT s.id AS "subscriptionId", s.customer_id AS "customerId", s.expires_at AS at
    FROM perennial.subscription s
    WHERE s.kind = 'paid' AND s.auto_renew AND s.next_try_at IS NULL
      AND s.state IN ('active', 'expired')
      AND s.expires_at <= ${isoTime(later(now, settings.windowMs))}
      AND ${isAfterCursor('s.expires_at', after)} AND ${isNotQuarantined(skip)}
    ORDER BY s.expires_at, s.id LIMIT ${max}`.execute(tx);
  return rows.map(toDueItem);
};

/** Rows whose balance was too low and whose next attempt is due. Reads `subscription_retry`. */
export const findRenewalRetries: DuePass = async (tx, { now }, { after, max, skip }) => {
  const { rows } = await sql<DueItemRow>`
    SELECT s.id AS "subscriptionId", s.customer_id AS "customerId", s.next_try_at AS at
    FROM perennial.subscription s
    WHERE s.kind = 'paid' AND s.auto_renew AND s.next_try_at IS NOT NULL AND s.state = 'active'
      AND s.next_try_at <= ${isoTime(now)}
      AND ${isAfterCursor('s.next_try_at', after)} AND ${isNotQuarantined(skip)}
    ORDER BY s.next_try_at, s.id LIMIT ${max}`.execute(tx);
  return rows.map(toDueItem);
};
