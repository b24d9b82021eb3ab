import { type Customer, livePeriods, type Period, type Sub } from './books-of.ts';
import { refused } from './choosing.ts';
import { type Command, iso, major, type Told } from './commands.ts';
import { delay, move, placeOf, takeOut, unused, wake } from './money.ts';
import { follow } from './terms.ts';

type Refund = Extract<Command, { do: 'refund' }>;

/**
 * Takes back a period: a bought one with its money, the last one first, or a grant. With a payout the
 * money leaves the balance at once, and nothing is tried again because of it.
 */
export function refund(customer: Customer, command: Refund, now: number): Told {
  const period = customer.periods[command.period];
  if (period === undefined || period.refundedAt !== null) return refused('no_period');
  const reasons = refusals(customer, period, command, now);
  if (reasons.length > 0) return refused(...reasons);

  const sub = customer.subs[period.sub] as Sub;
  const isGrant = period.source === 'grant';
  const amount = command.part === 'whole' ? period.amount : unused(period, now);
  const paidOut = command.payout ? amount : 0;
  if (paidOut > 0) customer.events.push('paid_out');
  const wasOn = sub.autoRenew;
  if (!isGrant) sub.autoRenew &&= command.keepAutoRenew;
  // A choice is for the next renewal.
  if (!sub.autoRenew) sub.choice = null;
  takeOut(customer, period, amount, now);
  if (sub.kind === 'trial') Object.assign(sub, { autoRenew: false, choice: null });
  if (wasOn && !sub.autoRenew) customer.events.push('auto_renew_off');
  follow(customer, period.sub, now);
  sub.nextTryAt = sub.state === 'active' ? null : Infinity;
  if (paidOut > 0) move(customer, -paidOut, 'payout', now);
  else if (isGrant || command.keepAutoRenew) wake(customer, now);
  else delay(customer, now);
  if (isGrant) tellEnd(customer, period.sub);
  if (isGrant && sub.state === 'active') {
    customer.notices.push(`grant_taken_back of ${period.sub}`);
  }
  if (isGrant) customer.events.push('grant_taken_back');
  else tellRefund(customer, period, amount);
  return {
    ok: {
      subscription_id: period.sub,
      period_id: command.period,
      paid_out: major(paidOut),
      amount: major(amount),
      balance: major(customer.balance),
      expires_at: iso(sub.expiresAt),
      state: sub.state,
    },
  };
}

function refusals(customer: Customer, period: Period, command: Refund, now: number): string[] {
  const reasons: string[] = [];
  if (period.partOf !== null) return ['nothing_unused', 'refund_later_first'];
  if (period.source === 'grant') {
    if (period.endsAt <= now) reasons.push('nothing_unused');
    if (command.payout) reasons.push('no_payout');
    return reasons;
  }
  if (period.charge === null) reasons.push('not_charged');
  const live = livePeriods(customer, period.sub);
  const laterSale = (one: Period) => one.charge !== null && one.startsAt > period.startsAt;
  if (live.some(laterSale)) reasons.push('refund_later_first');
  if (command.part === 'unused' && unused(period, now) === 0) reasons.push('nothing_unused');
  return reasons;
}

export function tellRefund(customer: Customer, period: Period, amount: number): void {
  customer.notices.push(`refund of ${placeOf(customer, period)} for ${major(amount)}`);
  customer.events.push('refunded');
}

/** Access that ended without a message about money has one about the end. */
export function tellEnd(customer: Customer, place: number): void {
  const { state, expiresAt } = customer.subs[place] as Sub;
  const notice = `expired of ${place} at ${expiresAt}`;
  if (state === 'expired' && !customer.notices.includes(notice)) customer.notices.push(notice);
}
