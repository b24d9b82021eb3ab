import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { type AuditReport, auditSnapshot, runAudit } from '../../../src/audit/audit.ts';
import { createCopies, dropCopies } from '../../../src/audit/changes.ts';
import { inTransaction } from '../../../src/db/connect.ts';
import { dayMs, later, parseInstant } from '../../../src/kernel/instant.ts';
import {
  type AuditScene,
  corrupt,
  corruptInTransaction,
  createScenes,
  followingPeriodSql,
  sceneTime,
} from '../../support/corruption.ts';
import type { TestDatabase } from '../../support/database.ts';
import { waitForOldTransactions } from '../../support/old-transactions.ts';
import { addBalance, buyPlan, createSubscriber, setPrice } from '../../support/shop.ts';
import { corruptions } from './corruptions.ts';
import { workerCorruptions } from './worker-corruptions.ts';

// `audit --since-last` finds what an audit of everything finds, if it happened after the baseline.

/** A database with scenes, after an audit of everything without violations. */
async function createAuditedScenes(count: number) {
  const stage = await createScenes(count);
  await waitForOldTransactions(stage.database);
  const report = await runAudit(stage.database.db, { keepsResult: true });
  expect(report.checks.flatMap(({ sample }) => sample)).toEqual([]);
  return stage;
}

const auditChanges = ({ db }: TestDatabase): Promise<AuditReport> =>
  runAudit(db, { checksChanges: true, keepsResult: true });

const listFindings = ({ checks }: AuditReport) =>
  checks.flatMap(({ id, violations, sample }) =>
    violations === 0n ? [] : [{ id, violations, sample }],
  );

/** Undoes what a test planted. */
class RollbackError extends Error {}

/** Audits a state that is undone afterwards: the changes first, or in both ways. */
async function auditPlanted(
  database: TestDatabase,
  statements: string,
  ways: readonly boolean[] = [true],
): Promise<readonly AuditReport[]> {
  const reports: AuditReport[] = [];
  const planted = inTransaction(database.db, async (tx) => {
    await corruptInTransaction(tx, statements);
    await createCopies(tx);
    for (const checksChanges of ways) {
      const { report } = await auditSnapshot(tx, { checksChanges });
      reports.push(report);
    }
    throw new RollbackError();
  });
  await expect(planted).rejects.toThrow(RollbackError);
  return reports;
}

test('A1: an audit of the changes finds each planted corruption', async () => {
  const stage = await createAuditedScenes(3);
  await using database = stage.database;
  const scene = stage.scenes[1] as AuditScene;
  const planted = [
    ...corruptions.map((one) => ({ ...one, sql: one.statements(scene) })),
    ...workerCorruptions.map((one) => ({ ...one, what: one.names, also: [], sql: one.statements })),
  ];
  const whole: string[] = [];
  for (const { check, also = [], what, sql: statements } of planted) {
    const [report] = (await auditPlanted(database, statements)) as [AuditReport];
    const found = listFindings(report).map(({ id }) => id);
    expect(found, what).toEqual(expect.arrayContaining([check, ...also]));
    if (report.scope?.kind !== 'changes') whole.push(what);
    else expect(report.scope.customers, what).toBeLessThanOrEqual(2n);
  }
  // These change prices or settings of the past.
  expect(whole).toEqual([
    'a double price that was on sale until years ago',
    'a period in dollars of a customer in roubles',
    'setting renewal',
  ]);
}, 120_000);

test.each([
  ['customer', 'id'],
  ['subscription', 'customer_id'],
  ['period', 'customer_id'],
  ['ledger_entry', 'customer_id'],
  ['credential', 'customer_id'],
  ['notification', 'customer_id'],
  ['event', 'customer_id'],
])('A1: a deleted row of %s is found, though no other row changed', async (table, column) => {
  const stage = await createAuditedScenes(3);
  await using database = stage.database;
  const { victim } = stage.scenes[1] as AuditScene;
  const one = `SELECT max(ctid) FROM ${table} WHERE ${column} = ${victim.customer}`;
  const statements = `DELETE FROM ${table} WHERE ctid = (${one})`;
  const [changes, everything] = (await auditPlanted(database, statements, [true, false])) as [
    AuditReport,
    AuditReport,
  ];
  expect(listFindings(changes)).toEqual(listFindings(everything));
  expect(changes.scope).toMatchObject({ kind: 'changes' });
});

test('only the customers of changed rows are read, and their commands are no violation', async () => {
  const stage = await createAuditedScenes(10);
  await using database = stage.database;
  expect(await auditChanges(database)).toMatchObject({
    ok: true,
    rowCounts: { customer: 0n, period: 0n },
    scope: { kind: 'changes', at: parseInstant(sceneTime, 'scene'), customers: 0n },
  });
  await addBalance(database, 70_001n, 500_00n);
  await buyPlan(database, 70_001n);
  await createSubscriber(database, 1n, 0n);
  const report = await auditChanges(database);
  expect(listFindings(report)).toEqual([]);
  expect(report).toMatchObject({
    rowCounts: { customer: 2n, subscription: 2n },
    scope: { customers: 2n },
  });
});

