import { expect, test, vi } from 'vitest';
import { until } from '../../../testbed/until.ts';
import { createDatabase } from '../../support/database.ts';
import { createStage, enqueueReceipts, token } from '../../support/delivery.ts';
import {
  createDueSubscriptions,
  readRenewalState,
  withOwnerClient,
} from '../../support/due-subscriptions.ts';
import { type ProcessExit, startPerennial } from '../../support/perennial-process.ts';
import { createEndingSubscribers } from '../../support/shop.ts';
import { createBatchGate } from './batch-gate.ts';

// The shutdown of a service: SIGTERM, a second signal and SIGKILL.

// Generous, because the tests start processes on machines that may be busy.
vi.setConfig({ testTimeout: 90_000 });

const readRuns = (url: string) =>
  withOwnerClient(url, async (client) => {
    const { rows } = await client.query(
      `SELECT outcome, replica, examined::int, changed::int, failed::int, finished_at
       FROM perennial.worker_run WHERE worker = 'auto-renewal' ORDER BY id`,
    );
    return rows;
  });

test('P8: at SIGTERM both running batches end, nothing new starts, and the service exits within 10 s', async () => {
  await using database = await createDatabase();
  await createDueSubscriptions(database.url, 200);
  await using gate = await createBatchGate(database.url, 'endless');
  await gate.close();
  await using service = startPerennial(['start'], { url: database.url, autoRenewal: 'batch: 20' });
  await service.untilReady();
  await gate.untilHeld(2);
  const startedMs = performance.now();
  service.kill('SIGTERM');
  await service.untilLine('shutdown', ({ msg }) => msg.startsWith('shutdown'));
  await gate.open();
  expect(await service.exit).toMatchObject({ code: 0, signal: null });
  expect(performance.now() - startedMs).toBeLessThan(10_000);
  expect(await readRenewalState(database.url)).toMatchObject({
    renewals: 40,
    due: 160,
    violations: [],
  });
  expect(await readRuns(database.url)).toMatchObject([{ outcome: 'partial', changed: 40 }]);
});

test('P8: at SIGTERM running batches of reminders end, pending answers are stored, nothing new starts, and the service exits within 10 s', async () => {
  await using stage = await createStage({ now: '2026-11-24T12:00:00Z' });
  const { database, api } = stage;
  await enqueueReceipts(stage, 3);
  await createEndingSubscribers(database, 200, '2026-11-25T12:00:00Z');
  await database.pool.query(`
    UPDATE perennial.subscription SET remind_at = perennial.clock(),
      kind = CASE id % 2 WHEN 0 THEN 'trial' ELSE kind END,
      started_at = expires_at - interval '3 days'
    WHERE expires_at < '2026-11-26Z'`);
  await using gate = await createBatchGate(database.url, 'endless', 'notification');
  await gate.close();
  const answers = Promise.withResolvers<void>();
  let sent = 0;
  api.conduct = async () => {
    sent += 1;
    await answers.promise;
    return 'serve' as const;
  };
  await using service = startPerennial(['start'], {
    url: database.url,
    workers: 'trial-notifications: { batch: 20 }, expiry-reminders: { batch: 20 }',
    extraConfig: `telegram: { token: "${token}", api: "${api.url}" }`,
  });
  await service.untilReady();
  // Two batches of each worker, and three notifications.
  await gate.untilHeld(4);
  await until('three sent messages', () => sent === 3);
  const startedMs = performance.now();
  service.kill('SIGTERM');
  await service.untilLine('shutdown', ({ msg }) => msg.startsWith('shutdown'));
  answers.resolve();
  await gate.open();
  expect(await service.exit).toMatchObject({ code: 0, signal: null });
  expect(performance.now() - startedMs).toBeLessThan(10_000);
  const { rows } = await database.pool.query(`
    SELECT kind, state, count(*)::int FROM perennial.notification
    WHERE customer_id IS NOT NULL GROUP BY kind, state ORDER BY kind`);
  expect(rows).toEqual([
    { kind: 'ends_24h', state: 'pending', count: 40 },
    { kind: 'receipt', state: 'sent', count: 3 },
    { kind: 'trial_48h', state: 'pending', count: 40 },
  ]);
  expect(sent).toBe(3);
});

test('P8: a batch that hangs at SIGTERM is cancelled in time, and leaves no change', async () => {
  await using database = await createDatabase();
  await createDueSubscriptions(database.url, 40);
  await using gate = await createBatchGate(database.url, 'endless');
  await gate.close();
  await using service = startPerennial(['start'], { url: database.url, autoRenewal: 'batch: 20' });
  await gate.untilHeld();
  const startedMs = performance.now();
  service.kill('SIGTERM');
  expect((await service.exit).code).toBe(0);
  expect(performance.now() - startedMs).toBeLessThan(10_000);
  await gate.open();
  expect(await readRenewalState(database.url)).toMatchObject({ renewals: 0, violations: [] });
});

test('P8: a second signal ends the service at once', async () => {
  await using database = await createDatabase();
  await createDueSubscriptions(database.url, 40);
  await using gate = await createBatchGate(database.url, 'endless');
  await gate.close();
  await using service = startPerennial(['start'], { url: database.url });
  await gate.untilHeld();
  service.kill('SIGINT');
  await service.untilLine('shutdown', ({ msg }) => msg.startsWith('shutdown'));
  // A signal within 1 s of the first one is the same Ctrl-C, which npm passed on.
  let exit: ProcessExit | undefined;
  void service.exit.then((ended) => {
    exit = ended;
  });
  const { code } = await until('its end', () => {
    service.kill('SIGINT');
    return exit;
  });
  expect(code).toBe(130);
});

test('P8, P6: nothing is lost by SIGKILL; the next run closes the killed one as lost, with its counts', async () => {
  await using database = await createDatabase();
  await createDueSubscriptions(database.url, 200);
  await using gate = await createBatchGate(database.url, 'endless');
  await using service = startPerennial(['start'], { url: database.url, autoRenewal: 'batch: 5' });
  await until('some batches', async () => {
    const [run] = await readRuns(database.url);
    return run?.changed >= 10;
  });
  await gate.close();
  await gate.untilHeld();
  service.kill('SIGKILL');
  expect(await service.exit).toMatchObject({ code: null, signal: 'SIGKILL' });
  await gate.open();
  const before = await readRenewalState(database.url);
  expect(before.violations).toEqual([]);
  expect(before.renewals).toBeLessThan(200);

  const next = startPerennial(['run', 'auto-renewal', '--json'], { url: database.url });
  const { code, out } = await next.exit;
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ outcome: 'success', changed: 200 - before.renewals });
  expect(await readRenewalState(database.url)).toMatchObject({
    renewals: 200,
    due: 0,
    violations: [],
  });
  const [lost] = await readRuns(database.url);
  expect(lost).toMatchObject({ outcome: 'lost', changed: before.renewals });
  expect(lost.finished_at).not.toBeNull();
});
