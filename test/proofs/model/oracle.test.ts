import { type RawBuilder, sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { day, hour } from '../../support/customer-model.ts';
import type { Command } from './commands.ts';
import { readFacts, requireEqual } from './comparison.ts';
import { createCounts, runStep, type SequenceRun, startSequence } from './sequence-run.ts';
import type { Step } from './sequences.ts';
import { closeStage, createStage, type Stage } from './stage.ts';

// The model as an oracle: after a story, each corruption of the database is a difference. Each
// corruption keeps all sums right if possible, so that no constraint and no sum detects it.

const createCommandStep = (command: Command): Step => ({
  step: 'group',
  acts: [{ act: 'command', customer: 0, command }],
});

/** A month of basic for 149.01, renewed 3 h before its end. Then another payment of 100.00. */
const story: readonly Step[] = [
  createCommandStep({ do: 'top-up', amount: 90_000, payment: '0' }),
  createCommandStep({ do: 'purchase', plan: 'basic', days: 30, sub: 'new' }),
  { step: 'clock', byMs: 30 * day - 3 * hour },
  { step: 'group', acts: [{ act: 'run', batchMax: 1_000 }] },
  createCommandStep({ do: 'top-up', amount: 10_000, payment: '1' }),
];

const renewalSql = `(SELECT max(id) FROM period WHERE source = 'renewal')`;
const chargeSql = `(SELECT ledger_entry_id FROM period WHERE id = ${renewalSql})`;
const endSql = 'UPDATE subscription SET expires_at = (SELECT max(ends_at) FROM period)';
const receiptSql = `UPDATE notification SET`;
const whereReceiptSql = `WHERE dedupe_key = 'receipt:' || ${chargeSql}`;

/** The corruption, the first difference that the model reports, and the statements. */
const corruptions: readonly (readonly [string, string, readonly string[]])[] = [
  [
    'a double price, with its ledger and its receipt',
    'balance',
    [
      `UPDATE ledger_entry SET balance_after_minor = balance_after_minor - 14901
       WHERE id >= ${chargeSql}`,
      `UPDATE ledger_entry SET amount_minor = 2 * amount_minor WHERE id = ${chargeSql}`,
      'UPDATE customer SET balance_minor = balance_minor - 14901',
      `${receiptSql} params = params || '{"amount": "298.02"}' ${whereReceiptSql}`,
      `UPDATE period SET amount_minor = 29802 WHERE id = ${renewalSql}`,
    ],
  ],
  [
    '3 days for 30',
    'subs 0',
    [`UPDATE period SET ends_at = starts_at + interval '3 days' WHERE id = ${renewalSql}`, endSql],
  ],
  [
    '300 days for 30',
    'subs 0',
    [
      `UPDATE period SET ends_at = starts_at + interval '300 days' WHERE id = ${renewalSql}`,
      endSql,
    ],
  ],
  [
    'a second charge within 30 s, for the period behind the first one',
    'balance',
    [
      `INSERT INTO ledger_entry (customer_id, amount_minor, balance_after_minor, kind,
         idempotency_key, created_at)
       SELECT id, -14901, balance_minor - 14901, 'renewal', 'twice', clock() + interval '30 s' FROM customer`,
      'UPDATE customer SET balance_minor = balance_minor - 14901',
      `INSERT INTO period (subscription_id, customer_id, source, plan, starts_at, ends_at,
         amount_minor, currency, ledger_entry_id, period_days, list_minor, discount_percent)
       SELECT subscription_id, customer_id, source, plan, ends_at, ends_at + interval '30 days',
         amount_minor, currency, (SELECT max(id) FROM ledger_entry), period_days, list_minor,
         discount_percent FROM period WHERE id = ${renewalSql}`,
      `INSERT INTO notification (customer_id, subscription_id, channel, kind, dedupe_key, params,
         next_attempt_at, created_at)
       SELECT customer_id, subscription_id, channel, kind, 'receipt:' || ${chargeSql}, params,
         next_attempt_at, created_at FROM notification WHERE kind = 'receipt' LIMIT 1`,
      endSql,
    ],
  ],
  [
    'a refund without money',
    'subs 0',
    [
      `UPDATE period SET refunded_at = clock() WHERE id = ${renewalSql}`,
      'UPDATE subscription SET expires_at = (SELECT min(ends_at) FROM period)',
    ],
  ],
  [
    'a receipt with another amount',
    'notices',
    [`${receiptSql} params = params || '{"amount": "14.90"}' ${whereReceiptSql}`],
  ],
  [
    'a receipt that is never sent',
    'notices',
    [`${receiptSql} state = 'suppressed', reason = 'x' ${whereReceiptSql}`],
  ],
  [
    'a receipt that is delayed',
    'notices',
    [`${receiptSql} next_attempt_at = 'infinity' ${whereReceiptSql}`],
  ],
  ['a missing receipt', 'notices', [`DELETE FROM notification ${whereReceiptSql}`]],
  [
    'a hole between two renewals',
    'subs 0',
    [
      `UPDATE period SET starts_at = starts_at + interval '3 days',
         ends_at = ends_at + interval '3 days' WHERE id = ${renewalSql}`,
      endSql,
    ],
  ],
  ['a next attempt in 2099', 'subs 0', [`UPDATE subscription SET next_try_at = '2099-01-01Z'`]],
  [
    'a quarantine for a century',
    'subs 0',
    [
      `INSERT INTO quarantine (worker, item, reason, attempts, retry_at, first_seen_at)
       SELECT 'auto-renewal', id::text, 'x', 1, clock() + interval '100 years', clock()
       FROM subscription`,
    ],
  ],
  [
    'no worker for days',
    'the last run',
    [`UPDATE worker_state SET passed_at = passed_at - interval '3 days'`, 'DELETE FROM worker_run'],
  ],
  [
    'one payment under two spellings of its provider',
    'balance',
    [
      `INSERT INTO ledger_entry (customer_id, amount_minor, balance_after_minor, kind,
         idempotency_key, provider, provider_ref, created_at)
       SELECT c.id, e.amount_minor, c.balance_minor + e.amount_minor, 'top_up', 'twice', 'Card',
         e.provider_ref, clock() FROM customer c, ledger_entry e WHERE e.provider_ref LIKE '%.1'`,
      'UPDATE customer SET balance_minor = balance_minor + 10000',
      `INSERT INTO event (customer_id, subject, action, actor, at)
       SELECT customer_id, subject, action, actor, at FROM event WHERE action = 'topped_up' LIMIT 1`,
    ],
  ],
  ['a more expensive plan than its period', 'subs 0', [`UPDATE subscription SET plan = 'plus'`]],
  [
    'a price that the customer was never notified of',
    'subs 0',
    [
      `INSERT INTO known_price (customer_id, subscription_id, plan, period_days, amount_minor,
         source, known_at)
       SELECT customer_id, id, 'basic', 30, 99900, 'choice', clock() FROM subscription`,
    ],
  ],
  ['a claim without a chargeback', 'claim', ['UPDATE customer SET claim_minor = 10000']],
  ['a timeline that was deleted', 'events', ['DELETE FROM event']],
];

let stage: Stage;
let current: SequenceRun;

beforeAll(async () => {
  stage = await createStage();
  current = await startSequence(stage, 1);
  for (const step of story) await runStep(current, step, createCounts());
}, 60_000);
afterAll(() => closeStage(stage));

/** The difference after these statements, which are rolled back. */
async function findDifference(
  statements: readonly RawBuilder<unknown>[],
): Promise<string | undefined> {
  const found: { difference?: string } = {};
  const undo = new Error('roll back');
  const corrupted = stage.database.db.transaction().execute(async (tx) => {
    // Triggers and foreign keys are off, because no program may write this.
    await sql`SET LOCAL session_replication_role = replica`.execute(tx);
    await sql`SET LOCAL search_path = perennial`.execute(tx);
    let rows = 0n;
    for (const statement of statements) {
      rows += (await statement.execute(tx)).numAffectedRows ?? 0n;
    }
    if (statements.length > 0) expect(rows).toBeGreaterThan(0n);
    try {
      requireEqual(await readFacts(current, tx), current);
    } catch (error) {
      found.difference = (error as Error).message;
    }
    throw undo;
  });
  await expect(corrupted).rejects.toBe(undo);
  return found.difference;
}

test('the model and the database agree after these commands', async () => {
  expect(await findDifference([])).toBeUndefined();
});

test.for(corruptions)('the model detects %s', async ([, place, statements]) => {
  expect(await findDifference(statements.map((text) => sql.raw(text)))).toContain(place);
});
