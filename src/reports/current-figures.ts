import { sql } from 'kysely';
import { readClock } from '../db/clock.ts';
import type { Db, Tx } from '../db/connect.ts';
import { dayMs, type Instant, later } from '../kernel/instant.ts';
import { majorUnits } from '../kernel/money.ts';
import type { Metric } from '../runs/metrics.ts';
import { isRunningAt, mrrWhileRunning, selectCharges, toTimeSql } from './charged-time.ts';
import { readInSnapshot } from './snapshot.ts';

// The present figures of the business as metrics: money of the last 24 hours, counts, and MRR.
//
// Counts and money read rows of an index. MRR reads all charged periods that run, so it is read
// less often (`http/figure-cache.ts`).

interface FigureRow {
  readonly figure: string;
  readonly label: string;
  readonly value: number;
}

interface AmountRow {
  readonly figure: string;
  readonly currency: string;
  readonly amount: string;
}

/** A count above this is shown as this. */
const countMax = 10_000;

const countTexts: Readonly<Record<string, { readonly help: string; readonly label?: string }>> = {
  perennial_renewals_late: {
    help: 'Renewals past the end of their subscription that auto-renewal has not tried, at most 10,000.',
  },
  perennial_renewals_short: {
    help: 'Active subscriptions whose renewal was tried and waits, mostly for money, at most 10,000.',
  },
  perennial_held: { help: 'Items that a guard held in the last recorded run.', label: 'worker' },
};

const recentAmounts = {
  perennial_collected_amount: 'Top-ups of the last 24 hours in major units; age up to 1 minute.',
  perennial_charged_amount:
    'Purchases and renewals of the last 24 hours in major units; age up to 1 minute.',
};
const mrrAmounts = {
  perennial_mrr_amount: 'Charges of running periods per 30 days in major units; age up to 1 hour.',
};

/** Counts, and money of the last 24 hours. */
export async function readRecentMetrics(db: Db): Promise<Metric[]> {
  // A function that reads the clock would keep the statements from the indexes.
  const now = await readClock(db);
  const dayAgo = toTimeSql(later(now, -dayMs));
  const { rows: counts } = await sql<FigureRow>`
    SELECT 'perennial_renewals_late' AS figure, '' AS label, count(*)::float8 AS value FROM (
      SELECT FROM perennial.subscription
      WHERE kind = 'paid' AND auto_renew AND next_try_at IS NULL AND state IN ('active', 'expired')
        AND expires_at < ${toTimeSql(now)} LIMIT ${sql.lit(countMax)}) late
    UNION ALL
    SELECT 'perennial_renewals_short', '', count(*)::float8 FROM (
      SELECT FROM perennial.subscription
      WHERE kind = 'paid' AND auto_renew AND next_try_at IS NOT NULL AND state = 'active'
      LIMIT ${sql.lit(countMax)}) short
    UNION ALL
    SELECT 'perennial_held', worker, held FROM (
      SELECT DISTINCT ON (worker) worker, coalesce((detail->>'held')::float8, 0)
        + coalesce((detail->>'held_charges')::float8, 0) AS held
      FROM perennial.worker_run
      WHERE worker IN (
          SELECT holder.worker FROM perennial.worker_run holder
          WHERE holder.detail ?| '{held,held_charges}' AND holder.started_at > ${dayAgo})
        AND started_at > ${dayAgo} AND outcome IN ('success', 'partial', 'degraded')
      ORDER BY worker, id DESC) last`.execute(db);
  const recent = await readAmountsSince(db, later(now, 1 - dayMs));
  const amounts = recent.map(({ kind, currency, minor }) => ({
    figure: `perennial_${kind}_amount`,
    currency,
    amount: minor.toString(),
  }));
  return [...toCountMetrics(counts), ...toAmountMetrics(recentAmounts, amounts)];
}

/** Entries of one kind and currency. */
export interface RecentAmount {
  readonly kind: 'collected' | 'charged';
  readonly currency: string;
  readonly count: number;
  readonly minor: bigint;
}

/**
 * Top-ups, and purchases and renewals, from this time on. A payment that was moved from another
 * customer is no further top-up.
 */
export async function readAmountsSince(db: Db | Tx, since: Instant): Promise<RecentAmount[]> {
  const { rows } = await sql<RecentAmount & { count: bigint; minor: string }>`
    SELECT CASE e.kind WHEN 'top_up' THEN 'collected' ELSE 'charged' END AS kind, c.currency,
      count(*) AS count, sum(abs(e.amount_minor))::text AS minor
    FROM perennial.ledger_entry e JOIN perennial.customer c ON c.id = e.customer_id
    WHERE e.created_at >= ${toTimeSql(since)}
      AND (e.kind IN ('purchase', 'renewal') OR e.kind = 'top_up' AND e.payment_entry_id IS NULL)
    GROUP BY 1, 2 ORDER BY 1, 2`.execute(db);
  return rows.map((row) => ({ ...row, count: Number(row.count), minor: BigInt(row.minor) }));
}

function toCountMetrics(rows: readonly FigureRow[]): Metric[] {
  return Object.entries(countTexts).map(([name, { help, label }]) => ({
    name,
    help,
    labels: label === undefined ? [] : [label],
    values: rows
      .filter(({ figure }) => figure === name)
      .map((row) => ({ of: label === undefined ? {} : { [label]: row.label }, value: row.value })),
  }));
}

/** A currency without an amount has no value. */
function toAmountMetrics(
  texts: Readonly<Record<string, string>>,
  rows: readonly AmountRow[],
): Metric[] {
  return Object.entries(texts).map(([name, help]) => ({
    name,
    help,
    labels: ['currency'],
    values: rows
      .filter(({ figure }) => figure === name)
      .map(({ currency, amount }) => ({
        of: { currency },
        value: Number(majorUnits(BigInt(amount), currency)),
      })),
  }));
}

/** Reads all charged periods that run now. */
export function readMrrMetrics(db: Db): Promise<Metric[]> {
  return readInSnapshot(db, async (tx) => {
    const now = await readClock(tx);
    const { rows } = await sql<AmountRow>`
      SELECT 'perennial_mrr_amount' AS figure, currency, sum(${mrrWhileRunning}) AS amount
      FROM (${selectCharges(later(now, 1), isRunningAt(now))}) charge GROUP BY currency`.execute(
      tx,
    );
    return toAmountMetrics(mrrAmounts, rows);
  });
}
