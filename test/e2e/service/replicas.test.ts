import { expect, test, vi } from 'vitest';
import { workerNames } from '../../../src/runs/worker-names.ts';
import { until } from '../../../testbed/until.ts';
import { createDatabase } from '../../support/database.ts';
import {
  createDueSubscriptions,
  readRenewalState,
  setRemainingTime,
  withOwnerClient,
} from '../../support/due-subscriptions.ts';
import { startPerennial } from '../../support/perennial-process.ts';
import { createShopDatabase, createSubscriber, readSubscription } from '../../support/shop.ts';
import { createBatchGate } from './batch-gate.ts';

// Replicas of a service: wrong clocks, idle runs, budgets, and the takeover after a crash.

// Generous, because the tests start processes on machines that may be busy.
vi.setConfig({ testTimeout: 90_000 });

const readRuns = (url: string, workers: readonly string[] = ['auto-renewal']) =>
  withOwnerClient(url, async (client) => {
    const { rows } = await client.query(
      `SELECT outcome, replica, changed::int, detail FROM perennial.worker_run
       WHERE worker = ANY($1) ORDER BY id`,
      [workers],
    );
    return rows;
  });

test('P10: a replica whose clock is off by over 30 s runs nothing and logs the reason; another replica does the work', async () => {
  await using database = await createDatabase();
  await createDueSubscriptions(database.url, 40);
  await using off = startPerennial(['start'], { url: database.url, skewMs: 45_000 });
  // The skipped runs of the other workers raise an alarm, so the courier also has work.
  for (const name of workerNames) {
    const isOff = /clock is 4[45] s off/;
    const sentinelLine = await off.untilLine(
      `that the clock of ${name} is off`,
      ({ msg, worker }) => worker === name && isOff.test(msg),
    );
    expect(sentinelLine.level).toBe('error');
  }
  expect(await readRenewalState(database.url)).toMatchObject({ renewals: 0 });
  await using right = startPerennial(['start'], { url: database.url });
  await right.untilRun({ outcome: 'success', changed: 40 });
  expect(await readRenewalState(database.url)).toMatchObject({ renewals: 40, violations: [] });
  const all = await readRuns(database.url, workerNames);
  expect(all.filter(({ replica }) => replica.endsWith(`:${off.pid}`))).not.toEqual([]);
  for (const run of all.filter(({ replica }) => replica.endsWith(`:${off.pid}`))) {
    expect(run).toMatchObject({ outcome: 'skipped', changed: 0 });
  }
  off.kill('SIGTERM');
  expect((await off.exit).code).toBe(0);
});

test('K8: a replica whose clock is wrong is not ready, and logs the reason', async () => {
  await using database = await createDatabase();
  await using off = startPerennial(['start', '--role', 'api'], {
    url: database.url,
    skewMs: 45_000,
    extraConfig: 'http: { port: 0 }',
  });
  const { api } = await off.untilReady();
  const answer = await fetch(`${api}/readyz`);
  expect(answer.status).toBe(503);
  const { errors } = (await answer.json()) as { errors: unknown[] };
  const reason = expect.stringMatching(/is 4[45] s ahead of the database clock/);
  expect(errors).toEqual([{ place: 'clock', detail: reason }]);
  const logged = await off.untilLine('the reason', ({ worker }) => worker === 'time-sentinel');
  expect(logged.msg).toMatch(/4[45] s ahead of the database clock/);
});

test('P10: a clock that is off by less than 30 s changes nothing', async () => {
  await using database = await createDatabase();
  await createDueSubscriptions(database.url, 40);
  await using service = startPerennial(['start'], { url: database.url, skewMs: -25_000 });
  await service.untilRun({ outcome: 'success', changed: 40 });
  expect(await readRenewalState(database.url)).toMatchObject({ renewals: 40, violations: [] });
});

