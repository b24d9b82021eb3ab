// Every message there is: to whom, how sure it has to arrive, when it may, and what its text is
// told. Stored with the change that it tells of (`outbox.ts`), judged again when it is sent
// (`relevance.ts`; design, deliver-notifications).

import { dayMs } from '../kernel/instant.ts';

/**
 * What becomes of a send whose answer was lost, since Telegram has no idempotency key.
 * at_least_once: sent again, so that it arrives, and may arrive twice. at_most_once: not sent again,
 * so that it doesn't nag, and may be missing; the row stays `uncertain`.
 */
export type DeliveryPolicy = 'at_least_once' | 'at_most_once';

/** How often somebody who can't be reached is tried, with what has to arrive. */
export const unreachableRetryMs = 7 * dayMs;
/** How the reason of a notice begins that met somebody who can't be reached, and waits for that. */
export const unreachablePrefix = 'unreachable: ';

/**
 * What a value is, which says how it is stored and how it is shown.
 * money: major units, `149.50`, in the currency of the same params. time: ISO 8601. plan: its key,
 * shown by its title. count: a whole number. text: shown as it is. `?`: or null, which a text can
 * tell by `none`. late: when it happened, put in when it is sent, where that is an hour or more
 * after it; else null. choices: plans and lengths on sale, as JSON (`plan-choices.ts`), or null.
 */
export type ParamType =
  | 'money'
  | 'money?'
  | 'currency'
  | 'time'
  | 'time?'
  | 'late'
  | 'plan'
  | 'count'
  | 'choices'
  | 'text';

export interface NoticeSpec {
  readonly to: 'customer' | 'admins';
  readonly policy: DeliveryPolicy;
  /** Waits for the morning in the customer's zone: 23-9 h are quiet. */
  readonly waitsForMorning: boolean;
  readonly params: Readonly<Record<string, ParamType>>;
  /**
   * Which of these are read again when it is sent, so that what the text says of now is so. All
   * others are of the fact: they say what was paid, given, found, and are worded as history, or the
   * notice is not sent where they are not true any more (`relevance.ts`).
   */
  readonly currentParams: readonly string[];
}

const toCustomer = { to: 'customer', policy: 'at_least_once', waitsForMorning: false } as const;
const reminder = { to: 'customer', policy: 'at_most_once', waitsForMorning: true } as const;
const alarm = {
  to: 'admins',
  policy: 'at_least_once',
  waitsForMorning: false,
  currentParams: [],
} as const;

const trialEnd = { params: { plan: 'plan', expires_at: 'time' }, currentParams: [] } as const;
/**
 * `missing`: to be topped up for the next period; null where auto-renewal is off. `others`: what
 * other subscriptions of the customer take first, where they do.
 */
const paidEnd = {
  params: {
    plan: 'plan',
    expires_at: 'time',
    missing: 'money?',
    others: 'money?',
    currency: 'currency',
  },
  currentParams: ['missing', 'others', 'currency'],
} as const;

