import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { buys, callOf, crowd, joins, payer, runOf, sells } from '../../test/a-book.ts';
import { plant } from '../../test/audit/planting.ts';
import { type Books, freshBooks } from '../../test/books.ts';
import { audit } from '../audit/audit.ts';
import { setPrice } from '../catalog/apply.ts';
import { readClock } from '../db/clock.ts';
import { inTransaction } from '../db/connect.ts';
import { keptColumns, repairedColumns } from '../db/time-columns.ts';
import { topUp } from '../subscription/balance.ts';
import { revoke } from '../subscription/granting.ts';
import { changePlan } from '../subscription/plan-change.ts';
import { noteTime } from './time-repair.ts';

const start = '2026-11-01T00:00:00Z';
const jumped = '2027-10-25T00:00:00Z';
const back = '2026-11-01T00:02:00Z';

const value = async <T>({ db }: Books, query: string): Promise<T> => {
  const { rows } = await sql.raw<{ value: T }>(`SELECT (${query}) AS value`).execute(db);
  return rows[0]?.value as T;
};

test('each time of the schema is repaired after a step back, or stays for a stated reason', async () => {
  await using books = await freshBooks();
  const { rows } = await sql<{ name: string }>`
    SELECT table_name || '.' || column_name AS name FROM information_schema.columns
    WHERE table_schema = 'perennial' AND data_type LIKE 'timestamp%' ORDER BY name`.execute(
    books.db,
  );
  const listed = repairedColumns.map(({ table, column }) => `${table}.${column}`);
  const all = [...listed, ...Object.keys(keptColumns)];
  expect(new Set(all).size).toBe(all.length);
  expect(all.toSorted()).toEqual(rows.map(({ name }) => name).toSorted());
});

test('K9: marks and notifications of a jump of 358 days are due after the step back', async () => {
  await using books = await freshBooks({ now: start });
  await sells(books);
  await payer(books, 1n, 0n);
  await books.setClock(jumped);
  await joins(books, 3n, { balanceMinor: 149_00n });
  await buys(books, 3n);
  await revoke(callOf(books), { telegramId: 1n, reason: 'abuse' });
  await books.setClock(back);
  await runOf(books, 'raise-alarms');
  const late = (table: string) =>
    value<number>(
      books,
      `SELECT count(*)::int FROM perennial.${table} WHERE next_attempt_at > perennial.clock()`,
    );
  expect(await late('access_sync')).toBe(0);
  expect(await late('notification')).toBe(0);
  // Five minutes later the removal that no node confirmed is alarmed.
  await books.setClock('2026-11-01T00:08:00Z');
  await runOf(books, 'raise-alarms');
  expect(
    await value(
      books,
      `SELECT count(*)::int FROM perennial.notification WHERE kind = 'alarm_removal'`,
    ),
  ).toBe(1);
});

test('K9: a retry, a quarantine, a comparison and a pause of a jump last no longer than usual', async () => {
  await using books = await freshBooks({ now: start });
  await sells(books);
  await payer(books, 1n, 0n);
  await payer(books, 2n, 0n);
  await books.setClock('2026-11-30T20:00:00Z');
  await runOf(books, 'auto-renewal'); // short: tries again at 21:00
  await sql`
    UPDATE perennial.node SET reconciled_at = perennial.clock(),
      reconcile_open_until = perennial.clock() + interval '10 min'`.execute(books.db);
  await sql`
    INSERT INTO perennial.courier (id, rests_until)
    VALUES ('telegram', perennial.clock() + interval '1 min')`.execute(books.db);
  await sql`
    INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
    VALUES ('keep-node', 'nl-1/1', 'test', perennial.clock() + interval '24 h',
      perennial.clock())`.execute(books.db);
  await books.setClock('2026-11-02T00:00:00Z');
  await runOf(books, 'expiry-reminders');
  expect(
    await value(
      books,
      `SELECT json_build_array(
        (SELECT count(*) FROM perennial.subscription WHERE next_try_at IS NOT NULL),
        (SELECT count(*) FROM perennial.node WHERE reconciled_at IS NOT NULL
          OR reconcile_open_until > perennial.clock()),
        (SELECT count(*) FROM perennial.courier WHERE rests_until > perennial.clock()),
        (SELECT count(*) FROM perennial.quarantine WHERE retry_at > perennial.clock()),
        (SELECT count(*) FROM perennial.worker_run WHERE started_at > perennial.clock()))`,
    ),
  ).toEqual([0, 0, 0, 0, 0]);
  const event = `SELECT detail->>'subscription.next_try_at' FROM perennial.event
    WHERE subject = 'clock' AND action = 'times_repaired'`;
  expect(await value(books, event)).toBe('2');
});

