import type { Tx } from '../../db/connect.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, secondMs } from '../../kernel/instant.ts';
import { type Forecast, type ForecastFacts, withCurrentTerms } from '../rules/forecast.ts';
import {
  type ForecastRow,
  type ForecastSettings,
  forecastWithPauses,
  readForecastRows,
} from './forecast-facts.ts';

// A cache of forecasts for notifications that are sent one after the other.
//
// 1. The forecast of a customer with few subscriptions is computed for each notification.
// 2. A customer with more than 500 subscriptions has one forecast for up to 15 s. Without it, each
//    of 10,000 notifications would read 10,000 subscriptions.
// 3. The forecast holds only while the customer row, the settings and the subscription of the
//    notification are unchanged. An unchanged row means that no money moved. All three are read
//    each time. Other subscriptions of such a customer may have changed in these 15 s.

const cachedSubscriptionsMin = 500;
const cacheMaxAgeMs = 15 * secondMs;
/** Forecasts in the cache. With more customers of this size, forecasts are computed more often. */
const cachedCustomersMax = 4;

interface CachedForecast {
  readonly at: Instant;
  readonly customerVersion: string;
  readonly settings: string;
  readonly facts: ReadonlyMap<SubscriptionId, ForecastFacts>;
  readonly forecasts: ReadonlyMap<SubscriptionId, Forecast>;
}

const toSettingsKey = ({ vipPercent, windowMs, noticeMs, reviveMs }: ForecastSettings): string =>
  [vipPercent, windowMs, noticeMs, reviveMs].join();

const hasSameFacts = (one: ForecastFacts, other: ForecastFacts): boolean =>
  one.kind === other.kind &&
  one.state === other.state &&
  one.autoRenew === other.autoRenew &&
  one.expiresAt === other.expiresAt &&
  one.waitsForTopUp === other.waitsForTopUp &&
  one.periodDays === other.periodDays;

export class ForecastCache {
  readonly #forecasts = new Map<CustomerId, CachedForecast>();

  /** The forecast of one subscription. The caller has locked the row of the customer. */
  async read(
    tx: Tx,
    customer: CustomerId,
    subscription: SubscriptionId,
    now: Instant,
    settings: ForecastSettings,
  ): Promise<Forecast | undefined> {
    const cached = this.#forecasts.get(customer);
    if (cached !== undefined) {
      const [row] = await readForecastRows(tx, [customer], now, settings, [subscription]);
      const forecast =
        row === undefined ? undefined : toCurrentForecast(cached, row, now, settings);
      if (forecast !== undefined) return forecast;
      this.#forecasts.delete(customer);
    }
    const rows = await readForecastRows(tx, [customer], now, settings);
    const forecasts = await forecastWithPauses(rows, now, settings);
    if (rows.length > cachedSubscriptionsMin) this.#store(customer, rows, forecasts, now, settings);
    return forecasts.get(subscription);
  }

  #store(
    customer: CustomerId,
    rows: readonly ForecastRow[],
    forecasts: CachedForecast['forecasts'],
    at: Instant,
    settings: ForecastSettings,
  ): void {
    const [oldest] = this.#forecasts.keys();
    if (oldest !== undefined && this.#forecasts.size >= cachedCustomersMax)
      this.#forecasts.delete(oldest);
    const facts = new Map(rows.map((row) => [row.subscriptionId, row]));
    const { customerVersion } = rows[0] as ForecastRow;
    this.#forecasts.set(customer, {
      at,
      customerVersion,
      settings: toSettingsKey(settings),
      facts,
      forecasts,
    });
  }
}

/** @returns undefined: the forecast does not hold any more */
function toCurrentForecast(
  { at, customerVersion, settings: settingsKey, facts, forecasts }: CachedForecast,
  row: ForecastRow,
  now: Instant,
  settings: ForecastSettings,
): Forecast | undefined {
  const before = facts.get(row.subscriptionId);
  const forecast = forecasts.get(row.subscriptionId);
  const isValid =
    Math.abs(now - at) < cacheMaxAgeMs &&
    customerVersion === row.customerVersion &&
    settingsKey === toSettingsKey(settings) &&
    before !== undefined &&
    hasSameFacts(before, row);
  return isValid && forecast !== undefined
    ? withCurrentTerms(forecast, row, now, settings)
    : undefined;
}
