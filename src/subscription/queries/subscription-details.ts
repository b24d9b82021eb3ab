import type { Db, Tx } from '../../db/connect.ts';
import type { PeriodSource, SubscriptionKind, SubscriptionState } from '../../db/schema.ts';
import { type Instant, isoTime, later } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import type { Reason } from '../../kernel/reason.ts';
import { describeChargeCause } from '../rules/charge-cause-text.ts';
import {
  type ChargeContext,
  type ChargeFacts,
  chooseNextCharge,
  type GuardState,
  type PredictedCharge,
  predictCharges,
} from '../rules/next-charge.ts';
import { computeDueAt } from '../rules/renewal.ts';
import { forecastWithPauses } from '../store/forecast-facts.ts';
import { readGuardState } from '../store/guard-state.ts';
import { toKnownPrices } from '../store/known-prices.ts';
import { computeNextRenewal, type NextCharge } from '../store/next-charge.ts';
import { type PriceList, readPriceList } from '../store/prices.ts';
import {
  type CustomerRow,
  hasSubscription,
  type PeriodColumns,
  type SubscriptionRow,
} from './customer-rows.ts';

// The subscriptions of a customer view, each with its next charge.

/** The next charge of a subscription, or the earliest one of a customer. */
export interface ChargeView {
  readonly subscription_id: number | null;
  /** Null: no charge is expected. */
  readonly at: string | null;
  /** Null without a charge, and without a price. */
  readonly amount: string | null;
  /** The top-up that the charge requires. */
  readonly missing: string;
  readonly currency: string;
  readonly reason: Reason;
}

export interface SubscriptionDetails {
  readonly id: number;
  readonly kind: SubscriptionKind;
  readonly plan: string;
  readonly period_days: number;
  readonly next_plan: string | null;
  readonly next_period_days: number | null;
  readonly state: SubscriptionState;
  readonly started_at: string;
  readonly expires_at: string;
  readonly auto_renew: boolean;
  /** Null: the subscription will not be renewed. */
  readonly next_renewal: NextCharge | null;
  readonly next_charge: ChargeView;
  readonly credential: string | null;
  readonly periods: {
    readonly id: number;
    readonly source: PeriodSource;
    readonly plan: string;
    readonly starts_at: string;
    readonly ends_at: string;
    readonly amount: string;
    readonly refunded_at: string | null;
    readonly part_of: number | null;
    readonly moved_from: string | null;
  }[];
}

export interface CustomerCharges {
  readonly nextCharge: ChargeView;
  /** The shown ones, in the order of their ids. */
  readonly subscriptions: SubscriptionDetails[];
}

/** @param rows of one customer, in the order of the ends */
export async function toCustomerCharges(
  db: Db | Tx,
  rows: readonly CustomerRow[],
): Promise<CustomerCharges> {
  const [first] = rows as readonly [CustomerRow];
  const { currency } = first;
  const own = rows.filter(hasSubscription);
  // The guard holds only charges that are due, so the others need no further statement.
  const isAnyDue = own.some((row) => isDueActive(row, Number(first.windowMs)));
  const guard = isAnyDue ? await readGuardState(db, first.now) : null;
  const prices = isAnyDue ? await readPriceList(db, first.now) : null;
  const context = toChargeContext(first, guard);
  const facts = own.map((row) => toChargeFacts(row, prices));
  const { now, rules } = context;
  const forecasts = await forecastWithPauses(facts.filter(isForecastOf(context)), now, rules);
  const charges = predictCharges(facts, forecasts, context);
  const shown = own.flatMap((row, index) => {
    const charge = charges[index] as PredictedCharge;
    return row.isShown ? [toDetails(row, facts[index] as ChargeFacts, charge, context)] : [];
  });
  return {
    nextCharge: toChargeView(chooseNextCharge(charges, facts), currency),
    subscriptions: shown.toSorted((one, other) => one.id - other.id),
  };
}

/** The shown rows also have ended ones that no payment revives. */
const isForecastOf =
  ({ now, rules: { reviveMs } }: ChargeContext) =>
  ({ state, kind, autoRenew, expiresAt }: ChargeFacts): boolean =>
    state === 'active' ||
    (state === 'expired' &&
      kind === 'paid' &&
      autoRenew &&
      reviveMs > 0 &&
      expiresAt >= later(now, -reviveMs));

const isDueActive = (row: SubscriptionRow, windowMs: number): boolean =>
  row.state === 'active' && row.autoRenew && computeDueAt(row, { windowMs }) <= row.now;

function toChargeContext(row: CustomerRow, guard: GuardState | null): ChargeContext {
  return {
    now: row.now,
    rules: {
      vipPercent: row.vipPercent,
      windowMs: Number(row.windowMs),
      noticeMs: Number(row.noticeMs),
      reviveMs: Number(row.reviveMs),
    },
    suspectReason: row.suspectReason,
    guard,
  };
}

const toChargeFacts = (row: SubscriptionRow, prices: PriceList | null): ChargeFacts => ({
  ...row,
  earlierMinor: prices?.getEarlierMinor(row.plan, row.periodDays, row.currency) ?? null,
  prices: toKnownPrices(row),
  quarantine:
    row.quarantineReason === null || row.quarantineRetryAt === null
      ? null
      : { reason: row.quarantineReason, retryAt: row.quarantineRetryAt },
});

const toChargeView = (
  { subscriptionId, at, chargeMinor, missingMinor, cause }: PredictedCharge,
  currency: string,
): ChargeView => ({
  subscription_id: subscriptionId === null ? null : Number(subscriptionId),
  at: at === null ? null : isoTime(at),
  amount: chargeMinor === null ? null : majorUnits(chargeMinor, currency),
  missing: majorUnits(missingMinor, currency),
  currency,
  reason: describeChargeCause(cause, currency),
});

function toDetails(
  row: SubscriptionRow,
  facts: ChargeFacts,
  charge: PredictedCharge,
  { now, rules }: ChargeContext,
): SubscriptionDetails {
  const { currency } = row;
  const isRenewing =
    row.state === 'active' && row.kind === 'paid' && row.autoRenew && !row.isBlocked;
  return {
    id: Number(row.subscriptionId),
    kind: row.kind,
    plan: row.presentPlan,
    period_days: row.presentDays,
    next_plan: row.nextPlan,
    next_period_days: row.nextDays,
    state: row.state,
    started_at: isoTime(row.startedAt),
    expires_at: isoTime(row.expiresAt),
    auto_renew: row.autoRenew,
    next_renewal: isRenewing ? computeNextRenewal(facts, now, rules, currency) : null,
    next_charge: toChargeView(charge, currency),
    credential: row.credential,
    periods: (row.periods ?? []).map((period) => toPeriod(period, currency)),
  };
}

const toIso = (text: string): string => isoTime(Date.parse(text) as Instant);

const toPeriod = (
  period: PeriodColumns,
  currency: string,
): SubscriptionDetails['periods'][number] => ({
  ...period,
  starts_at: toIso(period.starts_at),
  ends_at: toIso(period.ends_at),
  amount: majorUnits(BigInt(period.amount), currency),
  refunded_at: period.refunded_at === null ? null : toIso(period.refunded_at),
  moved_from: period.moved_from === null ? null : toIso(period.moved_from),
});
