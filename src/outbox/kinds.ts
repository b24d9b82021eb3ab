// The kinds of notifications: recipient, delivery policy, quiet hours and params.
//
// A notification is stored with its cause (`outbox.ts`). Its relevance is checked again when it is
// sent (`notifications/relevance.ts`; design, deliver-notifications).

import type { NoticeState } from '../db/schema.ts';
import { dayMs } from '../kernel/instant.ts';

export const noticeStates = [
  'pending',
  'sending',
  'sent',
  'uncertain',
  'suppressed',
  'failed',
] as const satisfies readonly NoticeState[];

/**
 * The policy for a send without an answer, because Telegram has no idempotency key.
 * - `at_least_once`: it is sent again, and may arrive twice.
 * - `at_most_once`: it is not sent again, and may be missing. The row stays `uncertain`.
 */
export type DeliveryPolicy = 'at_least_once' | 'at_most_once';

/** The interval of attempts to an unreachable customer, for `at_least_once` kinds. */
export const unreachableRetryMs = 7 * dayMs;
/** The prefix of the reason of a notification that waits for a reachable customer. */
export const unreachablePrefix = 'unreachable: ';

/**
 * The type of a value: how it is stored and displayed.
 * - `money`: major units, `149.50`, in the currency of the same params.
 * - `time`: ISO 8601.
 * - `plan`: the key, displayed as the title.
 * - `count`: a whole number.
 * - `text`: displayed as it is, on one line.
 * - `body`: displayed as it is, with its lines.
 * - `choices`: plans and lengths on sale as JSON (`plan-choice.ts`), or null.
 * - `late`: the time of the event if the send is an hour or more after it, else null. It is set at
 *   the send.
 * - `?`: may be null; a text has the value `none` then.
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
  | 'text'
  | 'body';

export interface NoticeSpec {
  readonly to: 'customer' | 'admins';
  readonly policy: DeliveryPolicy;
  /** Waits for the morning in the customer's time zone. Quiet hours are 23 to 9. */
  readonly waitsForMorning: boolean;
  readonly params: Readonly<Record<string, ParamType>>;
  /**
   * The params that are read again when the notification is sent, so that they are current. All
   * others describe the event: an amount, a gift, a finding. Their texts are worded as history, or
   * the notification is suppressed once they are outdated (`notifications/relevance.ts`).
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
 * `missing`: the top-up that the next period requires; null if auto-renewal is off. `others`: what
 * other subscriptions of the customer take first, if any.
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
    /** `ends_at`: the end of access; null if access has ended. */
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
  /** A gift was revoked, and access continues until an earlier end. */
  grant_taken_back: {
    ...toCustomer,
    params: { plan: 'plan', ends_at: 'time' },
    currentParams: ['ends_at'],
  },
  /** A wrong clock of Perennial had expired it (`subscription/commands/clock-undo.ts`). */
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
  /** The text of an operator in the language of the customer. `job`: its bulk job. */
  announcement: { ...reminder, params: { text: 'body', job: 'text' }, currentParams: [] },
  /**
   * `since`, of each alarm: the time of its first notification. Kind, subject and `since` name an
   * alarm.
   */
  alarm_worker: {
    ...alarm,
    params: { worker: 'text', failures: 'count', error: 'text', since: 'time' },
  },
  /** `items`: at most 1,000. `cause`: the session that locks them, or that there is none. */
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
  /** `items`: how many items of this worker are in quarantine. */
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
   * `to_add`, `to_remove`: users that wait for this node. `reason`: `down`, or `additions` for a
   * node that answers and does not take users; then `down_since` is the start of that wait.
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
  /** `channel`: the bot or mailbox, as in `perennial notice couriers`. */
  alarm_channel: { ...alarm, params: { channel: 'text', error: 'text', since: 'time' } },
  /** `subject`: the kind of the notifications that a gateway refused, with its last `error`. */
  alarm_notice: { ...alarm, params: { subject: 'text', error: 'text', since: 'time' } },
  /** An alarm is over: its kind, its subject, and its `since`. */
  alarm_over: { ...alarm, params: { alarm: 'text', subject: 'text', since: 'time' } },
} as const satisfies Readonly<Record<string, NoticeSpec>>;

export type NoticeKind = keyof typeof noticeSpecs;

export const noticeKinds = Object.keys(noticeSpecs) as readonly NoticeKind[];

/** False for a kind of another version of the program. */
export const isNoticeKind = (kind: string): kind is NoticeKind => Object.hasOwn(noticeSpecs, kind);

type ValueOf<T extends ParamType> = T extends 'count'
  ? number
  : T extends 'money?' | 'time?' | 'late' | 'choices'
    ? string | null
    : string;

/** All params of a kind, without those that are set at the send (`late`). */
export type ParamsOf<K extends NoticeKind> = {
  readonly [Name in keyof (typeof noticeSpecs)[K]['params'] as (typeof noticeSpecs)[K]['params'][Name] extends 'late'
    ? never
    : Name]: (typeof noticeSpecs)[K]['params'][Name] extends ParamType
    ? ValueOf<(typeof noticeSpecs)[K]['params'][Name]>
    : never;
};

/** Kinds for a customer. The other kinds are for the admins. */
export type CustomerKind = {
  [K in NoticeKind]: (typeof noticeSpecs)[K]['to'] extends 'customer' ? K : never;
}[NoticeKind];
export type AdminKind = Exclude<NoticeKind, CustomerKind>;

/** The stored params of any kind. */
export type NoticeParams = Readonly<Record<string, string | number | null>>;
