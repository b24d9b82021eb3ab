// Every message there is: to whom, how sure it has to arrive, when it may, and what its text is
// told. Stored with the change that it tells of (`outbox.ts`), judged again when it is sent
// (`judging.ts`; DESIGN.md 5, "deliver-notifications").

import { dayMs } from '../kernel/instant.ts';

/**
 * What becomes of a send whose answer was lost, since Telegram has no idempotency key.
 * at_least_once: sent again, so that it arrives, and may arrive twice. at_most_once: not sent again,
 * so that it doesn't nag, and may be missing; the row stays `uncertain`.
 */
export type Policy = 'at_least_once' | 'at_most_once';

/** How often somebody who can't be reached is tried, with what has to arrive. */
export const triedEveryMs = 7 * dayMs;
/** How the reason of a notice begins that met somebody who can't be reached, and waits for that. */
export const metNobody = 'unreachable: ';

/**
 * What a value is, which says how it is stored and how it is shown.
 * money: major units, `149.50`, in the currency of the same params. time: ISO 8601. plan: its key,
 * shown by its title. count: a whole number. text: shown as it is. `?`: or null, which a text can
 * tell by `none`.
 */
export type ParamType =
  | 'money'
  | 'money?'
  | 'currency'
  | 'time'
  | 'time?'
  | 'plan'
  | 'count'
  | 'text';

export interface Kind {
  readonly to: 'customer' | 'admins';
  readonly policy: Policy;
  /** Waits for the morning in the customer's zone: 23-9 h are quiet. */
  readonly quiet: boolean;
  readonly params: Readonly<Record<string, ParamType>>;
}

const toCustomer = { to: 'customer', policy: 'at_least_once', quiet: false } as const;
const reminder = { to: 'customer', policy: 'at_most_once', quiet: true } as const;
const alarm = { to: 'admins', policy: 'at_least_once', quiet: false } as const;

const trialEnd = { plan: 'plan', expires_at: 'time' } as const;
/**
 * `missing`: to be topped up for the next period; null where auto-renewal is off. `others`: what
 * other subscriptions of the customer take first, where they do. Refreshed when it is sent.
 */
const paidEnd = {
  plan: 'plan',
  expires_at: 'time',
  missing: 'money?',
  others: 'money?',
  currency: 'currency',
} as const;

export const kinds = {
  receipt: {
    ...toCustomer,
    params: {
      amount: 'money',
      currency: 'currency',
      plan: 'plan',
      period_days: 'count',
      starts_at: 'time',
      ends_at: 'time',
      balance_after: 'money',
    },
  },
  /** `price`, `missing` and `others` are refreshed when it is sent. */
  low_balance: {
    ...toCustomer,
    params: {
      price: 'money',
      missing: 'money',
      others: 'money?',
      currency: 'currency',
      plan: 'plan',
      period_days: 'count',
      expires_at: 'time',
    },
  },
  expired: { ...toCustomer, params: { plan: 'plan', expires_at: 'time' } },
  trial_ended: { ...toCustomer, params: trialEnd },
  refund: {
    ...toCustomer,
    /** `ends_at`: until when there is access now; null where it ended. Refreshed when it is sent. */
    params: {
      amount: 'money',
      currency: 'currency',
      plan: 'plan',
      balance_after: 'money',
      ends_at: 'time?',
    },
  },
  grant: { ...toCustomer, params: { plan: 'plan', days: 'count', ends_at: 'time' } },
  revoke: { ...toCustomer, params: { plan: 'plan' } },
  trial_6h: { ...reminder, params: trialEnd },
  trial_48h: { ...reminder, params: trialEnd },
  trial_ending: { ...reminder, params: trialEnd },
  ends_3d: { ...reminder, params: paidEnd },
  ends_24h: { ...reminder, params: paidEnd },
  ends_3h: { ...reminder, params: paidEnd },
  price_change: {
    ...reminder,
    params: {
      plan: 'plan',
      period_days: 'count',
      currency: 'currency',
      price: 'money',
      new_price: 'money',
      expires_at: 'time',
    },
  },
  alarm_worker: { ...alarm, params: { worker: 'text', failures: 'count', error: 'text' } },
  /** `subject`: the worker, or the node whose removals it holds. */
  alarm_guard: { ...alarm, params: { worker: 'text', subject: 'text', held: 'count' } },
  /** `items`: how many of this worker are put aside by now. */
  alarm_quarantine: {
    ...alarm,
    params: { worker: 'text', reason: 'text', item: 'text', sentence: 'text', items: 'count' },
  },
  alarm_removal: { ...alarm, params: { node: 'text', waiting: 'count', oldest_at: 'time' } },
  alarm_clock: { ...alarm, params: { replica: 'text', skew_s: 'count' } },
  /** What an alarm told is over: its kind, and what it was about. */
  alarm_over: { ...alarm, params: { alarm: 'text', subject: 'text' } },
} as const satisfies Readonly<Record<string, Kind>>;

export type NoticeKind = keyof typeof kinds;

export const noticeKinds = Object.keys(kinds) as readonly NoticeKind[];

/** False for one that another version of the program stored. */
export const isNoticeKind = (kind: string): kind is NoticeKind => Object.hasOwn(kinds, kind);

type ValueOf<T extends ParamType> = T extends 'count'
  ? number
  : T extends 'money?' | 'time?'
    ? string | null
    : string;

/** The values that a kind's text is told, each of them, and no others. */
export type ParamsOf<K extends NoticeKind> = {
  readonly [Name in keyof (typeof kinds)[K]['params']]: (typeof kinds)[K]['params'][Name] extends ParamType
    ? ValueOf<(typeof kinds)[K]['params'][Name]>
    : never;
};

/** Kinds that go to a customer, and those that go to the admins. */
export type CustomerKind = {
  [K in NoticeKind]: (typeof kinds)[K]['to'] extends 'customer' ? K : never;
}[NoticeKind];
export type AdminKind = Exclude<NoticeKind, CustomerKind>;

/** Params as they are stored, of whatever kind. */
export type Params = Readonly<Record<string, string | number | null>>;
