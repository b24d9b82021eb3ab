import { expect, onTestFinished, test } from 'vitest';
import {
  hourMs,
  type Instant,
  later,
  minuteMs,
  parseInstant,
} from '../../../../src/kernel/instant.ts';
import { changePlan } from '../../../../src/subscription/commands/change-plan.ts';
import { readAlarms, runRaiseAlarms } from '../../../support/alarms.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { holdLocks, type LockHolder } from '../../../support/locks.ts';
import {
  addBalance,
  createCaller,
  createShopDatabase,
  createSubscriber,
  runWorkerAt,
} from '../../../support/shop.ts';

const start = parseInstant('2026-11-25T09:00:00Z', 'the test');
const end = later(start, 30 * 24 * hourMs);

/** One customer with enough money whose month ends at `end`, and a session of another program. */
async function createLockedCustomer(): Promise<{ database: TestDatabase; session: LockHolder }> {
  const database = await createShopDatabase({ now: start });
  onTestFinished(() => database.close());
  await createSubscriber(database, 1n, 149_00n);
  return { database, session: await lockCustomers(database) };
}

const lockCustomers = (database: TestDatabase) =>
  holdLocks(database, 'UPDATE perennial.customer SET locale = locale');

const readCauses = async ({ query }: TestDatabase): Promise<string[]> => {
  const rows = await query<{ cause: string }>`
    SELECT params->>'cause' AS cause FROM perennial.notification
    WHERE kind = 'alarm_overdue' ORDER BY id`;
  return rows.map(({ cause }) => cause);
};

const insertQuarantine = ({ query }: TestDatabase, worker: string) =>
  query`
  INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
  SELECT ${worker}, id::text, 'no_price', perennial.clock(), perennial.clock()
  FROM perennial.subscription`;

async function runSuccessfully(database: TestDatabase, worker: string, at: Instant): Promise<void> {
  const { outcome } = await runWorkerAt(database, at, worker);
  expect(outcome).toBe('success');
}

test('W1: a customer that a forgotten transaction holds is reported with the session, once, and cleared afterwards', async () => {
  const { database, session } = await createLockedCustomer();
  const worker = 'fast-expiry-cleanup';
  await runSuccessfully(database, worker, later(end, 4 * minuteMs));
  await runRaiseAlarms(database, later(end, 4 * minuteMs));
  expect(await readAlarms(database)).toEqual([]);
  await runSuccessfully(database, worker, later(end, 6 * minuteMs));
  await runRaiseAlarms(database, later(end, 6 * minuteMs));
  await runRaiseAlarms(database, later(end, 7 * minuteMs));
  expect(await readAlarms(database)).toEqual([`alarm_overdue ${worker}`]);
  const [cause] = await readCauses(database);
  expect(cause).toMatch(
    new RegExp(`^locked by process ${session.pid} \\(psql, idle in transaction, for \\d+ s\\)$`),
  );
  await session.release();
  await runSuccessfully(database, worker, later(end, 8 * minuteMs));
  await runRaiseAlarms(database, later(end, 8 * minuteMs));
  expect((await readAlarms(database)).slice(1)).toEqual([`alarm_over alarm_overdue ${worker}`]);
});

test('W1: auto-renewal that passes over a customer is reported too, before the customer can expire', async () => {
  const { database } = await createLockedCustomer();
  await runSuccessfully(database, 'auto-renewal', later(end, 10 * minuteMs));
  await runRaiseAlarms(database, later(end, 10 * minuteMs));
  expect(await readAlarms(database)).toEqual(['alarm_overdue auto-renewal']);
});

