import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Db, inTransaction } from '../../../src/db/connect.ts';
import type { Cursor, DueItem, DuePass } from '../../../src/runs/worker.ts';
import { defaultSettings } from '../../../src/subscription/rules/settings.ts';
import { autoRenewal } from '../../../src/workers/auto-renewal/worker.ts';
import { expiryReminders } from '../../../src/workers/expiry-reminders/worker.ts';
import { fastExpiryCleanup } from '../../../src/workers/fast-expiry-cleanup/worker.ts';
import { trialNotifications } from '../../../src/workers/trial-notifications/worker.ts';
import type { TestDatabase } from '../../support/database.ts';
import { createShopDatabase, parseTime } from '../../support/shop.ts';

// The walks of the workers over their due rows, page by page.
//
// Other sessions insert, move and delete rows between the pages. The default is 20,000 rows.
// KEYSET_ROWS=100000 is the size of a large operator.

const count = Number(process.env.KEYSET_ROWS || 20_000);
const now = parseTime('2026-12-01T00:00:00Z');
const batchContext = { now, settings: defaultSettings };
const workerPasses: readonly DuePass[] = [
  ...autoRenewal.passes,
  ...fastExpiryCleanup.passes,
  ...trialNotifications.passes,
  ...expiryReminders.passes,
];

let database: TestDatabase;

/**
 * Subscriptions that are due for some walk: half of them have ended, a quarter are trials, and a
 * quarter are paid with a due reminder. Many are due at the same time.
 */
async function insertDue(db: Db, rowCount: number): Promise<bigint[]> {
  const { rows } = await sql<{ id: bigint }>`
    INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
      expires_at, next_try_at, remind_at, auto_renew)
    SELECT 1, CASE WHEN n % 4 = 1 THEN 'trial' ELSE 'paid' END, 'basic', 30, 'active',
      '2026-01-01Z', moment.at + CASE WHEN n % 4 < 2 THEN interval '3 days' ELSE '0' END,
      CASE WHEN random() < 0.5 THEN moment.at END, moment.at, n % 4 <> 1
    FROM generate_series(1, ${rowCount}) n CROSS JOIN LATERAL (
      SELECT '2026-11-30T00:00:00Z'::timestamptz
        + (n - n + random() * 40)::int * interval '1 minute' AS at) moment
    RETURNING id`.execute(db);
  return rows.map((row) => row.id);
}

beforeAll(async () => {
  database = await createShopDatabase({ now });
  await database.query`
    INSERT INTO perennial.customer (telegram_id, currency, sub_token, created_at)
    VALUES (1, 'RUB', 'a token of 16 or more', '2026-01-01Z')`;
  await insertDue(database.db, count);
  await database.query`ANALYZE perennial.subscription`;
}, 60_000);

afterAll(() => database.close());

const page = (pass: DuePass, after: Cursor | undefined, max: number): Promise<DueItem[]> =>
  inTransaction(database.db, (tx) => pass(tx, batchContext, { after, max, skip: [] }));

interface Change {
  readonly what: 'insert' | 'move' | 'delete';
  /** The share of the rows, of 1,000. */
  readonly of: number;
}

/** The changes of other sessions between two pages. Adds the changed rows to `touched`. */
async function applyChange({ what, of }: Change, touched: Set<bigint>): Promise<void> {
  if (what === 'insert') {
    for (const id of await insertDue(database.db, 5)) touched.add(id);
    return;
  }
  const some = sql`id IN (SELECT id FROM perennial.subscription WHERE id % 1000 = ${of} LIMIT 8)`;
  const { rows } =
    what === 'delete'
      ? await sql<{ id: bigint }>`
          DELETE FROM perennial.subscription WHERE ${some} RETURNING id`.execute(database.db)
      : await sql<{ id: bigint }>`
          UPDATE perennial.subscription SET
            expires_at = expires_at + (random() * 20 - 10)::int * interval '1 minute',
            next_try_at = next_try_at + (random() * 20 - 10)::int * interval '1 minute',
            remind_at = remind_at + (random() * 20 - 10)::int * interval '1 minute'
          WHERE ${some} RETURNING id`.execute(database.db);
  for (const { id } of rows) touched.add(id);
}

const changeLists = fc.array(
  fc.record({
    what: fc.constantFrom<Change['what']>('insert', 'move', 'delete'),
    of: fc.integer({ min: 0, max: 999 }),
  }),
  { minLength: 1, maxLength: 20 },
);

test('P1: a walk ends, and reads each untouched row once, while others insert, move and delete rows', async () => {
  const walk = async (pass: DuePass, max: number, disturbances: readonly Change[]) => {
    const due = await page(pass, undefined, 1_000_000);
    const touched = new Set<bigint>();
    const seen: bigint[] = [];
    let after: Cursor | undefined;
    for (let pages = 0; ; pages += 1) {
      const found = await page(pass, after, max);
      after = found.at(-1)?.key;
      if (after === undefined) break;
      seen.push(...found.map(({ subscriptionId }) => subscriptionId));
      const change = disturbances[pages % disturbances.length];
      if (change !== undefined && pages < 20) await applyChange(change, touched);
      // More pages than all rows could fill: the walk would be endless.
      expect(pages).toBeLessThan(((due.length + 200) / max) * 2 + 20);
    }
    const untouched = (ids: readonly bigint[]) => ids.filter((id) => !touched.has(id));
    const once = new Set(seen);
    expect(untouched(seen)).toHaveLength(untouched([...once]).length);
    const missed = untouched(due.map((row) => row.subscriptionId)).filter((id) => !once.has(id));
    expect(missed).toEqual([]);
    expect(once.size - untouched([...once]).length).toBeLessThanOrEqual(touched.size);
  };
  const draws = fc.asyncProperty(
    fc.constantFrom(...workerPasses),
    fc.integer({ min: 700, max: 3_000 }),
    changeLists,
    walk,
  );
  await fc.assert(draws, { numRuns: 12, endOnFailure: true });
}, 300_000);

test('P1: pages of one walk over rows with the same due time', async () => {
  await database.query`
    UPDATE perennial.subscription SET expires_at = '2026-11-30T12:00:00Z', next_try_at = NULL
    WHERE id <= 50`;
  await database.query`DELETE FROM perennial.subscription WHERE id > 50`;
  const pass = fastExpiryCleanup.passes[0] as DuePass;
  const all = (await page(pass, undefined, 1_000)).map((row) => row.subscriptionId);
  const seen: bigint[] = [];
  for (let found = await page(pass, undefined, 7); found.length > 0; ) {
    seen.push(...found.map((row) => row.subscriptionId));
    found = await page(pass, found.at(-1)?.key, 7);
  }
  expect(seen).toEqual(all);
});
