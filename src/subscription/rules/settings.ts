import { dayMs, hourMs } from '../../kernel/instant.ts';
import { defaultRenewalAhead, type RenewalAhead } from '../../outbox/reminder-schedule.ts';

/** The rules from the configuration file. `perennial apply` writes them, so replicas agree. */
export interface Settings {
  readonly vipPercent: number;
  /** A subscription is due this long before its end. */
  readonly windowMs: number;
  /** Time until the next attempt after a balance that was too low. */
  readonly retryMs: number;
  /** A payment revives an expired subscription for this long. 0: never. */
  readonly reviveMs: number;
  readonly retention: Retention;
  readonly money: MoneyLimits;
  /** A customer is notified of a raised price this long before a renewal takes it. */
  readonly noticeMs: number;
  readonly renewalAhead: RenewalAhead;
  readonly trial: { readonly plan: string; readonly days: number } | undefined;
}

/** Limits and switches of incoming money. */
export interface MoneyLimits {
  /** The largest top-up without a confirmation, in major units of the customer's currency. */
  readonly topUpMax: string;
  /** The part of a chargeback beyond the balance becomes a claim, which later top-ups pay. */
  readonly claims: boolean;
  readonly spend: SpendLimits;
}

/** The limits of the spend guard (`spend-limit.ts`). */
export interface SpendLimits {
  /** So many charges of a run never need a confirmation. */
  readonly floor: number;
  /** A run, or a charge, may be this many times as large as expected. */
  readonly factor: number;
}

export const defaultSpendLimits: SpendLimits = { floor: 100, factor: 3 };

export const defaultMoney: MoneyLimits = {
  topUpMax: '100000',
  claims: true,
  spend: defaultSpendLimits,
};

/** How long history is kept. Younger rows are never deleted. */
export interface Retention {
  /** Notifications in a final state. */
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
