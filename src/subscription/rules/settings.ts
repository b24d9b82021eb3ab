import { dayMs, hourMs } from '../../kernel/instant.ts';
import { defaultRenewalAhead, type RenewalAhead } from '../../outbox/reminder-schedule.ts';

/** What `perennial apply` wrote of the rules of the file; replicas can't disagree. */
export interface Settings {
  readonly vipPercent: number;
  /** A subscription is due this long before its end. */
  readonly windowMs: number;
  /** Next try after a short balance. */
  readonly retryMs: number;
  /** An expired one is revived by a top-up for this long. 0: never. */
  readonly reviveMs: number;
  readonly retention: Retention;
  readonly money: MoneyLimits;
  /** A customer is notified of a raised price this long before a renewal takes it. */
  readonly noticeMs: number;
  readonly renewalAhead: RenewalAhead;
  readonly trial: { readonly plan: string; readonly days: number } | undefined;
}

/** Limits and switches of the money that comes in. */
export interface MoneyLimits {
  /** The largest top-up without a confirmation, in major units of the customer's currency. */
  readonly topUpMax: string;
  /** What a chargeback takes beyond the balance becomes a claim, which later top-ups pay. */
  readonly claims: boolean;
}

export const defaultMoney: MoneyLimits = { topUpMax: '100000', claims: true };

/** How long history is kept. Younger rows are never deleted. */
export interface Retention {
  /** Notices that are settled. */
  readonly noticesMs: number;
  readonly eventsMs: number;
  /** Idempotency keys, with their answers. */
  readonly keysMs: number;
}

export const defaultRetention: Retention = {
  noticesMs: 180 * dayMs,
  eventsMs: 3 * 365 * dayMs,
  keysMs: 30 * dayMs,
};

export const defaultSettings: Settings = {
  vipPercent: 30,
  windowMs: 6 * hourMs,
  retryMs: hourMs,
  reviveMs: 7 * dayMs,
  retention: defaultRetention,
  money: defaultMoney,
  noticeMs: dayMs,
  renewalAhead: defaultRenewalAhead,
  trial: undefined,
};
