import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { hourMs, type Instant, later, minuteMs } from '../../../src/kernel/instant.ts';
import { confirmHeld } from '../../../src/runs/confirmation.ts';
import { startApi } from '../../support/api.ts';
import type { TestDatabase } from '../../support/database.ts';
import {
  createEndingSubscribers,
  createShopDatabase,
  createSubscribers,
  parseTime,
  runWorker,
  runWorkerAt,
  setPrice,
} from '../../support/shop.ts';

// Confirmations of held changes: what a person saw is done once, and nothing else.

const start = parseTime('2026-11-25T09:00:00Z');
const minutes = (count: number): Instant => later(start, count * minuteMs);
const worker = 'fast-expiry-cleanup';

/** 30 subscriptions have ended. The guard admits 5, and holds 25. */
async function createHeldEnds(): Promise<TestDatabase> {
  const database = await createShopDatabase({ now: start });
  await createEndingSubscribers(database, 30, '2026-11-25T09:01:00Z');
  await runWorkerAt(database, minutes(2), worker);
  return database;
}

const countActive = async ({ db }: Pick<TestDatabase, 'db'>): Promise<number> => {
  const { rows } = await sql<{ active: number }>`
    SELECT count(*)::int AS active FROM perennial.subscription WHERE state = 'active'`.execute(db);
  return rows[0]?.active ?? 0;
};

test('a confirmation makes exactly the number of changes that a person saw, once', async () => {
  await using database = await createHeldEnds();
  expect(await countActive(database)).toBe(25);
  await confirmHeld(database.db, { worker, held: 20 }, 'ui:ann/1');
  expect(await runWorker(database, worker)).toMatchObject({
    detail: { ended: 20, confirmed: 20, held: 5 },
  });
  expect(await countActive(database)).toBe(5);
  await runWorker(database, worker);
  expect(await countActive(database)).toBe(5);
  const { rows } = await sql`
    SELECT actor, action, subject, detail->>'held' AS held FROM perennial.event
    WHERE action = 'held_confirmed'`.execute(database.db);
  expect(rows).toEqual([
    { actor: 'ui:ann/1', action: 'held_confirmed', subject: `worker:${worker}`, held: '20' },
  ]);
});

test('runs in several batches and at the same time share one confirmation', async () => {
  await using database = await createHeldEnds();
  await confirmHeld(database.db, { worker, held: 17 }, 'test');
  const options = { batchMax: 4 };
  await Promise.all([runWorker(database, worker, options), runWorker(database, worker, options)]);
  await runWorker(database, worker, options);
  expect(await countActive(database)).toBe(8);
  const { rows } = await sql`SELECT FROM perennial.confirmation`.execute(database.db);
  expect(rows).toEqual([]);
});

test('confirmed ends do not count against the limit of the next hour', async () => {
  await using database = await createHeldEnds();
  await confirmHeld(database.db, { worker, held: 25 }, 'test');
  await runWorker(database, worker);
  expect(await countActive(database)).toBe(0);
  await database.setClock(later(minutes(2), hourMs + minuteMs));
  expect(await runWorker(database, worker)).toMatchObject({ outcome: 'success' });
});

test('a confirmation is over after ten minutes, and after a change of prices', async () => {
  await using database = await createHeldEnds();
  await confirmHeld(database.db, { worker, held: 25 }, 'test');
  await runWorkerAt(database, minutes(13), worker);
  expect(await countActive(database)).toBe(25);
  await confirmHeld(database.db, { worker, held: 25 }, 'test');
  await setPrice(database, 'basic', 30, 159_00n, 'RUB', '2026-11-25T09:12:00Z');
  await runWorker(database, worker);
  expect(await countActive(database)).toBe(25);
});

test.each([
  ['more than the guard holds', { held: 26 }, 'held_changed'],
  ['another worker', { worker: 'auto-renewal', held: 1 }, 'nothing_held'],
  ['prices that have changed', { held: 1, ifTerms: 'x' }, 'terms_changed'],
  ['a node without held removals', { held: 1, node: 'nl-1' }, 'nothing_held'],
])('a confirmation of %s is refused', async (_, request, code) => {
  await using database = await createHeldEnds();
  await expect(confirmHeld(database.db, { worker, ...request }, 'test')).rejects.toMatchObject({
    code,
  });
  await runWorker(database, worker);
  expect(await countActive(database)).toBe(25);
});

test('held charges are confirmed with auto-renewal, in parts', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscribers(database, {
    count: 150,
    endsAt: '2026-11-25T10:00:00Z',
    balanceMinor: 149_00n,
    together: 150,
  });
  await sql`
    INSERT INTO perennial.worker_state (worker, runs, passed_at) VALUES
      ('store-forecast', 1, perennial.clock())`.execute(database.db);
  const held = await runWorkerAt(database, minutes(1), 'auto-renewal', { batchMax: 40 });
  expect(held.detail).toMatchObject({ held: 150, renewed: 0 });
  await confirmHeld(database.db, { worker: 'auto-renewal', held: 100 }, 'test');
  const run = await runWorker(database, 'auto-renewal', { batchMax: 40 });
  expect(run.detail).toMatchObject({ held: 50, renewed: 100 });
});

test('the request of a problem confirms what the problem states', async () => {
  const { send, database } = await startApi({ now: '2026-11-25T09:00:00Z' });
  await createEndingSubscribers(database, 30, '2026-11-25T09:01:00Z');
  await runWorkerAt(database, minutes(2), worker);
  const { json } = await send('GET', '/v1/problems');
  const { action } = json.items.find(({ code }: { code: string }) => code === 'ends_held');
  expect(action).toMatchObject({ scope: 'admin', body: { confirm: true, held: 25 } });
  const answer = await send(action.method, action.path, { body: action.body });
  expect(answer).toMatchObject({
    status: 202,
    json: { asked: true, confirmed_until: '2026-11-25T09:12:00.000Z' },
  });
  await runWorker(database, worker);
  expect(await countActive(database)).toBe(0);
  const again = await send(action.method, action.path, { body: action.body });
  expect([again.status, again.json.type]).toEqual([409, 'urn:perennial:problem:nothing_held']);
  const incomplete = await send('POST', action.path, { body: { confirm: true } });
  expect(incomplete.status).toBe(400);
});

test('a dry run has the counts and amounts of a run, and changes nothing', async () => {
  const { send, database } = await startApi({ now: '2026-11-25T09:00:00Z' });
  await createSubscribers(database, {
    count: 60,
    endsAt: '2026-11-25T10:00:00Z',
    balanceMinor: 149_00n,
  });
  const path = '/v1/workers/auto-renewal/preview';
  const preview = await send('POST', path);
  expect(preview).toMatchObject({
    status: 200,
    json: {
      complete: true,
      outcomes: [
        { outcome: 'renew', count: 60, amounts: [{ currency: 'RUB', amount: '8940.00' }] },
      ],
    },
  });
  expect(preview.json.sample).toHaveLength(50);
  expect(preview.json.sample[0]).toMatchObject({ telegram_id: 1_000_001, amount: '149.00' });
  const answers = await Promise.all([send('POST', path), send('POST', path)]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
  expect((await send('POST', '/v1/workers/unknown/preview')).status).toBe(404);
});
