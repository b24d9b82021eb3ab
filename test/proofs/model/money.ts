import {
  type Customer,
  day,
  hour,
  type LedgerEntry,
  listLivePeriods,
  type Period,
  type Subscription,
} from '../../support/customer-model.ts';
import { updateFromPeriods } from './terms.ts';

// The steps that the commands of the model are made of.

type EntryFields = Partial<Pick<LedgerEntry, 'payment' | 'leaves' | 'dispute' | 'claim'>>;

/** Adds an entry to the ledger. The balance is the sum of all entries. @returns the index */
export function addEntry(
  customer: Customer,
  amount: number,
  kind: string,
  now: number,
  { payment = null, dispute = null, claim = null, ...more }: EntryFields = {},
): number {
  const after = customer.ledger.reduce((sum, entry) => sum + entry.amount, 0) + amount;
  customer.balance = after;
  customer.claim += claim ?? 0;
  return (
    customer.ledger.push({ amount, after, kind, at: now, payment, dispute, claim, ...more }) - 1
  );
}

/** Credits a payment, which first pays the claim. @returns the entry, and the part for the claim */
export function payIn(customer: Customer, amount: number, payment: string | null, now: number) {
  const entry = addEntry(customer, amount, 'top_up', now, { payment });
  const claimPaid = Math.min(amount, customer.claim);
  if (claimPaid > 0) addEntry(customer, -claimPaid, 'claim', now, { claim: -claimPaid });
  return { entry, claimPaid };
}

/** The part of a period's price for the time from now on, by floor. */
export function computeUnused(period: Period, now: number): number {
  const from = Math.max(now, period.startsAt);
  if (from >= period.endsAt) return 0;
  const share = BigInt(period.amount) * BigInt(period.endsAt - from);
  return Number(share / BigInt(period.endsAt - period.startsAt));
}

/** Refunds a period. An amount of 0 writes no entry. The used part stays. */
export function refundPeriod(
  customer: Customer,
  period: Period,
  amount: number,
  now: number,
): void {
  period.refundedAt = now;
  if (amount > 0) period.refund = addEntry(customer, amount, 'refund', now);
  if (period.startsAt >= now) return;
  const sold = { list: null, percent: null, cap: null, movedFrom: null };
  const part = { ...sold, amount: 0, charge: null, refundedAt: null, refund: null };
  const endsAt = Math.min(now, period.endsAt);
  customer.periods.push({ ...period, ...part, endsAt, partOf: findPlace(customer, period) });
}

/**
 * Ends a period now and closes the gap: the later periods follow without a pause, each with its own
 * length, and none starts later than before. Terms, kind and end follow, and access ends if no time
 * is left.
 */
export function endPeriod(customer: Customer, period: Period, amount: number, now: number): void {
  const sub = customer.subs[period.sub] as Subscription;
  refundPeriod(customer, period, amount, now);
  if (sub.state === 'active' && period.endsAt > now) closeGap(customer, period, now);
  updateFromPeriods(customer, period.sub, now);
  if (sub.state === 'active' && sub.expiresAt <= now) {
    sub.state = 'expired';
    retireCredentials(sub, now);
  }
}

function closeGap(customer: Customer, removed: Period, now: number): void {
  let free = Math.max(now, removed.startsAt);
  const later = listLivePeriods(customer, removed.sub).filter(
    (one) => one.startsAt >= removed.endsAt,
  );
  for (const period of later.reverse()) {
    const by = period.startsAt - free;
    if (by > 0) {
      period.movedFrom ??= period.startsAt;
      period.startsAt -= by;
      period.endsAt -= by;
      customer.events.push('period_moved');
    }
    free = period.endsAt;
  }
}

export const findPlace = (customer: Customer, period: Period): number =>
  customer.periods.indexOf(period);

/** After a change of money, price or terms a failed renewal is retried at once. */
export function clearQuarantine(customer: Customer): void {
  for (const sub of customer.subs) sub.quarantine = null;
}

/**
 * Money may pay for waiting subscriptions. They are retried at once, also expired ones for 7 days,
 * and those in quarantine.
 */
export function retryRenewalsNow(customer: Customer, now: number): void {
  clearQuarantine(customer);
  for (const sub of customer.subs) {
    if (sub.kind !== 'paid' || !sub.autoRenew || sub.state === 'revoked') continue;
    if (sub.state === 'expired' && sub.expiresAt + 7 * day < now) continue;
    if (sub.nextTryAt !== null) sub.paidAt = sub.state === 'expired' ? now : null;
    sub.nextTryAt = null;
  }
}

/**
 * The operator may pay a refund out. A renewal within the next 7 hours waits an hour, at most until
 * the end.
 */
export function delayRenewals(customer: Customer, now: number): void {
  clearQuarantine(customer);
  for (const sub of customer.subs) {
    if (sub.kind !== 'paid' || !sub.autoRenew || sub.state !== 'active') continue;
    if (sub.expiresAt <= now || sub.expiresAt > now + 7 * hour) continue;
    sub.nextTryAt = Math.min(sub.expiresAt, now + hour);
  }
}

/**
 * A running subscription has one live credential: the last one if it was retired at most 30 days
 * ago, else a new one.
 */
export function openCredential(sub: Subscription, now: number, restoreDays = 30): void {
  if (sub.credentials.some((one) => one.retiredAt === null)) return;
  const recent = sub.credentials
    .filter((one) => !one.replaced && Number(one.retiredAt) >= now - restoreDays * day)
    .sort((a, b) => Number(b.retiredAt) - Number(a.retiredAt) || b.issuedAt - a.issuedAt)[0];
  if (recent === undefined) issueCredential(sub, now);
  else recent.retiredAt = null;
}

export function issueCredential(sub: Subscription, now: number): void {
  sub.credentials.push({ issuedAt: now, retiredAt: null, replaced: false });
}

export function retireCredentials(sub: Subscription, now: number): void {
  for (const one of sub.credentials) if (one.retiredAt === null) one.retiredAt = now;
}

/** A subscription that starts now. Its first period is paid or given next. */
export function createSubscription(
  plan: string,
  days: number,
  now: number,
  autoRenew: boolean,
): Subscription {
  return {
    kind: 'paid',
    plan,
    days,
    next: null,
    changesAt: null,
    choice: null,
    state: 'active',
    startedAt: now,
    expiresAt: now,
    autoRenew,
    nextTryAt: null,
    paidAt: null,
    quarantine: null,
    credentials: [],
    known: [],
  };
}
