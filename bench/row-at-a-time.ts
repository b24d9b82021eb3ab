import type pg from 'pg';
import { benchNow } from '../testbed/dataset.ts';

// Renewal as a bot does it. Due subscriptions are read once, then renewed one after another by
// about ten statements each, with a commit per hundred. It writes the same rows as the engine, so
// that results can be compared, and takes the same locks, so that it is as safe. Statements have
// bound parameters and are parsed each time, which is the default of most drivers. The fastest
// variant prepares them once per connection.

export const formatIso = (at: Date): string => at.toISOString();
const formatMajor = (minor: bigint): string =>
  `${minor / 100n}.${(minor % 100n).toString().padStart(2, '0')}`;
const dayMs = 86_400_000;

// biome-ignore lint/suspicious/noExplicitAny: rows of many statements, whose columns are read once
export type Row = Record<string, any>;

export type RunQuery = (
  name: string,
  text: string,
  values: readonly unknown[],
) => Promise<Row | undefined>;

/** Renews one subscription by ten round trips. @returns whether it was renewed */
async function renewOne(runQuery: RunQuery, id: bigint, now: Date): Promise<boolean> {
  const owner = await runQuery(
    'owner',
    'SELECT customer_id FROM perennial.subscription WHERE id = $1',
    [id],
  );
  const customer = await runQuery(
    'customer',
    'SELECT * FROM perennial.customer WHERE id = $1 FOR NO KEY UPDATE',
    [owner?.customer_id],
  );
  const subscription = await runQuery(
    'subscription',
    'SELECT * FROM perennial.subscription WHERE id = $1',
    [id],
  );
  const listed = await runQuery(
    'price',
    `SELECT amount_minor FROM perennial.plan_price WHERE plan = $1 AND period_days = $2
     AND currency = $3 AND valid_from <= $4 ORDER BY valid_from DESC LIMIT 1`,
    [subscription?.plan, subscription?.period_days, customer?.currency, now],
  );
  if (customer === undefined || subscription === undefined || listed === undefined) return false;
  const { currency, balance_minor: balance } = customer as {
    currency: string;
    balance_minor: bigint;
  };
  const {
    plan,
    period_days: days,
    expires_at: endMs,
  } = subscription as {
    plan: string;
    period_days: number;
    expires_at: number;
  };
  const discount = customer.discount_percent as number;
  const percent = customer.vip ? Math.max(30, discount) : discount;
  const price = ((listed.amount_minor as bigint) * BigInt(100 - percent)) / 100n;
  const ids = [customer.id, id];
  const notice = `INSERT INTO perennial.notification (customer_id, subscription_id, channel, kind,
    dedupe_key, params, next_attempt_at, created_at)
    VALUES ($1, $2, 'telegram', $3, $4, $5, $6, $6) ON CONFLICT (dedupe_key) DO NOTHING`;
  if (balance < price) {
    const hourMs = now.getTime() + 3_600_000;
    const next = endMs > now.getTime() ? Math.min(hourMs, endMs) : hourMs;
    await runQuery('postpone', 'UPDATE perennial.subscription SET next_try_at = $2 WHERE id = $1', [
      id,
      new Date(next),
    ]);
    const params = {
      price: formatMajor(price),
      missing: formatMajor(price - balance),
      currency,
      plan,
    };
    const moreParams = { others: null, period_days: days, expires_at: formatIso(new Date(endMs)) };
    await runQuery('notice', notice, [
      ...ids,
      'low_balance',
      `low_balance:${id}:${endMs}`,
      { ...params, ...moreParams },
      now,
    ]);
    return false;
  }
  const starts = endMs + days * dayMs <= now.getTime() ? now : new Date(endMs);
  const ends = new Date(starts.getTime() + days * dayMs);
  await runQuery(
    'debit',
    'UPDATE perennial.customer SET balance_minor = balance_minor - $2 WHERE id = $1',
    [customer.id, price],
  );
  const entry = await runQuery(
    'entry',
    `INSERT INTO perennial.ledger_entry (customer_id, amount_minor, balance_after_minor, kind,
       idempotency_key, created_at)
     VALUES ($1, -$2::bigint, $3, 'renewal', $4, $5) RETURNING id`,
    [customer.id, price, balance - price, `renewal:${id}:${endMs}`, now],
  );
  await runQuery(
    'period',
    `INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at, ends_at,
       amount_minor, currency, ledger_entry_id, period_days, list_minor, discount_percent)
     VALUES ($2, $1, 'renewal', $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    [...ids, plan, starts, ends, price, currency, entry?.id, days, listed.amount_minor, percent],
  );
  await runQuery(
    'extend',
    `UPDATE perennial.subscription
     SET expires_at = $2, remind_at = $2::timestamptz - interval '3 days' WHERE id = $1`,
    [id, ends],
  );
  const params = { amount: formatMajor(price), currency, plan, period_days: days };
  const moreParams = {
    starts_at: formatIso(starts),
    ends_at: formatIso(ends),
    balance_after: formatMajor(balance - price),
  };
  await runQuery('notice', notice, [
    ...ids,
    'receipt',
    `receipt:${entry?.id}`,
    { ...params, ...moreParams },
    now,
  ]);
  const detail = {
    ledger_entry_id: `${entry?.id}`,
    amount_minor: `${price}`,
    plan,
    ends_at: formatIso(ends),
  };
  await runQuery(
    'event',
    `INSERT INTO perennial.event (customer_id, subject, action, actor, at, detail)
     VALUES ($1, $2, 'renewed', 'bot', $3, $4)`,
    [customer.id, `subscription:${id}`, now, detail],
  );
  return true;
}

export interface Bot {
  /** SQL that selects at most `$2` ids that are due at `$1`. */
  readonly find: string;
  /** Processes one id. @returns whether it changed */
  readonly processOne: (runQuery: RunQuery, id: bigint, now: Date) => Promise<boolean>;
}

/** Processes up to `max` due ids, with a commit per hundred. @returns the number of changes */
export async function runRowByRow(
  client: pg.Client,
  { find, processOne }: Bot,
  max: number,
  prepared: boolean,
): Promise<number> {
  const now = new Date(benchNow);
  const runQuery: RunQuery = async (name, text, values) =>
    (await client.query({ ...(prepared && { name }), text, values: [...values] })).rows[0];
  const { rows } = await client.query(find, [now, max]);
  let processed = 0;
  for (let at = 0; at < rows.length; at += 100) {
    await client.query('BEGIN');
    for (const { id } of rows.slice(at, at + 100)) {
      if (await processOne(runQuery, id, now)) processed += 1;
    }
    await client.query('COMMIT');
  }
  return processed;
}

export const renewingBot: Bot = {
  find: `SELECT id FROM perennial.subscription WHERE kind = 'paid' AND auto_renew AND state = 'active'
    AND expires_at <= $1::timestamptz + interval '6 hours' ORDER BY expires_at, id LIMIT $2`,
  processOne: renewOne,
};
