import { sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import { wakeWorker } from '../../db/notify.ts';
import { anyOf } from '../../db/unnest.ts';
import type { CustomerId } from '../../kernel/ids.ts';
import { type Instant, isoTime, later } from '../../kernel/instant.ts';
import { endRemindersMs } from '../../outbox/reminder-schedule.ts';
import type { Settings } from '../rules/settings.ts';

/**
 * Call this after every change that may let a failed renewal succeed. The waiting subscriptions of
 * the customer are due at once. This includes those in quarantine, and those that expired within
 * the days of revival. The time of this call (`woken_at`) decides about a revival, not the time of
 * the run. The commit wakes the worker. A lost wake-up only delays the renewal until the next slot.
 */
export async function retryRenewalsNow(
  tx: Tx,
  customerId: CustomerId,
  now: Instant,
  settings: Settings,
): Promise<void> {
  const revivesFrom = isoTime(later(now, -settings.reviveMs));
  await sql`
    UPDATE perennial.subscription SET next_try_at = NULL,
      woken_at = CASE WHEN state = 'expired' THEN ${isoTime(now)}::timestamptz END
    WHERE customer_id = ${customerId} AND next_try_at IS NOT NULL AND kind = 'paid' AND auto_renew
      AND (state = 'active'
        OR ${settings.reviveMs > 0} AND state = 'expired'
          AND expires_at >= ${revivesFrom})`.execute(tx);
  await releaseQuarantine(tx, customerId);
  await remindUnnotified(tx, [customerId], now);
  await wakeWorker(tx, 'auto-renewal');
}

/**
 * Call this after a refund by the operator, who may pay the money out. No renewal of the customer
 * spends the money before `renewal.retry` has passed, at the latest at the end of its period: the
 * refund counts as an attempt. An expired subscription stays expired, because a refund is no
 * payment.
 */
export async function delayRenewals(
  tx: Tx,
  customerId: CustomerId,
  now: Instant,
  { windowMs, retryMs }: Settings,
): Promise<void> {
  const nextTryAt = isoTime(later(now, retryMs));
  await sql`
    UPDATE perennial.subscription
    SET next_try_at = least(expires_at, ${nextTryAt}::timestamptz)
    WHERE customer_id = ${customerId} AND kind = 'paid' AND auto_renew AND state = 'active'
      AND expires_at > ${isoTime(now)}
      AND expires_at <= ${isoTime(later(now, windowMs + retryMs))}`.execute(tx);
  await releaseQuarantine(tx, customerId);
}

/**
 * Call this after every change of the money, price or terms of a customer. The next run retries
 * subscriptions that failed before the change. A new failure puts them into quarantine again.
 */
export async function releaseQuarantine(
  tx: Tx,
  ...customerIds: readonly CustomerId[]
): Promise<void> {
  await sql`
    DELETE FROM perennial.quarantine
    WHERE worker IN ('auto-renewal', 'fast-expiry-cleanup') AND item IN (
      SELECT id::text FROM perennial.subscription
      WHERE customer_id = ${anyOf('bigint', customerIds)})`.execute(tx);
}

const matchesPlan = (plan: string) => sql`q.worker = 'auto-renewal'
  AND coalesce(s.next_plan, s.plan) = ${plan}
  AND s.id = CASE WHEN q.item ~ '^[0-9]{1,18}$' THEN q.item::bigint END`;

/**
 * Call this after a new price of a plan. Renewals of this plan in quarantine are retried when the
 * price counts: at once, or from `validFrom` on.
 */
export async function retryAfterPriceChange(
  tx: Tx,
  plan: string,
  validFrom: Instant,
  now: Instant,
): Promise<void> {
  if (validFrom > now) {
    await sql`
      UPDATE perennial.quarantine q SET retry_at = least(q.retry_at, ${isoTime(validFrom)})
      FROM perennial.subscription s WHERE ${matchesPlan(plan)}`.execute(tx);
    return;
  }
  const { numAffectedRows } = await sql`
    DELETE FROM perennial.quarantine q USING perennial.subscription s
    WHERE ${matchesPlan(plan)}`.execute(tx);
  if ((numAffectedRows ?? 0n) > 0n) await wakeWorker(tx, 'auto-renewal');
}

/**
 * Call this after every change of the cost of a customer's renewals. Reminders check at once
 * whether the customer has to be notified of a new price.
 */
export async function checkRemindersNow(
  tx: Tx,
  customerId: CustomerId,
  now: Instant,
): Promise<void> {
  await sql`
    UPDATE perennial.subscription SET remind_at = ${isoTime(now)}
    WHERE customer_id = ${customerId} AND kind = 'paid' AND auto_renew AND state = 'active'`.execute(
    tx,
  );
  await wakeWorker(tx, 'expiry-reminders');
}

/**
 * Call this after a change that may let the first renewal of imported or granted time succeed. If
 * the end is near and the customer was notified of no amount, reminders are due at once.
 */
export async function remindUnnotified(
  tx: Tx,
  customerIds: readonly CustomerId[],
  now: Instant,
): Promise<void> {
  const { numAffectedRows } = await sql`
    UPDATE perennial.subscription s SET remind_at = ${isoTime(now)}
    WHERE s.customer_id = ${anyOf('bigint', customerIds)} AND s.kind = 'paid' AND s.auto_renew
      AND s.state = 'active' AND s.expires_at <= ${isoTime(later(now, endRemindersMs.ends_3d))}
      AND EXISTS (SELECT FROM perennial.known_price k
        WHERE k.subscription_id = s.id AND k.source = 'terms')`.execute(tx);
  if ((numAffectedRows ?? 0n) > 0n) await wakeWorker(tx, 'expiry-reminders');
}