test('P6: an idle run leaves no record, and a run with changes records them', async () => {
  await using database = await createDatabase();
  await using service = startPerennial(['start'], { url: database.url, autoRenewal: 'every: 1s' });
  await until(
    'three idle runs',
    () =>
      service.log.filter(({ msg, examined }) => msg === 'run ended' && examined === 0).length >= 3,
  );
  // A run that is not finished has an open record.
  expect((await readRuns(database.url)).filter(({ outcome }) => outcome !== 'running')).toEqual([]);
  await createDueSubscriptions(database.url, 40);
  await service.untilRun({ changed: 40 });
  expect(await readRuns(database.url)).toMatchObject([
    { outcome: 'success', changed: 40, detail: { renewed: 40, short: 0 } },
  ]);
});

test('a run that spends its budget is partial, and the next run starts at once', async () => {
  await using database = await createDatabase();
  // The budget exceeds the start of a run on a busy machine. It is too short for all the work on
  // each machine.
  await createDueSubscriptions(database.url, 150);
  await using service = startPerennial(['start'], {
    url: database.url,
    autoRenewal: 'batch: 1, budget: 250ms',
  });
  await service.untilRun({ outcome: 'success' }, 120_000);
  expect(await readRenewalState(database.url)).toMatchObject({ renewals: 150, violations: [] });
  const [first] = await readRuns(database.url);
  expect(first).toMatchObject({ outcome: 'partial' });
}, 150_000);

test('a top-up starts a run within about a second', async () => {
  await using database = await createDatabase();
  await createDueSubscriptions(database.url, 1);
  await withOwnerClient(database.url, (client) =>
    client.query(`SET session_replication_role = replica;
      UPDATE perennial.customer SET balance_minor = 0`),
  );
  await using service = startPerennial(['start'], { url: database.url });
  await service.untilRun({ examined: 1, changed: 0 });
  const top = startPerennial(['customer', 'top-up', '1', '149'], { url: database.url });
  expect(await top.exit).toMatchObject({ code: 0 });
  const committed = performance.now();
  await service.untilRun({ changed: 1 });
  expect(performance.now() - committed).toBeLessThan(2_000);
});

test('a subscription expires within 5 s of its end, while two replicas wait for it', async () => {
  await using database = await createShopDatabase();
  const id = await createSubscriber(database, 1n, 0n);
  await using one = startPerennial(['start'], { url: database.url });
  await using two = startPerennial(['start'], { url: database.url });
  await one.untilReady();
  await two.untilReady();
  await setRemainingTime(database, id, 3_000);
  await until(
    'the subscription has expired',
    async () => (await readSubscription(database, id)).state === 'expired',
  );
  const ended = await withOwnerClient(database.url, async (client) => {
    const { rows } = await client.query(`
      SELECT extract(epoch FROM e.at - s.expires_at)::float8 AS "afterS"
      FROM perennial.event e CROSS JOIN perennial.subscription s WHERE e.action = 'expired'`);
    return rows;
  });
  expect(ended).toHaveLength(1);
  expect(ended[0].afterS).toBeGreaterThanOrEqual(0);
  expect(ended[0].afterS).toBeLessThan(5);
});

test('the other replica replaces a killed one within 15 s', async () => {
  await using database = await createDatabase();
  await createDueSubscriptions(database.url, 400);
  await using gate = await createBatchGate(database.url, 'endless');
  await gate.close();
  await using one = startPerennial(['start'], { url: database.url, autoRenewal: 'batch: 10' });
  await one.untilReady();
  await gate.untilHeld();
  await using two = startPerennial(['start'], { url: database.url, autoRenewal: 'batch: 10' });
  await two.untilReady();
  one.kill('SIGKILL');
  await one.exit;
  const killed = performance.now();
  await gate.open();
  await until('a batch of the other replica', async () =>
    (await readRuns(database.url)).some(
      ({ replica, changed }) => replica.endsWith(`:${two.pid}`) && changed > 0,
    ),
  );
  expect(performance.now() - killed).toBeLessThan(15_000);
  await two.untilRun({ changed: 400 });
  expect(await readRuns(database.url)).toMatchObject([{ outcome: 'lost' }, { outcome: 'success' }]);
  expect(await readRenewalState(database.url)).toMatchObject({ renewals: 400, violations: [] });
});
