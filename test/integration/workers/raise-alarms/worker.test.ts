import { expect, test } from 'vitest';
import { inTransaction } from '../../../../src/db/connect.ts';
import { type Instant, later, minuteMs, parseInstant } from '../../../../src/kernel/instant.ts';
import { quarantineItems, releaseQuarantined } from '../../../../src/runs/quarantine.ts';
import { readAlarms, recordRun, runRaiseAlarms } from '../../../support/alarms.ts';
import { createDatabase } from '../../../support/database.ts';
import { createEndingSubscribers, createShopDatabase, runWorker } from '../../../support/shop.ts';

const start = parseInstant('2026-11-25T09:00:00Z', 'the test');
const minutes = (count: number): Instant => later(start, count * minuteMs);

test('a worker that fails 3 times in a row raises one alarm, which is over when it runs again', async () => {
  await using database = await createDatabase({ now: start });
  const error = { error: 'no connection' };
  await recordRun(database, minutes(0), 'failed', error);
  await recordRun(database, minutes(1), 'failed', error);
  await runRaiseAlarms(database, minutes(2));
  expect(await readAlarms(database)).toEqual([]);
  await recordRun(database, minutes(3), 'failed', error);
  expect(await runRaiseAlarms(database, minutes(4))).toMatchObject({
    changed: 1n,
    detail: { raised: 1 },
  });
  await recordRun(database, minutes(5), 'failed', error);
  await runRaiseAlarms(database, minutes(6));
  const alarm = 'alarm_worker auto-renewal 3';
  expect(await readAlarms(database)).toEqual([alarm]);
  // An idle run, which counts only because it ends the series.
  await recordRun(database, minutes(7), 'success');
  await runRaiseAlarms(database, minutes(8));
  const over = 'alarm_over alarm_worker auto-renewal';
  expect(await readAlarms(database)).toEqual([alarm, over]);
  for (const minute of [10, 11, 12]) await recordRun(database, minutes(minute), 'failed', error);
  await runRaiseAlarms(database, minutes(13));
  expect(await readAlarms(database)).toEqual([alarm, over, alarm]);
});

test('an idle run in between is successful: two failures and two are not four', async () => {
  await using database = await createDatabase({ now: start });
  for (const minute of [0, 1]) await recordRun(database, minutes(minute), 'failed');
  await recordRun(database, minutes(2), 'success');
  for (const minute of [3, 4]) await recordRun(database, minutes(minute), 'failed');
  await runRaiseAlarms(database, minutes(5));
  expect(await readAlarms(database)).toEqual([]);
});

test('idle runs leave no record, except the first one after a problem', async () => {
  await using database = await createDatabase({ now: start });
  await recordRun(database, minutes(0), 'success');
  await recordRun(database, minutes(1), 'failed');
  await recordRun(database, minutes(2), 'success');
  await recordRun(database, minutes(3), 'success');
  const rows = await database.query`SELECT outcome FROM perennial.worker_run ORDER BY id`;
  expect(rows).toEqual([{ outcome: 'failed' }, { outcome: 'success' }]);
});

test('an open alarm is repeated once a day', async () => {
  await using database = await createDatabase({ now: start });
  for (const minute of [0, 1, 2]) await recordRun(database, minutes(minute), 'failed');
  await runRaiseAlarms(database, minutes(3));
  for (const minute of [1_440, 1_441, 1_442]) await recordRun(database, minutes(minute), 'failed');
  await runRaiseAlarms(database, minutes(1_442.9));
  expect(await readAlarms(database)).toHaveLength(1);
  await runRaiseAlarms(database, minutes(1_443));
  await runRaiseAlarms(database, minutes(1_444));
  expect(await readAlarms(database)).toHaveLength(2);
});

