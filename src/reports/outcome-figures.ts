import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { isWithin, mrrWhileRunning, selectCharges, toTimeSql } from './charged-time.ts';
import type { ReportMonth } from './month.ts';

// The outcomes of trials, and of subscriptions with too little balance, in a month.

export interface OutcomeFigures {
  readonly currency: string;
  readonly trialsEnded: bigint;
  /** Of these trials: the customer was charged before the end of the month. */
  readonly trialsPaid: bigint;
  /** Subscriptions that expired because the balance was short, and have no later charge. */
  readonly lost: bigint;
  /** The MRR of their last periods. */
  readonly lostMrr: bigint;
}

export async function readOutcomes(tx: Tx, month: ReportMonth): Promise<OutcomeFigures[]> {
  const [trials, losses] = [await readTrials(tx, month), await readLosses(tx, month)];
  const currencies = new Set([...trials, ...losses].map(({ currency }) => currency));
  return [...currencies].map((currency) => ({
    ...{ trialsEnded: 0n, trialsPaid: 0n, lost: 0n, lostMrr: 0n },
    ...trials.find((one) => one.currency === currency),
    ...losses.find((one) => one.currency === currency),
    currency,
  }));
}

async function readTrials(tx: Tx, month: ReportMonth) {
  const { rows } = await sql<Pick<OutcomeFigures, 'currency' | 'trialsEnded' | 'trialsPaid'>>`
    SELECT p.currency, count(*) AS "trialsEnded", count(*) FILTER (WHERE EXISTS (
      SELECT FROM perennial.ledger_entry e WHERE e.customer_id = p.customer_id
        AND e.kind IN ('purchase', 'renewal') AND e.amount_minor < 0
        AND e.created_at < ${toTimeSql(month.until)})) AS "trialsPaid"
    FROM perennial.period p
    WHERE p.source = 'trial' AND ${isWithin(sql`p.ends_at`, month)}
    GROUP BY p.currency`.execute(tx);
  return rows;
}

/** The last expiry of a subscription in the month counts, unless a charge followed it. */
async function readLosses(tx: Tx, month: ReportMonth) {
  const isOfExpired = sql`p.subscription_id IN (SELECT subscription_id FROM expired)`;
  const { rows } = await sql<{ currency: string; lost: bigint; lostMrr: string }>`
    WITH expired AS MATERIALIZED (
      SELECT customer_id, split_part(subject, ':', 2)::bigint AS subscription_id, max(at) AS at
      FROM perennial.event
      WHERE action = 'expired' AND ${isWithin(sql`at`, month)} AND detail->>'short' = 'true'
      GROUP BY 1, 2),
    last_charge AS (
      SELECT DISTINCT ON (subscription_id) subscription_id, charged_at, ${mrrWhileRunning} AS mrr
      FROM (${selectCharges(month.until, isOfExpired)}) charge WHERE refunded_at IS NULL
      ORDER BY subscription_id, charged_at DESC, id DESC)
    SELECT c.currency, count(*) AS lost, coalesce(sum(last_charge.mrr), 0) AS "lostMrr"
    FROM expired JOIN perennial.customer c ON c.id = expired.customer_id
    LEFT JOIN last_charge USING (subscription_id)
    WHERE charged_at IS NULL OR charged_at <= expired.at
    GROUP BY c.currency`.execute(tx);
  return rows.map((row) => ({ ...row, lostMrr: BigInt(row.lostMrr) }));
}
