import { sql } from 'kysely';
import { refused } from '../kernel/faults.ts';
import type { LedgerEntryId, PeriodId, SubscriptionId } from '../kernel/ids.ts';
import { type Instant, isoTime, latest, never } from '../kernel/instant.ts';
import { floorShare, majorUnits, moneyText } from '../kernel/money.ts';
import { owe } from '../notify/outbox.ts';
import { closeAccess } from './access.ts';
import { type Call, type Desk, forCustomer, move } from './command.ts';
import { type EndCondition, requireEnd } from './conditions.ts';
import {
  alter,
  livePeriods,
  type Period,
  type Subscription,
  subscriptionsOf,
} from './subscriptions.ts';
import { ofSubscription, record } from './timeline.ts';
import { tryAgainNow } from './wake.ts';

// Refunds (DESIGN.md 5): the money of a period goes back to the balance, whole or the part that is
// not used yet, rounded down; the period is marked refunded, once, and the end of the subscription
// follows. Periods are refunded from the last one backwards, so that what is left has no hole.
// Refunding says that the customer doesn't want it: auto-renewal is switched off with it, or the
// money that came back would buy the same period again within minutes.

export type RefundPart = 'whole' | 'unused';

export interface Refund extends EndCondition {
  readonly telegramId: bigint;
  readonly periodId: PeriodId;
  readonly part: RefundPart;
  /** Leave auto-renewal as it is. */
  readonly keepAutoRenew?: boolean;
}

export type RefundAnswer = {
  readonly telegram_id: number;
  readonly subscription_id: number;
  readonly period_id: number;
  readonly amount: string;
  readonly balance: string;
  readonly currency: string;
  readonly expires_at: string;
  readonly state: string;
};

/** The money that is not used at `now`: the share of the time to come, by floor. */
export function unusedMinor(period: Period, now: Instant): bigint {
  const from = latest(now, period.startsAt);
  if (from >= period.endsAt) return 0n;
  return floorShare(
    period.amountMinor,
    BigInt(period.endsAt - from),
    BigInt(period.endsAt - period.startsAt),
  );
}

/** @throws Fault `no_period`, `not_charged`, `refund_later_first`, `nothing_unused` */
export function refund(call: Call, request: Refund): Promise<RefundAnswer> {
  return forCustomer(call, 'refund', request.telegramId, request, async (desk) => {
    const { subscription, period } = await findPeriod(desk, request.periodId);
    requireEnd(subscription, request);
    const amountMinor =
      request.part === 'whole' ? period.amountMinor : unusedMinor(period, desk.now);
    if (amountMinor === 0n && request.part === 'unused') {
      throw refused('nothing_unused', nothingUnused(desk, period));
    }
    await giveBack(desk, period, amountMinor);
    const after = await followEnd(desk, subscription, request.keepAutoRenew === true);
    const endsAt = after.state === 'active' ? after.expiresAt : null;
    await tellRefund(desk, subscription.id, period, amountMinor, endsAt);
    return {
      telegram_id: Number(desk.customer.telegramId),
      subscription_id: Number(subscription.id),
      period_id: Number(period.id),
      amount: majorUnits(amountMinor, desk.customer.currency),
      balance: majorUnits(desk.customer.balanceMinor, desk.customer.currency),
      currency: desk.customer.currency,
      expires_at: isoTime(after.expiresAt),
      state: after.state,
    };
  });
}

function nothingUnused({ now, customer }: Desk, { id, endsAt, amountMinor }: Period): string {
  if (endsAt <= now) return `period ${id} ended ${isoTime(endsAt)}: nothing of it is unused`;
  const cost = moneyText(amountMinor, customer.currency);
  return `period ${id} cost ${cost}, and what is not used of it comes to nothing`;
}

