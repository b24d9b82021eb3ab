import { sql } from 'kysely';
import type { Db, Tx } from '../db/connect.ts';
import { formatCount } from '../kernel/count.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import type { CatalogStep } from './diff.ts';

// The customers that a withdrawn plan or price affects, and the ends of their subscriptions.

export interface Withdrawal {
  readonly plan: string;
  /** Null: the whole plan is retired. Its subscriptions keep their prices and are renewed. */
  readonly period_days: number | null;
  readonly currency: string | null;
  readonly customers: number;
  readonly subscriptions: number;
  /** The first and the last end of these subscriptions; null without a subscription. */
  readonly first_end: string | null;
  readonly last_end: string | null;
}

interface AffectedRow {
  readonly customers: bigint;
  readonly subscriptions: bigint;
  readonly first: Instant | null;
  readonly last: Instant | null;
}

/** One entry for each step that withdraws a plan or a price. */
export async function readWithdrawals(
  db: Db | Tx,
  steps: readonly CatalogStep[],
): Promise<readonly Withdrawal[]> {
  const found: Withdrawal[] = [];
  for (const step of steps) {
    if (step.do === 'retire-plan') {
      const rows = await readAffected(
        db,
        sql`(s.plan = ${step.plan} OR s.next_plan = ${step.plan})`,
      );
      found.push(toWithdrawal(rows, step.plan, null, null));
    } else if (step.do === 'set-price' && step.amountMinor === null) {
      const { plan, periodDays, currency } = step;
      found.push(await readPriceWithdrawal(db, plan, periodDays, currency));
    }
  }
  return found;
}

/** Subscriptions whose renewal needs this price. */
export async function readPriceWithdrawal(
  db: Db | Tx,
  plan: string,
  periodDays: number,
  currency: string,
): Promise<Withdrawal> {
  const rows = await readAffected(
    db,
    sql`s.kind = 'paid' AND s.auto_renew AND coalesce(s.next_plan, s.plan) = ${plan}
      AND coalesce(s.next_period_days, s.period_days) = ${periodDays}
      AND c.currency = ${currency}`,
  );
  return toWithdrawal(rows, plan, periodDays, currency);
}

async function readAffected(
  db: Db | Tx,
  condition: ReturnType<typeof sql>,
): Promise<AffectedRow | undefined> {
  const { rows } = await sql<AffectedRow>`
    SELECT count(DISTINCT c.id) AS customers, count(*) AS subscriptions,
      min(s.expires_at) AS first, max(s.expires_at) AS last
    FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    WHERE s.state = 'active' AND ${condition}`.execute(db);
  return rows[0];
}

const toWithdrawal = (
  row: AffectedRow | undefined,
  plan: string,
  periodDays: number | null,
  currency: string | null,
): Withdrawal => ({
  plan,
  period_days: periodDays,
  currency,
  customers: Number(row?.customers ?? 0n),
  subscriptions: Number(row?.subscriptions ?? 0n),
  first_end: row?.first ? isoTime(row.first) : null,
  last_end: row?.last ? isoTime(row.last) : null,
});

/** The withdrawal as a line for a person. */
export function formatWithdrawal(withdrawal: Withdrawal): string {
  const { plan, period_days: days, currency, subscriptions, first_end, last_end } = withdrawal;
  const customers = formatCount(withdrawal.customers, 'customer');
  const label = days === null ? `plan ${plan}` : `${plan} ${days} d in ${currency}`;
  if (subscriptions === 0) return `  ${label}: no customer is affected`;
  const affected = `${customers} with ${formatCount(subscriptions, 'subscription')}`;
  const when =
    first_end === last_end ? `end ${first_end}` : `ends from ${first_end} to ${last_end}`;
  return days === null
    ? `  ${label}: ${affected} will keep it and be renewed; ${when}`
    : `  ${label}: ${affected} will not be renewed; ${when}; each customer is notified from 3 days before the end`;
}
