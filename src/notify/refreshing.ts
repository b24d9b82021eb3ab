import { hourMs, type Instant, isoTime, later } from '../kernel/instant.ts';
import { majorUnits } from '../kernel/money.ts';
import type { Outlook } from '../subscription/outlook.ts';
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
      return { ...params, ends_at: accessUntil(subscription, now) };
    default:
      return params;
  }
}

function accessUntil(subscription: NoticeFacts['subscription'], now: Instant): string | null {
  const runs = subscription?.state === 'active' && subscription.expiresAt > now;
  return runs ? isoTime(subscription.expiresAt) : null;
}
