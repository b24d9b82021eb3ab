import {
  type Customer,
  day,
  hour,
  type Period,
  type Subscription,
  toMajor,
} from '../../support/customer-model.ts';
import type { CommandContext } from './commands.ts';
import { computeCharge, forgetPaid } from './known-prices.ts';
import { addEntry, openCredential } from './money.ts';
import { computeCost } from './purchase.ts';
import { computeNextTerms, updateFromPeriods } from './terms.ts';

// Auto-renewal, stated from docs/design.md and independently of the program.

/**
 * True if a run examines the subscription: the condition of the search and of the check under the
 * lock.
 */
export function isDue(sub: Subscription, now: number): boolean {
  if (sub.kind !== 'paid' || !sub.autoRenew) return false;
  if (sub.state === 'expired') return sub.nextTryAt === null;
  if (sub.state !== 'active') return false;
  // Every period has at least a day, so these hours are in its last half.
  if (sub.expiresAt > now + 6 * hour) return false;
  return sub.nextTryAt === null || sub.nextTryAt <= now;
}

/** It is in quarantine, and its next attempt is due. */
export function isRetryDue(sub: Subscription, now: number): boolean {
  return sub.quarantine !== null && sub.quarantine.retryAt <= now;
}

/** Examines a subscription: decides it if it is due, else releases it from quarantine. */
export function examineSubscription(
  customer: Customer,
  place: number,
  around: CommandContext,
): void {
  const sub = customer.subs[place] as Subscription;
  if (isDue(sub, around.now)) decideRenewal(customer, place, around);
  else sub.quarantine = null;
}

/**
 * Decides one due subscription: renewed, too low a balance, too late, or quarantined. Changes
 * `customer`.
 */
export function decideRenewal(customer: Customer, place: number, around: CommandContext): void {
  const sub = customer.subs[place] as Subscription;
  const { now } = around;
  if (customer.blocked) {
    Object.assign(sub, { nextTryAt: Infinity, quarantine: null });
    return;
  }
  const ended = sub.state === 'expired';
  if (ended && (sub.paidAt ?? now) > sub.expiresAt + 7 * day) {
    sub.nextTryAt = Infinity;
    sub.quarantine = null;
    return;
  }
  const { plan, days } = computeNextTerms(customer, place);
  const cost = computeCost(customer, { plan, days }, around);
  if (cost === null) {
    quarantineRenewal(sub, now);
    return;
  }
  const amount = computeCharge(customer, place, { plan, days }, { price: cost.amount, now });
  // After the 7 days only money counts that had arrived by then, without later spending.
  const lastDay = sub.expiresAt + 7 * day;
  if (ended && now > lastDay && amount > computeMoneyAt(customer, lastDay)) {
    sub.nextTryAt = Infinity;
    sub.quarantine = null;
    return;
  }
  if (amount > customer.balance) {
    recordShortBalance(customer, place, now);
    return;
  }
  // A period starts at max(now, end) after an expiry, else at the last end. So no paid day is lost
  // or given twice.
  let startsAt = sub.expiresAt;
  if (ended) startsAt = Math.max(now, sub.expiresAt);
  else if (now >= sub.expiresAt + days * day) startsAt = now;
  const endsAt = startsAt + days * day;
  const charge = addEntry(customer, -amount, 'renewal', now);
  const { list, percent } = cost;
  const cap = amount < cost.amount ? amount : null;
  const price = { amount, list, percent, cap, charge, refundedAt: null, refund: null };
  const time = { plan, days, startsAt, endsAt, movedFrom: null, kind: null, partOf: null };
  const period: Period = { sub: place, source: 'renewal', ...time, ...price };
  customer.periods.push(period);
  Object.assign(sub, { state: 'active', nextTryAt: null, quarantine: null, choice: null });
  // Terms of a later period come into force later. The worker handles what is due until then. After
  // a step back of the clock, a period can start at a time that was reached before.
  if (startsAt > now) updateFromPeriods(customer, place, sub.shownAt ?? now, period);
  else updateFromPeriods(customer, place, now);
  forgetPaid(sub, { plan, days }, now);
  if (ended) openCredential(sub, now);
  customer.notices.push(`receipt of ${charge} for ${toMajor(amount)}`);
  customer.events.push(ended ? 'revived' : 'renewed');
}

function computeMoneyAt({ ledger }: Customer, until: number): number {
  const balanceAt = ledger.findLast(({ at }) => at <= until)?.after ?? 0;
  const spent = ledger.filter(({ at, amount }) => at > until && amount < 0);
  return spent.reduce((left, { amount }) => left + amount, balanceAt);
}

/**
 * Notifies the customer once per period. The next attempt follows in an hour, at the latest at the
 * end.
 */
function recordShortBalance(customer: Customer, place: number, now: number): void {
  const sub = customer.subs[place] as Subscription;
  sub.quarantine = null;
  if (sub.state === 'expired') {
    sub.nextTryAt = Infinity;
    return;
  }
  const atTheEnd = sub.expiresAt > now ? sub.expiresAt : Infinity;
  sub.nextTryAt = Math.min(now + hour, atTheEnd);
  const notice = `low_balance of ${place} until ${sub.expiresAt}`;
  if (!customer.notices.includes(notice)) customer.notices.push(notice);
}

/**
 * Retries after 1, 2, 4, … hours, at most a day, and at the latest a day after the end of a running
 * period.
 */
function quarantineRenewal(sub: Subscription, now: number): void {
  const before = sub.quarantine?.attempts ?? 0;
  const hours = Math.min(24, 2 ** before);
  const graceEnd = sub.state === 'active' ? sub.expiresAt + day : Infinity;
  const retryAt = Math.min(now + hours * hour, graceEnd);
  sub.quarantine = { reason: 'no_price', attempts: before + 1, retryAt };
}

/** Indexes in the order of their ends, in which a balance is spent. */
export function sortByEnd(customer: Customer, places: readonly number[]): number[] {
  const endAt = (place: number) => (customer.subs[place] as Subscription).expiresAt;
  return [...places].sort((a, b) => endAt(a) - endAt(b) || a - b);
}
