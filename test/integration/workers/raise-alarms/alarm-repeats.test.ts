import { expect, test } from 'vitest';
import { inTransaction } from '../../../../src/db/connect.ts';
import { type Instant, later, minuteMs, parseInstant } from '../../../../src/kernel/instant.ts';
import { quarantineItems, releaseQuarantined } from '../../../../src/runs/quarantine.ts';
import { readAlarms, recordRun, runRaiseAlarms } from '../../../support/alarms.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import {
  createEndingSubscribers,
  createShop,
  runWorker,
  runWorkerAt,
} from '../../../support/shop.ts';

// Alarms that the finder of a problem raises: once while it lasts, and again when it returns,
// however soon.

const start = parseInstant('2026-11-25T09:00:00Z', 'the test');
const minutes = (count: number): Instant => later(start, count * minuteMs);
const guard = 'fast-expiry-cleanup';
const over = `alarm_over alarm_guard ${guard}`;

/** @param batchAt when the batch read its time, if that was earlier */
async function quarantine(
  database: TestDatabase,
  item: string,
  at: Instant,
  reason = 'no_price',
  batchAt = at,
) {
  await database.setClock(at);
  await inTransaction(database.db, (tx) =>
    quarantineItems(tx, 'auto-renewal', [{ item, reason, sentence: 'test' }], batchAt),
  );
}

test('an item in a quarantine that was empty raises an alarm, also on the same day and for the same reason', async () => {
  await using database = await createDatabase({ now: start });
  const alarm = 'alarm_quarantine auto-renewal';
  await quarantine(database, '1', minutes(0));
  await inTransaction(database.db, (tx) => releaseQuarantined(tx, 'auto-renewal', ['1']));
  await runRaiseAlarms(database, minutes(30));
  expect(await readAlarms(database)).toEqual([alarm, 'alarm_over alarm_quarantine auto-renewal']);
  await quarantine(database, '2', minutes(90));
  await quarantine(database, '3', minutes(91));
  await quarantine(database, '4', minutes(92), 'no_plan');
  expect((await readAlarms(database)).slice(2)).toEqual([alarm, alarm]);
});

test('an alarm of a batch that began before the last one was over is sent after that', async () => {
  await using database = await createDatabase({ now: start });
  await quarantine(database, '1', minutes(0));
  await inTransaction(database.db, (tx) => releaseQuarantined(tx, 'auto-renewal', ['1']));
  await runRaiseAlarms(database, minutes(2));
  await quarantine(database, '2', minutes(3), 'no_price', minutes(1));
  const rows = await database.query<{ kind: string }>`
    SELECT kind FROM perennial.notification ORDER BY next_attempt_at, id`;
  const kinds = rows.map(({ kind }) => kind);
  expect(kinds).toEqual(['alarm_quarantine', 'alarm_over', 'alarm_quarantine']);
});

test('a repeated failure is alarmed once a day, and not with each check', async () => {
  await using database = await createDatabase({ now: start });
  for (const hours of [0, 1, 3, 7, 15, 23.9]) await quarantine(database, '1', minutes(hours * 60));
  await runRaiseAlarms(database, minutes(24 * 60));
  expect(await readAlarms(database)).toHaveLength(1);
  await quarantine(database, '1', minutes(31 * 60));
  await quarantine(database, '1', minutes(54 * 60));
  expect(await readAlarms(database)).toHaveLength(2);
});

test('replicas that quarantine at once, and a check between them, raise alarms in order and once', async () => {
  await using database = await createDatabase({ now: start });
  await Promise.all(['1', '2', '3', '4', '5'].map((item) => quarantine(database, item, start)));
  expect(await readAlarms(database)).toHaveLength(1);
  const all = ['1', '2', '3', '4', '5'];
  // In any order, the last item in quarantine has its alarm.
  for (let round = 1; round <= 5; round += 1) {
    await inTransaction(database.db, (tx) => releaseQuarantined(tx, 'auto-renewal', all));
    await Promise.all([
      runRaiseAlarms(database, minutes(round)),
      quarantine(database, '1', minutes(round)),
    ]);
    const [last] = (await readAlarms(database)).slice(-1);
    expect(last).toBe('alarm_quarantine auto-renewal');
  }
});

/** 70 end at the start: 20 of them expire and 50 are held. 130 end 10 minutes later. */
async function createTwoGroups(database: TestDatabase): Promise<void> {
  await createShop(database);
  await createEndingSubscribers(database, 200, '2026-11-25T09:00:00Z');
  await database.query`
    UPDATE perennial.subscription SET expires_at = '2026-11-25T09:10:00Z'
    WHERE id IN (SELECT id FROM perennial.subscription ORDER BY id LIMIT 130)`;
}

