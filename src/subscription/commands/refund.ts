import { sql } from 'kysely';
import { closeAccess } from '../../access/credentials.ts';
import type { SubscriptionState } from '../../db/schema.ts';
import { refused } from '../../kernel/faults.ts';
import type { LedgerEntryId, PeriodId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime, latest, never } from '../../kernel/instant.ts';
import { floorShare, majorUnits, moneyText } from '../../kernel/money.ts';
import { computeMovesAfterRefund } from '../rules/moves.ts';
import type { Terms } from '../rules/terms.ts';
import { changeBalance } from '../store/balance.ts';
import type { Caller, CommandContext } from '../store/command-context.ts';
import { recordEvents, toSubscriptionSubject } from '../store/events.ts';
import { addServedPart, movePeriod, type Period, readPeriods } from '../store/periods.ts';
import { delayRenewals, retryRenewalsNow } from '../store/retry-now.ts';
import { readSubscriptionById, type Subscription } from '../store/subscriptions.ts';
import { withLockedCustomer } from './command.ts';
import { type EndCondition, requireExpectedEnd } from './conditions.ts';
import { recordGrantTakenBack, recordRefund } from './refund-notices.ts';
import { readLastTerms, readSettledTerms, settleTerms } from './settle.ts';

// The rule for refunds (design, refund).
//
// 1. The money of a period returns to the balance, whole or for the unused part, rounded down.
// 2. A period is refunded once. A bought period with later bought periods waits for their refund.
// 3. A refunded period ends at the refund. Its time until then stays as a served part.
// 4. Grants do not block a refund. Later periods move to an earlier start (`moves.ts`).
// 5. A grant is taken back in the same way. It moves no money and leaves auto-renewal as it is.
// 6. Plan, length, kind and end follow the periods that are left (`terms.ts`).
// 7. With a payout the money leaves the balance in the same transaction. So no charge spends it
//    first, and auto-renewal is not woken.
// 8. A refund switches auto-renewal off, unless the command keeps it: otherwise the money would buy
//    the same period again. For the same reason the customer's other renewals wait
//    (`delayRenewals`), so the operator can take the money off the balance first.

export type RefundPart = 'whole' | 'unused';

export interface Refund extends EndCondition {
  readonly telegramId: bigint;
  readonly periodId: PeriodId;
  readonly part: RefundPart;
  /** Leaves auto-renewal as it is. */
  readonly keepAutoRenew?: boolean;
  /** The money leaves the balance at once, because the operator pays it out. */
  readonly payout?: boolean;
}

export type RefundResult = {
  readonly telegram_id: number;
  readonly subscription_id: number;
  readonly period_id: number;
  readonly amount: string;
  /** The part that left the balance as a payout. */
  readonly paid_out: string;
  readonly balance: string;
  readonly currency: string;
  readonly expires_at: string;
  readonly state: SubscriptionState;
};

/** The unused money at `now`: the share of the remaining time, rounded down. */
export function computeUnusedMinor(period: Period, now: Instant): bigint {
  const from = latest(now, period.startsAt);
  if (from >= period.endsAt) return 0n;
  return floorShare(
    period.amountMinor,
    BigInt(period.endsAt - from),
    BigInt(period.endsAt - period.startsAt),
  );
}

