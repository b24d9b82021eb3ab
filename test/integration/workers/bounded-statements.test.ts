import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTrial } from '../../../src/subscription/commands/trial.ts';
import { growingTables, isBounded } from '../../support/bounded-statement.ts';
import { type BreakableDatabase, createBreakableDatabase } from '../../support/broken-statement.ts';
import { createdAt, createMixedRenewals } from '../../support/mixed-renewals.ts';
import { addCustomer, createCaller, runWorker } from '../../support/shop.ts';

let breakableDatabase: BreakableDatabase;

beforeAll(async () => {
  breakableDatabase = await createBreakableDatabase(async (database) => {
    await createMixedRenewals(database);
    await database.setClock('2026-11-30T12:00:00Z');
    await addCustomer(database, 8n);
    await startTrial(createCaller(database), { telegramId: 8n });
  }, createdAt);
});

afterAll(() => breakableDatabase[Symbol.asyncDispose]());

test.each([
  ['auto-renewal', '2026-11-30T20:00:00Z', 9],
  ['fast-expiry-cleanup', '2026-12-05T00:00:00Z', 9],
  // Find, lock, read, enqueue, set the next check; for the ends also the forecasts.
  ['trial-notifications', '2026-11-30T18:00:00Z', 5],
  ['expiry-reminders', '2026-11-30T12:30:00Z', 6],
  // Two checks, two pages, and for each notification: lock, facts, mark, settle.
  ['deliver-notifications', '2026-11-30T20:00:00Z', 12],
])(
  'P2: each statement of a run of %s reads a page, or rows by their ids',
  async (worker, now, min) => {
    const { database } = breakableDatabase;
    await breakableDatabase.restore();
    await database.setClock(now);
    const { statements, result } = await breakableDatabase.run(() => runWorker(database, worker));
    expect(result).toMatchObject({ status: 'fulfilled', value: { outcome: 'success' } });
    const ofTables = statements.filter((sql) => growingTables.test(sql));
    expect(ofTables.length).toBeGreaterThanOrEqual(min);
    expect(ofTables.filter((sql) => !isBounded(sql))).toEqual([]);
  },
);
