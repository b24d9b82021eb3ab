import { sql } from 'kysely';
import type { PeriodId, SubscriptionId } from '../../kernel/ids.ts';
import { isoTime, later, minuteMs } from '../../kernel/instant.ts';
import type { CommandContext } from '../store/command-context.ts';
import { readPeriods } from '../store/periods.ts';
import { readSubscriptionById, type Subscription } from '../store/subscriptions.ts';
import { refundPeriod, updateAfterRefund } from './refund.ts';
import { enqueueEndNotification, recordRefund } from './refund-notices.ts';
import { readLastTerms } from './settle.ts';

// The rule for revivals that a purchase undoes.
//
// A top-up may revive a subscription before the purchase arrives for which the customer paid.
//
// 1. A purchase undoes a revival whose payment came at most 10 minutes before.
// 2. It undoes revivals if the balance does not cover it, the latest first. If all of them are not
//    enough, it undoes none.
// 3. It undoes the revival of the same subscription also if the purchase is for another plan.
// 4. The whole charge returns to the balance, and the subscription is expired again. Auto-renewal
//    stays on.

const undoWindowMs = 10 * minuteMs;

/** A renewal that revived a subscription, and is its last period. */
export interface Revival {
  readonly subscriptionId: SubscriptionId;
  readonly periodId: PeriodId;
  readonly amountMinor: bigint;
}

/** The revivals that a purchase may undo, the latest first. */
export async function readRevivals({ tx, customer, now }: CommandContext): Promise<Revival[]> {
  const { rows } = await sql<Revival>`
    SELECT s.id AS "subscriptionId", p.id AS "periodId", p.amount_minor AS "amountMinor"
    FROM perennial.subscription s CROSS JOIN LATERAL (
      SELECT * FROM perennial.period live
      WHERE live.subscription_id = s.id AND live.refunded_at IS NULL
      ORDER BY live.starts_at DESC LIMIT 1) p
    WHERE s.customer_id = ${customer.id} AND s.state = 'active'
      AND s.woken_at >= ${isoTime(later(now, -undoWindowMs))}
      AND p.source = 'renewal' AND p.starts_at >= s.woken_at
    ORDER BY p.id DESC`.execute(tx);
  return rows;
}

/** Rules 2 and 3. @param own the revival of the subscription of the purchase, for another plan */
export function chooseRevivalsToUndo(
  revivals: readonly Revival[],
  missingMinor: bigint,
  own?: Revival,
): Revival[] {
  const undone = own === undefined ? [] : [own];
  let left = missingMinor - (own?.amountMinor ?? 0n);
  for (const revival of revivals) {
    if (left <= 0n) break;
    if (revival === own) continue;
    undone.push(revival);
    left -= revival.amountMinor;
  }
  if (left <= 0n) return undone;
  return own === undefined ? [] : [own];
}

/** Rule 4. */
export async function undoRevival(
  context: CommandContext,
  { subscriptionId, periodId, amountMinor }: Revival,
): Promise<void> {
  const subscription = await readSubscriptionById(context.tx, subscriptionId);
  const [period] = await readPeriods(context.tx, subscriptionId);
  if (period?.id !== periodId) return;
  const lastBefore = await readLastTerms(context, subscription);
  await refundPeriod(context, period, amountMinor);
  const after = await updateAfterRefund(context, subscription, period, lastBefore, true);
  await recordRefund(context, subscriptionId, period, amountMinor, null);
  await enqueueEndNotification(context, subscriptionId, period, after);
}

/** The subscription of a purchase after the revivals were undone. */
export async function readTargetAfterUndo(
  context: CommandContext,
  target: Subscription | undefined,
  undone: readonly Revival[],
): Promise<Subscription | undefined> {
  return target === undefined || undone.length === 0
    ? target
    : readSubscriptionById(context.tx, target.id);
}
