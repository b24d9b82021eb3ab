import { sql } from 'kysely';
import { refused } from '../kernel/faults.ts';
import type { LedgerEntryId, PeriodId, SubscriptionId } from '../kernel/ids.ts';
import { type Instant, isoTime, latest, never } from '../kernel/instant.ts';
import { floorShare, majorUnits, moneyText } from '../kernel/money.ts';
import { closeAccess } from './access.ts';
import { type Call, type Desk, forCustomer, move } from './command.ts';
import { type EndCondition, requireEnd } from './conditions.ts';
import { movesAfterRefund } from './moves.ts';
import { addServedPart, livePeriods, movePeriod, type Period } from './periods.ts';
import { recordTakenBack, tellRefund } from './refund-notices.ts';
import { lastTermsOf, readSettled, settleTerms } from './settle.ts';
import { type Subscription, subscriptionsOf } from './subscriptions.ts';
import type { Terms } from './terms.ts';
import { ofSubscription, record } from './timeline.ts';
import { delayRenewals, tryAgainNow } from './wake.ts';

// Refunds (design, refund).
//
// 1. The money of a period returns to the balance, whole or for the unused part, rounded down.
// 2. A period is refunded once. A bought period with later bought periods waits for their refund.
// 3. A refunded period ends at the refund. Its time until then stays as a served part.
// 4. Grants do not block a refund. Later periods move to an earlier start (`moves.ts`).
// 5. A grant is taken back in the same way. It moves no money and leaves auto-renewal as it is.
// 6. Plan, length, kind and end follow the periods that are left (`terms.ts`).
// 7. With a payout the money leaves the balance in the same transaction. Nothing spends it first,
//    and auto-renewal is not woken.
// 8. A refund switches auto-renewal off, unless the command keeps it: otherwise the money would
//    buy the same period again. For the same reason the customer's other renewals wait
//    (`delayRenewals`), so the operator can take the money off the balance first.

export type RefundPart = 'whole' | 'unused';

export interface Refund extends EndCondition {
  readonly telegramId: bigint;
  readonly periodId: PeriodId;
  readonly part: RefundPart;
  /** Leave auto-renewal as it is. */
  readonly keepAutoRenew?: boolean;
  /** The money leaves the balance at once: the operator pays it out. */
  readonly payout?: boolean;
}

