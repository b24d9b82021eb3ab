import { hourMs, type Instant, isoTime, later } from '../kernel/instant.ts';
import { majorUnits } from '../kernel/money.ts';
import type { Outlook } from '../subscription/outlook.ts';
import { newPriceFrom, type RenewalTerms } from '../subscription/price-cap.ts';
import { choicesText } from './choice.ts';
import type { Params } from './kinds.ts';
import type { JudgedNotice, NoticeFacts } from './notice-facts.ts';

/** What a text is told of a balance that is short. */
export function shortage(
  { missingMinor, othersMinor }: Extract<Outlook, { at: 'short' }>,
  currency: string,
): { readonly missing: string; readonly others: string | null } {
  const others = othersMinor === 0n ? null : majorUnits(othersMinor, currency);
  return { missing: majorUnits(missingMinor, currency), others };
}

/** From then on a text says when it happened. */
const lateMs = hourMs;

/** The params with those that are `now`, as they are now: see `kinds.ts`. */
export function refreshed(
  { kind, params, createdAt }: JudgedNotice,
  { subscription }: NoticeFacts,
  now: Instant,
): Params {
  const happened = later(createdAt, lateMs) <= now ? isoTime(createdAt) : null;
  switch (kind) {
    case 'price_change':
      return { ...params, ...newPriceStart(params, subscription) };
    case 'price_withdrawn':
      return { ...params, choices: choicesText(subscription?.choices) };
    case 'renewal_ahead': {
      if (subscription?.outlook?.at !== 'renewed') return params;
      const { outlook, currency } = subscription;
      return { ...params, price: majorUnits(outlook.priceMinor, currency) };
    }
    case 'receipt':
      return { ...params, paid_at: happened };
    case 'low_balance':
    case 'ends_3d':
    case 'ends_24h':
    case 'ends_3h': {
      if (subscription?.outlook?.at !== 'short') return { ...params, missing: null, others: null };
      const { currency, outlook, plan, periodDays } = subscription;
      const told = { ...params, ...shortage(outlook, currency), currency };
      if (kind !== 'low_balance') return told;
      const price = majorUnits(outlook.priceMinor, currency);
      return { ...told, price, plan, period_days: periodDays };
    }
    case 'refund':
      return { ...params, ends_at: accessUntil(subscription, now), refunded_at: happened };
    case 'grant':
    case 'grant_taken_back':
    case 'restored':
      return { ...params, ends_at: accessUntil(subscription, now) };
    default:
      return params;
  }
}

/** From when on the new price counts, if the message is sent now, and what is paid until then. */
function newPriceStart(
  { new_price }: Params,
  subscription: NoticeFacts['subscription'],
): { readonly from?: string; readonly next_price?: string | null } {
  const outlook = subscription?.outlook;
  if (!subscription || (outlook?.at !== 'renewed' && outlook?.at !== 'short')) return {};
  const { priceMinor, terms } = outlook;
  const isNext = majorUnits(terms.priceMinor, subscription.currency) === new_price;
  const newPriceMinor = isNext ? terms.priceMinor : (terms.followingMinor ?? terms.priceMinor);
  return priceStart(newPriceMinor, { ...subscription, priceMinor, terms });
}

/** The params of a new price that depend on the moment. */
export function priceStart(
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
  const from = newPriceFrom(newPriceMinor, terms, priceMinor, renewal);
  const nextPrice = from > expiresAt ? majorUnits(priceMinor, currency) : null;
  return { from: isoTime(from), next_price: nextPrice };
}

function accessUntil(subscription: NoticeFacts['subscription'], now: Instant): string | null {
  const runs = subscription?.state === 'active' && subscription.expiresAt > now;
  return runs ? isoTime(subscription.expiresAt) : null;
}
