import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { startBotApi } from '../../../test/bot-api/bot-api.ts';
import { startMailServer } from '../../../test/bot-api/smtp.ts';
import { oweAlarm, oweOne } from '../../../test/delivery/owed.ts';
import {
  aStage,
  brisk,
  deliver,
  deliveryTo,
  leaver,
  notices,
  runDelivery,
  token,
  told,
} from '../../../test/delivery/stage.ts';
import { until } from '../../../test/service/until.ts';
import { runOf } from '../../../test/shop.ts';
import type { Instant } from '../../kernel/instant.ts';
import { openEmail } from '../../notify/channels/email/email.ts';
import { openLogChannel } from '../../notify/channels/log/log.ts';
import { topUp } from '../../subscription/balance.ts';

const noon = '2026-11-24T12:00:00Z';
const blocked = { error: 403, description: 'Forbidden: bot was blocked by the user' } as const;

test('R7: a renewal has one receipt, sent once after its commit, with what was charged and until when', async () => {
  await using stage = await aStage({ now: noon });
  const { books, api } = stage;
  await told(stage, 1001n, 149_00n);
  await books.setClock('2026-12-24T09:00:00Z');
  await using couriers = deliver(stage);
  await until('the post', () => (couriers.held().length === 1 ? true : undefined));
  expect(await runOf(books, 'auto-renewal')).toMatchObject({ changed: 1n });
  const committedMs = performance.now();
  await until('the receipt', () => (api.log.length > 0 ? true : undefined));
  const [arrival] = api.log;
  expect((arrival?.atMs ?? 0) - committedMs).toBeLessThan(1_000);
  await until('it is marked', async () =>
    (await notices(books)).every(({ state }) => state === 'sent') ? true : undefined,
  );
  expect(arrival?.text).toMatch(/149/);
  expect(arrival?.text).toMatch(/23/); // January 23, 2027
  const rows = await notices(books, 'receipt');
  expect(rows).toMatchObject([{ state: 'sent', message_id: 1n, attempts: 1, channel: 'telegram' }]);
  expect(api.texts(1001n)).toHaveLength(1);
  // Another run finds nothing to say.
  await couriers.stop();
  expect(await runDelivery(stage)).toMatchObject({ outcome: 'success', examined: 0n });
  expect(api.log).toHaveLength(1);
});

test('R7: a renewal that was rolled back has no receipt', async () => {
  await using stage = await aStage({ now: noon });
  await told(stage, 1001n, 149_00n);
  await stage.books.setClock('2026-12-24T09:00:00Z');
  await sql`
    CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$`.execute(stage.books.db);
  await sql`
    CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON perennial.period
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.refuse()`.execute(
    stage.books.db,
  );
  expect(await runOf(stage.books, 'auto-renewal')).toMatchObject({ outcome: 'failed' });
  expect(await runDelivery(stage)).toMatchObject({ examined: 0n });
  expect(stage.api.log).toEqual([]);
});

test('what must arrive goes before reminders, however long those have waited', async () => {
  await using stage = await aStage({ now: noon, api: {} });
  await leaver(stage, 1n);
  await leaver(stage, 2n);
  await stage.books.setClock('2026-12-23T12:00:00Z');
  await oweOne(stage.books, 'ends_24h', 1n);
  await stage.books.setClock('2026-12-23T13:00:00Z');
  await oweOne(stage.books, 'receipt', 2n);
  expect(await runDelivery(stage)).toMatchObject({ outcome: 'success', examined: 2n, changed: 2n });
  expect(stage.api.log.map(({ chat }) => chat)).toEqual(['2', '1']);
});

test('who blocked the bot is not reachable: what must arrive waits a week, reminders are dropped', async () => {
  await using stage = await aStage({ now: noon });
  const { books, api } = stage;
  await leaver(stage, 1n);
  api.conduct = () => blocked;
  await oweOne(books, 'receipt', 1n);
  expect(await runDelivery(stage)).toMatchObject({ outcome: 'success', failed: 1n });
  expect(await notices(books)).toMatchObject([{ state: 'pending', reason: /blocked/ }]);
  const reachable = async () =>
    (await sql<{ reachable: boolean }>`SELECT reachable FROM perennial.customer`.execute(books.db))
      .rows[0]?.reachable;
  expect(await reachable()).toBe(false);
  await oweOne(books, 'refund', 1n);
  await oweOne(books, 'ends_3d', 1n);
  await runDelivery(stage);
  const [, waits, dropped] = await notices(books);
  expect(waits).toMatchObject({ state: 'pending' });
  expect(dropped).toMatchObject({ state: 'suppressed' });
  expect(api.log).toHaveLength(1);
  // A week later it is tried, and the bot isn't blocked any more.
  api.conduct = () => 'serve';
  await books.setClock('2026-12-01T12:00:01Z');
  expect(await runDelivery(stage)).toMatchObject({ changed: 2n });
  expect(await reachable()).toBe(true);
  expect(api.texts(1n)).toHaveLength(2);
});

