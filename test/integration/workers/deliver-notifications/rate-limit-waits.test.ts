import { expect, test } from 'vitest';
import type { Instant } from '../../../../src/kernel/instant.ts';
import { until } from '../../../../testbed/until.ts';
import {
  createStage,
  enqueueReceipts,
  readNotifications,
  runDelivery,
  type Stage,
  startStageCouriers,
} from '../../../support/delivery.ts';
import { hookDatabase } from '../../../support/hooked-pool.ts';

import { silentLog } from '../../../support/log.ts';

// A pause that a gateway requires is observed in any state of the database.

const noon = '2026-11-24T12:00:00Z';
const noonMs = Date.parse(noon);

/** ms until the stored end of the pause; undefined: no pause. */
async function readStoredWaitMs({ database }: Stage): Promise<number | undefined> {
  const rows = await database.query<{ until: Instant | null }>`
    SELECT rests_until AS until FROM perennial.courier`;
  const ends = rows[0]?.until;
  return ends === null || ends === undefined ? undefined : ends - noonMs;
}

test('a notification that is claimed while a pause is being written is not sent', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  await enqueueReceipts(stage, 3);
  api.conduct = ({ n }) => (n === 1 ? { tooMany: 60 } : 'serve');
  let claims = 0;
  let isMarked = false;
  let isNextPass = false;
  const hasLearned = Promise.withResolvers<void>();
  await using hooked = hookDatabase(database, async ({ when, sql: text }) => {
    if (when === 'after' && claims === 2 && /^commit/i.test(text)) isMarked = true;
    if (when !== 'before') return;
    // Except for the fence, which is verified right before a send.
    if (isMarked && !text.includes('rests_until AS')) isNextPass = true;
    if (text.includes('FOR NO KEY UPDATE SKIP LOCKED') && text.includes('customer')) {
      claims += 1;
      // The second one is claimed when the courier has observed the pause.
      if (claims === 2) await hasLearned.promise;
    }
    if (api.waits.length === 0) return;
    if (!/^SELECT perennial\.clock\(\) AS now$|UPDATE perennial\.courier/.test(text)) return;
    hasLearned.resolve();
    // Slow, until the outcome of the second one is decided.
    await until('the courier continues', () => isNextPass || undefined);
  });
  expect(await runDelivery({ ...stage, database: hooked })).toMatchObject({ outcome: 'degraded' });
  expect(api.log).toHaveLength(1);
  expect((await readNotifications(database)).map(({ state }) => state)).toEqual(
    Array(3).fill('pending'),
  );
  const left = await readStoredWaitMs(stage);
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThanOrEqual(60_000);
});

test('a pause that could not be written outlives its courier, and the next one writes it', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  await enqueueReceipts(stage, 1);
  api.conduct = ({ n }) => (n === 1 ? { tooMany: 600 } : 'serve');
  let broken = true;
  await using hooked = hookDatabase(database, ({ when, sql: text }) => {
    const isWrite = when === 'before' && text.includes('UPDATE perennial.courier SET failures');
    // Not a transient fault, so it is not retried at once.
    if (broken && isWrite) throw new Error('it is not written');
  });
  let delivers = 0;
  const lines: string[] = [];
  const collect = (_: object, message: string) => void lines.push(message);
  const log = {
    ...silentLog,
    error: collect,
    info: (_: object, message: string) => {
      if (message !== 'delivers here') return;
      delivers += 1;
      if (delivers === 2) broken = false;
    },
  };
  await using _ = startStageCouriers({ ...stage, database: hooked }, { log });
  await until('the log of the failure', () => lines.length > 0);
  await database.query`
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE '%courier%'`;
  await until(
    'the row, or a second send',
    async () => (await readStoredWaitMs(stage)) !== undefined || api.log.length > 1,
  );
  expect(api.log).toHaveLength(1);
  expect(delivers).toBe(2);
  expect(await readStoredWaitMs(stage)).toBeGreaterThan(500_000);
});

test('a probe of the gateway may also cause a pause', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  await enqueueReceipts(stage, 2);
  api.conduct = () => ({ status: 502 });
  await runDelivery(stage);
  // A second failure in a row, so the gateway is asked before a send.
  await database.setClock('2026-11-24T12:01:00Z');
  await runDelivery(stage);
  const calls = api.log.length;
  await database.setClock('2026-11-24T12:10:00Z');
  api.conduct = () => 'serve';
  api.getMeOutcome = { tooMany: 3_600 };
  expect(await runDelivery(stage)).toMatchObject({
    outcome: 'degraded',
    detail: { 'telegram:123456789': 'too many: wait 3600 s' },
  });
  const left = await readStoredWaitMs(stage);
  expect(left).toBeGreaterThan(3_600_000);
  expect(left).toBeLessThanOrEqual(4_200_000);
  api.getMeOutcome = 'serve';
  await database.setClock('2026-11-24T13:00:00Z');
  expect(await runDelivery(stage)).toMatchObject({ examined: 0n });
  expect(api.log).toHaveLength(calls);
});
