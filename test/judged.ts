import { hourMs, type Instant, later, parseInstant } from '../src/kernel/instant.ts';
import { judge, type Verdict } from '../src/notify/judging.ts';
import { kinds, type NoticeKind, type Params } from '../src/notify/kinds.ts';
import type { JudgedNotice, NoticeFacts, Words } from '../src/notify/notice-facts.ts';
import { samplesOf } from '../src/notify/texts/samples.ts';
import type { Outlook } from '../src/subscription/outlook.ts';
import type { RenewalTerms } from '../src/subscription/price-cap.ts';

// A notice of any kind with facts by which it is true, but for what a test gives.

export const at = (text: string): Instant => parseInstant(text, 'the test');

/** Noon in UTC: nobody's quiet hour there. */
export const now = at('2026-11-25T12:00:00Z');
export const end = later(now, 2 * hourMs);
/** Prices of a customer who knows the next one. */
export const termsOf = (priceMinor: bigint, more: Partial<RenewalTerms> = {}): RenewalTerms => ({
  priceMinor,
  followingMinor: null,
  expectedMinor: priceMinor,
  isNotified: true,
  countsFrom: end,
  ...more,
});
const terms = termsOf(149_00n);
export const outlooks = {
  renewed: { at: 'renewed', priceMinor: 149_00n, terms },
  short: { at: 'short', priceMinor: 149_00n, terms, missingMinor: 49_50n, othersMinor: 0n },
  no_price: { at: 'no_price' },
  ends: { at: 'ends' },
} as const satisfies Record<string, Outlook>;

/** The outlook under which a kind is relevant. */
const outlookFor = (kind: NoticeKind): Outlook => {
  if (kind.startsWith('trial_')) return outlooks.ends;
  if (kind === 'price_withdrawn') return outlooks.no_price;
  return kind === 'renewal_ahead' ? outlooks.renewed : outlooks.short;
};

type Sub = NonNullable<NoticeFacts['subscription']>;
type Customer = NonNullable<NoticeFacts['customer']>;

export interface Given {
  readonly params?: Params;
  readonly createdAt?: Instant;
  readonly sub?: Partial<Sub> | null;
  readonly customer?: Partial<Customer>;
  readonly words?: Partial<Words>;
  readonly moot?: boolean;
  readonly now?: Instant;
  /** Of the subscription and of what the notice says of it. */
  readonly end?: Instant;
}

const isEnded = (kind: NoticeKind) => ['expired', 'trial_ended'].includes(kind);

/** Facts under which the notice is true, but for what is given. */
export function judged(kind: NoticeKind, given: Given = {}): Verdict {
  const ends = given.end ?? end;
  const expires_at = new Date(ends).toISOString();
  const [sample = {}] = samplesOf(kind);
  const trial = kind.startsWith('trial_');
  const state = kind === 'revoke' ? 'revoked' : isEnded(kind) ? 'expired' : 'active';
  const notice: JudgedNotice = {
    kind,
    params: {
      ...sample,
      ...('expires_at' in sample ? { expires_at } : {}),
      ...(kind.startsWith('grant') || kind === 'restored' ? { ends_at: expires_at } : {}),
      ...(kind === 'price_change' ? { new_price: '149.00' } : {}),
      ...given.params,
    },
    createdAt: given.createdAt ?? now,
  };
  const alarm = kinds[kind].to === 'admins';
  const facts: NoticeFacts = {
    customer: alarm
      ? null
      : { reachable: true, failedAt: null, timeZone: 'UTC', pays: false, ...given.customer },
    subscription:
      alarm || given.sub === null
        ? null
        : {
            kind: trial ? 'trial' : 'paid',
            state,
            expiresAt: ends,
            currency: 'RUB',
            renewalDue: false,
            plan: 'basic',
            periodDays: 30,
            outlook: state === 'active' ? outlookFor(kind) : null,
            choices: [],
            ...given.sub,
          },
    words: { later: false, toldAt: null, lowBalance: 'none', ...given.words },
    moot: given.moot ?? false,
  };
  return judge(notice, facts, given.now ?? now);
}

export const outcome = (verdict: Verdict): string =>
  verdict.do === 'suppress' ? verdict.reason : verdict.do;

/** Each kind, when it may still be said: reminders give way to the next one. */
const farEnds: Partial<Record<NoticeKind, number>> = {
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
export const endFor = (kind: NoticeKind) => later(now, farEnds[kind] ?? 2 * hourMs);
