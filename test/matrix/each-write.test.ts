import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runAutoRenewal, type Snapshot, snapshotOfBooks, wrongsIn } from '../a-book.ts';
import { type Breakable, breakable } from './broken-statement.ts';
import { beginsAt, dueOutcome, fillMixedBook } from './mixed-book.ts';

// The audited system could debit, fail, and commit. Here each write of a renewal fails in turn,
// for one customer only and for good: that customer keeps the money, everybody else is renewed.

let place: Breakable;
let before: Snapshot;
let after: Snapshot;

beforeAll(async () => {
  place = await breakable(fillMixedBook, beginsAt);
  before = await snapshotOfBooks(place.books.db);
  await runAutoRenewal(place.books);
  after = await snapshotOfBooks(place.books.db);
  await sql`
    CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      RAISE EXCEPTION 'this row can not be written';
    END $$`.execute(place.books.db);
});

afterAll(() => place[Symbol.asyncDispose]());

/** Telegram id 2 is the victim: the second customer, whose subscription is the second one. */
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
    const { books } = place;
    await place.rewind();
    await sql
      .raw(
        `CREATE TRIGGER refuse BEFORE ${operation} ON perennial.${table}
         FOR EACH ROW WHEN (${which}) EXECUTE FUNCTION public.refuse()`,
      )
      .execute(books.db);
    const row = await runAutoRenewal(books);
    await sql.raw(`DROP TRIGGER refuse ON perennial.${table}`).execute(books.db);
    expect(row).toMatchObject({ outcome: 'degraded', changed: dueOutcome.changed - 1n });
    expect(await wrongsIn(books.db)).toEqual([]);
    const left = await snapshotOfBooks(books.db);
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

test("R3: when the run's own count can't be written, nothing is charged", async () => {
  const { books } = place;
  await place.rewind();
  await sql`
    CREATE TRIGGER refuse BEFORE UPDATE ON perennial.worker_run
    FOR EACH ROW WHEN (NEW.changed > 0 AND NEW.outcome = 'running')
    EXECUTE FUNCTION public.refuse()`.execute(books.db);
  await runAutoRenewal(books);
  await sql`DROP TRIGGER refuse ON perennial.worker_run`.execute(books.db);
  expect(await wrongsIn(books.db)).toEqual([]);
  const { customers } = await snapshotOfBooks(books.db);
  expect(customers.map(({ balance }) => balance)).toEqual(
    before.customers.map(({ balance }) => balance),
  );
});
