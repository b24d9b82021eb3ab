import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { readClock } from '../../../src/db/clock.ts';
import { confirmDeletionTime } from '../../../src/db/clock-mark.ts';
import { dayMs, hourMs, instant, isoTime, later } from '../../../src/kernel/instant.ts';
import { openReplica } from '../../../src/leases/replica.ts';
import { reserveRunId, startRun } from '../../../src/runs/run-record.ts';
import type { DatabaseOptions, TestDatabase } from '../../support/database.ts';
import { findViolations } from '../../support/database-snapshot.ts';
import { acceptRows, refuseRows } from '../../support/faults.ts';
import { hookPool, type StatementEvent } from '../../support/hooked-pool.ts';
import {
  createShopDatabase,
  createSubscribers,
  runWorker,
  type WorkerRunOptions,
} from '../../support/shop.ts';

// Guarantees of each run of every worker over subscriptions: its budget and its record.
//
// All customers can pay. auto-renewal renews them before the end, and expiry after it. In the tests
// of reminders no customer can pay, or all have only a trial.

/** Locks the customers of a batch. Jobs before the batches lock rows by other statements. */
const batchLockSql = 'FOR NO KEY UPDATE SKIP LOCKED';

const payers = { balanceMinor: 149_00n, writes: 'period', becomes: undefined } as const;
const reminded = { balanceMinor: 0n, writes: 'notification' } as const;

const kinds = [
  {
    worker: 'auto-renewal',
    dueAt: '2026-11-30T20:00:00Z',
    counts: { renewed: 5, short: 0, revived: 0, low_balance_notices: 0 },
    ...payers,
  },
  {
    worker: 'fast-expiry-cleanup',
    dueAt: '2026-12-01T01:00:00Z',
    counts: { renewed: 5, ended: 0, held: 0, in_quarantine: 0 },
    ...payers,
  },
  {
    worker: 'trial-notifications',
    dueAt: '2026-11-30T18:00:00Z',
    counts: { reminded: 5, waiting: 0 },
    ...reminded,
    becomes: sql`remind_at = perennial.clock(), kind = 'trial', auto_renew = false,
      started_at = expires_at - interval '3 days'`,
  },
  {
    worker: 'expiry-reminders',
    dueAt: '2026-11-30T12:00:00Z',
    counts: { reminded: 5, waiting: 0 },
    ...reminded,
    becomes: sql`remind_at = perennial.clock()`,
  },
] as const;

