import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { look, ran, told } from '../../../test/alarms.ts';
import { freshBooks } from '../../../test/books.ts';
import { openShop, runOf } from '../../../test/shop.ts';
import { connectAlone } from '../../db/alone.ts';
import { inTransaction, workLimits } from '../../db/connect.ts';
import { isoTime, later, minuteMs, parseInstant } from '../../kernel/instant.ts';
import { sound } from '../../notify/alarms.ts';
import { Silence } from './silence.ts';
import { lockedTables } from './store.ts';
import { startWatchdog, watch } from './watchdog.ts';

const start = parseInstant('2026-11-25T09:00:00Z', 'the test');
const workers = [
  { name: 'auto-renewal', everyMs: 10 * minuteMs },
  { name: 'fast-expiry-cleanup', everyMs: minuteMs },
];

test('W2: a worker is silent after 3 times its interval without a run, and only while this process watched', () => {
  const silence = new Silence(workers);
  const at = (minutes: number, runs: readonly [bigint, bigint]) =>
    silence
      .look(
        workers.map(({ name }, place) => ({ worker: name, runs: runs[place] as bigint })),
        minutes * minuteMs,
      )
      .map(({ params }) => (params as { worker: string }).worker);
  expect(at(0, [5n, 5n])).toEqual([]);
  expect(at(2.9, [5n, 5n])).toEqual([]);
  expect(at(3, [5n, 5n])).toEqual(['fast-expiry-cleanup']);
  expect(at(4, [5n, 6n])).toEqual([]);
  expect(at(29.9, [5n, 7n])).toEqual([]);
  expect(at(30, [5n, 8n])).toEqual(['auto-renewal']);
  expect(at(31, [6n, 9n])).toEqual([]);
});

test('W2: a silent worker is reported once by all replicas, whatever the clock says, and cleared by a run', async () => {
  await using books = await freshBooks({ now: start });
  await openShop(books);
  await runOf(books, 'auto-renewal');
  const replicas = [new Silence(workers.slice(0, 1)), new Silence(workers.slice(0, 1))];
  const connections = await Promise.all(replicas.map(() => connectAlone(books.url, workLimits)));
  const allLook = (minutes: number) =>
    Promise.all(
      replicas.map((silence, place) =>
        watch((connections[place] as (typeof connections)[0]).db, silence, minutes * minuteMs),
      ),
    );
  await allLook(0);
  // The clock of the database goes back by 25 days, and nothing runs any more.
  await books.setClock(later(start, -25 * 24 * 60 * minuteMs));
  await allLook(29);
  expect(await told(books)).toEqual([]);
  await allLook(30);
  await allLook(31);
  expect(await told(books)).toEqual(['alarm_worker auto-renewal 0']);
  await books.setClock(start);
  await runOf(books, 'auto-renewal');
  await look(books, start);
  expect((await told(books)).slice(1)).toEqual(['alarm_over alarm_worker auto-renewal']);
  for (const connection of connections) await connection[Symbol.asyncDispose]();
});

test('W2: the watchdog raises alarms while every connection of the pool is taken and the queue is locked', async () => {
  await using books = await freshBooks({ now: start, connectionsMax: 1 });
  await using held = await connectAlone(books.url, workLimits);
  await held.client.query(`CREATE SCHEMA perennial_queue; CREATE TABLE perennial_queue.job (id int);
    BEGIN; LOCK TABLE perennial_queue.job IN ACCESS EXCLUSIVE MODE`);
  const taken = await books.pool.connect();
  let elapsed = 0;
  const raised = Promise.withResolvers<void>();
  const watchdog = startWatchdog({
    url: books.url,
    workers,
    onError: (error) => raised.reject(error),
    lookMs: 1,
    elapsedMs: () => {
      elapsed += minuteMs;
      if (elapsed === 40 * minuteMs) raised.resolve();
      return elapsed;
    },
  });
  await raised.promise;
  await watchdog.stop();
  taken.release();
  const { rows } = await sql<{ worker: string }>`
    SELECT params->>'worker' AS worker FROM perennial.notification ORDER BY 1`.execute(books.db);
  expect(rows.map(({ worker }) => worker)).toEqual(['auto-renewal', 'fast-expiry-cleanup']);
});

test.each(['access_sync', 'credential', 'node', 'quarantine', 'worker_state'])(
  'W2: while the table %s is locked as a whole, failed runs are reported, and no alarm is cleared',
  async (table) => {
    await using books = await freshBooks({ now: start });
    await openShop(books);
    const overdue = { items: 1, oldest_at: isoTime(start), cause: 'test' };
    await inTransaction(books.db, (tx) =>
      sound(tx, [
        { kind: 'alarm_overdue', params: { worker: 'expiry-reminders', ...overdue } },
        { kind: 'alarm_guard', params: { worker: 'keep-node', subject: 'nl-1', held: 7 } },
      ]),
    );
    for (const minute of [0, 1, 2]) {
      await ran(books, later(start, minute * minuteMs), 'failed', { error: 'lock timeout' });
    }
    const silence = new Silence(workers);
    await using connection = await connectAlone(books.url, workLimits);
    await using held = await connectAlone(books.url, workLimits);
    await held.client.query(`BEGIN; LOCK TABLE perennial.${table}`);
    await watch(connection.db, silence, 0);
    const alarms = await told(books);
    expect(alarms).toContain('alarm_worker auto-renewal 3');
    expect(alarms).not.toContain('alarm_over alarm_guard nl-1');
    const hidesOverdue = table !== 'node' && table !== 'access_sync';
    const over = 'alarm_over alarm_overdue expiry-reminders';
    if (hidesOverdue) expect(alarms).not.toContain(over);
    await held.client.query('ROLLBACK');
    await watch(connection.db, silence, 0);
    expect(await told(books)).toContain(over);
  },
);

test('W2: a session that keeps a whole table locked is named', async () => {
  await using books = await freshBooks({ now: start });
  await using held = await connectAlone(books.url, workLimits);
  const { rows } = await held.client.query('SELECT pg_backend_pid() AS pid');
  const read = (minMs?: number) =>
    inTransaction(books.db, async (tx) =>
      (await lockedTables(tx, minMs)).map(({ params }) => params),
    );
  await held.client.query('BEGIN; SELECT FROM perennial.customer FOR UPDATE');
  expect(await read(0)).toEqual([]);
  await held.client.query('LOCK TABLE perennial.customer');
  expect(await read()).toEqual([]);
  const cause = `locked by process ${rows[0].pid} (perennial, idle in transaction, for 0 s)`;
  expect(await read(0)).toEqual([{ subject: 'customer', cause: cause.replace('locked by ', '') }]);
});

test.each(['subscription', 'customer'])(
  'W2: while the table %s is locked as a whole, the log of the watchdog names the session',
  async (table) => {
    await using books = await freshBooks({ now: start });
    for (const minute of [0, 1, 2]) await ran(books, later(start, minute * minuteMs), 'failed');
    const silence = new Silence(workers);
    await using connection = await connectAlone(books.url, { ...workLimits, lockMs: 200 });
    await using held = await connectAlone(books.url, workLimits);
    const { rows } = await held.client.query('SELECT pg_backend_pid() AS pid');
    await held.client.query(`BEGIN; LOCK TABLE perennial.${table}`);
    await expect(watch(connection.db, silence, 0)).rejects.toThrow(
      `alarms cannot be stored: the table ${table} is locked by process ${rows[0].pid} (perennial,`,
    );
    await held.client.query('ROLLBACK');
    await watch(connection.db, silence, 0);
    expect(await told(books)).toEqual(['alarm_worker auto-renewal 3']);
  },
);