async function findPeriod(
  desk: Desk,
  id: PeriodId,
): Promise<{ subscription: Subscription; period: Period }> {
  const owner = await subscriptionOfPeriod(desk, id);
  for (const subscription of await subscriptionsOf(desk.tx, desk.customer.id)) {
    if (subscription.id !== owner) continue;
    const live = await livePeriods(desk.tx, subscription.id);
    const period = live.find((one) => one.id === id);
    if (period === undefined) continue;
    if (period.ledgerEntryId === null) {
      throw refused(
        'not_charged',
        `period ${id} came by ${period.source}: there is nothing to give back`,
      );
    }
    const [last] = live;
    if (last !== undefined && last.id !== id) {
      throw refused(
        'refund_later_first',
        `period ${id} is followed by period ${last.id} (${last.source}, until ${isoTime(last.endsAt)}); refund or revoke that first`,
      );
    }
    return { subscription, period };
  }
  throw refused(
    'no_period',
    `the customer has no period ${id} that could be refunded`,
    'customer show lists them',
  );
}

/** One look-up, whatever the number of the customer's subscriptions. */
async function subscriptionOfPeriod(
  { tx, customer }: Desk,
  id: PeriodId,
): Promise<SubscriptionId | undefined> {
  const { rows } = await sql<{ owner: SubscriptionId }>`
    SELECT subscription_id AS owner FROM perennial.period
    WHERE id = ${id} AND customer_id = ${customer.id}`.execute(tx);
  return rows[0]?.owner;
}

/** Marks a period refunded and moves its money. An amount of 0 moves none. */
export async function giveBack(desk: Desk, period: Period, amountMinor: bigint): Promise<void> {
  let entryId: LedgerEntryId | null = null;
  if (amountMinor > 0n) entryId = await move(desk, { amountMinor, kind: 'refund' });
  await sql`
    UPDATE perennial.period
    SET refunded_at = ${isoTime(desk.now)}, refund_entry_id = ${entryId}
    WHERE id = ${period.id} AND customer_id = ${desk.customer.id}`.execute(desk.tx);
}

/** The subscription's end after its last periods went: its access ends with it, if that is past. */
async function followEnd(
  desk: Desk,
  subscription: Subscription,
  keepAutoRenew: boolean,
): Promise<{ expiresAt: Instant; state: string }> {
  const [last] = await livePeriods(desk.tx, subscription.id);
  const expiresAt = last?.endsAt ?? subscription.startedAt;
  const autoRenew = keepAutoRenew && subscription.autoRenew;
  const ended = subscription.state === 'active' && expiresAt <= desk.now;
  const state = ended ? 'expired' : subscription.state;
  await alter(desk, subscription, {
    expiresAt,
    autoRenew,
    state,
    nextTryAt: state === 'active' ? null : never,
    ...(autoRenew ? {} : { nextPlan: null, nextPeriodDays: null }),
  });
  if (ended) await closeAccess(desk.tx, [subscription.id], desk.now);
  // What came back may pay for the customer's other subscriptions.
  await tryAgainNow(desk.tx, desk.customer.id, desk.now, desk.settings);
  return { expiresAt, state };
}

/**
 * Notice and event of a refund. @param endsAt until when there is access, where that is known yet:
 * the notice says what is so when it is sent
 */
export async function tellRefund(
  desk: Desk,
  subscriptionId: SubscriptionId,
  period: Period,
  amountMinor: bigint,
  endsAt: Instant | null,
): Promise<void> {
  const { customer, now } = desk;
  await owe(
    desk.tx,
    [
      {
        customerId: customer.id,
        subscriptionId,
        kind: 'refund',
        dedupeKey: `refund:${period.id}`,
        params: {
          amount: majorUnits(amountMinor, customer.currency),
          currency: customer.currency,
          plan: period.plan,
          balance_after: majorUnits(customer.balanceMinor, customer.currency),
          ends_at: endsAt && isoTime(endsAt),
        },
      },
    ],
    now,
  );
  const detail = { period_id: period.id, amount_minor: amountMinor };
  await record(
    desk.tx,
    [
      {
        customerId: customer.id,
        subject: ofSubscription(subscriptionId),
        action: 'refunded',
        detail,
      },
    ],
    desk.actor,
    now,
  );
}
