import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BreakableDatabase, createBreakableDatabase } from '../../support/broken-statement.ts';
import {
  type DatabaseSnapshot,
  findViolations,
  readDatabaseSnapshot,
} from '../../support/database-snapshot.ts';
import { acceptRows, refuseRows } from '../../support/faults.ts';
import { createdAt, createMixedRenewals, dueOutcome } from '../../support/mixed-renewals.ts';
import { runAutoRenewal } from '../../support/shop.ts';

// The audited system could debit, fail, and commit. Here each write of a renewal fails permanently
// for one customer. This customer keeps the money, and all others are renewed.

let breakableDatabase: BreakableDatabase;
let before: DatabaseSnapshot;
let after: DatabaseSnapshot;

beforeAll(async () => {
  breakableDatabase = await createBreakableDatabase(createMixedRenewals, createdAt);
  before = await readDatabaseSnapshot(breakableDatabase.database.db);
  await runAutoRenewal(breakableDatabase.database);
  after = await readDatabaseSnapshot(breakableDatabase.database.db);
});

afterAll(() => breakableDatabase[Symbol.asyncDispose]());

/** The failing customer has Telegram id 2 and the second subscription. */
const writes = [
  ['the debit', 'customer', 'UPDATE', 'NEW.telegram_id = 2'],
  ['the ledger entry', 'ledger_entry', 'INSERT', 'NEW.customer_id = 2'],
  ['the period', 'period', 'INSERT', 'NEW.customer_id = 2'],
  ['the new end', 'subscription', 'UPDATE', 'NEW.customer_id = 2'],
  ['the receipt', 'notification', 'INSERT', "NEW.customer_id = 2 AND NEW.kind = 'receipt'"],
  ['the event', 'event', 'INSERT', 'NEW.customer_id = 2'],
] as const;

test.each(writes)(
  "R3: when %s can't be written, the money is there and all others are renewed",
  async (_, table, operation, which) => {
    const { database } = breakableDatabase;
    await breakableDatabase.restore();
    await refuseRows(database, `${operation} ON perennial.${table}`, which);
    const row = await runAutoRenewal(database);
    await acceptRows(database);
    expect(row).toMatchObject({ outcome: 'degraded', changed: dueOutcome.changed - 1n });
    expect(await findViolations(database.db)).toEqual([]);
    const left = await readDatabaseSnapshot(database.db);
    expect(left.alarms).toEqual(['alarm_quarantine pg_P0001']);
    const [victim, ...others] = [left.customers[1], left.customers.toSpliced(1, 1)].flat();
    expect(others).toEqual(after.customers.toSpliced(1, 1));
    const { subs, ...rest } = victim ?? {};
    const { subs: subsBefore, ...restBefore } = before.customers[1] ?? {};
    expect(rest).toEqual(restBefore);
    expect(subs?.[0]?.quarantine).toMatchObject({ reason: 'pg_P0001', attempts: 1 });
    expect({ ...subs?.[0], quarantine: null }).toEqual(subsBefore?.[0]);
  },
);

test('R3: if the count of the run cannot be written, nothing is charged', async () => {
  const { database } = breakableDatabase;
  await breakableDatabase.restore();
  const counting = "NEW.changed > 0 AND NEW.outcome = 'running'";
  await refuseRows(database, 'UPDATE ON perennial.worker_run', counting);
  await runAutoRenewal(database);
  await acceptRows(database);
  expect(await findViolations(database.db)).toEqual([]);
  const { customers } = await readDatabaseSnapshot(database.db);
  expect(customers.map(({ balance }) => balance)).toEqual(
    before.customers.map(({ balance }) => balance),
  );
});