/** @throws Fault `no_period`, `not_charged`, `refund_later_first`, `nothing_unused`, `no_payout` */
export function refund(caller: Caller, request: Refund): Promise<RefundResult> {
  return withLockedCustomer(caller, 'refund', request.telegramId, request, async (context) => {
    const { subscription, period } = await requirePeriod(context, request.periodId);
    requireExpectedEnd(subscription, request);
    const amountMinor =
      request.part === 'whole' ? period.amountMinor : computeUnusedMinor(period, context.now);
    const isGrant = period.source === 'grant';
    if (isGrant ? period.endsAt <= context.now : amountMinor === 0n && request.part === 'unused') {
      throw refused('nothing_unused', formatNothingUnused(context, period));
    }
    const isPayout = request.payout === true;
    if (isPayout && amountMinor === 0n) throw refused('no_payout', formatNoPayout(period));
    const lastBefore = await readLastTerms(context, subscription);
    await refundPeriod(context, period, amountMinor);
    if (isPayout) await payOut(context, subscription.id, period, amountMinor);
    const keepAutoRenew = isGrant || request.keepAutoRenew === true;
    const after = await updateAfterRefund(context, subscription, period, lastBefore, keepAutoRenew);
    if (!isPayout)
      await (keepAutoRenew ? retryRenewalsNow : delayRenewals)(...toRenewalArguments(context));
    const endsAt = after.state === 'active' ? after.expiresAt : null;
    if (isGrant) await recordGrantTakenBack(context, subscription.id, period, after);
    else await recordRefund(context, subscription.id, period, amountMinor, endsAt, isPayout);
    return {
      telegram_id: Number(context.customer.telegramId),
      subscription_id: Number(subscription.id),
      period_id: Number(period.id),
      amount: majorUnits(amountMinor, context.customer.currency),
      paid_out: majorUnits(isPayout ? amountMinor : 0n, context.customer.currency),
      balance: majorUnits(context.customer.balanceMinor, context.customer.currency),
      currency: context.customer.currency,
      expires_at: isoTime(after.expiresAt),
      state: after.state,
    };
  });
}

const toRenewalArguments = ({ tx, customer, now, settings }: CommandContext) =>
  [tx, customer.id, now, settings] as const;

const formatNoPayout = ({ id }: Period): string =>
  `period ${id} cost nothing, so there is no money to pay out`;

/** Takes the refund off the balance in the same transaction. */
async function payOut(
  context: CommandContext,
  subscriptionId: SubscriptionId,
  period: Period,
  amountMinor: bigint,
): Promise<void> {
  const { customer, now } = context;
  const entryId = await changeBalance(context, { amountMinor: -amountMinor, kind: 'payout' });
  const detail = { period_id: period.id, ledger_entry_id: entryId, amount_minor: amountMinor };
  const subject = toSubscriptionSubject(subscriptionId);
  const event = { customerId: customer.id, subject, action: 'paid_out', detail };
  await recordEvents(context.tx, [event], context.actor, now);
}

function formatNothingUnused(
  { now, customer }: CommandContext,
  { id, endsAt, amountMinor }: Period,
): string {
  if (endsAt <= now) return `period ${id} ended at ${isoTime(endsAt)}: it has no unused part`;
  const cost = moneyText(amountMinor, customer.currency);
  return `period ${id} cost ${cost}, and its unused part is worth less than a minor unit`;
}

async function requirePeriod(
  context: CommandContext,
  id: PeriodId,
): Promise<{ subscription: Subscription; period: Period }> {
  const ownerId = await findPeriodSubscription(context, id);
  const periods = ownerId === undefined ? [] : await readPeriods(context.tx, ownerId);
  const period = periods.find((one) => one.id === id);
  if (ownerId === undefined || period === undefined) {
    throw refused(
      'no_period',
      `period_id: "${id}" is not a period that can be refunded`,
      'list them with "customer show"',
    );
  }
  requireRefundable(period, periods);
  return { subscription: await readSubscriptionById(context.tx, ownerId), period };
}

/** One lookup for any number of subscriptions of the customer. */
async function findPeriodSubscription(
  { tx, customer }: CommandContext,
  id: PeriodId,
): Promise<SubscriptionId | undefined> {
  const { rows } = await sql<{ owner: SubscriptionId }>`
    SELECT subscription_id AS owner FROM perennial.period
    WHERE id = ${id} AND customer_id = ${customer.id}`.execute(tx);
  return rows[0]?.owner;
}