test('K9: runs that a jump dated into the future hold no end after the step back', async () => {
  await using books = await freshBooks({ now: start });
  await sells(books);
  const endsAt = '2026-11-05T00:00:00Z';
  await crowd(books, { count: 80, endsAt, balanceMinor: 0n });
  await books.setClock(jumped);
  await runOf(books, 'fast-expiry-cleanup');
  await books.setClock(back);
  await runOf(books, 'fast-expiry-cleanup');
  await books.setClock('2026-11-05T00:01:00Z');
  const run = await runOf(books, 'fast-expiry-cleanup');
  // A tenth of the 72 that are still active.
  expect(run).toMatchObject({ changed: 7n });
});

test('K9: a price that was set in a jump counts after the step back; one for later stays', async () => {
  await using books = await freshBooks({ now: start });
  await sells(books);
  await books.setClock(jumped);
  const price = { plan: 'basic', periodDays: 30, currency: 'RUB', amountMinor: 99_00n };
  await inTransaction(books.db, async (tx) => {
    const now = await readClock(tx);
    await setPrice(tx, price, now, now);
    await sql`
      INSERT INTO perennial.event (subject, action, actor, at)
      VALUES ('catalog', 'set_price', 'cli', perennial.clock())`.execute(tx);
    await setPrice(tx, { ...price, plan: 'plus' }, (now + 1_000) as typeof now, now);
  });
  await books.setClock(back);
  await runOf(books, 'raise-alarms');
  const counts = `SELECT count(*)::int FROM perennial.plan_price
    WHERE valid_from > '2026-01-01Z' AND valid_from <= perennial.clock()`;
  expect(await value(books, counts)).toBe(1);
});

test('K9: a row that a transaction holds is repaired by a later run, and holds up none', async () => {
  await using books = await freshBooks({ now: start });
  await sells(books);
  await payer(books, 1n, 0n);
  await payer(books, 2n, 0n);
  await sql`UPDATE perennial.subscription SET next_try_at = ${jumped}`.execute(books.db);
  await books.setClock(jumped);
  await books.setClock(back);
  const waiting = 'SELECT count(*)::int FROM perennial.subscription WHERE next_try_at IS NOT NULL';
  await inTransaction(books.db, async (tx) => {
    await sql`SELECT FROM perennial.subscription WHERE id = 1 FOR UPDATE`.execute(tx);
    await runOf(books, 'raise-alarms');
    expect(await value(books, waiting)).toBe(1);
  });
  await runOf(books, 'raise-alarms');
  expect(await value(books, waiting)).toBe(0);
});

test('K9: a step back within a minute, and no step back, change no time', async () => {
  await using books = await freshBooks({ now: start });
  await sells(books);
  await payer(books, 1n, 0n);
  await sql`UPDATE perennial.subscription SET next_try_at = ${jumped}`.execute(books.db);
  await books.setClock('2026-11-01T00:03:00Z');
  await runOf(books, 'raise-alarms');
  await books.setClock(back);
  await runOf(books, 'raise-alarms');
  expect(await value(books, 'SELECT next_try_at IS NOT NULL FROM perennial.subscription')).toBe(
    true,
  );
});

