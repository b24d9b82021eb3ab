import { sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import { anyOf } from '../../db/unnest.ts';
import type { CustomerId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import type { PlanChoice } from '../../outbox/plan-choice.ts';
import { computePriceMinor, type Discount } from '../rules/price.ts';

interface ChoiceRow extends Discount {
  readonly customerId: CustomerId;
  readonly plan: string;
  readonly title: Readonly<Record<string, string>>;
  readonly periodDays: number;
  readonly currency: string;
  readonly listMinor: bigint;
}

/** The plans and lengths that each of these customers can buy now. */
export async function readChoices(
  tx: Tx,
  customers: readonly CustomerId[],
  now: Instant,
  vipPercent: number,
): Promise<Map<CustomerId, PlanChoice[]>> {
  if (customers.length === 0) return new Map();
  const { rows } = await sql<ChoiceRow>`
    SELECT c.id AS "customerId", c.vip, c.discount_percent AS "discountPercent", p.key AS plan,
      p.title, list.period_days AS "periodDays", list.currency, list.amount_minor AS "listMinor"
    FROM perennial.customer c
    JOIN (SELECT DISTINCT ON (plan, period_days, currency)
        plan, period_days, currency, amount_minor
      FROM perennial.plan_price WHERE valid_from <= ${isoTime(now)}
      ORDER BY plan, period_days, currency, valid_from DESC) list ON list.currency = c.currency
    JOIN perennial.plan p ON p.key = list.plan AND p.retired_at IS NULL
    WHERE c.id = ${anyOf('bigint', customers)} AND list.amount_minor IS NOT NULL
    ORDER BY p.key, list.period_days`.execute(tx);
  const toChoice = (row: ChoiceRow): PlanChoice => ({
    plan: row.plan,
    title: row.title,
    period_days: row.periodDays,
    amount: majorUnits(computePriceMinor(row.listMinor, row, vipPercent), row.currency),
    currency: row.currency,
  });
  return new Map(
    [...Map.groupBy(rows, (row) => row.customerId)].map(([id, own]) => [id, own.map(toChoice)]),
  );
}
