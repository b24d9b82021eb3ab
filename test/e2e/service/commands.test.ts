import { expect, test, vi } from 'vitest';
import { createDatabase } from '../../support/database.ts';
import {
  createDueSubscriptions,
  readRenewalState,
  withOwnerClient,
} from '../../support/due-subscriptions.ts';
import { type ProcessOptions, startPerennial } from '../../support/perennial-process.ts';

// The commands `perennial start` and `perennial run`, as processes.

// Generous, because the tests start processes on machines that may be busy.
vi.setConfig({ testTimeout: 90_000 });

const runToExit = (args: readonly string[], options: ProcessOptions) =>
  startPerennial(args, options).exit;

test('`start` logs its workers and its database when it is ready, and no password', async () => {
  await using database = await createDatabase();
  await using service = startPerennial(['start'], { url: database.url, logLevel: 'info' });
  const ready = await service.untilReady();
  expect(ready.workers).toContain('auto-renewal');
  const { host, password, pathname } = new URL(database.url);
  expect(ready.database).toBe(`${host}${pathname}`);
  service.kill('SIGINT');
  const { code, out, err } = await service.exit;
  expect(code).toBe(0);
  expect(out + err).not.toContain(password);
});

test('`start` refuses a second bot and names the bot of the database', async () => {
  await using database = await createDatabase();
  await withOwnerClient(database.url, (client) =>
    client.query("INSERT INTO perennial.courier (id, epoch) VALUES ('telegram:111', 1)"),
  );
  const refused = (token: string) =>
    runToExit(['start', '--role', 'worker'], {
      url: database.url,
      extraConfig: `telegram: { token: "${token}", api: "http://127.0.0.1:1" }`,
    });
  const { code, err } = await refused('222:AAF-canary_canary_canary_canary_canary');
  expect(code).toBe(2);
  expect(err).toMatch(/"telegram:222" is not the bot of this database; expected telegram:111/);
  expect(err).toMatch(/perennial notice couriers --forget telegram:111/);
  expect(err).not.toContain('canary');
});

test('`run` does all the work that is due, and prints the record of the run', async () => {
  await using database = await createDatabase();
  await createDueSubscriptions(database.url, 60);
  const options = { url: database.url, autoRenewal: 'batch: 7' };
  const { code, out } = await runToExit(['run', 'auto-renewal', '--json'], options);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    worker: 'auto-renewal',
    outcome: 'success',
    examined: 60,
    changed: 60,
    failed: 0,
    started_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    detail: { renewed: 60 },
  });
  expect(await readRenewalState(database.url)).toMatchObject({ renewals: 60, violations: [] });
  const again = await runToExit(['run', 'auto-renewal'], options);
  expect(again.code).toBe(0);
  expect(again.out).toMatch(/^outcome +success$/m);
  expect(again.out).toMatch(/^examined +0$/m);
});

test('`run --dry-run` prints the decision for each customer and the totals, and changes nothing', async () => {
  await using database = await createDatabase();
  await createDueSubscriptions(database.url, 30);
  await withOwnerClient(database.url, (client) =>
    client.query(`SET session_replication_role = replica;
      UPDATE perennial.customer SET balance_minor = 100 WHERE id <= 10;
      UPDATE perennial.ledger_entry SET amount_minor = 100, balance_after_minor = 100
        WHERE customer_id <= 10`),
  );
  const options = { url: database.url, autoRenewal: 'batch: 7' };
  const { code, out } = await runToExit(['run', 'auto-renewal', '--dry-run', '--json'], options);
  expect(code).toBe(0);
  const { items, totals } = JSON.parse(out);
  expect(items).toHaveLength(30);
  expect(items[0]).toMatchObject({
    telegram_id: 1,
    outcome: 'wait-for-money',
    amount: '148.00',
    currency: 'RUB',
  });
  expect(totals).toEqual({
    'wait-for-money': { count: 10, amounts: { RUB: '1480.00' } },
    renew: { count: 20, amounts: { RUB: '2980.00' } },
  });
  expect(await readRenewalState(database.url)).toMatchObject({
    renewals: 0,
    due: 30,
    violations: [],
  });

  const text = await runToExit(['run', 'auto-renewal', '--dry-run'], options);
  expect(text.out.trim().split('\n')).toHaveLength(30 + 1 + 1 + 2);
  expect(text.out).toContain('dry run: nothing was changed; a run would have these outcomes:');
  expect(text.out).toMatch(/^renew: 20 \(2980\.00 RUB\)$/m);
});

test('a failed run exits with 1, and its record has the reason', async () => {
  await using database = await createDatabase();
  await createDueSubscriptions(database.url, 10);
  await withOwnerClient(database.url, (client) =>
    client.query('ALTER TABLE perennial.notification RENAME COLUMN params TO gone'),
  );
  const { code, out } = await runToExit(['run', 'auto-renewal', '--json'], { url: database.url });
  expect(code).toBe(1);
  expect(JSON.parse(out)).toMatchObject({
    outcome: 'failed',
    changed: 0,
    detail: { kind: 'bug', code: 'pg_42703' },
  });
});
