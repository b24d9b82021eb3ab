import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { anyOf, unnest } from '../db/unnest.ts';
import { dayMs, type Instant, isoTime, later } from '../kernel/instant.ts';
import { computePriceMinor, type Discount } from '../subscription/rules/price.ts';
import {
  type ChargeSum,
  type ChargeSums,
  comparedMaxMs,
  forecastStepMs,
} from '../subscription/rules/spend-limit.ts';
import type { BatchContext } from './worker.ts';

// The stored forecast of charges, and the charges of a run that are compared with it.

/** The worker that stores the forecast. */
export const forecastWorkerName = 'store-forecast' as const;

/** The workers that charge. Both count against one limit. */
export const chargingWorkers = ['auto-renewal', 'fast-expiry-cleanup'] as const;

/** The charges of one step and currency. */
export interface ForecastStep extends ChargeSum {
  readonly at: Instant;
  readonly currency: string;
}

/** Older steps are deleted. */
const keptMs = 7 * dayMs;

/** A forecast of this age contains the next day. */
const freshMs = 2 * dayMs;

/** Whether a forecast was ever stored. */
export async function hasChargeForecast(tx: Tx): Promise<boolean> {
  const { rows } = await sql<{ has: boolean }>`
    SELECT EXISTS (SELECT FROM perennial.worker_state
      WHERE worker = ${forecastWorkerName} AND passed_at IS NOT NULL) AS has`.execute(tx);
  return rows[0]?.has === true;
}

/**
 * Replaces the steps from `from` on. Earlier steps stay as they were forecast.
 * @param lastId the last subscription that the forecast contains
 */
export async function writeChargeForecast(
  tx: Tx,
  steps: readonly ForecastStep[],
  from: Instant,
  lastId: bigint,
): Promise<void> {
  await sql`
    UPDATE perennial.worker_state SET last_subscription_id = ${lastId}
    WHERE worker = ${forecastWorkerName}`.execute(tx);
  await sql`
    DELETE FROM perennial.charge_forecast
    WHERE at >= ${isoTime(from)} OR at < ${isoTime(later(from, -keptMs))}`.execute(tx);
  if (steps.length === 0) return;
  await sql`
    INSERT INTO perennial.charge_forecast (at, currency, charges, amount_minor)
    SELECT * FROM ${unnest('step', steps, {
      at: ['timestamptz', (row) => row.at],
      currency: ['text', (row) => row.currency],
      charges: ['bigint', (row) => row.count],
      amount_minor: ['bigint', (row) => row.minor],
    })}`.execute(tx);
}

/** The forecast of the steps that overlap the time from `from` to `until`. */
export async function readChargeForecast(
  tx: Tx,
  from: Instant,
  until: Instant,
): Promise<ChargeSums> {
  const { rows } = await sql<{ currency: string; count: bigint; minor: bigint }>`
    SELECT currency, sum(charges)::bigint AS count, sum(amount_minor)::bigint AS minor
    FROM perennial.charge_forecast
    WHERE at > ${isoTime(later(from, -forecastStepMs))} AND at <= ${isoTime(until)}
    GROUP BY currency`.execute(tx);
  return new Map(
    rows.map(({ currency, count, minor }) => [currency, { count: Number(count), minor }]),
  );
}

/** The charges that become due within a time. */
export interface DueForecast {
  readonly charges: readonly (ChargeSum & { readonly currency: string })[];
  /** `forecast`: stored at `asOf`. `prices`: the present subscriptions at their present prices. */
  readonly source: 'forecast' | 'prices';
  readonly asOf: Instant | null;
}

/**
 * The charges that become due within `ms` from now, by currency. Without a recent forecast all due
 * subscriptions are read, also those that are due already.
 */
export async function readDueForecast(
  tx: Tx,
  context: Pick<BatchContext, 'now' | 'settings' | 'prices'>,
  ms: number,
): Promise<DueForecast> {
  const { now } = context;
  const until = later(now, ms);
  const { rows } = await sql<{ passedAt: Instant | null }>`
    SELECT max(passed_at) AS "passedAt" FROM perennial.worker_state
    WHERE worker = ${forecastWorkerName}`.execute(tx);
  const passedAt = rows[0]?.passedAt ?? null;
  const asOf = passedAt !== null && passedAt > later(now, -freshMs) ? passedAt : null;
  const sums =
    asOf === null
      ? await readDueCharges(tx, { ...context, now: until })
      : await readChargeForecast(tx, now, until);
  const charges = [...sums].map(([currency, sum]) => ({ currency, ...sum }));
  charges.sort((one, other) => (one.currency < other.currency ? -1 : 1));
  return { charges, source: asOf === null ? 'prices' : 'forecast', asOf };
}

/** The facts of a run before its first charge, from a few rows. */
export interface SpendFacts {
  readonly hasForecast: boolean;
  /** The start of the last complete run of auto-renewal. */
  readonly lastPassAt: Instant | null;
  /** Charges of both workers since then. A revival follows a payment and does not count. */
  readonly doneCount: number;
  /** First attempts that are due, at most `max`, of subscriptions that the forecast contains. */
  readonly dueCount: number;
}

