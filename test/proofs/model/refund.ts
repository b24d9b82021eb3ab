import {
  type Customer,
  listLivePeriods,
  type Period,
  type Subscription,
  toMajor,
} from '../../support/customer-model.ts';
import { refused } from './choice.ts';
import { type Command, type CommandAnswer, toIso } from './commands.ts';
import {
  addEntry,
  computeUnused,
  delayRenewals,
  endPeriod,
  findPlace,
  retryRenewalsNow,
} from './money.ts';
import { updateFromPeriods } from './terms.ts';

type Refund = Extract<Command, { do: 'refund' }>;

/**
 * Refunds a period: a bought one with its money, the last one first, or a grant. With a payout the
 * money leaves the balance at once, and retries no renewal.
 */
export function refund(customer: Customer, command: Refund, now: number): CommandAnswer {
  const period = customer.periods[command.period];
  if (period === undefined || period.refundedAt !== null) return refused('no_period');
  const reasons = listRefusals(customer, period, command, now);
  if (reasons.length > 0) return refused(...reasons);

  const sub = customer.subs[period.sub] as Subscription;
  const isGrant = period.source === 'grant';
  const amount = command.part === 'whole' ? period.amount : computeUnused(period, now);
  const paidOut = command.payout ? amount : 0;
  if (paidOut > 0) customer.events.push('paid_out');
  const wasOn = sub.autoRenew;
  if (!isGrant) sub.autoRenew &&= command.keepAutoRenew;
  // A choice is for the next renewal.
  if (!sub.autoRenew) sub.choice = null;
  endPeriod(customer, period, amount, now);
  if (sub.kind === 'trial') Object.assign(sub, { autoRenew: false, choice: null });
  if (wasOn && !sub.autoRenew) customer.events.push('auto_renew_off');
  updateFromPeriods(customer, period.sub, now);
  sub.nextTryAt = sub.state === 'active' ? null : Infinity;
  if (paidOut > 0) addEntry(customer, -paidOut, 'payout', now);
  else if (isGrant || command.keepAutoRenew) retryRenewalsNow(customer, now);
  else delayRenewals(customer, now);
  if (isGrant) recordEndNotification(customer, period.sub);
  if (isGrant && sub.state === 'active') {
    customer.notices.push(`grant_taken_back of ${period.sub}`);
  }
  if (isGrant) customer.events.push('grant_taken_back');
  else recordRefundNotification(customer, period, amount);
  return {
    ok: {
      subscription_id: period.sub,
      period_id: command.period,
      paid_out: toMajor(paidOut),
      amount: toMajor(amount),
      balance: toMajor(customer.balance),
      expires_at: toIso(sub.expiresAt),
      state: sub.state,
    },
  };
}

function listRefusals(customer: Customer, period: Period, command: Refund, now: number): string[] {
  const reasons: string[] = [];
  if (period.partOf !== null) return ['nothing_unused', 'refund_later_first'];
  if (period.source === 'grant') {
    if (period.endsAt <= now) reasons.push('nothing_unused');
    if (command.payout) reasons.push('no_payout');
    return reasons;
  }
  if (period.charge === null) reasons.push('not_charged');
  const live = listLivePeriods(customer, period.sub);
  const isLaterSale = (one: Period) => one.charge !== null && one.startsAt > period.startsAt;
  if (live.some(isLaterSale)) reasons.push('refund_later_first');
  if (command.part === 'unused' && computeUnused(period, now) === 0) reasons.push('nothing_unused');
  return reasons;
}

export function recordRefundNotification(customer: Customer, period: Period, amount: number): void {
  customer.notices.push(`refund of ${findPlace(customer, period)} for ${toMajor(amount)}`);
  customer.events.push('refunded');
}

/** Access that ended without a message about money has one about the end. */
export function recordEndNotification(customer: Customer, place: number): void {
  const { state, expiresAt } = customer.subs[place] as Subscription;
  const notice = `expired of ${place} at ${expiresAt}`;
  if (state === 'expired' && !customer.notices.includes(notice)) customer.notices.push(notice);
}