test('429 is stored with the bot: nobody sends before, whoever it is; then all arrives', async () => {
  await using stage = await aStage({ now: noon });
  const { books, api } = stage;
  for (let n = 1n; n <= 3n; n += 1n) await told(stage, n);
  for (let n = 1n; n <= 3n; n += 1n) await oweOne(books, 'receipt', n);
  api.conduct = ({ n }) => (n === 1 ? { tooMany: 5 } : 'serve');
  const first = await runDelivery(stage);
  expect(first).toMatchObject({ outcome: 'degraded', detail: { work_left: true } });
  const calls = api.log.length;
  // Five seconds from when it was told, of which some are gone when it is written down.
  const { rows } = await sql<{ until: number }>`
    SELECT rests_until AS until FROM perennial.courier`.execute(books.db);
  const [{ until: restsUntil } = { until: 0 }] = rows;
  expect(restsUntil).toBeLessThanOrEqual(Date.parse('2026-11-24T12:00:05Z'));
  await books.setClock((restsUntil - 1) as Instant);
  expect(await runDelivery(stage)).toMatchObject({ examined: 0n });
  expect(api.log).toHaveLength(calls);
  await books.setClock('2026-11-24T12:00:05Z');
  // The gateway goes by its own clock: another one stands for it five seconds later.
  using later = await startBotApi({ limits: brisk });
  expect(await runDelivery({ books, api: later })).toMatchObject({ outcome: 'success' });
  expect((await notices(books)).map(({ state }) => state)).toEqual(['sent', 'sent', 'sent']);
  expect(await notices(books)).toMatchObject(Array(3).fill({ lost_answers: 0 }));
});

test('an alarm goes to every admin of every channel, each with a row of its own', async () => {
  await using stage = await aStage({ now: noon });
  using mail = await startMailServer();
  const from = 'perennial@example.net';
  const email = openEmail({ url: mail.url, from, admins: ['ops@example.net'], perSecond: 100 });
  const telegram = deliveryTo(stage.api, { admins: [7, 8] });
  const delivery = { ...telegram, channels: [...telegram.channels, email] };
  await oweAlarm(stage.books, 'auto-renewal');
  expect(await runDelivery(stage, delivery)).toMatchObject({ outcome: 'success', changed: 3n });
  expect(stage.api.log.map(({ chat }) => chat).sort()).toEqual(['7', '8']);
  expect(mail.mails).toMatchObject([{ to: 'ops@example.net' }]);
  const rows = await notices(stage.books);
  expect(rows.map(({ channel, recipient }) => `${channel} ${recipient}`).sort()).toEqual([
    'email ops@example.net',
    'telegram 7',
    'telegram 8',
  ]);
  expect(await runDelivery(stage, delivery)).toMatchObject({ examined: 0n });
});

test('without Telegram notices go to the log and the books', async () => {
  await using stage = await aStage({ now: noon });
  await told(stage, 1001n);
  await oweOne(stage.books, 'receipt', 1001n);
  await oweAlarm(stage.books, 'auto-renewal');
  const lines: object[] = [];
  const log = openLogChannel({ info: (fields) => void lines.push(fields) });
  const delivery = { ...deliveryTo(stage.api), channels: [log] };
  expect(await runDelivery(stage, delivery)).toMatchObject({ changed: 2n });
  expect(lines).toMatchObject([
    { to: '1001', text: /149/ },
    { to: 'admins', text: /auto-renewal/ },
  ]);
  expect(await notices(stage.books)).toMatchObject([
    { state: 'sent', channel: 'log' },
    { state: 'sent', channel: 'log' },
  ]);
});

test('a run beside the service leaves the bot to its courier, and says so', async () => {
  await using stage = await aStage({ now: noon });
  await using couriers = deliver(stage);
  await until('the post', () => (couriers.held().length === 1 ? true : undefined));
  expect(await runDelivery(stage)).toMatchObject({
    outcome: 'skipped',
    detail: { reason: 'telegram:123456789: its courier is another process' },
  });
});