describe.each(kinds)('$worker', ({ worker, dueAt, counts, balanceMinor, writes, becomes }) => {
  const run = (database: TestDatabase, options: WorkerRunOptions = {}) =>
    runWorker(database, worker, options);

  async function crowded(count: number, options: DatabaseOptions = {}): Promise<TestDatabase> {
    const database = await createShopDatabase({ now: dueAt, ...options });
    await createSubscribers(database, { count, endsAt: '2026-12-01T00:00:00Z', balanceMinor });
    if (becomes !== undefined) {
      await database.query`UPDATE perennial.subscription SET ${becomes}`;
    }
    return database;
  }

  const records = async ({ query }: TestDatabase) =>
    await query<{
      outcome: string;
      changed: number;
      examined: number;
      failed: number;
      ended: boolean;
    }>`
      SELECT outcome, changed::int, examined::int, failed::int, finished_at IS NOT NULL AS ended
      FROM perennial.worker_run ORDER BY id`;

  test('P3: a run ends its open batch when its budget is spent; the next run does the rest', async () => {
    let batches = 0;
    const hook = ({ sql: text, when }: StatementEvent) => {
      if (when === 'before' && text.includes(batchLockSql)) batches += 1;
    };
    await using database = await crowded(100, { wrapPool: (pool) => hookPool(pool, hook) });
    // Each batch takes 400 ms. The third one begins within the second, and ends after it.
    const budget = { batchMax: 10, budgetMs: 1_000, elapsedMs: () => batches * 400 };
    expect(await run(database, budget)).toMatchObject({ outcome: 'partial', changed: 30n });
    const rest = { outcome: 'success', changed: 70n };
    expect(await run(database, { batchMax: 10 })).toMatchObject(rest);
    expect(await findViolations(database.db)).toEqual([]);
  });

  test('P3: a budget that is spent before the first batch changes nothing, and the record has `work_left`', async () => {
    await using database = await crowded(5);
    const spent = { budgetMs: 1_000, elapsedMs: () => 1_000 };
    expect(await run(database, spent)).toMatchObject({ outcome: 'partial', examined: 0n });
    expect(await run(database)).toMatchObject({ outcome: 'success', changed: 5n });
  });

  test('P3: a run that has to stop ends its open batch and starts no other one', async () => {
    const stop = new AbortController();
    const hook = ({ sql: text }: StatementEvent) => {
      if (text.includes(batchLockSql)) stop.abort();
    };
    await using database = await crowded(30, { wrapPool: (pool) => hookPool(pool, hook) });
    const stopped = { batchMax: 10, signal: stop.signal };
    expect(await run(database, stopped)).toMatchObject({ outcome: 'partial', changed: 10n });
    expect(await findViolations(database.db)).toEqual([]);
  });

  test('P6: a run with changes leaves one record with its times, outcome and counts', async () => {
    await using database = await crowded(5);
    const row = await run(database, { batchMax: 2 });
    expect(row).toMatchObject({
      worker,
      outcome: 'success',
      examined: 5n,
      changed: 5n,
      failed: 0n,
      detail: counts,
    });
    expect([row.started_at, row.finished_at]).toEqual([
      await readClock(database.db),
      row.started_at,
    ]);
    const done = { outcome: 'success', examined: 5, changed: 5, failed: 0, ended: true };
    expect(await records(database)).toEqual([done]);
  });

  test('P6: a run without due rows leaves no record', async () => {
    await using database = await crowded(0);
    expect(await run(database)).toMatchObject({ outcome: 'success', examined: 0n });
    expect(await records(database)).toEqual([]);
  });

  test('P6: records are kept for 30 days, and so are the answers to idempotency keys', async () => {
    await using database = await crowded(5);
    const now = await readClock(database.db);
    // The age is compared with a time that was read an hour ago.
    const at = later(now, -hourMs);
    await database.setClock(at);
    await confirmDeletionTime(database.db);
    await database.setClock(now);
    for (const [age, key] of [
      [30 * dayMs, 'young'],
      [30 * dayMs + 1, 'old'],
    ] as const) {
      const done = isoTime(later(at, -age));
      await database.query`
        INSERT INTO perennial.worker_run (worker, replica, replica_number, started_at, finished_at,
          outcome)
        VALUES (${worker}, ${key}, 1, ${done}, ${done}, 'success')`;
      await database.query`
        INSERT INTO perennial.idempotency (scope, key, fingerprint, at)
        VALUES ('test', ${key}, '', ${done})`;
    }
    await run(database);
    const rows = await database.query`
      SELECT (SELECT array_agg(replica) FILTER (WHERE replica IN ('young', 'old'))
          FROM perennial.worker_run) AS runs,
        (SELECT array_agg(key) FROM perennial.idempotency) AS keys`;
    expect(rows).toEqual([{ runs: ['young'], keys: ['young'] }]);
  });

  test('P6: a failed run is recorded with its cause and with its committed changes', async () => {
    let lost = 0;
    const hook = ({ sql: text, when }: StatementEvent) => {
      if (when !== 'before' || !text.includes(batchLockSql)) return;
      lost += 1;
      if (lost === 3) throw new Error('Connection terminated unexpectedly');
    };
    await using database = await crowded(30, { wrapPool: (pool) => hookPool(pool, hook) });
    expect(await run(database, { batchMax: 10 })).toMatchObject({
      outcome: 'failed',
      changed: 20n,
      detail: { [Object.keys(counts)[0] ?? '']: 20, kind: 'transient', code: 'connection_lost' },
    });
    expect(await records(database)).toMatchObject([
      { outcome: 'failed', changed: 20, ended: true },
    ]);
  });

  test('P6: the next run closes the run of a dead replica as lost, and leaves an active one open', async () => {
    await using database = await crowded(3);
    const now = await readClock(database.db);
    const [gone, alive] = [openReplica(database.url), openReplica(database.url)];
    for (const replica of [gone, alive]) {
      await startRun(database.db, await reserveRunId(database.db), worker, replica, now);
    }
    await gone.close();
    // Its server process may take a moment to exit after the connection was closed.
    const first = async () => {
      await run(database);
      return (await records(database))[0]?.outcome;
    };
    await expect.poll(first, { interval: 5 }).toBe('lost');
    const [, second] = await records(database);
    expect(second).toMatchObject({ outcome: 'running', ended: false });
    await alive.close();
  });

  test.each([
    ['INSERT INTO perennial.worker_run', 'after'],
    ['SET outcome = $1, finished_at', 'before'],
  ])(
    'P6: a run whose record could not be closed (%s) is closed as lost by the next run of its replica',
    async (statement, when) => {
      let broken = false;
      const hook = (moment: StatementEvent) => {
        if (broken || moment.when !== when || !moment.sql.includes(statement)) return;
        broken = true;
        throw new Error('Connection terminated unexpectedly');
      };
      await using database = await crowded(3, { wrapPool: (pool) => hookPool(pool, hook) });
      const replica = openReplica(database.url);
      await expect(run(database, { replica })).rejects.toThrow('terminated');
      expect(await records(database)).toMatchObject([{ outcome: 'running' }]);
      await run(database, { replica });
      expect((await records(database))[0]).toMatchObject({ outcome: 'lost', ended: true });
      await replica.close();
    },
  );

  test('P6: if the clock goes back during a run, its record does not end before its start', async () => {
    const hook = async ({ sql: text, when }: StatementEvent) => {
      if (when === 'after' && text.includes(batchLockSql)) await back();
    };
    await using database = await crowded(3, { wrapPool: (pool) => hookPool(pool, hook) });
    const now = await readClock(database.db);
    const back = () => database.setClock(instant(now - 3_600_000));
    const row = await run(database);
    expect(row.finished_at).toBe(row.started_at);
  });

  test('P7 P9: an item that fails is counted, logged with its cause, quarantined and alarmed, and done once it is repaired', async () => {
    await using database = await crowded(10);
    await refuseRows(database, `INSERT ON perennial.${writes}`, 'NEW.subscription_id = 4');
    const problems: { message?: string; err?: Error; item?: string; items?: number }[] = [];
    expect(await run(database, { problems })).toMatchObject({
      outcome: 'degraded',
      changed: 9n,
      failed: 1n,
      detail: { quarantined: 1 },
    });
    expect(problems.every(({ err }) => err?.cause instanceof Error)).toBe(true);
    expect(problems.at(-1)).toMatchObject({ message: 'item put into quarantine', item: '4' });
    const rows = await database.query`SELECT worker, item, reason FROM perennial.quarantine`;
    const reason = expect.stringMatching(/^pg_P0001: poisoned/);
    expect(rows).toEqual([{ worker, item: '4', reason }]);
    await acceptRows(database);
    await database.setClock(later(await readClock(database.db), hourMs));
    const { outcome, changed } = await run(database);
    expect([outcome, changed > 0n]).toEqual(['success', true]);
    expect(await database.query`SELECT FROM perennial.quarantine`).toEqual([]);
  });

  test('P7: a fault of a whole batch that its halves do not have is logged as well', async () => {
    let failed = false;
    const hook = ({ sql: text, when }: StatementEvent) => {
      if (failed || when !== 'before' || !text.includes(batchLockSql)) return;
      failed = true;
      throw new Error('unknown cause');
    };
    await using database = await crowded(10, { wrapPool: (pool) => hookPool(pool, hook) });
    const problems: object[] = [];
    expect(await run(database, { problems })).toMatchObject({ changed: 10n });
    const message = 'batch failed, its halves are tried';
    expect(problems).toMatchObject([{ items: 10, code: 'unexpected', message }]);
  });

  test('P7: a failed run is logged with its cause', async () => {
    const hook = ({ sql: text, when }: StatementEvent) => {
      if (when === 'before' && text.includes(batchLockSql))
        throw Object.assign(new Error('deadlock detected'), { code: '40P01' });
    };
    await using database = await crowded(1, { wrapPool: (pool) => hookPool(pool, hook) });
    const problems: { err?: Error; message?: string; code?: string }[] = [];
    await run(database, { problems });
    expect(problems).toMatchObject([{ message: 'run failed', code: 'pg_40P01' }]);
    expect(problems[0]?.err?.cause).toMatchObject({ message: 'deadlock detected' });
  });
});
