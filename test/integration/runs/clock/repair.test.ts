import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { runAudit } from '../../../../src/audit/audit.ts';
import { setPrice } from '../../../../src/catalog/apply.ts';
import { readClock } from '../../../../src/db/clock.ts';
import { inTransaction } from '../../../../src/db/connect.ts';
import { keptColumns, repairedColumns } from '../../../../src/db/time-columns.ts';
import { updateHighMark } from '../../../../src/runs/clock/repair.ts';
import { changePlan } from '../../../../src/subscription/commands/change-plan.ts';
import { setCustomer } from '../../../../src/subscription/commands/customer.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import { corrupt } from '../../../support/corruption.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import {
  addBalance,
  addCustomer,
  buyPlan,
  createCaller,
  createShopDatabase,
  createSubscriber,
  createSubscribers,
  runWorker,
  runWorkerAt,
} from '../../../support/shop.ts';

const start = '2026-11-01T00:00:00Z';
const jumped = '2027-10-25T00:00:00Z';
const back = '2026-11-01T00:02:00Z';

const readValue = async <T>({ db }: TestDatabase, query: string): Promise<T> => {
  const { rows } = await sql.raw<{ value: T }>(`SELECT (${query}) AS value`).execute(db);
  return rows[0]?.value as T;
};

test('each time of the schema is repaired after a step back, or stays for a stated reason', async () => {
  await using database = await createDatabase();
  const rows = await database.query<{ name: string }>`
    SELECT table_name || '.' || column_name AS name FROM information_schema.columns
    WHERE table_schema = 'perennial' AND data_type LIKE 'timestamp%' ORDER BY name`;
  const listed = repairedColumns.map(({ table, column }) => `${table}.${column}`);
  const all = [...listed, ...Object.keys(keptColumns)];
  expect(new Set(all).size).toBe(all.length);
  expect(all.toSorted()).toEqual(rows.map(({ name }) => name).toSorted());
});

test('K9: marks and notifications of a jump of 358 days are due after the step back', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 0n);
  await database.setClock(jumped);
  await addCustomer(database, 3n, { balanceMinor: 149_00n });
  await buyPlan(database, 3n);
  await revoke(createCaller(database), { telegramId: 1n, reason: 'abuse' });
  await runWorkerAt(database, back, 'raise-alarms');
  const late = (table: string) =>
    readValue<number>(
      database,
      `SELECT count(*)::int FROM perennial.${table} WHERE next_attempt_at > perennial.clock()`,
    );
  expect(await late('access_sync')).toBe(0);
  expect(await late('notification')).toBe(0);
  // Five minutes later the removal that no node confirmed is alarmed.
  await runWorkerAt(database, '2026-11-01T00:08:00Z', 'raise-alarms');
  expect(
    await readValue(
      database,
      `SELECT count(*)::int FROM perennial.notification WHERE kind = 'alarm_removal'`,
    ),
  ).toBe(1);
});

test('K9: a retry, a quarantine, a comparison and a pause of a jump last no longer than usual', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 0n);
  await createSubscriber(database, 2n, 0n);
  await runWorkerAt(database, '2026-11-30T20:00:00Z', 'auto-renewal'); // short: the next attempt is at 21:00
  await database.query`
    UPDATE perennial.node SET reconciled_at = perennial.clock(),
      reconcile_open_until = perennial.clock() + interval '10 min'`;
  await database.query`
    INSERT INTO perennial.courier (id, rests_until)
    VALUES ('telegram', perennial.clock() + interval '1 min')`;
  await database.query`
    INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
    VALUES ('keep-node', 'nl-1/1', 'test', perennial.clock() + interval '24 h',
      perennial.clock())`;
  await runWorkerAt(database, '2026-11-02T00:00:00Z', 'expiry-reminders');
  expect(
    await readValue(
      database,
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
  expect(await readValue(database, event)).toBe('2');
});

test('K9: reminders that a change in a jump made due are due after the step back', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 149_00n); // Ends on 1 December.
  await database.setClock(jumped);
  await setCustomer(createCaller(database), { telegramId: 1n, vip: true });
  await runWorkerAt(database, back, 'expiry-reminders');
  await runWorkerAt(database, '2026-11-28T12:00:00Z', 'expiry-reminders');
  const prices = `SELECT json_agg(params->>'new_price') FROM perennial.notification
    WHERE kind = 'price_change'`;
  expect(await readValue(database, prices)).toEqual(['104.30']);
});

test('K9: runs that a jump dated into the future hold no end after the step back', async () => {
  await using database = await createShopDatabase({ now: start });
  const endsAt = '2026-11-05T00:00:00Z';
  await createSubscribers(database, { count: 80, endsAt, balanceMinor: 0n });
  await runWorkerAt(database, jumped, 'fast-expiry-cleanup');
  await runWorkerAt(database, back, 'fast-expiry-cleanup');
  const run = await runWorkerAt(database, '2026-11-05T00:01:00Z', 'fast-expiry-cleanup');
  // A tenth of the 72 that are still active.
  expect(run).toMatchObject({ changed: 7n });
});

test('K9: a price that was set in a jump counts after the step back; one for later stays', async () => {
  await using database = await createShopDatabase({ now: start });
  await database.setClock(jumped);
  const price = { plan: 'basic', periodDays: 30, currency: 'RUB', amountMinor: 99_00n };
  await inTransaction(database.db, async (tx) => {
    const now = await readClock(tx);
    await setPrice(tx, price, now, now);
    await sql`
      INSERT INTO perennial.event (subject, action, actor, at)
      VALUES ('catalog', 'set_price', 'cli', perennial.clock())`.execute(tx);
    await setPrice(tx, { ...price, plan: 'plus' }, (now + 1_000) as typeof now, now);
  });
  await runWorkerAt(database, back, 'raise-alarms');
  const counts = `SELECT count(*)::int FROM perennial.plan_price
    WHERE valid_from > '2026-01-01Z' AND valid_from <= perennial.clock()`;
  expect(await readValue(database, counts)).toBe(1);
});

