import { expect, test } from 'vitest';
import {
  hourMs,
  type Instant,
  later,
  minuteMs,
  parseInstant,
} from '../../../../src/kernel/instant.ts';
import { toLeaseKey } from '../../../../src/leases/lock.ts';
import type { Preview } from '../../../../src/runs/worker.ts';
import { raiseAlarmsWorker } from '../../../../src/workers/raise-alarms/worker.ts';
import { runRaiseAlarms } from '../../../support/alarms.ts';
import {
  createDelivery,
  createEndingSubscriber,
  createNotifiedSubscriber,
  createStage,
  runDelivery,
  type Stage,
} from '../../../support/delivery.ts';
import { holdLocks } from '../../../support/locks.ts';
import { enqueueOne } from '../../../support/notifications.ts';

// Notifications that are due and that no courier examines.

const start = parseInstant('2026-11-25T12:00:00Z', 'the test');
const after = (ms: number): Instant => later(start, ms);

/** The alarms about notifications: the cause of each, or `over`. */
async function readAlarmCauses({ database }: Stage): Promise<string[]> {
  const rows = await database.query<{ cause: string }>`
    SELECT CASE kind WHEN 'alarm_over' THEN 'over' ELSE params->>'cause' END AS cause
    FROM perennial.notification
    WHERE kind = 'alarm_overdue' AND params->>'worker' = 'deliver-notifications'
      OR kind = 'alarm_over' AND params->>'alarm' = 'alarm_overdue'
    ORDER BY id`;
  return rows.map(({ cause }) => cause);
}

/** One check a minute, as in a service. */
async function runChecks(stage: Stage, fromMin: number, toMin: number): Promise<void> {
  for (let at = fromMin; at <= toMin; at += 1)
    await runRaiseAlarms(stage.database, after(at * minuteMs));
}

async function readPreview({ database: { db } }: Stage): Promise<string[]> {
  const sentences: string[] = [];
  const report = ({ sentence }: Preview) => void sentences.push(String(sentence));
  await raiseAlarmsWorker.preview({ db } as never, report);
  return sentences.filter((one) => one.includes('deliver-notifications'));
}

const enqueueReceipt = (stage: Stage) => enqueueOne(stage.database, 'receipt', 1001n);

test('W1: notifications that no courier has examined for 10 minutes are reported, and the alarm is over with the first walk', async () => {
  await using stage = await createStage({ now: start });
  await createNotifiedSubscriber(stage, 1001n, 149_00n);
  await enqueueReceipt(stage);
  expect(await readPreview(stage)).toEqual([]);
  await runChecks(stage, 0, 10);
  expect(await readAlarmCauses(stage)).toEqual([]);
  await runChecks(stage, 11, 12);
  expect(await readAlarmCauses(stage)).toEqual(['no courier serves the channel "telegram"']);
  await stage.database.setClock(after(5 * hourMs));
  const [sentence] = await readPreview(stage);
  expect(sentence).toMatch(/^would raise alarm_overdue: .*oldest_at 2026-11-25T12:00/);
  await runDelivery(stage);
  await runRaiseAlarms(stage.database, after(5 * hourMs));
  expect((await readAlarmCauses(stage)).slice(1)).toEqual(['over']);
});

test('W1: another session that holds the lock of the courier is named', async () => {
  await using stage = await createStage({ now: start });
  await createNotifiedSubscriber(stage, 1001n, 149_00n);
  await runDelivery(stage);
  const [channel] = createDelivery(stage.api).channels;
  const lock = `SELECT pg_advisory_lock(${toLeaseKey('courier', `'${channel?.id}'`)})`;
  const session = await holdLocks(stage.database, lock);
  channel?.close();
  await enqueueReceipt(stage);
  await runChecks(stage, 0, 11);
  await session.release();
  const [cause] = await readAlarmCauses(stage);
  expect(cause).toMatch(
    new RegExp(
      `^no courier serves the channel "telegram" since 2026-11-25T12:00:00.000Z; its lock is held by process ${session.pid} \\(psql`,
    ),
  );
});

test('W1: a notification whose customer another session holds is reported with the session', async () => {
  await using stage = await createStage({ now: start });
  const { database } = stage;
  await createNotifiedSubscriber(stage, 1001n, 149_00n);
  await enqueueReceipt(stage);
  const session = await holdLocks(database, 'UPDATE perennial.customer SET locale = locale');
  await runChecks(stage, 0, 10);
  await database.setClock(after(11 * minuteMs));
  await runDelivery(stage);
  await runRaiseAlarms(database, after(11 * minuteMs));
  expect(await readAlarmCauses(stage)).toEqual([
    expect.stringMatching(/^locked by process \d+ \(psql/),
  ]);
  await session.release();
});

test('W1: legitimate waits raise nothing: a paused account, quiet hours, an unreachable customer, and a service that starts after a pause', async () => {
  await using stage = await createStage({ now: start });
  const { database, api } = stage;
  await createNotifiedSubscriber(stage, 1001n, 149_00n);
  await enqueueReceipt(stage);
  // Before any service: the first check, hours after an import.
  await runRaiseAlarms(database, after(5 * hourMs));
  await runRaiseAlarms(database, after(10 * hourMs));
  expect(await readAlarmCauses(stage)).toEqual([]);
  // The account has to pause for an hour.
  api.conduct = () => ({ tooMany: 3_600 });
  await runDelivery(stage);
  await runChecks(stage, 601, 625);
  expect(await readAlarmCauses(stage)).toEqual([]);
  // The customer blocked the bot: the next attempt follows in a week.
  api.conduct = () => ({ error: 403, description: 'Forbidden: bot was blocked by the user' });
  await database.setClock(after(662 * minuteMs));
  await runDelivery(stage);
  await runChecks(stage, 662, 680);
  // A reminder in the quiet hours waits for the morning.
  api.conduct = () => 'serve';
  await createEndingSubscriber(stage, 1002n);
  await database.setClock('2026-12-23T02:00:00Z');
  await enqueueOne(database, 'ends_3d', 1002n);
  await runDelivery(stage);
  for (const minute of ['02:01', '02:09', '02:17', '02:25']) {
    await runRaiseAlarms(database, parseInstant(`2026-12-23T${minute}:00Z`, 'the test'));
  }
  const rows = await database.query`
    SELECT FROM perennial.notification WHERE kind = 'ends_3d' AND state = 'pending'`;
  expect(rows).toHaveLength(1);
  expect(await readAlarmCauses(stage)).toEqual([]);
});