test('a guard that holds again after it was over raises another alarm, also within the hour', async () => {
  await using database = await createDatabase({ now: start });
  await createTwoGroups(database);
  await runWorker(database, guard, { batchMax: 20 });
  // All held ends, and not those of the first batch.
  const alarm = `alarm_guard ${guard} 50`;
  const again = `alarm_guard ${guard} 130`;
  expect(await readAlarms(database)).toEqual([alarm]);
  await runWorkerAt(database, minutes(1), guard);
  expect(await readAlarms(database)).toEqual([alarm]);
  await runWorkerAt(database, minutes(2), guard, { confirmed: true });
  await runRaiseAlarms(database, minutes(3));
  expect(await readAlarms(database)).toEqual([alarm, over]);
  await runWorkerAt(database, minutes(10), guard);
  expect(await readAlarms(database)).toEqual([alarm, over, again]);
  // While it holds, once an hour.
  await database.setClock(minutes(69));
  await database.query`UPDATE perennial.worker_run SET started_at = '2026-11-25T10:00:00Z'`;
  await runWorker(database, guard);
  expect(await readAlarms(database)).toHaveLength(3);
  await runWorkerAt(database, minutes(70), guard);
  expect(await readAlarms(database)).toHaveLength(4);
});

test('a run without a count of held items does not clear the alarm of a guard', async () => {
  await using database = await createDatabase({ now: start });
  await createTwoGroups(database);
  await runWorker(database, guard);
  const alarm = `alarm_guard ${guard} 50`;
  await recordRun(database, minutes(1), 'failed', { error: 'no connection' }, guard);
  await runRaiseAlarms(database, minutes(1));
  await recordRun(database, minutes(2), 'success', { held: 0, left_to_another: 50 }, guard);
  await runRaiseAlarms(database, minutes(2));
  await recordRun(database, minutes(3), 'partial', { work_left: true }, guard);
  await runRaiseAlarms(database, minutes(3));
  await recordRun(database, minutes(4), 'skipped', { skew_s: 40 }, guard);
  await runRaiseAlarms(database, minutes(4));
  expect((await readAlarms(database)).filter((one) => one.includes('guard'))).toEqual([alarm]);
  // An idle run does, after any other run.
  await recordRun(database, minutes(5), 'success', {}, guard);
  await runRaiseAlarms(database, minutes(5));
  expect(await readAlarms(database)).toContain(over);
});

test('an alarm is over only by a successful run: a service that was stopped clears nothing', async () => {
  await using database = await createDatabase({ now: start });
  for (const minute of [0, 1, 2]) await recordRun(database, minutes(minute), 'failed');
  await runRaiseAlarms(database, minutes(3));
  await createTwoGroups(database);
  await runWorker(database, guard);
  await database.query`DELETE FROM perennial.access_sync`;
  const alarms = ['alarm_worker auto-renewal 3', `alarm_guard ${guard} 50`];
  expect(await readAlarms(database)).toEqual(alarms);
  const days = 3 * 24 * 60;
  await runRaiseAlarms(database, minutes(days));
  expect(await readAlarms(database)).toEqual(alarms);
  // An idle run, and the first one after a long time.
  await recordRun(database, minutes(days + 1), 'success');
  await recordRun(database, minutes(days + 1), 'success', {}, guard);
  await runRaiseAlarms(database, minutes(days + 2));
  expect(await readAlarms(database)).toEqual([
    ...alarms,
    over,
    'alarm_over alarm_worker auto-renewal',
  ]);
});

test('a channel with a long pause raises an alarm, one that is not in use does not, and a forgotten one is cleared', async () => {
  await using database = await createDatabase({ now: start });
  await database.query`
    INSERT INTO perennial.courier (id, failures, rests_until, last_error) VALUES
      ('telegram:1', 0, '2026-11-25T09:05:00.002Z', 'too many: wait 360 s'),
      ('telegram:2', 40, NULL, 'refused'),
      ('email:x', 11, NULL, 'refused')`;
  const tried = { 'telegram:1': 'too many', 'email:x': 'refused' };
  await recordRun(database, start, 'degraded', tried, 'deliver-notifications');
  await runRaiseAlarms(database, later(start, 1));
  const alarm = 'alarm_channel telegram:1';
  expect(await readAlarms(database)).toEqual([alarm]);
  await runRaiseAlarms(database, minutes(5));
  expect(await readAlarms(database)).toEqual([alarm]);
  await database.query`UPDATE perennial.courier SET failures = 12 WHERE id = 'email:x'`;
  await runRaiseAlarms(database, minutes(6));
  const both = [alarm, 'alarm_channel email:x', 'alarm_over alarm_channel telegram:1'];
  expect(await readAlarms(database)).toEqual(both);
  await database.query`DELETE FROM perennial.courier WHERE id = 'email:x'`;
  await runRaiseAlarms(database, minutes(7));
  expect(await readAlarms(database)).toEqual([...both, 'alarm_over alarm_channel email:x']);
});
