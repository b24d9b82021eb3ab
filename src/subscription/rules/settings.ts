import { sql } from 'kysely';
import type { Db, Tx } from '../../db/connect.ts';
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

interface StoredSettings {
  discounts?: { vip_percent: number };
  retention?: { notices_ms: number; events_ms: number; keys_ms: number };
  renewal?: { window_ms: number; retry_ms: number; revive_ms: number; notice_ms?: number };
  notices?: { renewal_ahead: { from_days: number; ahead_ms: number | null }[] };
  money?: { top_up_max: string; claims: boolean };
  trial?: { plan: string; days: number };
}

/** The settings of these books; the defaults for what was never applied. */
export async function readSettings(db: Db | Tx): Promise<Settings> {
  const { rows } = await sql<{ stored: StoredSettings | null }>`
    SELECT jsonb_object_agg(key, value) AS stored FROM perennial.setting`.execute(db);
  const stored = rows[0]?.stored ?? {};
  return {
    vipPercent: stored.discounts?.vip_percent ?? defaultSettings.vipPercent,
    windowMs: stored.renewal?.window_ms ?? defaultSettings.windowMs,
    retryMs: stored.renewal?.retry_ms ?? defaultSettings.retryMs,
    reviveMs: stored.renewal?.revive_ms ?? defaultSettings.reviveMs,
    retention: {
      noticesMs: stored.retention?.notices_ms ?? defaultRetention.noticesMs,
      eventsMs: stored.retention?.events_ms ?? defaultRetention.eventsMs,
      keysMs: stored.retention?.keys_ms ?? defaultRetention.keysMs,
    },
    money: {
      topUpMax: stored.money?.top_up_max ?? defaultMoney.topUpMax,
      claims: stored.money?.claims ?? defaultMoney.claims,
    },
    noticeMs: stored.renewal?.notice_ms ?? defaultSettings.noticeMs,
    renewalAhead:
      stored.notices?.renewal_ahead.map((entry) => ({
        fromDays: entry.from_days,
        aheadMs: entry.ahead_ms,
      })) ?? defaultSettings.renewalAhead,
    trial: stored.trial,
  };
}