test('K9: a row that a transaction holds is repaired by a later run, and delays no other row', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 0n);
  await createSubscriber(database, 2n, 0n);
  await database.query`UPDATE perennial.subscription SET next_try_at = ${jumped}`;
  await database.setClock(jumped);
  await database.setClock(back);
  const waiting = 'SELECT count(*)::int FROM perennial.subscription WHERE next_try_at IS NOT NULL';
  await inTransaction(database.db, async (tx) => {
    await sql`SELECT FROM perennial.subscription WHERE id = 1 FOR UPDATE`.execute(tx);
    await runWorker(database, 'raise-alarms');
    expect(await readValue(database, waiting)).toBe(1);
  });
  await runWorker(database, 'raise-alarms');
  expect(await readValue(database, waiting)).toBe(0);
});

test('K9: a step back within a minute, and no step back, change no time', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 0n);
  await database.query`UPDATE perennial.subscription SET next_try_at = ${jumped}`;
  await runWorkerAt(database, '2026-11-01T00:03:00Z', 'raise-alarms');
  await runWorkerAt(database, back, 'raise-alarms');
  expect(
    await readValue(database, 'SELECT next_try_at IS NOT NULL FROM perennial.subscription'),
  ).toBe(true);
});

test('K9: terms that a jump put into force early are those of the running period after the step back', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 500_00n);
  await changePlan(createCaller(database), {
    telegramId: 1n,
    plan: 'plus',
    periodDays: 30,
    when: 'next',
  });
  await runWorkerAt(database, '2026-11-30T20:00:00Z', 'auto-renewal');
  const plan = () => readValue<string>(database, `SELECT plan FROM perennial.subscription`);
  const changesAt = () =>
    readValue<string>(database, `SELECT to_json(changes_at)#>>'{}' FROM perennial.subscription`);
  const [bought, changes] = [await plan(), await changesAt()];
  await runWorkerAt(database, '2026-12-02T00:00:00Z', 'fast-expiry-cleanup');
  expect([bought, await plan()]).toEqual(['basic', 'plus']);
  await runWorkerAt(database, '2026-11-30T20:02:00Z', 'fast-expiry-cleanup');
  expect(await plan()).toBe('basic');
  expect(await changesAt()).toBe(changes);
  expect(Date.parse(changes)).toBe(Date.parse('2026-12-01T00:00:00Z'));
});

test('K9: a payment of a jump ahead revives after the step back, as a payment of now', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 0n); // Ends on 1 December.
  await createSubscriber(database, 2n, 0n);
  await runWorkerAt(database, '2026-12-01T00:01:00Z', 'fast-expiry-cleanup');
  await database.setClock('2027-12-02T00:00:00Z');
  const amountMinor = 149_00n;
  await addBalance(database, 1n, amountMinor);
  await runWorker(database, 'auto-renewal');
  await runWorkerAt(database, '2026-12-02T00:00:00Z', 'auto-renewal');
  await runWorker(database, 'auto-renewal');
  const states = `SELECT json_agg(json_build_array(customer_id, state) ORDER BY customer_id)
    FROM perennial.subscription`;
  expect(await readValue(database, states)).toEqual([
    [1, 'active'],
    [2, 'expired'],
  ]);
  const starts = `SELECT starts_at = '2026-12-02T00:00:00Z' FROM perennial.period
    WHERE source = 'renewal'`;
  expect(await readValue(database, starts)).toBe(true);
});

test('K9: a payment of a jump does not revive subscriptions that ended before the days of revival', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 0n);
  await runWorkerAt(database, '2026-12-01T00:01:00Z', 'fast-expiry-cleanup');
  await database.setClock('2027-12-02T00:00:00Z');
  await addBalance(database, 1n, 149_00n);
  await runWorkerAt(database, '2026-12-09T00:00:00Z', 'auto-renewal');
  expect(await readValue(database, `SELECT state FROM perennial.subscription`)).toBe('expired');
});

test('K9: rows that never change keep the time of a jump, and the audit accepts them after the repair', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 0n);
  await runWorkerAt(database, jumped, 'auto-renewal'); // Raises the mark.
  await database.query`UPDATE perennial.installation SET clock_at = clock_at + interval '9 s'`;
  await addBalance(database, 1n, 149_00n);
  const wrong = async () => {
    const { checks } = await runAudit(database.db);
    return checks.find(({ id }) => id === 'past-is-past')?.violations;
  };
  await database.setClock(back);
  expect(await wrong()).toBeGreaterThan(0n);
  await runWorker(database, 'raise-alarms');
  expect(await wrong()).toBe(0n);
  // A time later than that of the jump has no such reason.
  await corrupt(
    database.url,
    `UPDATE ledger_entry SET created_at = '2027-10-25T00:02:00Z'
      WHERE id = (SELECT max(id) FROM ledger_entry)`,
  );
  expect(await wrong()).toBe(1n);
});

test('K9: a repair that finds only rows that never change records the jump', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 0n);
  await database.setClock('2026-11-01T06:00:00Z');
  await updateHighMark(database.db);
  await addBalance(database, 1n, 149_00n);
  await runWorkerAt(database, back, 'raise-alarms');
  const { checks } = await runAudit(database.db);
  expect(checks.find(({ id }) => id === 'past-is-past')?.sample).toEqual([]);
});
