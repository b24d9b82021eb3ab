import { expect, test } from 'vitest';
import type { Instant } from '../../../../src/kernel/instant.ts';
import { openLogChannel } from '../../../../src/notifications/channels/log/log.ts';
import { startBotApi } from '../../../../testbed/bot-api/bot-api.ts';
import { until } from '../../../../testbed/until.ts';
import {
  createDelivery,
  createEndingSubscriber,
  createNotifiedSubscriber,
  createStage,
  enqueueReceipts,
  fastLimits,
  readNotifications,
  runDelivery,
  startStageCouriers,
  token,
} from '../../../support/delivery.ts';
import { enqueueAlarm, enqueueOne } from '../../../support/notifications.ts';
import { runWorker } from '../../../support/shop.ts';

const noon = '2026-11-24T12:00:00Z';

test('R7: a renewal has one receipt, sent once after its commit, with what was charged and until when', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  await createNotifiedSubscriber(stage, 1001n, 149_00n);
  await database.setClock('2026-12-24T09:00:00Z');
  await using couriers = startStageCouriers(stage);
  await until('the lease', () => couriers.listChannelIds().length === 1);
  expect(await runWorker(database, 'auto-renewal')).toMatchObject({ changed: 1n });
  const committedMs = performance.now();
  await until('the receipt', () => api.log.length > 0);
  const [arrival] = api.log;
  expect((arrival?.atMs ?? 0) - committedMs).toBeLessThan(1_000);
  await until('it is stored', async () =>
    (await readNotifications(database)).every(({ state }) => state === 'sent'),
  );
  expect(arrival?.text).toMatch(/149/);
  expect(arrival?.text).toMatch(/23/); // January 23, 2027
  const rows = await readNotifications(database, 'receipt');
  expect(rows).toMatchObject([{ state: 'sent', message_id: 1n, attempts: 1, channel: 'telegram' }]);
  expect(api.texts(1001n)).toHaveLength(1);
  // Another run finds nothing due.
  await couriers.stop();
  expect(await runDelivery(stage)).toMatchObject({ outcome: 'success', examined: 0n });
  expect(api.log).toHaveLength(1);
});

test('R7: a renewal that was rolled back has no receipt', async () => {
  await using stage = await createStage({ now: noon });
  await createNotifiedSubscriber(stage, 1001n, 149_00n);
  await stage.database.setClock('2026-12-24T09:00:00Z');
  await stage.database.query`
    CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$`;
  await stage.database.query`
    CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON perennial.period
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.refuse()`;
  expect(await runWorker(stage.database, 'auto-renewal')).toMatchObject({ outcome: 'failed' });
  expect(await runDelivery(stage)).toMatchObject({ examined: 0n });
  expect(stage.api.log).toEqual([]);
});

test('at_least_once notifications precede reminders, even reminders that are due for longer', async () => {
  await using stage = await createStage({ now: noon, api: {} });
  await createEndingSubscriber(stage, 1n);
  await createEndingSubscriber(stage, 2n);
  await stage.database.setClock('2026-12-23T12:00:00Z');
  await enqueueOne(stage.database, 'ends_24h', 1n);
  await stage.database.setClock('2026-12-23T13:00:00Z');
  await enqueueOne(stage.database, 'receipt', 2n);
  expect(await runDelivery(stage)).toMatchObject({ outcome: 'success', examined: 2n, changed: 2n });
  expect(stage.api.log.map(({ chat }) => chat)).toEqual(['2', '1']);
});

test('a 429 is stored with the bot: no process sends before its end, then everything arrives', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  await enqueueReceipts(stage, 3);
  api.conduct = ({ n }) => (n === 1 ? { tooMany: 5 } : 'serve');
  const first = await runDelivery(stage);
  expect(first).toMatchObject({ outcome: 'degraded', detail: { work_left: true } });
  const calls = api.log.length;
  // Five seconds from the answer, of which some have passed when the pause is written.
  const rows = await database.query<{ until: number }>`
    SELECT rests_until AS until FROM perennial.courier`;
  const [{ until: restsUntil } = { until: 0 }] = rows;
  expect(restsUntil).toBeLessThanOrEqual(Date.parse('2026-11-24T12:00:05Z'));
  await database.setClock((restsUntil - 1) as Instant);
  expect(await runDelivery(stage)).toMatchObject({ examined: 0n });
  expect(api.log).toHaveLength(calls);
  await database.setClock('2026-11-24T12:00:05Z');
  // The gateway has a separate clock: another gateway stands for it five seconds later.
  using later = await startBotApi({ limits: fastLimits });
  expect(await runDelivery({ database, api: later })).toMatchObject({ outcome: 'success' });
  expect((await readNotifications(database)).map(({ state }) => state)).toEqual([
    'sent',
    'sent',
    'sent',
  ]);
  expect(await readNotifications(database)).toMatchObject(Array(3).fill({ lost_answers: 0 }));
});

