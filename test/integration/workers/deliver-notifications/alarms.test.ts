import { expect, test } from 'vitest';
import { later, minuteMs, parseInstant } from '../../../../src/kernel/instant.ts';
import { openEmail } from '../../../../src/notifications/channels/email/email.ts';
import { openLogChannel } from '../../../../src/notifications/channels/log/log.ts';
import { until } from '../../../../testbed/until.ts';
import {
  createDelivery,
  createNotifiedSubscriber,
  createStage,
  fastLimits,
  readNotifications,
  runDelivery,
  type Stage,
  startStageCouriers,
} from '../../../support/delivery.ts';
import { silentLog } from '../../../support/log.ts';
import { startMailServer } from '../../../support/mail-server.ts';
import { enqueueAlarm, enqueueOne } from '../../../support/notifications.ts';
import { runWorker } from '../../../support/shop.ts';

// The path of alarms to the admins: each channel is independent of the others.

const noon = '2026-11-24T12:00:00Z';
const mailTo = (url: string) =>
  openEmail({ url, from: 'perennial@example.net', admins: ['ops@example.net'], perSecond: 100 });

test('an alarm reaches e-mail while Telegram is unreachable, with any courier', async () => {
  await using stage = await createStage({ now: noon });
  using mail = await startMailServer();
  await stage.database.query`
    INSERT INTO perennial.courier (id, failures, rests_until)
    VALUES ('telegram:123456789', 9, '2026-11-24T13:00:00Z')`;
  const telegram = createDelivery(stage.api, { admins: [7, 8] });
  const delivery = { ...telegram, channels: [...telegram.channels, mailTo(mail.url)] };
  await enqueueAlarm(stage.database, 'auto-renewal');
  expect(await runDelivery(stage, delivery)).toMatchObject({ outcome: 'degraded', changed: 1n });
  expect(mail.mails).toMatchObject([{ to: 'ops@example.net' }]);
  expect(stage.api.log).toEqual([]);
  // Telegram's couriers hang, or belong to an ended process. The courier of e-mail also makes the
  // rows.
  const rows = await stage.database.query<{ held: boolean }>`
    SELECT pg_advisory_lock(hashtextextended('perennial courier telegram:123456789', 0)) IS NULL
      AS held`;
  expect(rows).toHaveLength(1);
  await enqueueAlarm(stage.database, 'fast-expiry-cleanup');
  await runDelivery(stage, { ...delivery, channels: [...telegram.channels, mailTo(mail.url)] });
  expect(mail.mails).toHaveLength(2);
  const waiting = (await readNotifications(stage.database)).filter(
    ({ state }) => state === 'pending',
  );
  expect(waiting.map(({ channel, recipient }) => `${channel} ${recipient}`)).toEqual(
    expect.arrayContaining(['telegram 7', 'telegram 8']),
  );
  expect(waiting).toHaveLength(4);
});

test('alarms keep the pace of a chat: six at once arrive one after the other', async () => {
  const pace = { perSecond: 1_000, gapMs: 150 };
  await using stage = await createStage({ now: noon, api: { limits: pace } });
  for (let n = 1; n <= 6; n += 1) await enqueueAlarm(stage.database, `worker-${n}`);
  const delivery = createDelivery(stage.api, { ...pace, admins: [7, 8] });
  expect(await runDelivery(stage, delivery)).toMatchObject({ outcome: 'success', changed: 12n });
  expect(stage.api.log.filter(({ retryAfter }) => retryAfter !== undefined)).toEqual([]);
  expect(stage.api.texts(7n)).toHaveLength(6);
});

test('two couriers that find an alarm at once make one row per admin, and one line of the log', async () => {
  await using stage = await createStage({ now: noon });
  using mail = await startMailServer();
  const telegram = createDelivery(stage.api, { admins: [7, 8], ...fastLimits });
  const lines: string[] = [];
  const warn = (_: object, message: string) => void lines.push(message);
  await using couriers = startStageCouriers(stage, {
    channels: [...telegram.channels, mailTo(mail.url)],
    log: { ...silentLog, warn },
  });
  await until('both leases', () => couriers.listChannelIds().length === 2);
  for (let n = 1; n <= 10; n += 1) await enqueueAlarm(stage.database, `worker-${n}`);
  await until('all are sent', async () => {
    const rows = await readNotifications(stage.database);
    return rows.length === 30 && rows.every(({ state }) => state === 'sent');
  });
  expect(stage.api.texts(7n)).toHaveLength(10);
  expect(stage.api.texts(8n)).toHaveLength(10);
  expect(mail.mails).toHaveLength(10);
  // The log has it too, in any state of the channels.
  expect(lines.filter((line) => line === 'alarm_worker')).toHaveLength(10);
});

test('an alarm without an admin is stored with its reason', async () => {
  await using stage = await createStage({ now: noon });
  await enqueueAlarm(stage.database, 'auto-renewal');
  await runDelivery(stage, createDelivery(stage.api, { admins: [] }));
  expect(await readNotifications(stage.database)).toMatchObject([
    { state: 'suppressed', reason: 'no_admins' },
  ]);
});

