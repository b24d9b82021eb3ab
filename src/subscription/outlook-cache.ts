import type { Tx } from '../db/connect.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import { type Instant, secondMs } from '../kernel/instant.ts';
import { type Outlook, type OutlookFacts, withTermsNow } from './outlook.ts';
import {
  type ForecastRow,
  type ForecastSettings,
  foresee,
  readForecastRows,
} from './outlook-facts.ts';

// Forecasts for notifications that are sent one after the other.
//
// 1. The forecast of a customer with few subscriptions is made anew for each notification.
// 2. A customer with more than 500 subscriptions has one forecast for up to 15 s. Without it, each of
//    10,000 notifications would read 10,000 subscriptions.
// 3. The forecast holds only while the customer's row is unchanged, so no money has moved, and while
//    the settings and the subscription of the notification are unchanged. These are read each time.
//    Other subscriptions of such a customer may have changed in these 15 s.

const familyMin = 500;
const heldMs = 15 * secondMs;
/** Families that are kept: of more customers of this size, forecasts are made more often. */
const familiesMax = 4;

interface Family {
  readonly at: Instant;
  readonly customerVersion: string;
  readonly settings: string;
  readonly facts: ReadonlyMap<SubscriptionId, OutlookFacts>;
  readonly outlooks: ReadonlyMap<SubscriptionId, Outlook>;
}

const textOf = ({ vipPercent, windowMs, noticeMs, reviveMs }: ForecastSettings): string =>
  [vipPercent, windowMs, noticeMs, reviveMs].join();

const isSame = (one: OutlookFacts, other: OutlookFacts): boolean =>
  one.kind === other.kind &&
  one.state === other.state &&
  one.autoRenew === other.autoRenew &&
  one.expiresAt === other.expiresAt &&
  one.waitsForTopUp === other.waitsForTopUp &&
  one.periodDays === other.periodDays;

export class OutlookCache {
  readonly #families = new Map<CustomerId, Family>();

  /** The outlook of one subscription. The row of the customer is the caller's to lock first. */
  async read(
    tx: Tx,
    customer: CustomerId,
    subscription: SubscriptionId,
    now: Instant,
    settings: ForecastSettings,
  ): Promise<Outlook | undefined> {
    const family = this.#families.get(customer);
    if (family !== undefined) {
      const [row] = await readForecastRows(tx, [customer], now, settings, [subscription]);
      const outlook = row === undefined ? undefined : fromFamily(family, row, now, settings);
      if (outlook !== undefined) return outlook;
      this.#families.delete(customer);
    }
    const rows = await readForecastRows(tx, [customer], now, settings);
    const outlooks = await foresee(rows, now, settings);
    if (rows.length > familyMin) this.#keep(customer, rows, outlooks, now, settings);
    return outlooks.get(subscription);
  }

  #keep(
    customer: CustomerId,
    rows: readonly ForecastRow[],
    outlooks: Family['outlooks'],
    at: Instant,
    settings: ForecastSettings,
  ): void {
    const [oldest] = this.#families.keys();
    if (oldest !== undefined && this.#families.size >= familiesMax) this.#families.delete(oldest);
    const facts = new Map(rows.map((row) => [row.subscriptionId, row]));
    const { customerVersion } = rows[0] as ForecastRow;
    this.#families.set(customer, {
      at,
      customerVersion,
      settings: textOf(settings),
      facts,
      outlooks,
    });
  }
}

/** @returns undefined: the forecast does not hold any more */
function fromFamily(
  { at, customerVersion, settings: asked, facts, outlooks }: Family,
  row: ForecastRow,
  now: Instant,
  settings: ForecastSettings,
): Outlook | undefined {
  const before = facts.get(row.subscriptionId);
  const outlook = outlooks.get(row.subscriptionId);
  const holds =
    Math.abs(now - at) < heldMs &&
    customerVersion === row.customerVersion &&
    asked === textOf(settings) &&
    before !== undefined &&
    isSame(before, row);
  return holds && outlook !== undefined ? withTermsNow(outlook, row, now, settings) : undefined;
}
