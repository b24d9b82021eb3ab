import { sql } from 'kysely';
import type { Db, Tx } from '../../db/connect.ts';
import {
  defaultMoney,
  defaultRetention,
  defaultSettings,
  type Settings,
} from '../rules/settings.ts';

export interface StoredSettings {
  discounts?: { vip_percent: number };
  retention?: { notices_ms: number; events_ms: number; keys_ms: number };
  renewal?: { window_ms: number; retry_ms: number; revive_ms: number; notice_ms?: number };
  notices?: { renewal_ahead: { from_days: number; ahead_ms: number | null }[] };
  money?: { top_up_max: string; claims: boolean; spend_floor?: number; spend_factor?: number };
  trial?: { plan: string; days: number };
}

/** All stored settings as one value, for `toSettings`. */
export const selectStoredSettings = sql`
  (SELECT jsonb_object_agg(key, value) FROM perennial.setting)`;

/** Reads the settings. */
export async function readSettings(db: Db | Tx): Promise<Settings> {
  const { rows } = await sql<{ stored: StoredSettings | null }>`
    SELECT ${selectStoredSettings} AS stored`.execute(db);
  return toSettings(rows[0]?.stored ?? null);
}

/** A setting that was never applied has its default. */
export function toSettings(all: StoredSettings | null): Settings {
  const stored = all ?? {};
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
      spend: {
        floor: stored.money?.spend_floor ?? defaultMoney.spend.floor,
        factor: stored.money?.spend_factor ?? defaultMoney.spend.factor,
      },
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
