// What the model keeps of one customer: plain values, times in milliseconds, money in minor units
// as numbers (the test's amounts are small). Subscriptions, periods and ledger entries go by their
// place, in the order in which they came to be: a customer's commands take turns under a lock, so
// the database's ids have the same order.

export const minute = 60_000;
export const hour = 60 * minute;
export const day = 24 * hour;

export interface Credential {
  readonly issuedAt: number;
  retiredAt: number | null;
  /** Another one was issued in its stead. */
  replaced: boolean;
}

export interface Subscription {
  kind: 'trial' | 'paid';
  plan: string;
  days: number;
  next: Terms | null;
  /** When a period with other terms begins. */
  changesAt: number | null;
  /** What the customer asked for. The database has it only as `next`. */
  choice?: Terms | null;
  /** Plan and length are those of this moment. Not in the database. */
  shownAt?: number;
  state: 'active' | 'expired' | 'revoked';
  readonly startedAt: number;
  expiresAt: number;
  autoRenew: boolean;
  /** `Infinity` for one that waits for money and not for time. */
  nextTryAt: number | null;
  /** When money came that may revive an ended subscription. This time decides, not the run's. */
  paidAt: number | null;
  quarantine: { reason: string; attempts: number; retryAt: number } | null;
  readonly credentials: Credential[];
  /** Amounts that the customer knows and has not paid since. */
  known: PriceStatement[];
}

/** A statement of an amount: a message, the answer to a choice, or the price of first terms. */
export interface PriceStatement extends Terms {
  readonly amount: number;
  readonly source: 'message' | 'choice' | 'terms';
  readonly at: number;
}

/** What is sold: a plan for a length. */
export interface Terms {
  readonly plan: string;
  readonly days: number;
}

export interface Period {
  readonly sub: number;
  readonly source: 'trial' | 'purchase' | 'renewal' | 'grant';
  readonly plan: string;
  startsAt: number;
  endsAt: number;
  readonly amount: number;
  /** The list price and the discount in percent that made the amount; null: it was not sold. */
  readonly list: number | null;
  readonly percent: number | null;
  /** The known amount, if it was less than the price. */
  readonly cap: number | null;
  /** The start that was sold, if the period has moved. */
  movedFrom: number | null;
  /** The length that was sold; a grant has none unless it opened the subscription. */
  readonly days: number | null;
  /** What kind a grant prolonged. */
  readonly kind: 'trial' | 'paid' | null;
  /** The place of the refunded period of which this is what had passed. */
  readonly partOf: number | null;
  readonly charge: number | null;
  refundedAt: number | null;
  refund: number | null;
}

export interface LedgerEntry {
  readonly amount: number;
  readonly after: number;
  readonly kind: string;
  readonly at: number;
  /** Provider and reference of a payment, in one spelling. */
  readonly payment: string | null;
  /** The payment that leaves with this entry. The database names it with the other customer. */
  readonly leaves?: string;
  readonly dispute: string | null;
  /** The change of the claim. */
  readonly claim: number | null;
}

export interface Customer {
  balance: number;
  /** What is owed after chargebacks. */
  claim: number;
  vip: boolean;
  discount: number;
  trialUsed: boolean;
  readonly subs: Subscription[];
  readonly periods: Period[];
  readonly ledger: LedgerEntry[];
  /** Kind, subject, amount and state of each notice owed, in no order. */
  readonly notices: string[];
  /** What the timeline tells, in its order. */
  readonly events: string[];
}

export const createModelCustomer = (): Customer => ({
  balance: 0,
  claim: 0,
  vip: false,
  discount: 0,
  trialUsed: false,
  subs: [],
  periods: [],
  ledger: [],
  notices: [],
  events: ['created'],
});

/** Periods that count, the last one first. */
export function listLivePeriods(customer: Customer, sub: number): Period[] {
  return customer.periods
    .filter((period) => period.sub === sub && period.refundedAt === null)
    .sort((a, b) => b.startsAt - a.startsAt);
}

/** Two periods are equal exactly if their texts are: the names come in one order. */
function orderFields(period: Period): Period {
  const { sub, source, plan, startsAt, endsAt, movedFrom, days, kind, partOf, ...money } = period;
  const { amount, list, percent, cap, charge, refundedAt, refund } = money;
  const time = { sub, source, plan, startsAt, endsAt, movedFrom, days, kind, partOf };
  return { ...time, amount, list, percent, cap, charge, refundedAt, refund };
}

/** Two customers' books are equal exactly if these are. */
export function toCanonical(customer: Customer): Customer {
  return {
    ...customer,
    notices: [...customer.notices].sort(),
    ledger: customer.ledger.map(({ leaves: _, ...entry }) => entry),
    periods: customer.periods.map(orderFields),
    subs: customer.subs.map(({ choice: _, shownAt: __, ...sub }) => ({
      ...sub,
      // It decides something only while the subscription is active.
      changesAt: sub.state === 'active' ? sub.changesAt : null,
      // It decides nothing before money comes again.
      paidAt: sub.state === 'expired' && sub.nextTryAt === null ? sub.paidAt : null,
      credentials: [...sub.credentials].sort(
        (a, b) =>
          a.issuedAt - b.issuedAt ||
          (a.retiredAt ?? Infinity) - (b.retiredAt ?? Infinity) ||
          Number(a.replaced) - Number(b.replaced),
      ),
    })),
  };
}

/** As JSON, which has no `Infinity` of its own. */
export function toText(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (inner === Infinity ? 'never' : inner));
}
export const toMajor = (minor: number): string =>
  `${minor < 0 ? '-' : ''}${Math.floor(Math.abs(minor) / 100)}.${String(Math.abs(minor) % 100).padStart(2, '0')}`;