test('a process that lacks a channel leaves an alarm to a process that has it, for a minute', async () => {
  await using stage = await createStage({ now: noon });
  using mail = await startMailServer();
  await stage.database.query`
    INSERT INTO perennial.courier (id) VALUES ('telegram:123456789'), ('log')`;
  const log = openLogChannel({ info: () => undefined });
  const lacking = () => ({ ...createDelivery(stage.api), channels: [log, mailTo(mail.url)] });
  await enqueueAlarm(stage.database, 'auto-renewal');
  await runDelivery(stage, lacking());
  expect(await readNotifications(stage.database)).toMatchObject([
    { state: 'pending', channel: 'admins' },
  ]);
  await stage.database.setClock('2026-11-24T12:01:00Z');
  await runDelivery(stage, lacking());
  expect(await readNotifications(stage.database)).toMatchObject([
    { state: 'sent', channel: 'email' },
  ]);
  expect(mail.mails).toHaveLength(1);
});

/** Three failed runs in a row or one success, and the check that reports it. */
async function recordRuns(stage: Stage, outcome: 'failed' | 'success', at: string): Promise<void> {
  const { database } = stage;
  await database.setClock(at);
  await database.query`
    INSERT INTO perennial.worker_run (worker, replica, replica_number, started_at, finished_at,
      outcome, detail)
    SELECT 'auto-renewal', 'host:1', 1, ${at}, ${at}, ${outcome}, '{"error": "no connection"}'
    FROM generate_series(1, 3)`;
  await runWorker(database, 'raise-alarms');
}

const describeNotices = async ({ database }: Stage) =>
  (await readNotifications(database)).map(
    ({ kind, recipient, state, reason }) => `${recipient} ${kind} ${reason ?? state}`,
  );

test('each admin receives each alarm and its end, also from a courier that is late', async () => {
  await using stage = await createStage({ now: noon });
  // One after the other, as in a real chat.
  const delivery = () => createDelivery(stage.api, { admins: [7, 8], gapMs: 50 });
  await recordRuns(stage, 'failed', '2026-11-24T12:01:00Z');
  await runDelivery(stage, delivery());
  // Without a courier the alarm is cleared, and then the problem returns.
  await recordRuns(stage, 'success', '2026-11-24T12:02:00Z');
  await recordRuns(stage, 'failed', '2026-11-24T12:03:00Z');
  await stage.database.setClock('2026-11-24T12:04:00Z');
  await runDelivery(stage, delivery());
  expect((await describeNotices(stage)).sort()).toEqual(
    ['7', '8'].flatMap((admin) => [
      `${admin} alarm_over sent`,
      `${admin} alarm_worker sent`,
      `${admin} alarm_worker sent`,
    ]),
  );
  expect(stage.api.texts(7n).map((text) => /again/.test(text))).toEqual([false, true, false]);
  expect(stage.api.texts(8n).map((text) => /again/.test(text))).toEqual([false, true, false]);
});

test('the end of an alarm that was never sent is sent to no admin', async () => {
  await using stage = await createStage({ now: noon });
  await recordRuns(stage, 'failed', '2026-11-24T12:01:00Z');
  await runDelivery(stage);
  await recordRuns(stage, 'success', '2026-11-24T12:02:00Z');
  await runDelivery(stage);
  await recordRuns(stage, 'failed', '2026-11-24T12:03:00Z');
  await recordRuns(stage, 'success', '2026-11-24T12:04:00Z');
  await runDelivery(stage);
  expect(await describeNotices(stage)).toEqual([
    '7 alarm_worker sent',
    '7 alarm_over sent',
    '7 alarm_worker over',
    '7 alarm_over alarm_never_said',
  ]);
});

test('a channel without success for minutes raises an alarm on the other channels, and its end is sent too', async () => {
  await using stage = await createStage({ now: noon });
  using mail = await startMailServer();
  const { database, api } = stage;
  await createNotifiedSubscriber(stage, 1n);
  await enqueueOne(database, 'receipt', 1n);
  const refused = { error: 401, description: 'Unauthorized' } as const;
  api.conduct = () => refused;
  api.getMeOutcome = refused;
  let minute = 0;
  /** A minute later: the walk of a courier, and the result of the check. */
  const passes = async () => {
    minute += 1;
    await database.setClock(later(parseInstant(noon, 'the test'), minute * minuteMs));
    const telegram = createDelivery(api);
    await runDelivery(stage, { ...telegram, channels: [...telegram.channels, mailTo(mail.url)] });
    await runWorker(database, 'raise-alarms');
  };
  for (let n = 1; n <= 4; n += 1) await passes();
  expect(mail.mails).toEqual([]);
  for (let n = 5; n <= 14; n += 1) await passes();
  expect(mail.mails.map(({ source }) => source.includes('Unauthorized'))).toEqual([true]);
  api.conduct = () => 'serve';
  api.getMeOutcome = 'serve';
  for (let n = 1; n <= 2; n += 1) await passes();
  expect(api.texts(1n)).toHaveLength(1);
  const [away, over, ...more] = mail.mails.map(({ source }) => /Subject: (.*)/.exec(source)?.[1]);
  expect(away).toContain('telegram:123456789');
  expect(over).toBe('Over: telegram:123456789');
  expect(more).toEqual([]);
});
