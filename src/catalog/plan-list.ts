import { sql } from 'kysely';
import type { Db, Tx } from '../db/connect.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { majorUnits } from '../kernel/money.ts';

/** A plan as commands and the API show it. */
export interface ListedPlan {
  readonly key: string;
  readonly title: Record<string, string>;
  readonly groups: readonly string[];
  readonly retired_at: string | null;
  readonly prices: readonly {
    readonly period_days: number;
    readonly currency: string;
    readonly amount: string;
    /** The start of a future price; null for the present one. */
    readonly valid_from: string | null;
  }[];
}

interface PriceRow {
  readonly plan: string;
  readonly period_days: number;
  readonly currency: string;
  readonly amount_minor: bigint;
  readonly valid_from: Instant;
}

/** Plans with their present and future prices. */
export async function listPlans(db: Db | Tx, now: Instant): Promise<ListedPlan[]> {
  const plans = await db
    .selectFrom('perennial.plan')
    .select(['key', 'title', 'groups', 'retired_at'])
    .orderBy('key')
    .execute();
  const { rows: prices } = await sql<PriceRow>`
    SELECT plan, period_days, currency, amount_minor, valid_from
    FROM perennial.plan_price p
    WHERE amount_minor IS NOT NULL AND NOT EXISTS (
      SELECT FROM perennial.plan_price newer
      WHERE (newer.plan, newer.period_days, newer.currency) = (p.plan, p.period_days, p.currency)
        AND newer.valid_from > p.valid_from AND newer.valid_from <= ${isoTime(now)})
    ORDER BY plan, currency, period_days, valid_from`.execute(db);
  return plans.map((plan) => ({
    key: plan.key,
    title: plan.title,
    groups: plan.groups,
    retired_at: plan.retired_at === null ? null : isoTime(plan.retired_at),
    prices: prices
      .filter((price) => price.plan === plan.key)
      .map((price) => ({
        period_days: price.period_days,
        currency: price.currency,
        amount: majorUnits(price.amount_minor, price.currency),
        valid_from: price.valid_from > now ? isoTime(price.valid_from) : null,
      })),
  }));
}
