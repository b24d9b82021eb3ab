import { sql } from 'kysely';
import type { Db, Tx } from '../db/connect.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import type { Step } from './difference.ts';

// Whom it affects that a plan or a price is no longer sold, and when.

export interface Withdrawal {
  readonly plan: string;
  /** Null: the whole plan is retired. Its subscriptions keep their prices and are renewed. */
  readonly period_days: number | null;
  readonly currency: string | null;
  readonly customers: number;
  readonly subscriptions: number;
  /** Ends of the first and the last of these subscriptions; null: there is none. */
  readonly first_end: string | null;
  readonly last_end: string | null;
}

interface Row {
  readonly customers: bigint;
  readonly subscriptions: bigint;
  readonly first: Instant | null;
  readonly last: Instant | null;
}

/** What these steps take away, one entry a step that does. */
export async function readWithdrawals(
  db: Db | Tx,
  steps: readonly Step[],
): Promise<readonly Withdrawal[]> {
  const found: Withdrawal[] = [];
  for (const step of steps) {
    if (step.do === 'retire-plan') {
      const rows = await affected(db, sql`(s.plan = ${step.plan} OR s.next_plan = ${step.plan})`);
      found.push(withdrawalOf(rows, step.plan, null, null));
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
  const rows = await affected(
    db,
    sql`s.kind = 'paid' AND s.auto_renew AND coalesce(s.next_plan, s.plan) = ${plan}
      AND coalesce(s.next_period_days, s.period_days) = ${periodDays}
      AND c.currency = ${currency}`,
  );
  return withdrawalOf(rows, plan, periodDays, currency);
}

async function affected(db: Db | Tx, which: ReturnType<typeof sql>): Promise<Row | undefined> {
  const { rows } = await sql<Row>`
    SELECT count(DISTINCT c.id) AS customers, count(*) AS subscriptions,
      min(s.expires_at) AS first, max(s.expires_at) AS last
    FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    WHERE s.state = 'active' AND ${which}`.execute(db);
  return rows[0];
}

const withdrawalOf = (
  row: Row | undefined,
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
export function withdrawalText(withdrawal: Withdrawal): string {
  const { plan, period_days: days, currency, subscriptions, first_end, last_end } = withdrawal;
  const customers = counted(withdrawal.customers, 'customer');
  const what = days === null ? `plan ${plan}` : `${plan} ${days} d in ${currency}`;
  if (subscriptions === 0) return `  ${what}: no customer is affected`;
  const whose = `${customers} with ${counted(subscriptions, 'subscription')}`;
  const when =
    first_end === last_end ? `end ${first_end}` : `ends from ${first_end} to ${last_end}`;
  return days === null
    ? `  ${what}: ${whose} keep it and are renewed; ${when}`
    : `  ${what}: ${whose} will not be renewed; ${when}; each is notified from 3 days before its end`;
}

const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;
