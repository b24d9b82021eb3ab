import { hourMs, type Instant, isoTime, later } from '../kernel/instant.ts';
import { majorUnits } from '../kernel/money.ts';
import type { NoticeParams } from '../outbox/kinds.ts';
import { formatChoices } from '../outbox/plan-choice.ts';
import type { Forecast } from '../subscription/rules/forecast.ts';
import { computeNewPriceStart, type RenewalTerms } from '../subscription/rules/price-cap.ts';
import type { NoticeFacts, StoredNotice } from './relevance-facts.ts';

/** The params of a balance that is too low. */
export function formatShortage(
  { missingMinor, othersMinor }: Extract<Forecast, { kind: 'short' }>,
  currency: string,
): { readonly missing: string; readonly others: string | null } {
  const others = othersMinor === 0n ? null : majorUnits(othersMinor, currency);
  return { missing: majorUnits(missingMinor, currency), others };
}

/** From this delay on a text names the time of the event. */
const lateMs = hourMs;

/** The params with current values for the `currentParams` of the kind (`kinds.ts`). */
export function withCurrentValues(
  { kind, params, createdAt }: StoredNotice,
  { subscription }: NoticeFacts,
  now: Instant,
): NoticeParams {
  const happenedAt = later(createdAt, lateMs) <= now ? isoTime(createdAt) : null;
  switch (kind) {
    case 'price_change':
      return { ...params, ...formatNewPriceStart(params, subscription) };
    case 'price_withdrawn':
      return { ...params, choices: formatChoices(subscription?.choices) };
    case 'renewal_ahead': {
      if (subscription?.forecast?.kind !== 'renewed') return params;
      const { forecast, currency } = subscription;
      return { ...params, price: majorUnits(forecast.priceMinor, currency) };
    }
    case 'receipt':
      return { ...params, paid_at: happenedAt };
    case 'low_balance':
    case 'ends_3d':
    case 'ends_24h':
    case 'ends_3h': {
      if (subscription?.forecast?.kind !== 'short')
        return { ...params, missing: null, others: null };
      const { currency, forecast, plan, periodDays } = subscription;
      const current = { ...params, ...formatShortage(forecast, currency), currency };
      if (kind !== 'low_balance') return current;
      const price = majorUnits(forecast.priceMinor, currency);
      return { ...current, price, plan, period_days: periodDays };
    }
    case 'refund':
      return { ...params, ends_at: computeAccessEnd(subscription, now), refunded_at: happenedAt };
    case 'grant':
    case 'grant_taken_back':
    case 'restored':
      return { ...params, ends_at: computeAccessEnd(subscription, now) };
    default:
      return params;
  }
}

/** The start of the new price if the message is sent now, and the price until then. */
function formatNewPriceStart(
  { new_price }: NoticeParams,
  subscription: NoticeFacts['subscription'],
): { readonly from?: string; readonly next_price?: string | null } {
  const forecast = subscription?.forecast;
  if (!subscription || (forecast?.kind !== 'renewed' && forecast?.kind !== 'short')) return {};
  const { priceMinor, terms } = forecast;
  const isNext = majorUnits(terms.priceMinor, subscription.currency) === new_price;
  const newPriceMinor = isNext ? terms.priceMinor : (terms.followingMinor ?? terms.priceMinor);
  return formatPriceStart(newPriceMinor, { ...subscription, priceMinor, terms });
}

/** The params of a new price that depend on the present moment. */
export function formatPriceStart(
  newPriceMinor: bigint,
  renewal: {
    readonly priceMinor: bigint;
    readonly terms: RenewalTerms;
    readonly expiresAt: Instant;
    readonly periodDays: number;
    readonly currency: string;
  },
): { readonly from: string; readonly next_price: string | null } {
  const { priceMinor, terms, expiresAt, currency } = renewal;
  const from = computeNewPriceStart(newPriceMinor, terms, priceMinor, renewal);
  const nextPrice = from > expiresAt ? majorUnits(priceMinor, currency) : null;
  return { from: isoTime(from), next_price: nextPrice };
}

function computeAccessEnd(subscription: NoticeFacts['subscription'], now: Instant): string | null {
  const isRunning = subscription?.state === 'active' && subscription.expiresAt > now;
  return isRunning ? isoTime(subscription.expiresAt) : null;
}
