import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { inTransaction } from '../../../../src/db/connect.ts';
import type { SubscriptionId } from '../../../../src/kernel/ids.ts';
import { dayMs, later, secondMs } from '../../../../src/kernel/instant.ts';
import { defaultSettings } from '../../../../src/subscription/rules/settings.ts';
import { readPriceList } from '../../../../src/subscription/store/prices.ts';
import { readRenewalFacts } from '../../../../src/subscription/store/renewal-facts.ts';
import { explain, recordStatements } from '../../../../testbed/explain.ts';
import { createReseller, parseTime } from '../../../support/shop.ts';

const end = parseTime('2026-12-01T00:00:00Z');
const count = 500;
const entryCount = 2_000;

// One customer with 500 subscriptions that ended one second after another. The ledger has an entry
// each second from 100 s before the first end of the days of revival: a top-up or a charge.
test('P4 C6: the money in time is right for each of 500 subscriptions, and the ledger is read once', async () => {
  await using database = await createReseller(
    later(end, 30 * dayMs),
    count,
    '2026-12-01T00:00:00Z',
  );
  await sql`UPDATE perennial.subscription SET state = 'expired'`.execute(database.db);
  const firstEnd = later(end, defaultSettings.reviveMs);
  const entries: { readonly seconds: number; readonly minor: bigint; readonly after: bigint }[] =
    [];
  let balance = 0n;
  for (let n = 0; n < entryCount; n += 1) {
    const minor = n % 3 === 2 ? -1n : 2n;
    balance += minor;
    entries.push({ seconds: n - 100, minor, after: balance });
  }
  await sql`
    INSERT INTO perennial.ledger_entry (customer_id, amount_minor, balance_after_minor, kind,
      idempotency_key, created_at)
    SELECT 1, minor, after_minor, 'adjustment', 'entry:' || seconds,
      ${new Date(firstEnd).toISOString()}::timestamptz + seconds * interval '1 second'
    FROM unnest(${entries.map(({ seconds }) => seconds)}::int[],
      ${entries.map(({ minor }) => String(minor))}::bigint[],
      ${entries.map(({ after }) => String(after))}::bigint[]) AS e(seconds, minor, after_minor)
    ORDER BY seconds`.execute(database.db);
  await sql`UPDATE perennial.customer SET balance_minor = ${balance}`.execute(database.db);
  await sql`ANALYZE`.execute(database.db);
  const { rows: items } = await sql<{ subscriptionId: SubscriptionId }>`
    SELECT id AS "subscriptionId" FROM perennial.subscription`.execute(database.db);

  const { db, statements } = recordStatements(database.pool);
  const now = later(end, 30 * dayMs);
  const facts = await inTransaction(db, async (tx) => {
    const prices = await readPriceList(tx, now);
    return readRenewalFacts(tx, items, { prices, now, settings: defaultSettings });
  });

  const expected = facts.map(({ expiresAt }) => {
    const seconds = (expiresAt - end) / secondMs;
    const inTime = entries.filter((entry) => entry.seconds <= seconds);
    const charges = entries.filter((entry) => entry.seconds > seconds && entry.minor < 0n);
    return (inTime.at(-1)?.after ?? 0n) - BigInt(charges.length);
  });
  expect(facts).toHaveLength(count);
  expect(facts.map(({ inTimeMinor }) => inTimeMinor)).toEqual(expected);

  const ledgerReads = statements.filter(({ sql: text }) => text.includes('ledger_entry e'));
  const [read] = await explain(database.pool, ledgerReads);
  // The ledger has about 40 pages.
  expect(read?.buffers).toBeLessThan(1_000);
}, 60_000);