test('without Telegram notifications go to the log, and their rows are stored', async () => {
  await using stage = await createStage({ now: noon });
  await createNotifiedSubscriber(stage, 1001n);
  await enqueueOne(stage.database, 'receipt', 1001n);
  await enqueueAlarm(stage.database, 'auto-renewal');
  const lines: object[] = [];
  const log = openLogChannel({ info: (fields) => void lines.push(fields) });
  const delivery = { ...createDelivery(stage.api), channels: [log] };
  expect(await runDelivery(stage, delivery)).toMatchObject({ changed: 2n });
  expect(lines).toMatchObject([
    { to: '1001', text: /149/ },
    { to: 'admins', text: /auto-renewal/ },
  ]);
  expect(await readNotifications(stage.database)).toMatchObject([
    { state: 'sent', channel: 'log' },
    { state: 'sent', channel: 'log' },
  ]);
});

test('a run beside the service leaves the bot to its courier, and reports it', async () => {
  await using stage = await createStage({ now: noon });
  await using couriers = startStageCouriers(stage);
  await until('the lease', () => couriers.listChannelIds().length === 1);
  expect(await runDelivery(stage)).toMatchObject({
    outcome: 'skipped',
    detail: { reason: 'telegram:123456789: its courier is another process' },
  });
});

test('a second courier takes over when the first ends', async () => {
  await using stage = await createStage({ now: noon });
  const first = startStageCouriers(stage);
  await until('the lease', () => first.listChannelIds().length === 1);
  await using second = startStageCouriers(stage);
  await createNotifiedSubscriber(stage, 1n);
  await enqueueOne(stage.database, 'receipt', 1n);
  await until('it is sent', () => stage.api.log.length === 1);
  expect(second.listChannelIds()).toEqual([]);
  await first.stop();
  await until('the takeover', () => second.listChannelIds().length === 1);
  await enqueueOne(stage.database, 'refund', 1n);
  await until('it is sent too', () => stage.api.log.length === 2);
});

test('the token is neither in the database nor in the log', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  const echo = `no such path /bot${token}/sendMessage`;
  const fates = [
    { error: 400, description: echo },
    { error: 403, description: echo },
    { status: 502, body: echo },
    { error: 401, description: echo },
    'lose',
  ] as const;
  await enqueueReceipts(stage, 5);
  api.conduct = ({ n }) => fates[n - 1] ?? 'serve';
  api.getMeOutcome = { error: 401, description: echo };
  const lines: string[] = [];
  const capture = (fields: object, message: string) =>
    void lines.push(
      message,
      JSON.stringify(fields),
      String((fields as { err?: Error }).err?.stack),
    );
  const log = { debug: capture, info: capture, warn: capture, error: capture };
  await using couriers = startStageCouriers(stage, { log, telegram: { deadlineMs: 300 } });
  await until('all were tried', () => api.log.length >= 2);
  await until('the warning', () => lines.some((line) => line.includes('***')));
  await couriers.stop();
  const rows = await database.query<{ text: string }>`
    SELECT (SELECT json_agg(n) FROM perennial.notification n)::text
      || (SELECT json_agg(c) FROM perennial.courier c)::text
      || (SELECT json_agg(r) FROM perennial.worker_run r)::text AS text`;
  expect(rows[0]?.text).toContain('***');
  expect(rows[0]?.text).not.toContain('canary');
  expect(lines.join('\n')).not.toContain('canary');
});

test('P3 P6: a run ends when its budget is used up, its record says that work is left, and the next run finishes', async () => {
  await using stage = await createStage({ now: noon });
  await enqueueReceipts(stage, 5);
  let reads = 0;
  const elapsedMs = () => {
    reads += 1;
    return reads > 3 ? 1_000 : 0;
  };
  const first = await runWorker(stage.database, 'deliver-notifications', {
    budgetMs: 1_000,
    elapsedMs,
  });
  expect(first).toMatchObject({ outcome: 'partial', detail: { work_left: true } });
  expect(first.changed).toBeGreaterThan(0n);
  expect(first.changed).toBeLessThan(5n);
  const nextRun = await runWorker(stage.database, 'deliver-notifications');
  const changed = 5n - first.changed;
  expect(nextRun).toMatchObject({ outcome: 'success', changed, detail: { sent: Number(changed) } });
});