export type RefundAnswer = {
  readonly telegram_id: number;
  readonly subscription_id: number;
  readonly period_id: number;
  readonly amount: string;
  /** The part that left the balance as a payout. */
  readonly paid_out: string;
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

/** @throws Fault `no_period`, `not_charged`, `refund_later_first`, `nothing_unused`, `no_payout` */
export function refund(call: Call, request: Refund): Promise<RefundAnswer> {
  return forCustomer(call, 'refund', request.telegramId, request, async (desk) => {
    const { subscription, period } = await findPeriod(desk, request.periodId);
    requireEnd(subscription, request);
    const amountMinor =
      request.part === 'whole' ? period.amountMinor : unusedMinor(period, desk.now);
    const isGrant = period.source === 'grant';
    if (isGrant ? period.endsAt <= desk.now : amountMinor === 0n && request.part === 'unused') {
      throw refused('nothing_unused', nothingUnused(desk, period));
    }
    const isPayout = request.payout === true;
    if (isPayout && amountMinor === 0n) throw refused('no_payout', noPayout(period));
    const lastBefore = await lastTermsOf(desk, subscription);
    await giveBack(desk, period, amountMinor);
    if (isPayout) await payOut(desk, subscription.id, period, amountMinor);
    const keepAutoRenew = isGrant || request.keepAutoRenew === true;
    const after = await followPeriods(desk, subscription, period, lastBefore, keepAutoRenew);
    if (!isPayout) await (keepAutoRenew ? tryAgainNow : delayRenewals)(...renewalsOf(desk));
    const endsAt = after.state === 'active' ? after.expiresAt : null;
    if (isGrant) await recordTakenBack(desk, subscription.id, period, after);
    else await tellRefund(desk, subscription.id, period, amountMinor, endsAt, isPayout);
    return {
      telegram_id: Number(desk.customer.telegramId),
      subscription_id: Number(subscription.id),
      period_id: Number(period.id),
      amount: majorUnits(amountMinor, desk.customer.currency),
      paid_out: majorUnits(isPayout ? amountMinor : 0n, desk.customer.currency),
      balance: majorUnits(desk.customer.balanceMinor, desk.customer.currency),
      currency: desk.customer.currency,
      expires_at: isoTime(after.expiresAt),
      state: after.state,
    };
  });
}

const renewalsOf = ({ tx, customer, now, settings }: Desk) =>
  [tx, customer.id, now, settings] as const;

const noPayout = ({ id }: Period): string =>
  `period ${id} cost nothing, so there is no money to pay out`;

/** The refund leaves the balance again, before the transaction ends. */
async function payOut(
  desk: Desk,
  subscriptionId: SubscriptionId,
  period: Period,
  amountMinor: bigint,
): Promise<void> {
  const { customer, now } = desk;
  const entryId = await move(desk, { amountMinor: -amountMinor, kind: 'payout' });
  const detail = { period_id: period.id, ledger_entry_id: entryId, amount_minor: amountMinor };
  const subject = ofSubscription(subscriptionId);
  const event = { customerId: customer.id, subject, action: 'paid_out', detail };
  await record(desk.tx, [event], desk.actor, now);
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
    refuseUnrefundable(period, live);
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

/** @throws Fault `not_charged`, `nothing_unused`, `refund_later_first` */
function refuseUnrefundable(period: Period, live: readonly Period[]): void {
  const { id, source, partOf } = period;
  if (partOf !== null) {
    throw refused(
      'nothing_unused',
      `period ${id} is the served part of period ${partOf}: nothing of it is unused`,
    );
  }
  if (source === 'grant') return;
  if (period.ledgerEntryId === null) {
    throw refused('not_charged', `period ${id} came by ${source}: there is nothing to give back`);
  }
  const later = live.find((one) => one.startsAt > period.startsAt && one.ledgerEntryId !== null);
  if (later === undefined) return;
  throw refused(
    'refund_later_first',
    `period ${id} is followed by period ${later.id} (${later.source}, until ${isoTime(later.endsAt)}); refund that first`,
  );
}

/**
 * Marks a period refunded, moves its money and keeps its served part. An amount of 0 moves none.
 */
export async function giveBack(desk: Desk, period: Period, amountMinor: bigint): Promise<void> {
  let entryId: LedgerEntryId | null = null;
  if (amountMinor > 0n) entryId = await move(desk, { amountMinor, kind: 'refund' });
  await sql`
    UPDATE perennial.period
    SET refunded_at = ${isoTime(desk.now)}, refund_entry_id = ${entryId}
    WHERE id = ${period.id} AND customer_id = ${desk.customer.id}`.execute(desk.tx);
  await addServedPart(desk.tx, period.id, desk.now);
}

/** Brings later periods, end, terms and access in line with a refund (rules 4 and 6). */
export async function followPeriods(
  desk: Desk,
  subscription: Subscription,
  refunded: Period,
  lastBefore: Terms,
  keepAutoRenew: boolean,
): Promise<{ expiresAt: Instant; state: string }> {
  if (subscription.state === 'active') await moveLater(desk, subscription, refunded);
  const settled = await readSettled(desk, subscription);
  const expiresAt = settled.periods[0]?.endsAt ?? subscription.startedAt;
  const { kind } = settled.terms;
  const autoRenew = kind === 'paid' && keepAutoRenew && subscription.autoRenew;
  const ended = subscription.state === 'active' && expiresAt <= desk.now;
  const state = ended ? 'expired' : subscription.state;
  // Without auto-renewal no renewal is chosen: what is next is paid already.
  const before = autoRenew ? subscription : { ...subscription, ...lastAsNext(lastBefore) };
  await settleTerms(desk, before, lastBefore, settled, {
    kind,
    expiresAt,
    autoRenew,
    state,
    nextTryAt: state === 'active' ? null : never,
  });
  if (ended) await closeAccess(desk.tx, [subscription.id], desk.now);
  if (subscription.autoRenew && !autoRenew) await recordSwitchedOff(desk, subscription.id);
  return { expiresAt, state };
}

async function recordSwitchedOff({ tx, customer, actor, now }: Desk, id: SubscriptionId) {
  const of = { customerId: customer.id, subject: ofSubscription(id) };
  const detail = { auto_renew: false };
  await record(tx, [{ ...of, action: 'auto_renew_off', detail }], actor, now);
}

const lastAsNext = ({ plan, periodDays }: Terms) => ({
  nextPlan: plan,
  nextPeriodDays: periodDays,
});

async function moveLater(desk: Desk, { id }: Subscription, refunded: Period): Promise<void> {
  const moves = movesAfterRefund(refunded, await livePeriods(desk.tx, id), desk.now);
  // In the order of their starts: each moves into time that is free already.
  for (const one of moves) await movePeriod(desk.tx, one);
  const events = moves.map((one) => ({
    customerId: desk.customer.id,
    subject: ofSubscription(id),
    action: 'period_moved',
    detail: {
      period_id: one.id,
      starts_at: isoTime(one.startsAt),
      ends_at: isoTime(one.endsAt),
    },
  }));
  await record(desk.tx, events, desk.actor, desk.now);
}