test('a removal that no node confirms is alarmed after 5 minutes, and over when it is confirmed', async () => {
  await using database = await createShopDatabase({ now: start });
  await createEndingSubscribers(database, 3, '2026-11-25T09:00:00Z');
  await runWorker(database, 'fast-expiry-cleanup');
  await runRaiseAlarms(database, later(minutes(5), -1));
  expect(await readAlarms(database)).toEqual([]);
  await runRaiseAlarms(database, minutes(5));
  await runRaiseAlarms(database, minutes(6));
  expect(await readAlarms(database)).toEqual(['alarm_removal nl-1 3']);
  await database.query`DELETE FROM perennial.access_sync`;
  await runRaiseAlarms(database, minutes(7));
  expect(await readAlarms(database)).toEqual([
    'alarm_removal nl-1 3',
    'alarm_over alarm_removal nl-1',
  ]);
});

test('a quarantine is alarmed by reason, again after a tenfold growth, and over when it is empty', async () => {
  await using database = await createDatabase({ now: start });
  const quarantine = (items: readonly string[]) =>
    inTransaction(database.db, (tx) =>
      quarantineItems(
        tx,
        'auto-renewal',
        items.map((item) => ({ item, reason: 'no_price', sentence: 'test' })),
        start,
      ),
    );
  const many = Array.from({ length: 10 }, (_, index) => String(index + 1));
  await quarantine(['1']);
  await quarantine(['1', '2']);
  await runRaiseAlarms(database, minutes(1));
  const alarm = 'alarm_quarantine auto-renewal';
  expect(await readAlarms(database)).toEqual([alarm]);
  await quarantine(many.slice(0, 9));
  expect(await readAlarms(database)).toEqual([alarm]);
  await quarantine(many);
  expect(await readAlarms(database)).toEqual([alarm, alarm]);
  await runRaiseAlarms(database, minutes(2));
  await inTransaction(database.db, (tx) => releaseQuarantined(tx, 'auto-renewal', many));
  await runRaiseAlarms(database, minutes(3));
  await runRaiseAlarms(database, minutes(4));
  expect(await readAlarms(database)).toEqual([
    alarm,
    alarm,
    'alarm_over alarm_quarantine auto-renewal',
  ]);
});

test('a machine with a wrong clock raises one alarm by itself, which is over when no run is skipped', async () => {
  await using database = await createDatabase({ now: start });
  const skew = { reason: 'off', skew_s: 47 };
  await recordRun(database, minutes(0), 'skipped', skew);
  await recordRun(database, minutes(1), 'skipped', skew);
  const alarm = 'alarm_clock host-2';
  expect(await readAlarms(database)).toEqual([alarm]);
  const rows = await database.query`
    SELECT params->>'sentence' AS sentence FROM perennial.notification`;
  const clock = expect.stringMatching(
    /^the clock of host-2 \(process \d+, replica \d+\) is 47 s ahead of the database clock$/,
  );
  expect(rows).toEqual([{ sentence: clock }]);
  // A run that left its work to another process has no wrong clock.
  await recordRun(database, minutes(10), 'skipped', { reason: 'its courier is another process' });
  await runRaiseAlarms(database, later(minutes(16), -1));
  expect(await readAlarms(database)).toEqual([alarm]);
  await runRaiseAlarms(database, minutes(16));
  expect(await readAlarms(database)).toEqual([alarm, 'alarm_over alarm_clock host-2']);
});

test('replicas that check at once raise each alarm once', async () => {
  await using database = await createDatabase({ now: start });
  for (const minute of [0, 1, 2]) await recordRun(database, minutes(minute), 'failed');
  await Promise.all(Array.from({ length: 5 }, () => runRaiseAlarms(database, minutes(3))));
  expect(await readAlarms(database)).toEqual(['alarm_worker auto-renewal 3']);
  await recordRun(database, minutes(4), 'success');
  await Promise.all(Array.from({ length: 5 }, () => runRaiseAlarms(database, minutes(5))));
  expect(await readAlarms(database)).toHaveLength(2);
});

test('a check of a database without problems leaves no record', async () => {
  await using database = await createDatabase({ now: start });
  expect(await runRaiseAlarms(database, start)).toMatchObject({ outcome: 'success', examined: 0n });
  expect(await database.query`SELECT FROM perennial.worker_run`).toEqual([]);
});
