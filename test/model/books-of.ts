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

export interface Sub {
  kind: 'trial' | 'paid';
  plan: string;
  days: number;
  next: { plan: string; days: number } | null;
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
  known: { plan: string; days: number; amount: number }[];
}

export interface Period {
  readonly sub: number;
  readonly source: 'trial' | 'purchase' | 'renewal' | 'grant';
  readonly plan: string;
  startsAt: number;
  endsAt: number;
  readonly amount: number;
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

export interface Entry {
  readonly amount: number;
  readonly after: number;
  readonly kind: string;
}

export interface Customer {
  balance: number;
  vip: boolean;
  discount: number;
  trialUsed: boolean;
  readonly subs: Sub[];
  readonly periods: Period[];
  readonly ledger: Entry[];
  /** Kind and subject of each notice owed, in no order. */
  readonly notices: string[];
  /** What the timeline tells, in its order. */
  readonly events: string[];
}

export const nobody = (): Customer => ({
  balance: 0,
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
export function livePeriods(customer: Customer, sub: number): Period[] {
  return customer.periods
    .filter((period) => period.sub === sub && period.refundedAt === null)
    .sort((a, b) => b.startsAt - a.startsAt);
}

/** Two periods are equal exactly if their texts are: the names come in one order. */
function inOneOrder(period: Period): Period {
  const { sub, source, plan, startsAt, endsAt, amount, days, kind, partOf, ...money } = period;
  const { charge, refundedAt, refund } = money;
  const sold = { sub, source, plan, startsAt, endsAt, amount, days, kind, partOf };
  return { ...sold, charge, refundedAt, refund };
}

/** Two customers' books are equal exactly if these are. */
export function canonical(customer: Customer): Customer {
  return {
    ...customer,
    notices: [...customer.notices].sort(),
    periods: customer.periods.map(inOneOrder),
    subs: customer.subs.map((sub) => ({
      ...sub,
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
export function textOf(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (inner === Infinity ? 'never' : inner));
}
