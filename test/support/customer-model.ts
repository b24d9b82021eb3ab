// The state of one customer in the model: plain values, times in milliseconds, money as numbers of
// minor units. The amounts of tests are small. Subscriptions, periods and ledger entries are named
// by their index in the order of creation. Commands of a customer run one after another under a
// lock, so the ids of the database have the same order.

export const minute = 60_000;
export const hour = 60 * minute;
export const day = 24 * hour;

export interface Credential {
  readonly issuedAt: number;
  retiredAt: number | null;
  /** True if another credential replaced it. */
  replaced: boolean;
}

export interface Subscription {
  kind: 'trial' | 'paid';
  plan: string;
  days: number;
  next: Terms | null;
  /** The start of a period with other terms. */
  changesAt: number | null;
  /** The choice of the customer. The database has it only as `next`. */
  choice?: Terms | null;
  /** The time for which plan and length are valid. Not in the database. */
  shownAt?: number;
  state: 'active' | 'expired' | 'revoked';
  readonly startedAt: number;
  expiresAt: number;
  autoRenew: boolean;
  /** `Infinity` if the subscription waits for money and not for a time. */
  nextTryAt: number | null;
  /**
   * The time of the money that may revive an expired subscription. This time decides, not the time
   * of the run.
   */
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

/** A product: a plan for a length. */
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
  /**
   * The list price and the discount in percent that give the amount. Null for a period without a
   * sale.
   */
  readonly list: number | null;
  readonly percent: number | null;
  /** The known amount, if it was less than the price. */
  readonly cap: number | null;
  /** The start that was sold, if the period has moved. */
  movedFrom: number | null;
  /** The sold length. A grant has none unless it opened the subscription. */
  readonly days: number | null;
  /** The kind of subscription that a grant extended. */
  readonly kind: 'trial' | 'paid' | null;
  /** The index of the refunded period whose used part this is. */
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
  /** Provider and reference of a payment, in lower case. */
  readonly payment: string | null;
  /** The payment that this entry moves away. The database stores it with the other customer. */
  readonly leaves?: string;
  readonly dispute: string | null;
  /** The change of the claim. */
  readonly claim: number | null;
}

export interface Customer {
  balance: number;
  /** The debt after chargebacks. */
  claim: number;
  vip: boolean;
  discount: number;
  trialUsed: boolean;
  blocked: boolean;
  readonly subs: Subscription[];
  readonly periods: Period[];
  readonly ledger: LedgerEntry[];
  /** Kind, subject, amount and state of each stored notification, without an order. */
  readonly notices: string[];
  /** The actions of the timeline, in its order. */
  readonly events: string[];
}

export const createModelCustomer = (): Customer => ({
  balance: 0,
  claim: 0,
  vip: false,
  discount: 0,
  trialUsed: false,
  blocked: false,
  subs: [],
  periods: [],
  ledger: [],
  notices: [],
  events: ['created'],
});

/** Periods that are not refunded, the last one first. */
export function listLivePeriods(customer: Customer, sub: number): Period[] {
  return customer.periods
    .filter((period) => period.sub === sub && period.refundedAt === null)
    .sort((a, b) => b.startsAt - a.startsAt);
}

/** Fixes the order of the fields, so that equal periods have equal texts. */
function orderFields(period: Period): Period {
  const { sub, source, plan, startsAt, endsAt, movedFrom, days, kind, partOf, ...money } = period;
  const { amount, list, percent, cap, charge, refundedAt, refund } = money;
  const time = { sub, source, plan, startsAt, endsAt, movedFrom, days, kind, partOf };
  return { ...time, amount, list, percent, cap, charge, refundedAt, refund };
}

/** The canonical form: equal for two customers exactly if their states are equal. */
export function toCanonical(customer: Customer): Customer {
  return {
    ...customer,
    notices: [...customer.notices].sort(),
    ledger: customer.ledger.map(({ leaves: _, ...entry }) => entry),
    periods: customer.periods.map(orderFields),
    subs: customer.subs.map(({ choice: _, shownAt: __, ...sub }) => ({
      ...sub,
      // This value has an effect only while the subscription is active.
      changesAt: sub.state === 'active' ? sub.changesAt : null,
      // This value has no effect before the next payment.
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

/** JSON with "never" for `Infinity`. */
export function toText(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (inner === Infinity ? 'never' : inner));
}
export const toMajor = (minor: number): string =>
  `${minor < 0 ? '-' : ''}${Math.floor(Math.abs(minor) / 100)}.${String(Math.abs(minor) % 100).padStart(2, '0')}`;
