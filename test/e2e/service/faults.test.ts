import { expect, test, vi } from 'vitest';
import { secondMs } from '../../../src/kernel/instant.ts';
import { stopwatch } from '../../../src/kernel/stopwatch.ts';
import { openReplica } from '../../../src/leases/replica.ts';
import type { RunRow } from '../../../src/runs/run-record.ts';
import { workers } from '../../../src/workers/index.ts';
import { until } from '../../../testbed/until.ts';
import { createDatabase, type DatabaseOptions, type TestDatabase } from '../../support/database.ts';
import {
  createDueSubscriptions,
  readRenewalState,
  withOwnerClient,
} from '../../support/due-subscriptions.ts';
import { silentLog } from '../../support/log.ts';
import { startPerennial } from '../../support/perennial-process.ts';
import { type BatchGate, createBatchGate } from './batch-gate.ts';

// Transient faults of the database: the run fails, no item is quarantined, the next run succeeds.

// Generous, because the tests start processes on machines that may be busy.
vi.setConfig({ testTimeout: 90_000 });

const autoRenewal = workers[0];

/** Ends each connection of other processes to the database, as a server that restarts does. */
const endAllConnections = (url: string) =>
  withOwnerClient(url, (client) =>
    client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND application_name LIKE 'perennial%'`),
  );

async function runInProcess(database: TestDatabase): Promise<RunRow | undefined> {
  const replica = openReplica(database.url);
  try {
    return await autoRenewal?.run({
      db: database.db,
      replica,
      batchMax: 20,
      budgetMs: 60 * secondMs,
      signal: new AbortController().signal,
      elapsedMs: stopwatch(),
      log: silentLog,
    });
  } finally {
    await replica.close();
  }
}

async function createGatedDatabase(
  options: DatabaseOptions = {},
  wait: 'bounded' | 'endless' = 'endless',
): Promise<{ database: TestDatabase; gate: BatchGate } & AsyncDisposable> {
  const database = await createDatabase(options);
  await createDueSubscriptions(database.url, 60);
  const gate = await createBatchGate(database.url, wait);
  return {
    database,
    gate,
    async [Symbol.asyncDispose]() {
      await gate[Symbol.asyncDispose]();
      await database.close();
    },
  };
}

test('P9: a lock time-out fails the run cleanly, and the next one succeeds', async () => {
  const limits = { statementMs: 30_000, lockMs: 200, idleInTransactionMs: 15_000 };
  await using gated = await createGatedDatabase({ limits }, 'bounded');
  const { database, gate } = gated;
  await gate.close();
  const failed = await runInProcess(database);
  expect(failed).toMatchObject({
    outcome: 'failed',
    changed: 0n,
    detail: { kind: 'transient', code: 'pg_55P03' },
  });
  expect(failed?.finished_at).not.toBeNull();
  expect(await readRenewalState(database.url)).toMatchObject({
    renewals: 0,
    quarantined: 0,
    violations: [],
  });
  await gate.open();
  expect(await runInProcess(database)).toMatchObject({ outcome: 'success', changed: 60n });
  expect(await readRenewalState(database.url)).toMatchObject({
    renewals: 60,
    quarantined: 0,
    violations: [],
  });
});

test('P9: an exhausted pool fails the run, and the next one succeeds', async () => {
  await using database = await createDatabase({ connectionsMax: 2 });
  await createDueSubscriptions(database.url, 60);
  const taken = [await database.pool.connect(), await database.pool.connect()];
  await expect(runInProcess(database)).rejects.toThrow(/timeout exceeded when trying to connect/);
  for (const client of taken) client.release();
  expect(await runInProcess(database)).toMatchObject({ outcome: 'success', changed: 60n });
  expect(await readRenewalState(database.url)).toMatchObject({
    renewals: 60,
    quarantined: 0,
    violations: [],
  });
});

test('P9: a service recovers by itself if all its connections end: the run fails, the next one succeeds', async () => {
  await using gated = await createGatedDatabase();
  const { database, gate } = gated;
  await gate.close();
  await using service = startPerennial(['start'], { url: database.url, autoRenewal: 'batch: 20' });
  await service.untilReady();
  await gate.untilHeld();
  await endAllConnections(database.url);
  await service.untilLine('the failed run', ({ msg }) => msg === 'run failed');
  await gate.open();
  await service.untilRun({ outcome: 'success', changed: 60 }, 40_000);
  expect(await readRenewalState(database.url)).toMatchObject({
    renewals: 60,
    quarantined: 0,
    violations: [],
  });

  // The run closes its record as failed. Without a connection for that, the next run closes it as
  // lost.
  const { rows } = await database.pool.query(
    "SELECT outcome FROM perennial.worker_run WHERE worker = 'auto-renewal' ORDER BY id",
  );
  expect(['failed', 'lost']).toContain(rows[0]?.outcome);
  expect(rows.at(-1)?.outcome).toBe('success');

  // The service receives wake-ups again, on a new connection.
  const idle = () => service.log.filter(({ examined }) => examined === 0).length;
  const before = idle();
  await until('a wake-up that was received', async () => {
    await withOwnerClient(database.url, (client) =>
      client.query("SELECT pg_notify('perennial_wake', 'auto-renewal')"),
    );
    return idle() > before;
  });
  service.kill('SIGTERM');
  expect(await service.exit).toMatchObject({ code: 0 });
});

test('P9: a deadlock that the server breaks is a failed run, not a bad item', async () => {
  await using gated = await createGatedDatabase();
  const { database } = gated;
  await withOwnerClient(database.url, (client) =>
    client.query(`
      CREATE SEQUENCE public.attempt;
      CREATE FUNCTION public.deadlock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('public.attempt') = 1 THEN
          RAISE EXCEPTION 'deadlock detected' USING ERRCODE = 'deadlock_detected';
        END IF;
        RETURN NULL;
      END $$;
      CREATE TRIGGER deadlock AFTER INSERT ON perennial.ledger_entry
        FOR EACH STATEMENT EXECUTE FUNCTION public.deadlock()`),
  );
  const failed = await runInProcess(database);
  expect(failed).toMatchObject({ outcome: 'failed', detail: { code: 'pg_40P01' } });
  // The deadlock does not affect the other running batch.
  const rest = 60n - (failed?.changed ?? 0n);
  expect(rest).toBeGreaterThanOrEqual(20n);
  expect(await runInProcess(database)).toMatchObject({ outcome: 'success', changed: rest });
  expect(await readRenewalState(database.url)).toMatchObject({
    renewals: 60,
    quarantined: 0,
    violations: [],
  });
});