test('A1: a row of a transaction that was open during the audit of everything is checked later', async () => {
  const stage = await createScenes(2);
  await using database = stage.database;
  const [{ victim }, other] = stage.scenes as [AuditScene, AuditScene];
  await waitForOldTransactions(database);
  await inTransaction(database.db, async (tx) => {
    await corruptInTransaction(
      tx,
      `UPDATE customer SET balance_minor = balance_minor + 1 WHERE id = ${victim.customer};
       DELETE FROM notification WHERE customer_id = ${victim.customer};
       UPDATE customer SET balance_minor = balance_minor + 1 WHERE id = ${other.victim.customer}`,
    );
    // A later transaction that commits before.
    await createSubscriber(database, 1n, 0n);
    expect(await runAudit(database.db, { keepsResult: true })).toMatchObject({ ok: true });
  });
  const report = await auditChanges(database);
  expect(listFindings(report).map(({ id }) => id)).toEqual([
    'balance-is-its-ledger',
    'balance-adds-up',
    'charge-has-its-receipt',
  ]);
  expect(report.scope).toMatchObject({ kind: 'changes', customers: 3n });
});

test('A1: a violation by time alone is found: an end or a change of terms that no worker made', async () => {
  const stage = await createScenes(2);
  await using database = stage.database;
  const { victim } = stage.scenes[0] as AuditScene;
  await corrupt(
    database.url,
    `UPDATE subscription SET changes_at = expires_at WHERE id = ${victim.subscription};
     ${followingPeriodSql(victim, { period_days: 90 }, 90)}
     INSERT INTO event (customer_id, subject, action, actor, at, detail)
     VALUES (${victim.customer}, 'subscription:${victim.subscription}', 'granted', 'cli', clock(),
       '{"days": 90}')`,
  );
  expect(await runAudit(database.db, { keepsResult: true })).toMatchObject({ ok: true });
  await database.setClock(later(parseInstant(sceneTime, 'scene'), 31 * dayMs + 1));
  await database.query`DELETE FROM perennial.worker_run`;
  const changes = await auditChanges(database);
  const everything = await runAudit(database.db);
  expect(changes.scope).toMatchObject({ kind: 'changes' });
  expect(listFindings(changes)).toEqual(listFindings(everything));
  expect(listFindings(changes).map(({ id }) => id)).toEqual(
    expect.arrayContaining(['past-its-end-is-ended', 'terms-of-the-period']),
  );
});

const everythingAfter: readonly [
  what: string,
  because: RegExp,
  (database: TestDatabase) => Promise<unknown>,
][] = [
  [
    'no audit',
    /no audit of everything/,
    ({ db }) => sql`DELETE FROM perennial.audit_baseline`.execute(db),
  ],
  [
    'a restore',
    /was restored/,
    ({ db }) => sql`UPDATE perennial.audit_baseline SET at = at`.execute(db),
  ],
  [
    'an audit at a later time',
    /has a later time/,
    (database) => database.setClock(later(parseInstant(sceneTime, 'scene'), -1_000)),
  ],
  [
    'a change of prices in the past',
    /prices or settings changed/,
    (database) => setPrice(database, 'plus', 90, 1_00n, 'RUB'),
  ],
  [
    'a deletion by retention',
    /over 31 days ago/,
    ({ db }) => sql`INSERT INTO perennial.pruned VALUES ('notices', '2026-11-24Z')`.execute(db),
  ],
  [
    'billions of transactions',
    /too long ago/,
    ({ db }) =>
      sql`
      WITH moved AS (UPDATE perennial.audit_baseline SET horizon = horizon - 2000000001,
        written_by = pg_current_xact_id()::text::bigint RETURNING 1) SELECT FROM moved`.execute(db),
  ],
];

test.each(everythingAfter)('A1: after %s everything is checked', async (_, because, change) => {
  const stage = await createAuditedScenes(1);
  await using database = stage.database;
  await change(database);
  const report = await auditChanges(database);
  expect(report).toMatchObject({ ok: true, rowCounts: { customer: 2n } });
  expect(report.scope).toMatchObject({
    kind: 'everything',
    because: expect.stringMatching(because),
  });
});

test('an audit that finds a violation, and an audit of the changes, leave the baseline', async () => {
  const stage = await createAuditedScenes(1);
  await using database = stage.database;
  const { victim } = stage.scenes[0] as AuditScene;
  await database.setClock(later(parseInstant(sceneTime, 'scene'), 1_000));
  const addOne = (by: number) =>
    corrupt(
      database.url,
      `UPDATE customer SET balance_minor = balance_minor + ${by} WHERE id = ${victim.customer}`,
    );
  await addOne(1);
  expect(await runAudit(database.db, { keepsResult: true })).toMatchObject({ ok: false });
  expect(await auditChanges(database)).toMatchObject({ ok: false });
  await addOne(-1);
  expect(await auditChanges(database)).toMatchObject({
    ok: true,
    scope: { at: parseInstant(sceneTime, 'scene'), customers: 1n },
  });
});

test('an audit of the changes leaves no temporary table in its session', async () => {
  const stage = await createAuditedScenes(1);
  await using database = stage.database;
  await auditChanges(database);
  const rows = await database.query`
    SELECT FROM pg_class WHERE relpersistence = 't' AND relname = 'audited_customer'`;
  expect(rows).toEqual([]);
  await dropCopies(database.db);
});
