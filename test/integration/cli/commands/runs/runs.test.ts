import { expect, test } from 'vitest';
import { buildRunsCommand } from '../../../../../src/cli/commands/runs/runs.ts';
import { runCommand } from '../../../../support/command-line.ts';
import type { TestDatabase } from '../../../../support/database.ts';
import { createShopDatabase, createSubscriber, runWorkerAt } from '../../../../support/shop.ts';

// `perennial runs …`, in this process, on records of real runs.

/** A renewal, a subscription that is short, and the end of the short one. */
async function createRuns() {
  const database = await createShopDatabase({ now: '2026-11-24T09:00:00Z' });
  const renewed = await createSubscriber(database, 7n, 149_00n);
  const short = await createSubscriber(database, 8n, 0n);
  const renewal = await runWorkerAt(database, '2026-12-24T08:00:00Z', 'auto-renewal');
  const expiry = await runWorkerAt(database, '2026-12-24T09:01:00Z', 'fast-expiry-cleanup');
  await database.setClock('2026-12-24T11:01:00Z');
  return { database, renewed, short, renewal, expiry };
}

const run = (database: TestDatabase, ...words: string[]) =>
  runCommand(buildRunsCommand, database, words);

test('`list` shows the newest runs first, page by page, by worker and outcome', async () => {
  const { database, renewal, expiry } = await createRuns();
  await using _ = database;
  const { out } = await run(database, 'list');
  const [head, first, second, scope] = out.split('\n');
  expect(head).toMatch(
    /^ID +WORKER +START +DURATION +OUTCOME +ITEMS +CHANGES +FAILURES +HELD ITEMS$/,
  );
  expect(first).toMatch(
    new RegExp(`^${expiry.id} +fast-expiry-cleanup +2 h ago +0 ms +success +1 +1 +0 +0$`),
  );
  expect(second).toMatch(new RegExp(`^${renewal.id} +auto-renewal +3 h ago +0 ms +success +2 +`));
  expect(scope).toBe('at 2026-12-24 11:01Z');
  const page = JSON.parse((await run(database, 'list', '--rows', '1', '--json')).out);
  expect(page).toMatchObject({ runs: [{ id: Number(expiry.id) }], next: Number(expiry.id) });
  const next = await run(database, 'list', '--before', String(page.next), '--json');
  expect(JSON.parse(next.out)).toMatchObject({ runs: [{ id: Number(renewal.id) }], next: null });
  for (const words of [
    ['--worker', 'raise-alarms'],
    ['--outcome', 'failed'],
    ['--since', '2026-12-24T10:00:00Z'],
  ]) {
    expect((await run(database, 'list', ...words)).out).toMatch(/^no runs/);
  }
});

test('`show` prints what a run did: changes, money, notifications and counts', async () => {
  const { database, renewed, renewal, expiry } = await createRuns();
  await using _ = database;
  const { out } = await run(database, 'show', String(renewal.id));
  expect(out).toMatch(
    new RegExp(`^run ${renewal.id}: auto-renewal, success, 2026-12-24 08:00Z, took 0 ms\n`),
  );
  expect(out).toMatch(/\nchanges during the run\n +renewed +1\n/);
  expect(out).toMatch(/\nmoney\n +renewal +1 entry +-149\.00 RUB\n/);
  expect(out).toMatch(/\nnotifications\n +receipt +1\n/);
  expect(out).toMatch(
    new RegExp(`customer 7 +subscription:${renewed} +renewed +2026-12-24 08:00Z`),
  );
  expect(JSON.parse((await run(database, 'show', String(expiry.id), '--json')).out)).toMatchObject({
    worker: 'fast-expiry-cleanup',
    overlapping: [],
    actions: [{ action: 'expired', events: 1 }],
    charges: [],
    events: [{ telegram_id: 8, action: 'expired' }],
  });
  await expect(run(database, 'show', '999')).rejects.toThrow(
    'there is no run 999; list them with "perennial runs list"',
  );
});

test('`show` names another run of the worker at the same time', async () => {
  const { database, renewal } = await createRuns();
  await using _ = database;
  const rows = await database.query<{ id: bigint }>`
    INSERT INTO perennial.worker_run (worker, replica, replica_number, started_at)
    VALUES ('auto-renewal', 'r', 1, '2026-12-24T07:59:59Z') RETURNING id`;
  expect((await run(database, 'show', String(renewal.id))).out).toContain(
    `other runs of this worker at the same time: ${rows[0]?.id}; the changes may belong to them`,
  );
});
