import type { Tx } from '../db/connect.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import type { TermPeriod } from '../subscription/rules/terms.ts';
import { toKnownPrices } from '../subscription/store/known-prices.ts';
import { readInTimeBalances } from '../subscription/store/renewal-facts.ts';
import {
  computeRunAt,
  type QuarantineState,
  type SimulatedCustomer,
  type SimulatedSubscription,
} from './customer-state.ts';
import type { DatedPrices } from './dated-prices.ts';
import type { SimulationRules } from './outcomes.ts';
import type { CustomerSubscriptionRow } from './store.ts';

// Builds the customers of a page from its rows.

/** Facts that are the same for all pages. */
export interface ForecastBasis {
  readonly rules: SimulationRules;
  readonly prices: DatedPrices;
  readonly renewalQuarantine: ReadonlyMap<string, QuarantineState>;
  readonly expiryQuarantine: ReadonlyMap<string, QuarantineState>;
}

/** Facts of single subscriptions of a page. */
export interface PageExtras {
  /** See `RenewalFacts.inTimeMinor`. */
  readonly inTimeMinor: ReadonlyMap<SubscriptionId, bigint>;
}

/** The balances that may revive expired subscriptions whose days of revival are over. */
export async function readPageExtras(
  tx: Tx,
  rows: readonly CustomerSubscriptionRow[],
  { now, settings, intervals }: SimulationRules,
): Promise<PageExtras> {
  const firstRunAt = computeRunAt(now, now, intervals.renewalMs);
  const expired = rows.filter(({ state }) => state === 'expired');
  return { inTimeMinor: await readInTimeBalances(tx, expired, firstRunAt, settings) };
}

/** The rows of each customer, in the order of the page. */
export function groupByCustomer(
  rows: readonly CustomerSubscriptionRow[],
): CustomerSubscriptionRow[][] {
  const groups: CustomerSubscriptionRow[][] = [];
  let lastId: CustomerId | undefined;
  for (const row of rows) {
    if (row.customerId === lastId) groups.at(-1)?.push(row);
    else groups.push([row]);
    lastId = row.customerId;
  }
  return groups;
}

/**
 * @param rows of one customer
 * @param periods those that decide a change of terms; only notifications depend on them
 */
export function toSimulatedCustomer(
  rows: readonly CustomerSubscriptionRow[],
  basis: ForecastBasis,
  extras: PageExtras,
  periods: ReadonlyMap<SubscriptionId, readonly TermPeriod[]> = new Map(),
): SimulatedCustomer {
  const [first] = rows as [CustomerSubscriptionRow];
  const { customerId, telegramId, currency, balanceMinor, vip, discountPercent } = first;
  return {
    id: customerId,
    telegramId,
    currency,
    vip,
    discountPercent,
    isBlocked: first.isBlocked,
    balanceMinor,
    spentMinor: 0n,
    subscriptions: rows.map((row) => toSimulatedSubscription(row, basis, extras, periods)),
  };
}

function toSimulatedSubscription(
  row: CustomerSubscriptionRow,
  { prices, renewalQuarantine, expiryQuarantine }: ForecastBasis,
  { inTimeMinor }: PageExtras,
  periods: ReadonlyMap<SubscriptionId, readonly TermPeriod[]>,
): SimulatedSubscription {
  const { subscriptionId: id, currency, nextPlan, nextPeriodDays } = row;
  const hasQuarantine = renewalQuarantine.size > 0 || expiryQuarantine.size > 0;
  const item = hasQuarantine ? id.toString() : '';
  return {
    id,
    kind: row.kind,
    state: row.state,
    autoRenew: row.autoRenew,
    plan: row.plan,
    periodDays: row.periodDays,
    nextPlan,
    nextPeriodDays,
    prices: prices.ofKey({ plan: nextPlan, periodDays: nextPeriodDays, currency }),
    expiresAt: row.expiresAt,
    nextTryAt: row.nextTryAt,
    remindAt: row.remindAt,
    changesAt: row.changesAt,
    wokenAt: row.wokenAt,
    inTimeMinor: inTimeMinor.get(id) ?? null,
    lastStartsAt: row.lastStartsAt,
    paidMinor: row.paidMinor,
    known: toKnownPrices(row).known,
    quarantine: renewalQuarantine.get(item) ?? null,
    expiryFrom: expiryQuarantine.get(item)?.retryAt ?? null,
    periods: [...(periods.get(id) ?? [])],
  };
}
