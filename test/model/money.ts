import { type Customer, day, livePeriods, type Period, type Sub } from './books-of.ts';

// The steps that the commands of the model are made of.

/** Moves money and gives the entry's place. */
export function move(customer: Customer, amount: number, kind: string): number {
  customer.balance += amount;
  return customer.ledger.push({ amount, after: customer.balance, kind }) - 1;
}

/** The part of a period's price for the time from now on, by floor. */
export function unused(period: Period, now: number): number {
  const from = Math.max(now, period.startsAt);
  if (from >= period.endsAt) return 0;
  const share = BigInt(period.amount) * BigInt(period.endsAt - from);
  return Number(share / BigInt(period.endsAt - period.startsAt));
}

/** Gives a period's money back; nothing to give leaves no entry. */
export function giveBack(customer: Customer, period: Period, amount: number, now: number): void {
  period.refundedAt = now;
  if (amount > 0) period.refund = move(customer, amount, 'refund');
  if (period.startsAt >= now) return;
  // What had passed stays.
  const endsAt = Math.min(now, period.endsAt);
  const partOf = placeOf(customer, period);
  const part = { amount: 0, charge: null, refundedAt: null, refund: null };
  customer.periods.push({ ...period, ...part, endsAt, partOf });
}

export const placeOf = (customer: Customer, period: Period): number =>
  customer.periods.indexOf(period);

/** The end that follows from what is left: of the last live period, else where it started. */
export function endOf(customer: Customer, sub: number): number {
  return livePeriods(customer, sub)[0]?.endsAt ?? (customer.subs[sub] as Sub).startedAt;
}

/** After a change of money, price or terms a failed renewal is tried again at once. */
export function release(customer: Customer): void {
  for (const sub of customer.subs) sub.quarantine = null;
}

/**
 * Something may let the customer's waiting subscriptions be paid: they are tried at once, also the
 * ended ones, for 7 days, and the ones that were put aside.
 */
export function wake(customer: Customer, now: number): void {
  release(customer);
  for (const sub of customer.subs) {
    if (sub.kind !== 'paid' || !sub.autoRenew || sub.state === 'revoked') continue;
    if (sub.state === 'expired' && sub.expiresAt + 7 * day < now) continue;
    if (sub.state === 'expired' && sub.nextTryAt !== null) sub.paidAt = now;
    sub.nextTryAt = null;
  }
}

/** Whoever runs has one live credential: the last one if it went at most 30 days ago, or a new one. */
export function open(sub: Sub, now: number): void {
  if (sub.credentials.some((one) => one.retiredAt === null)) return;
  const recent = sub.credentials
    .filter((one) => !one.replaced && Number(one.retiredAt) >= now - 30 * day)
    .sort((a, b) => Number(b.retiredAt) - Number(a.retiredAt) || b.issuedAt - a.issuedAt)[0];
  if (recent === undefined) issue(sub, now);
  else recent.retiredAt = null;
}

export function issue(sub: Sub, now: number): void {
  sub.credentials.push({ issuedAt: now, retiredAt: null, replaced: false });
}

export function close(sub: Sub, now: number): void {
  for (const one of sub.credentials) if (one.retiredAt === null) one.retiredAt = now;
}

/** One that begins now and is paid or given its first period next. */
export function newSub(plan: string, days: number, now: number, autoRenew: boolean): Sub {
  return {
    kind: 'paid',
    plan,
    days,
    next: null,
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