test('a second courier takes over when the first ends', async () => {
  await using stage = await aStage({ now: noon });
  const first = deliver(stage);
  await until('the post', () => (first.held().length === 1 ? true : undefined));
  await using second = deliver(stage);
  await told(stage, 1n);
  await oweOne(stage.books, 'receipt', 1n);
  await until('it is sent', () => (stage.api.log.length === 1 ? true : undefined));
  expect(second.held()).toEqual([]);
  await first.stop();
  await until('the takeover', () => (second.held().length === 1 ? true : undefined));
  await oweOne(stage.books, 'refund', 1n);
  await until('it is sent too', () => (stage.api.log.length === 2 ? true : undefined));
});

test('what it says is read by no one who reads the books or the log: the token is in neither', async () => {
  await using stage = await aStage({ now: noon });
  const { books, api } = stage;
  const echo = `no such path /bot${token}/sendMessage`;
  const fates = [
    { error: 400, description: echo },
    { error: 403, description: echo },
    { status: 502, body: echo },
    { error: 401, description: echo },
    'lose',
  ] as const;
  for (let n = 1n; n <= 5n; n += 1n) await told(stage, n);
  for (let n = 1n; n <= 5n; n += 1n) await oweOne(books, 'receipt', n);
  api.conduct = ({ n }) => fates[n - 1] ?? 'serve';
  api.meFate = { error: 401, description: echo };
  const lines: string[] = [];
  const say = (fields: object, message: string) =>
    void lines.push(
      message,
      JSON.stringify(fields),
      String((fields as { err?: Error }).err?.stack),
    );
  const log = { debug: say, info: say, warn: say, error: say };
  await using couriers = deliver(stage, { log, telegram: { deadlineMs: 300 } });
  await until('all were tried', () => (api.log.length >= 2 ? true : undefined));
  await until('trouble', () => (lines.some((line) => line.includes('***')) ? true : undefined));
  await couriers.stop();
  const { rows } = await sql<{ text: string }>`
    SELECT (SELECT json_agg(n) FROM perennial.notification n)::text
      || (SELECT json_agg(c) FROM perennial.courier c)::text
      || (SELECT json_agg(r) FROM perennial.worker_run r)::text AS text`.execute(books.db);
  expect(rows[0]?.text).toContain('***');
  expect(rows[0]?.text).not.toContain('canary');
  expect(lines.join('\n')).not.toContain('canary');
});

test('P3 P6: a run ends when its budget is spent, its record says that work is left, and the next one does the rest', async () => {
  await using stage = await aStage({ now: noon });
  for (let n = 1n; n <= 5n; n += 1n) await told(stage, n);
  for (let n = 1n; n <= 5n; n += 1n) await oweOne(stage.books, 'receipt', n);
  let asked = 0;
  const elapsedMs = () => {
    asked += 1;
    return asked > 3 ? 1_000 : 0;
  };
  const first = await runOf(stage.books, 'deliver-notifications', { budgetMs: 1_000, elapsedMs });
  expect(first).toMatchObject({ outcome: 'partial', detail: { work_left: true } });
  expect(first.changed).toBeGreaterThan(0n);
  expect(first.changed).toBeLessThan(5n);
  const rest = await runOf(stage.books, 'deliver-notifications');
  const changed = 5n - first.changed;
  expect(rest).toMatchObject({ outcome: 'success', changed, detail: { sent: Number(changed) } });
});

test('who bought in the meantime is not told of a low balance, and the row says why', async () => {
  await using stage = await aStage({ now: noon });
  await told(stage, 1n);
  await stage.books.setClock('2026-12-24T09:00:00Z');
  await runOf(stage.books, 'auto-renewal');
  expect(await notices(stage.books, 'low_balance')).toMatchObject([{ state: 'pending' }]);
  const call = { db: stage.books.db, actor: 'test' };
  await topUp(call, { telegramId: 1n, amountMinor: 149_00n });
  await runOf(stage.books, 'auto-renewal');
  await runDelivery(stage);
  expect(await notices(stage.books, 'low_balance')).toMatchObject([
    { state: 'suppressed', reason: 'end_moved' },
  ]);
  expect(stage.api.log.map(({ text }) => text)).toHaveLength(1);
});