/** @throws Fault `not_charged`, `nothing_unused`, `refund_later_first` */
function requireRefundable(period: Period, periods: readonly Period[]): void {
  const { id, source, partOf } = period;
  if (partOf !== null) {
    throw refused(
      'nothing_unused',
      `period ${id} is the served part of period ${partOf}: it has no unused part`,
    );
  }
  if (source === 'grant') return;
  if (period.ledgerEntryId === null) {
    throw refused(
      'not_charged',
      `period ${id} has the source ${source}: it has no price to refund`,
    );
  }
  const laterPeriod = periods.find(
    (one) => one.startsAt > period.startsAt && one.ledgerEntryId !== null,
  );
  if (laterPeriod === undefined) return;
  throw refused(
    'refund_later_first',
    `period ${id} is followed by period ${laterPeriod.id} (${laterPeriod.source}, until ${isoTime(laterPeriod.endsAt)}); refund period ${laterPeriod.id} first`,
  );
}

/**
 * Marks a period refunded, moves its money and keeps its served part. An amount of 0 moves none.
 */
export async function refundPeriod(
  context: CommandContext,
  period: Period,
  amountMinor: bigint,
): Promise<void> {
  let entryId: LedgerEntryId | null = null;
  if (amountMinor > 0n) entryId = await changeBalance(context, { amountMinor, kind: 'refund' });
  await sql`
    UPDATE perennial.period
    SET refunded_at = ${isoTime(context.now)}, refund_entry_id = ${entryId}
    WHERE id = ${period.id} AND customer_id = ${context.customer.id}`.execute(context.tx);
  await addServedPart(context.tx, period.id, context.now);
}

/** Updates later periods, end, terms and access after a refund (rules 4 and 6). */
export async function updateAfterRefund(
  context: CommandContext,
  subscription: Subscription,
  refunded: Period,
  lastBefore: Terms,
  keepAutoRenew: boolean,
): Promise<{ expiresAt: Instant; state: SubscriptionState }> {
  if (subscription.state === 'active') await moveLaterPeriods(context, subscription, refunded);
  const settled = await readSettledTerms(context, subscription);
  const expiresAt = settled.periods[0]?.endsAt ?? subscription.startedAt;
  const { kind } = settled.terms;
  const autoRenew = kind === 'paid' && keepAutoRenew && subscription.autoRenew;
  const hasEnded = subscription.state === 'active' && expiresAt <= context.now;
  const state = hasEnded ? 'expired' : subscription.state;
  // Without auto-renewal no renewal is chosen, and the next period is paid already.
  const before = autoRenew ? subscription : { ...subscription, ...toNextTerms(lastBefore) };
  await settleTerms(context, before, lastBefore, settled, {
    kind,
    expiresAt,
    autoRenew,
    state,
    nextTryAt: state === 'active' ? null : never,
  });
  if (hasEnded) await closeAccess(context.tx, [subscription.id], context.now);
  if (subscription.autoRenew && !autoRenew) await recordSwitchedOff(context, subscription.id);
  return { expiresAt, state };
}

async function recordSwitchedOff({ tx, customer, actor, now }: CommandContext, id: SubscriptionId) {
  const of = { customerId: customer.id, subject: toSubscriptionSubject(id) };
  const detail = { auto_renew: false };
  await recordEvents(tx, [{ ...of, action: 'auto_renew_off', detail }], actor, now);
}

const toNextTerms = ({ plan, periodDays }: Terms) => ({
  nextPlan: plan,
  nextPeriodDays: periodDays,
});

async function moveLaterPeriods(
  context: CommandContext,
  { id }: Subscription,
  refunded: Period,
): Promise<void> {
  const moves = computeMovesAfterRefund(refunded, await readPeriods(context.tx, id), context.now);
  // In the order of the starts, so each period moves into free time.
  for (const move of moves) await movePeriod(context.tx, move);
  const events = moves.map((move) => ({
    customerId: context.customer.id,
    subject: toSubscriptionSubject(id),
    action: 'period_moved',
    detail: {
      period_id: move.id,
      starts_at: isoTime(move.startsAt),
      ends_at: isoTime(move.endsAt),
    },
  }));
  await recordEvents(context.tx, events, context.actor, context.now);
}