test('W1: a change of terms that a forgotten transaction holds is reported too', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 500_00n);
  const chosen = { telegramId: 1n, plan: 'plus', periodDays: 30, when: 'next' } as const;
  await changePlan(createCaller(database), chosen);
  await runSuccessfully(database, 'auto-renewal', later(end, -hourMs));
  const session = await lockCustomers(database);
  await runSuccessfully(database, 'fast-expiry-cleanup', later(end, 6 * minuteMs));
  await runRaiseAlarms(database, later(end, 6 * minuteMs));
  expect(await readAlarms(database)).toEqual(['alarm_overdue fast-expiry-cleanup']);
  await session.release();
  await runSuccessfully(database, 'fast-expiry-cleanup', later(end, 8 * minuteMs));
  await runRaiseAlarms(database, later(end, 8 * minuteMs));
  expect((await readAlarms(database)).slice(1)).toEqual([
    'alarm_over alarm_overdue fast-expiry-cleanup',
  ]);
});

test('W1: a revival that a forgotten transaction holds is reported from its payment on', async () => {
  await using database = await createShopDatabase({ now: start });
  await database.query`DELETE FROM perennial.node`; // It would confirm no removal.
  await createSubscriber(database, 1n, 0n);
  await runSuccessfully(database, 'fast-expiry-cleanup', later(end, minuteMs));
  const paidAt = later(end, 24 * hourMs);
  await database.setClock(paidAt);
  await addBalance(database, 1n, 149_00n);
  await lockCustomers(database);
  await runSuccessfully(database, 'auto-renewal', later(paidAt, 4 * minuteMs));
  await runRaiseAlarms(database, later(paidAt, 4 * minuteMs));
  expect(await readAlarms(database)).toEqual([]);
  await runSuccessfully(database, 'auto-renewal', later(paidAt, 6 * minuteMs));
  await runRaiseAlarms(database, later(paidAt, 6 * minuteMs));
  expect(await readAlarms(database)).toEqual(['alarm_overdue auto-renewal']);
});

test('W1: a due item is not reported before a run could process it, and not in quarantine', async () => {
  const { database, session } = await createLockedCustomer();
  await session.release();
  await runSuccessfully(database, 'fast-expiry-cleanup', start);
  await runRaiseAlarms(database, later(end, 2 * hourMs));
  expect(await readAlarms(database)).toEqual([]);
  await database.query`UPDATE perennial.worker_state SET passed_at = perennial.clock();`;
  await insertQuarantine(database, 'auto-renewal');
  await runRaiseAlarms(database, later(end, 2 * hourMs));
  expect(await readAlarms(database)).toEqual([]);
});

test('W1: a run that left work behind, or found the guard locked, passed nothing over', async () => {
  const { database } = await createLockedCustomer();
  const partial = await runWorkerAt(database, later(end, hourMs), 'fast-expiry-cleanup', {
    budgetMs: 0,
  });
  expect(partial.outcome).toBe('partial');
  await runRaiseAlarms(database, later(end, hourMs));
  expect(await readAlarms(database)).toEqual([]);
  // An hour of such runs is a worker that does not keep up.
  await runRaiseAlarms(database, later(end, 2 * hourMs + minuteMs));
  expect(await readAlarms(database)).toEqual(['alarm_overdue fast-expiry-cleanup']);
});

test('W1: quarantine of another worker hides nothing, and that of auto-renewal hides an end for the grace only', async () => {
  const { database } = await createLockedCustomer();
  await runSuccessfully(database, 'auto-renewal', later(end, 10 * minuteMs));
  await insertQuarantine(database, 'expiry-reminders');
  await runRaiseAlarms(database, later(end, 10 * minuteMs));
  expect(await readAlarms(database)).toEqual(['alarm_overdue auto-renewal']);
  await insertQuarantine(database, 'auto-renewal');
  await runSuccessfully(database, 'fast-expiry-cleanup', later(end, 25 * hourMs - 1));
  await runRaiseAlarms(database, later(end, 25 * hourMs - 1));
  expect((await readAlarms(database)).slice(1)).toEqual(['alarm_over alarm_overdue auto-renewal']);
  await runSuccessfully(database, 'fast-expiry-cleanup', later(end, 25 * hourMs + 1));
  await runRaiseAlarms(database, later(end, 25 * hourMs + 1));
  expect((await readAlarms(database)).slice(2)).toEqual(['alarm_overdue fast-expiry-cleanup']);
});
