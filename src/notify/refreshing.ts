import { type Instant, isoTime } from '../kernel/instant.ts';
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

/** What is missing by now, since part of it may have been paid; until when there is access. */
export function refreshed(
  { kind, params }: JudgedNotice,
  { subscription }: NoticeFacts,
  now: Instant,
): Params {
  switch (kind) {
    case 'low_balance':
    case 'ends_3d':
    case 'ends_24h':
    case 'ends_3h': {
      if (subscription?.outlook?.at !== 'short') return { ...params, missing: null, others: null };
      const { currency, outlook } = subscription;
      const told = { ...params, ...shortage(outlook, currency), currency };
      if (kind !== 'low_balance') return told;
      return { ...told, price: majorUnits(outlook.priceMinor, currency) };
    }
    case 'refund': {
      const access = subscription?.state === 'active' && subscription.expiresAt > now;
      return { ...params, ends_at: access ? isoTime(subscription.expiresAt) : null };
    }
    default:
      return params;
  }
}
