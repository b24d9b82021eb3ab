import { expect, test } from 'vitest';
import { inTransaction, workLimits } from '../../../../src/db/connect.ts';
import { openSingleConnection } from '../../../../src/db/single-connection.ts';
import { isoTime, later, minuteMs, parseInstant } from '../../../../src/kernel/instant.ts';
import { raiseAlarms } from '../../../../src/outbox/alarms.ts';
import { SilenceDetector } from '../../../../src/workers/raise-alarms/queue-silence.ts';
import { readLockedTables } from '../../../../src/workers/raise-alarms/store.ts';
import { checkAlarms, startWatchdog } from '../../../../src/workers/raise-alarms/watchdog.ts';
import { readAlarms, recordRun, runRaiseAlarms } from '../../../support/alarms.ts';
import { createDatabase } from '../../../support/database.ts';
import { createShopDatabase, runWorker, runWorkerAt } from '../../../support/shop.ts';

const start = parseInstant('2026-11-25T09:00:00Z', 'the test');
const workers = [
  { name: 'auto-renewal', everyMs: 10 * minuteMs },
  { name: 'fast-expiry-cleanup', everyMs: minuteMs },
];

test('W2: a worker is silent after 3 times its interval without a run, and only while this process watched', () => {
  const silence = new SilenceDetector(workers);
  const at = (minutes: number, runs: readonly [bigint, bigint]) =>
    silence
      .check(
        workers.map(({ name }, index) => ({ worker: name, runs: runs[index] as bigint })),
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

test('W2: a silent worker is reported once by all replicas, at any time of the clock, and cleared by a run', async () => {
  await using database = await createShopDatabase({ now: start });
  await runWorker(database, 'auto-renewal');
  const replicas = [
    new SilenceDetector(workers.slice(0, 1)),
    new SilenceDetector(workers.slice(0, 1)),
  ];
  const connections = await Promise.all(
    replicas.map(() => openSingleConnection(database.url, workLimits)),
  );
  const checkAll = (minutes: number) =>
    Promise.all(
      replicas.map((silence, index) =>
        checkAlarms(
          (connections[index] as (typeof connections)[0]).db,
          silence,
          minutes * minuteMs,
        ),
      ),
    );
  await checkAll(0);
  // The clock of the database goes back by 25 days, and no worker runs any more.
  await database.setClock(later(start, -25 * 24 * 60 * minuteMs));
  await checkAll(29);
  expect(await readAlarms(database)).toEqual([]);
  await checkAll(30);
  await checkAll(31);
  expect(await readAlarms(database)).toEqual(['alarm_worker auto-renewal 0']);
  await runWorkerAt(database, start, 'auto-renewal');
  await runRaiseAlarms(database, start);
  expect((await readAlarms(database)).slice(1)).toEqual(['alarm_over alarm_worker auto-renewal']);
  for (const connection of connections) await connection[Symbol.asyncDispose]();
});

test('W2: the watchdog raises alarms while every connection of the pool is taken and the queue is locked', async () => {
  await using database = await createDatabase({ now: start, connectionsMax: 1 });
  await using held = await openSingleConnection(database.url, workLimits);
  await held.client.query(`CREATE SCHEMA perennial_queue; CREATE TABLE perennial_queue.job (id int);
    BEGIN; LOCK TABLE perennial_queue.job IN ACCESS EXCLUSIVE MODE`);
  const taken = await database.pool.connect();
  let elapsed = 0;
  const raised = Promise.withResolvers<void>();
  const watchdog = startWatchdog({
    url: database.url,
    workers,
    onError: (error) => raised.reject(error),
    everyMs: 1,
    elapsedMs: () => {
      elapsed += minuteMs;
      if (elapsed === 40 * minuteMs) raised.resolve();
      return elapsed;
    },
  });
  await raised.promise;
  await watchdog.stop();
  taken.release();
  const rows = await database.query<{ worker: string }>`
    SELECT params->>'worker' AS worker FROM perennial.notification ORDER BY 1`;
  expect(rows.map(({ worker }) => worker)).toEqual(['auto-renewal', 'fast-expiry-cleanup']);
});

test.each(['access_sync', 'credential', 'node', 'quarantine', 'worker_state'])(
  'W2: while the table %s is locked as a whole, failed runs are reported, and no alarm is cleared',
  async (table) => {
    await using database = await createShopDatabase({ now: start });
    const overdue = { items: 1, oldest_at: isoTime(start), cause: 'test' };
    await inTransaction(database.db, (tx) =>
      raiseAlarms(tx, [
        { kind: 'alarm_overdue', params: { worker: 'expiry-reminders', ...overdue } },
        { kind: 'alarm_guard', params: { worker: 'keep-node', subject: 'nl-1', held: 7 } },
      ]),
    );
    for (const minute of [0, 1, 2]) {
      await recordRun(database, later(start, minute * minuteMs), 'failed', {
        error: 'lock timeout',
      });
    }
    const silence = new SilenceDetector(workers);
    await using connection = await openSingleConnection(database.url, workLimits);
    await using held = await openSingleConnection(database.url, workLimits);
    await held.client.query(`BEGIN; LOCK TABLE perennial.${table}`);
    await checkAlarms(connection.db, silence, 0);
    const alarms = await readAlarms(database);
    expect(alarms).toContain('alarm_worker auto-renewal 3');
    expect(alarms).not.toContain('alarm_over alarm_guard nl-1');
    const hidesOverdue = table !== 'node' && table !== 'access_sync';
    const over = 'alarm_over alarm_overdue expiry-reminders';
    if (hidesOverdue) expect(alarms).not.toContain(over);
    await held.client.query('ROLLBACK');
    await checkAlarms(connection.db, silence, 0);
    expect(await readAlarms(database)).toContain(over);
  },
);

test('W2: the alarm names a session that keeps a whole table locked', async () => {
  await using database = await createDatabase({ now: start });
  await using held = await openSingleConnection(database.url, workLimits);
  const { rows } = await held.client.query('SELECT pg_backend_pid() AS pid');
  const read = (minMs?: number) =>
    inTransaction(database.db, async (tx) =>
      (await readLockedTables(tx, minMs)).map(({ params }) => params),
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
    await using database = await createDatabase({ now: start });
    for (const minute of [0, 1, 2])
      await recordRun(database, later(start, minute * minuteMs), 'failed');
    const silence = new SilenceDetector(workers);
    await using connection = await openSingleConnection(database.url, {
      ...workLimits,
      lockMs: 200,
    });
    await using held = await openSingleConnection(database.url, workLimits);
    const { rows } = await held.client.query('SELECT pg_backend_pid() AS pid');
    await held.client.query(`BEGIN; LOCK TABLE perennial.${table}`);
    await expect(checkAlarms(connection.db, silence, 0)).rejects.toThrow(
      `alarms cannot be stored: the table ${table} is locked by process ${rows[0].pid} (perennial,`,
    );
    await held.client.query('ROLLBACK');
    await checkAlarms(connection.db, silence, 0);
    expect(await readAlarms(database)).toEqual(['alarm_worker auto-renewal 3']);
  },
);