/** The last subscription: a forecast that begins now contains all until it. */
export async function readLastSubscription(tx: Tx): Promise<bigint> {
  const { rows } = await sql<{ id: bigint | null }>`
    SELECT max(id) AS id FROM perennial.subscription`.execute(tx);
  return rows[0]?.id ?? 0n;
}

const selectLastCompared = sql`
  coalesce((SELECT last_subscription_id FROM perennial.worker_state
    WHERE worker = ${forecastWorkerName}), 9223372036854775807)`;

/**
 * Reads `subscription_due`: due rows without an attempt for this period. `+ 0` keeps PostgreSQL
 * from reading all rows by their id.
 */
const selectDue = (now: Instant, windowMs: number) => sql`
  FROM perennial.subscription due
  WHERE due.kind = 'paid' AND due.auto_renew AND due.next_try_at IS NULL
    AND due.state = 'active'
    AND due.expires_at <= ${isoTime(later(now, windowMs))}
    AND due.id + 0 <= ${selectLastCompared}
    AND NOT EXISTS (SELECT FROM perennial.quarantine q
      WHERE q.worker = 'auto-renewal' AND q.item = due.id::text)`;

/**
 * The forecast expected a short charge at its first attempt, which left this notification. So a
 * later payment makes no unexpected charge. The subquery keeps PostgreSQL at one row by its key.
 */
const isFirstAttempt = sql`
  (SELECT n.id FROM perennial.notification n
   WHERE n.dedupe_key = 'low_balance:' || due.id || ':'
     || (extract(epoch FROM due.expires_at) * 1000)::bigint LIMIT 1) IS NULL`;

export async function readSpendFacts(
  tx: Tx,
  { now, settings }: Pick<BatchContext, 'now' | 'settings'>,
  max: number,
): Promise<SpendFacts> {
  const { rows } = await sql<SpendFacts & { doneCount: bigint; dueCount: bigint }>`
    SELECT forecast.passed_at IS NOT NULL AS "hasForecast", last.passed_at AS "lastPassAt",
      (SELECT coalesce(sum(coalesce((r.detail->>'renewed')::bigint, 0)
          - coalesce((r.detail->>'revived')::bigint, 0)), 0)::bigint
        FROM perennial.worker_run r
        WHERE r.worker = ${anyOf('text', chargingWorkers)}
          AND r.started_at > greatest(last.passed_at, ${isoTime(later(now, -comparedMaxMs))})
          AND r.started_at <= ${isoTime(now)}) AS "doneCount",
      (SELECT count(*) FROM (SELECT ${selectDue(now, settings.windowMs)} AND ${isFirstAttempt}
        LIMIT ${max}) page)
        AS "dueCount"
    FROM (SELECT max(passed_at) AS passed_at FROM perennial.worker_state
        WHERE worker = ${forecastWorkerName}) forecast,
      (SELECT max(passed_at) AS passed_at FROM perennial.worker_state
        WHERE worker = 'auto-renewal') last`.execute(tx);
  const row = rows[0] as SpendFacts & { doneCount: bigint; dueCount: bigint };
  return { ...row, doneCount: Number(row.doneCount), dueCount: Number(row.dueCount) };
}

interface DueGroup extends Discount {
  readonly currency: string;
  readonly plan: string;
  readonly periodDays: number;
  readonly count: bigint;
}

/**
 * The charges that are due, at their prices, whether or not the balance covers them.
 * @param attempts `first`: only charges without an earlier attempt
 */
export async function readDueCharges(
  tx: Tx,
  { now, settings, prices }: Pick<BatchContext, 'now' | 'settings' | 'prices'>,
  attempts: 'all' | 'first' = 'all',
): Promise<ChargeSums> {
  const { rows } = await sql<DueGroup>`
    SELECT c.currency, c.vip, c.discount_percent AS "discountPercent", d.plan,
      d.days AS "periodDays", count(*) AS count
    FROM (SELECT due.customer_id, coalesce(due.next_plan, due.plan) AS plan,
        coalesce(due.next_period_days, due.period_days) AS days
      ${selectDue(now, settings.windowMs)}
        AND ${attempts === 'all' ? sql`true` : isFirstAttempt}) d
    JOIN perennial.customer c ON c.id = d.customer_id
    GROUP BY 1, 2, 3, 4, 5`.execute(tx);
  const sums = new Map<string, { count: number; minor: bigint }>();
  for (const group of rows) {
    const { currency, plan, periodDays, count } = group;
    const sum = sums.get(currency) ?? { count: 0, minor: 0n };
    const listMinor = prices.getMinor(plan, periodDays, currency) ?? 0n;
    sum.count += Number(count);
    sum.minor += count * computePriceMinor(listMinor, group, settings.vipPercent);
    sums.set(currency, sum);
  }
  return sums;
}
