import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { runAudit } from '../../../src/audit/audit.ts';
import { type AuditCheck, defineCheck } from '../../../src/audit/check.ts';
import { auditChecks } from '../../../src/audit/index.ts';
import { dayMs, later, parseInstant } from '../../../src/kernel/instant.ts';
import { changePlan } from '../../../src/subscription/commands/change-plan.ts';
import { grant } from '../../../src/subscription/commands/grant.ts';
import { purchase } from '../../../src/subscription/commands/purchase.ts';
import { refund } from '../../../src/subscription/commands/refund.ts';
import { revoke } from '../../../src/subscription/commands/revoke.ts';
import { topUp } from '../../../src/subscription/commands/top-up.ts';
import { until } from '../../../testbed/until.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { expectFault } from '../../support/faults.ts';
import {
  createCaller,
  createShopDatabase,
  createSubscriber,
  runWorker,
  runWorkerAt,
} from '../../support/shop.ts';

const start = '2026-11-24T09:00:00Z';
const addDays = (count: number) => later(parseInstant(start, 'start'), count * dayMs);

/** A check that finds nothing and runs an action between two other checks. */
const createActingCheck = (work: () => Promise<void>): AuditCheck => ({
  id: 'meanwhile',
  promise: null,
  title: 'another command runs',
  run: async () => {
    await work();
    return { violations: 0n, sample: [] };
  },
});

const readFindings = async (database: TestDatabase) =>
  (await runAudit(database.db)).checks.flatMap(({ id, sample }) => sample.map((one) => [id, one]));

test('the database is valid after each command and run', async () => {
  await using database = await createShopDatabase({ now: start });
  const call = createCaller(database);
  const basic = { plan: 'basic', periodDays: 30 };
  await createSubscriber(database, 1n, 0n); // will be short, and expire
  await createSubscriber(database, 2n, 1_000_00n); // will be renewed
  await createSubscriber(database, 3n, 500_00n);
  await purchase(call, { telegramId: 3n, ...basic });
  const change = { telegramId: 3n, plan: 'plus', periodDays: 30 };
  await createSubscriber(database, 4n, 0n);
  await createSubscriber(database, 5n, 0n);
  await grant(call, { telegramId: 5n, days: 10, newPlan: 'plus' });
  await database.setClock(addDays(10));
  await changePlan(call, { ...change, when: 'now' }); // refunds two periods
  const rows = await database.query<{ id: bigint }>`
    SELECT p.id FROM perennial.period p JOIN perennial.customer c ON c.id = p.customer_id
    WHERE c.telegram_id = 4`;
  const periodId = rows[0]?.id as Parameters<typeof refund>[1]['periodId'];
  await refund(call, { telegramId: 4n, periodId, part: 'whole' });
  await revoke(call, {
    telegramId: 5n,
    refund: 'unused',
    reason: 'left',
    subscriptionId: await readFirstSubscription(database, 5n),
  });
  expect(await readFindings(database)).toEqual([]);

  await runWorkerAt(database, addDays(30), 'auto-renewal');
  await runWorker(database, 'fast-expiry-cleanup');
  expect(await readFindings(database)).toEqual([]);
  await topUp(call, { telegramId: 1n, amountMinor: 149_00n });
  await runWorker(database, 'auto-renewal'); // revives
  expect(await readFindings(database)).toEqual([]);
});

async function readFirstSubscription({ query }: TestDatabase, telegramId: bigint) {
  const rows = await query<{ id: Parameters<typeof grant>[1]['subscriptionId'] & bigint }>`
    SELECT min(s.id) AS id FROM perennial.subscription s
    JOIN perennial.customer c ON c.id = s.customer_id WHERE c.telegram_id = ${telegramId}`;
  return (rows[0] as (typeof rows)[number]).id;
}

test('renewals that commit between two checks are no violation: all checks read one snapshot', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 20_000_00n);
  let months = 0;
  const renewals = createActingCheck(async () => {
    months += 1;
    expect(await runWorkerAt(database, addDays(30 * months), 'auto-renewal')).toMatchObject({
      outcome: 'success',
      changed: 1n,
    });
  });
  const woven = auditChecks.flatMap((one) => [renewals, one]);
  const report = await runAudit(database.db, { checks: woven });
  expect(report).toMatchObject({ ok: true, now: parseInstant(start, 'start') });
  expect(report.rowCounts).toMatchObject({ period: 1n, ledger_entry: 2n });
  expect(months).toBe(auditChecks.length);
  expect((await runAudit(database.db)).rowCounts).toMatchObject({ period: BigInt(months) + 1n });
});

test('a corruption during an audit is found by the next audit', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 0n);
  const wrong = createActingCheck(async () => {
    await database.query`UPDATE perennial.customer SET balance_minor = 1`;
  });
  expect((await runAudit(database.db, { checks: [wrong, ...auditChecks] })).ok).toBe(true);
  expect((await runAudit(database.db)).ok).toBe(false);
});

test('an audit can write nothing', async () => {
  await using database = await createDatabase({ now: start });
  const writing: AuditCheck = {
    ...createActingCheck(async () => undefined),
    run: async (tx) => {
      await sql`DELETE FROM perennial.customer`.execute(tx);
      return { violations: 0n, sample: [] };
    },
  };
  await expect(runAudit(database.db, { checks: [writing] })).rejects.toThrow(
    /read-only transaction/,
  );
});

test('an interrupted audit ends on the server too, and reports the interruption', async () => {
  await using database = await createDatabase({ now: start });
  const endless = defineCheck<object>({
    id: 'takes-hours',
    promise: null,
    title: 'this takes hours',
    find: () => sql`
      SELECT 1 AS customer_id, count(*) FROM generate_series(1, 1000000) a,
        generate_series(1, 1000000) b`,
    rows: () => ({}),
    describe: () => '',
  });
  const running = async () => {
    const rows = await database.query`
      SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
        AND query LIKE '%generate_series(1, 1000000) b%' AND pid <> pg_backend_pid()`;
    return rows.length > 0;
  };
  const interrupted = new AbortController();
  const audited = runAudit(database.db, { checks: [endless], signal: interrupted.signal });
  const refused = expectFault(audited, 'interrupted');
  await until('the check runs', async () => (await running()) || undefined);
  interrupted.abort('SIGINT');
  await refused;
  await until('the check has ended', async () => !(await running()));
  await expectFault(runAudit(database.db, { signal: AbortSignal.abort() }), 'interrupted');
  expect((await runAudit(database.db)).ok).toBe(true);
});