test('K9: terms that a jump put into force early are those of the running period after the step back', async () => {
  await using books = await freshBooks({ now: start });
  await sells(books);
  await payer(books, 1n, 500_00n);
  await changePlan(callOf(books), { telegramId: 1n, plan: 'plus', periodDays: 30, when: 'next' });
  await books.setClock('2026-11-30T20:00:00Z');
  await runOf(books, 'auto-renewal');
  const plan = () => value<string>(books, `SELECT plan FROM perennial.subscription`);
  const changesAt = () =>
    value<string>(books, `SELECT to_json(changes_at)#>>'{}' FROM perennial.subscription`);
  const [bought, changes] = [await plan(), await changesAt()];
  await books.setClock('2026-12-02T00:00:00Z');
  await runOf(books, 'fast-expiry-cleanup');
  expect([bought, await plan()]).toEqual(['basic', 'plus']);
  await books.setClock('2026-11-30T20:02:00Z');
  await runOf(books, 'fast-expiry-cleanup');
  expect(await plan()).toBe('basic');
  expect(await changesAt()).toBe(changes);
  expect(Date.parse(changes)).toBe(Date.parse('2026-12-01T00:00:00Z'));
});

test('K9: a payment of a jump ahead revives after the step back, as a payment of now', async () => {
  await using books = await freshBooks({ now: start });
  await sells(books);
  await payer(books, 1n, 0n); // Ends on 1 December.
  await payer(books, 2n, 0n);
  await books.setClock('2026-12-01T00:01:00Z');
  await runOf(books, 'fast-expiry-cleanup');
  await books.setClock('2027-12-02T00:00:00Z');
  const amountMinor = 149_00n;
  await topUp(callOf(books), { telegramId: 1n, amountMinor });
  await runOf(books, 'auto-renewal');
  await books.setClock('2026-12-02T00:00:00Z');
  await runOf(books, 'auto-renewal');
  await runOf(books, 'auto-renewal');
  const states = `SELECT json_agg(json_build_array(customer_id, state) ORDER BY customer_id)
    FROM perennial.subscription`;
  expect(await value(books, states)).toEqual([
    [1, 'active'],
    [2, 'expired'],
  ]);
  const starts = `SELECT starts_at = '2026-12-02T00:00:00Z' FROM perennial.period
    WHERE source = 'renewal'`;
  expect(await value(books, starts)).toBe(true);
});

test('K9: a payment of a jump does not revive what ended before the days of revival', async () => {
  await using books = await freshBooks({ now: start });
  await sells(books);
  await payer(books, 1n, 0n);
  await books.setClock('2026-12-01T00:01:00Z');
  await runOf(books, 'fast-expiry-cleanup');
  await books.setClock('2027-12-02T00:00:00Z');
  await topUp(callOf(books), { telegramId: 1n, amountMinor: 149_00n });
  await books.setClock('2026-12-09T00:00:00Z');
  await runOf(books, 'auto-renewal');
  expect(await value(books, `SELECT state FROM perennial.subscription`)).toBe('expired');
});

test('K9: rows that never change keep the time of a jump, and the audit is right after the repair', async () => {
  await using books = await freshBooks({ now: start });
  await sells(books);
  await payer(books, 1n, 0n);
  await books.setClock(jumped);
  await runOf(books, 'auto-renewal'); // Raises the mark.
  await sql`
    UPDATE perennial.installation SET clock_at = clock_at + interval '9 s'`.execute(books.db);
  await topUp(callOf(books), { telegramId: 1n, amountMinor: 149_00n });
  const wrong = async () => {
    const { checks } = await audit(books.db);
    return checks.find(({ id }) => id === 'past-is-past')?.violations;
  };
  await books.setClock(back);
  expect(await wrong()).toBeGreaterThan(0n);
  await runOf(books, 'raise-alarms');
  expect(await wrong()).toBe(0n);
  // A later time than that of the jump has no such reason.
  await plant(
    books.url,
    `UPDATE ledger_entry SET created_at = '2027-10-25T00:02:00Z'
      WHERE id = (SELECT max(id) FROM ledger_entry)`,
  );
  expect(await wrong()).toBe(1n);
});

test('K9: a repair that finds only rows that never change records the jump', async () => {
  await using books = await freshBooks({ now: start });
  await sells(books);
  await payer(books, 1n, 0n);
  await books.setClock('2026-11-01T06:00:00Z');
  await noteTime(books.db);
  await topUp(callOf(books), { telegramId: 1n, amountMinor: 149_00n });
  await books.setClock(back);
  await runOf(books, 'raise-alarms');
  const { checks } = await audit(books.db);
  expect(checks.find(({ id }) => id === 'past-is-past')?.sample).toEqual([]);
});