export const noticeSpecs = {
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
      paid_at: 'late',
    },
    currentParams: ['paid_at'],
  },
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
    currentParams: ['price', 'missing', 'others', 'currency', 'plan', 'period_days'],
  },
  expired: { ...toCustomer, params: { plan: 'plan', expires_at: 'time' }, currentParams: [] },
  trial_ended: { ...toCustomer, ...trialEnd },
  refund: {
    ...toCustomer,
    /** `ends_at`: until when there is access; null where it ended. */
    params: {
      amount: 'money',
      currency: 'currency',
      plan: 'plan',
      balance_after: 'money',
      paid_out: 'money?',
      ends_at: 'time?',
      refunded_at: 'late',
    },
    currentParams: ['ends_at', 'refunded_at'],
  },
  grant: {
    ...toCustomer,
    params: { plan: 'plan', days: 'count', ends_at: 'time' },
    currentParams: ['ends_at'],
  },
  /** A gift was taken back, and access continues until an earlier end. */
  grant_taken_back: {
    ...toCustomer,
    params: { plan: 'plan', ends_at: 'time' },
    currentParams: ['ends_at'],
  },
  /** A wrong clock of ours had ended it (`subscription/commands/clock-undo.ts`). */
  restored: {
    ...toCustomer,
    params: { plan: 'plan', ends_at: 'time' },
    currentParams: ['ends_at'],
  },
  revoke: { ...toCustomer, params: { plan: 'plan' }, currentParams: [] },
  trial_6h: { ...reminder, ...trialEnd },
  trial_48h: { ...reminder, ...trialEnd },
  trial_ending: { ...reminder, ...trialEnd },
  ends_3d: { ...reminder, ...paidEnd },
  ends_24h: { ...reminder, ...paidEnd },
  ends_3h: { ...reminder, ...paidEnd },
  /**
   * `from`: the start of the first period that costs the new price. `next_price`: what the next
   * renewal takes, if the new price counts only after it.
   */
  price_change: {
    ...reminder,
    params: {
      plan: 'plan',
      period_days: 'count',
      currency: 'currency',
      price: 'money',
      new_price: 'money',
      from: 'time?',
      next_price: 'money?',
      expires_at: 'time',
    },
    currentParams: ['from', 'next_price'],
  },
  /** Auto-renewal is on, and the next plan and length have no price any more. */
  price_withdrawn: {
    ...reminder,
    params: { plan: 'plan', period_days: 'count', expires_at: 'time', choices: 'choices' },
    currentParams: ['choices'],
  },
  /** A renewal will succeed (`notices.renewal_ahead`). */
  renewal_ahead: {
    ...reminder,
    params: {
      plan: 'plan',
      period_days: 'count',
      currency: 'currency',
      price: 'money',
      expires_at: 'time',
    },
    currentParams: ['price'],
  },
  /** `since`, of each alarm: when it was told first. With what it is about, that names the trouble. */
  alarm_worker: {
    ...alarm,
    params: { worker: 'text', failures: 'count', error: 'text', since: 'time' },
  },
  /** `items`: at most 1,000. `cause`: the session that holds them, or that none does. */
  alarm_overdue: {
    ...alarm,
    params: { worker: 'text', items: 'count', oldest_at: 'time', cause: 'text', since: 'time' },
  },
  /** `subject`: a table of the schema. `cause`: the session that has locked it. */
  alarm_lock: { ...alarm, params: { subject: 'text', cause: 'text', since: 'time' } },
  /** `subject`: the worker, or the node whose removals it holds. */
  alarm_guard: {
    ...alarm,
    params: { worker: 'text', subject: 'text', held: 'count', since: 'time' },
  },
  /** Charges that the guard of auto-renewal holds. */
  alarm_money_guard: { ...alarm, params: { worker: 'text', held: 'count', since: 'time' } },
  /** `items`: how many of this worker are put aside by now. */
  alarm_quarantine: {
    ...alarm,
    params: {
      worker: 'text',
      reason: 'text',
      item: 'text',
      sentence: 'text',
      items: 'count',
      since: 'time',
    },
  },
  alarm_removal: {
    ...alarm,
    params: { node: 'text', waiting: 'count', oldest_at: 'time', since: 'time' },
  },
  /**
   * `to_add`, `to_remove`: users that wait for this node. `reason`: `down`, or `additions` for a node
   * that answers and does not take users; then `down_since` is the start of that wait.
   */
  alarm_node: {
    ...alarm,
    params: {
      node: 'text',
      reason: 'text',
      down_since: 'time',
      to_add: 'count',
      to_remove: 'count',
      error: 'text',
      since: 'time',
    },
  },
  alarm_clock: {
    ...alarm,
    params: { replica: 'text', skew_s: 'count', sentence: 'text', since: 'time' },
  },
  /** `channel`: which bot or mailbox, as `perennial notice couriers` has it. */
  alarm_channel: { ...alarm, params: { channel: 'text', error: 'text', since: 'time' } },
  /** `subject`: the kind of the notifications that a gateway refused, with its last `error`. */
  alarm_notice: { ...alarm, params: { subject: 'text', error: 'text', since: 'time' } },
  /** What an alarm told is over: its kind, what it was about, and since when. */
  alarm_over: { ...alarm, params: { alarm: 'text', subject: 'text', since: 'time' } },
} as const satisfies Readonly<Record<string, NoticeSpec>>;

export type NoticeKind = keyof typeof noticeSpecs;

export const noticeKinds = Object.keys(noticeSpecs) as readonly NoticeKind[];

/** False for one that another version of the program stored. */
export const isNoticeKind = (kind: string): kind is NoticeKind => Object.hasOwn(noticeSpecs, kind);

type ValueOf<T extends ParamType> = T extends 'count'
  ? number
  : T extends 'money?' | 'time?' | 'late' | 'choices'
    ? string | null
    : string;

/** The values that a kind's text is told, each of them, and no others, but what is put in later. */
export type ParamsOf<K extends NoticeKind> = {
  readonly [Name in keyof (typeof noticeSpecs)[K]['params'] as (typeof noticeSpecs)[K]['params'][Name] extends 'late'
    ? never
    : Name]: (typeof noticeSpecs)[K]['params'][Name] extends ParamType
    ? ValueOf<(typeof noticeSpecs)[K]['params'][Name]>
    : never;
};

/** Kinds that go to a customer, and those that go to the admins. */
export type CustomerKind = {
  [K in NoticeKind]: (typeof noticeSpecs)[K]['to'] extends 'customer' ? K : never;
}[NoticeKind];
export type AdminKind = Exclude<NoticeKind, CustomerKind>;

/** Params as they are stored, of whatever kind. */
export type NoticeParams = Readonly<Record<string, string | number | null>>;
