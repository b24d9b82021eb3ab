import { hourMs, type Instant, later, parseInstant } from '../../src/kernel/instant.ts';
import { checkRelevance, type SendDecision } from '../../src/notifications/relevance.ts';
import type {
  EndNotifications,
  NoticeFacts,
  StoredNotice,
} from '../../src/notifications/relevance-facts.ts';
import { createSamples } from '../../src/notifications/texts/samples.ts';
import { type NoticeKind, type NoticeParams, noticeSpecs } from '../../src/outbox/kinds.ts';
import type { Forecast } from '../../src/subscription/rules/forecast.ts';
import type { RenewalTerms } from '../../src/subscription/rules/price-cap.ts';

// A notification of any kind, with facts that make it relevant, except those that a test changes.

export const parseTime = (text: string): Instant => parseInstant(text, 'the test');

/** Noon in UTC, outside the quiet hours. */
export const now = parseTime('2026-11-25T12:00:00Z');
export const end = later(now, 2 * hourMs);
/** The prices of a customer who knows the next one. */
const createTerms = (priceMinor: bigint, more: Partial<RenewalTerms> = {}): RenewalTerms => ({
  priceMinor,
  followingMinor: null,
  expectedMinor: priceMinor,
  isNotified: true,
  effectiveFrom: end,
  ...more,
});
const terms = createTerms(149_00n);
export const forecasts = {
  renewed: { kind: 'renewed', priceMinor: 149_00n, terms },
  short: { kind: 'short', priceMinor: 149_00n, terms, missingMinor: 49_50n, othersMinor: 0n },
  no_price: { kind: 'no_price' },
  ends: { kind: 'ends' },
} as const satisfies Record<string, Forecast>;

/** The forecast with which a kind is relevant. */
const chooseForecast = (kind: NoticeKind): Forecast => {
  if (kind.startsWith('trial_')) return forecasts.ends;
  if (kind === 'price_withdrawn') return forecasts.no_price;
  return kind === 'renewal_ahead' ? forecasts.renewed : forecasts.short;
};

type SubscriptionFacts = NonNullable<NoticeFacts['subscription']>;
type CustomerFacts = NonNullable<NoticeFacts['customer']>;

export interface RelevanceOptions {
  readonly params?: NoticeParams;
  readonly createdAt?: Instant;
  readonly sub?: Partial<SubscriptionFacts> | null;
  readonly customer?: Partial<CustomerFacts>;
  readonly words?: Partial<EndNotifications>;
  readonly resolved?: boolean;
  readonly now?: Instant;
  /** Facts about the subscription and its notification. */
  readonly end?: Instant;
}

const isEndKind = (kind: NoticeKind) => ['expired', 'trial_ended'].includes(kind);

/** Facts with which the notification is relevant, except the given ones. */
export function relevanceOf(kind: NoticeKind, options: RelevanceOptions = {}): SendDecision {
  const ends = options.end ?? end;
  const expires_at = new Date(ends).toISOString();
  const [sample = {}] = createSamples(kind);
  const trial = kind.startsWith('trial_');
  const state = kind === 'revoke' ? 'revoked' : isEndKind(kind) ? 'expired' : 'active';
  const notice: StoredNotice = {
    kind,
    params: {
      ...sample,
      ...('expires_at' in sample ? { expires_at } : {}),
      ...(kind.startsWith('grant') || kind === 'restored' ? { ends_at: expires_at } : {}),
      ...(kind === 'price_change' ? { new_price: '149.00' } : {}),
      ...options.params,
    },
    createdAt: options.createdAt ?? now,
  };
  const alarm = noticeSpecs[kind].to === 'admins';
  const facts: NoticeFacts = {
    customer: alarm
      ? null
      : {
          reachable: true,
          isBlocked: false,
          failedAt: null,
          timeZone: 'UTC',
          pays: false,
          ...options.customer,
        },
    subscription:
      alarm || options.sub === null
        ? null
        : {
            kind: trial ? 'trial' : 'paid',
            state,
            expiresAt: ends,
            currency: 'RUB',
            isRenewalDue: false,
            plan: 'basic',
            periodDays: 30,
            forecast: state === 'active' ? chooseForecast(kind) : null,
            choices: [],
            ...options.sub,
          },
    endNotifications: {
      hasLaterReminder: false,
      lastSentAt: null,
      lowBalance: 'none',
      ...options.words,
    },
    resolved: options.resolved ?? false,
  };
  return checkRelevance(notice, facts, options.now ?? now);
}

export const toOutcome = (verdict: SendDecision): string =>
  verdict.do === 'suppress' ? verdict.reason : verdict.do;

/** The time for which each kind is relevant. A reminder ends at the next one. */
const relevantMs: Partial<Record<NoticeKind, number>> = {
  trial_6h: 60 * hourMs,
  trial_48h: 24 * hourMs,
  trial_ending: 6 * hourMs,
  ends_3d: 72 * hourMs,
  ends_24h: 24 * hourMs,
  ends_3h: 3 * hourMs,
  price_change: 72 * hourMs,
  price_withdrawn: 72 * hourMs,
  renewal_ahead: 72 * hourMs,
};
export const chooseEnd = (kind: NoticeKind) => later(now, relevantMs[kind] ?? 2 * hourMs);
