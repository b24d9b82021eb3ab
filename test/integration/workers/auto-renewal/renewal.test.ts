import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TestDatabase } from '../../../support/database.ts';
import { findViolations } from '../../../support/database-snapshot.ts';
import { root } from '../../../support/repository.ts';
import {
  addCustomer,
  buyPlan,
  createShopDatabase,
  createSubscriber,
  createSubscribers,
  expectSubscription,
  runAutoRenewal,
  runWorker,
  runWorkerAt,
} from '../../../support/shop.ts';

// The rows that a renewal writes, and those that it cannot reach.

const start = '2026-11-01T00:00:00Z';
const dueAt = '2026-11-30T20:00:00Z';

async function createDueSubscribers(): Promise<TestDatabase> {
  const database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 149_00n);
  await createSubscriber(database, 2n, 500_00n, { vip: true });
  await createSubscriber(database, 3n, 500_00n, { discountPercent: 33 });
  await database.setClock(dueAt);
  return database;
}

test('R4: a renewal keeps each credential as it is and marks no node', async () => {
  await using database = await createDueSubscribers();
  const access = async () => ({
    credentials: await database.db
      .selectFrom('perennial.credential')
      .selectAll()
      .orderBy('id')
      .execute(),
    marks: await database.db
      .selectFrom('perennial.access_sync')
      .selectAll()
      .orderBy('credential_id')
      .execute(),
    nodes: await database.db.selectFrom('perennial.node').selectAll().execute(),
  });
  const before = await access();
  expect(before.credentials).toHaveLength(3);
  expect(await runAutoRenewal(database)).toMatchObject({ outcome: 'success', changed: 3n });
  expect(await access()).toEqual(before);
});

test('R7: each renewal has one receipt in the same transaction, with the charged amount', async () => {
  await using database = await createDueSubscribers();
  await runAutoRenewal(database);
  const rows = await database.query`
    SELECT n.dedupe_key = 'receipt:' || e.id AS keyed, n.state,
      n.xmin = e.xmin AND n.xmin = p.xmin AS together, -e.amount_minor AS minor,
      n.params->>'amount' AS amount, n.params->>'currency' AS currency,
      (n.params->>'starts_at')::timestamptz = p.starts_at AS starts,
      (n.params->>'ends_at')::timestamptz = p.ends_at AS ends,
      n.params->>'balance_after' AS left, e.balance_after_minor AS left_minor
    FROM perennial.period p
    JOIN perennial.ledger_entry e ON e.id = p.ledger_entry_id
    LEFT JOIN perennial.notification n
      ON n.subscription_id = p.subscription_id AND n.kind = 'receipt' AND n.params->>'starts_at'
        = to_char(p.starts_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    WHERE p.source = 'renewal' ORDER BY e.id`;
  const of = { keyed: true, state: 'pending', together: true, starts: true, ends: true };
  expect(rows).toEqual([
    { ...of, minor: 149_00n, amount: '149.00', currency: 'RUB', left: '0.00', left_minor: 0n },
    {
      ...of,
      minor: 104_30n,
      amount: '104.30',
      currency: 'RUB',
      left: '440.40',
      left_minor: 440_40n,
    },
    { ...of, minor: 99_83n, amount: '99.83', currency: 'RUB', left: '449.34', left_minor: 449_34n },
  ]);
});

test('R7: a receipt keeps the charged amount when price, discount and plan change later', async () => {
  await using database = await createDueSubscribers();
  await runAutoRenewal(database);
  const receipts = () =>
    database.db
      .selectFrom('perennial.notification')
      .select(['dedupe_key', 'params'])
      .where('kind', '=', 'receipt')
      .orderBy('id')
      .execute();
  const before = await receipts();
  await database.query`UPDATE perennial.plan_price SET amount_minor = amount_minor * 2`;
  await database.query`UPDATE perennial.customer SET vip = NOT vip`;
  await runAutoRenewal(database);
  expect(await receipts()).toEqual(before);
});

test('R11: of three subscriptions with money for two, the two with the earliest ends are paid, in one batch or several', async () => {
  for (const batchMax of [1, 2, 1_000]) {
    await using database = await createShopDatabase({ now: start });
    await addCustomer(database, 1n, { balanceMinor: 745_00n });
    const middle = await buyPlan(database, 1n, { isNew: true });
    await database.setClock('2026-11-01T00:30:00Z');
    const last = await buyPlan(database, 1n, { isNew: true });
    await database.setClock('2026-10-31T23:30:00Z');
    const first = await buyPlan(database, 1n, { isNew: true });
    await database.setClock(dueAt);
    const problems: object[] = [];
    await runAutoRenewal(database, { batchMax, problems });
    const charges = { charges: 2, balance: 0 };
    await expectSubscription(database, first, charges);
    await expectSubscription(database, middle, charges);
    await expectSubscription(database, last, { charges: 1, lowBalanceNotices: 1 });
    expect(problems).toEqual([]);
    expect(await findViolations(database.db)).toEqual([]);
  }
});

test.each([
  ['auto-renewal first', ['auto-renewal', 'fast-expiry-cleanup']],
  ['expiry first', ['fast-expiry-cleanup', 'auto-renewal']],
])('R13: 72 h without a run expire no customer with enough balance, %s', async (_, order) => {
  await using database = await createShopDatabase({ now: start });
  // They end over 72 h, at least one per hour, during the outage.
  const made = { count: 90, endsAt: '2026-12-01T00:00:00Z', balanceMinor: 149_00n };
  await createSubscribers(database, made);
  await database.query`
    UPDATE perennial.subscription SET
      expires_at = expires_at + id * interval '48 minutes' - id * interval '1 second'`;
  await database.query`
    INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at, ends_at,
      currency)
    SELECT p.subscription_id, p.customer_id, 'grant', p.plan, p.ends_at, s.expires_at, 'RUB'
    FROM perennial.period p JOIN perennial.subscription s ON s.id = p.subscription_id
    WHERE s.expires_at > p.ends_at`;
  await database.setClock('2026-12-04T00:00:00Z');
  for (const worker of order) await runWorker(database, worker);
  const rows = await database.query<{ active: number; renewed: number; seamless: number }>`
    SELECT count(*) FILTER (WHERE s.state = 'active')::int AS active, count(*)::int AS renewed,
      count(*) FILTER (WHERE p.starts_at = before.ends_at)::int AS seamless
    FROM perennial.subscription s
    JOIN perennial.period p ON p.subscription_id = s.id AND p.source = 'renewal'
    JOIN LATERAL (SELECT max(ends_at) AS ends_at FROM perennial.period b
      WHERE b.subscription_id = s.id AND b.source <> 'renewal') before ON true`;
  expect(rows).toEqual([{ active: 90, renewed: 90, seamless: 90 }]);
  expect(await findViolations(database.db)).toEqual([]);
});

test('R13: a late run renews a subscription whose end is past, from that end on', async () => {
  await using database = await createShopDatabase({ now: start });
  const id = await createSubscriber(database, 1n, 149_00n);
  await runWorkerAt(database, '2026-12-01T00:09:59Z', 'auto-renewal');
  const wanted = { state: 'active', ends: '2026-12-31T00:00:00Z', balance: 0 };
  await expectSubscription(database, id, wanted);
});

test('R8: a fact that the rule does not have, or does not get, does not compile', () => {
  const folder = mkdtempSync(join(tmpdir(), 'perennial-types-'));
  try {
    const rule = join(root, 'src/subscription/rules/renewal.ts').replaceAll('\\', '/');
    const program = `
      import type { RenewalFacts } from '${rule}';
      declare const facts: RenewalFacts;
      export const undefinedOne = facts.telegram_id;
      const { listMinor, ...others } = facts;
      export const missing: RenewalFacts = others;
      export const wrongType: RenewalFacts = { ...facts, balanceMinor: 1.5 };
      export const fits: RenewalFacts = { ...facts, listMinor, balanceMinor: 1n };`;
    writeFileSync(join(folder, 'facts.ts'), program);
    const typeRoots = [join(root, 'node_modules/@types')];
    const config = {
      extends: join(root, 'tsconfig.json'),
      compilerOptions: { typeRoots, noUnusedLocals: false, rewriteRelativeImportExtensions: false },
      include: [join(folder, 'facts.ts')],
    };
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    expect(compileErrors(folder)).toEqual(['4 TS2339', '6 TS2741', '7 TS2322']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);

/** Line and code of each error of the compiler. */
function compileErrors(project: string): string[] {
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  try {
    execFileSync(process.execPath, [compiler, '-p', project, '--pretty', 'false'], {
      stdio: 'pipe',
    });
    return [];
  } catch (error) {
    const output = String((error as { stdout: Buffer }).stdout);
    return [...output.matchAll(/facts\.ts\((\d+),\d+\): error (TS\d+)/gm)].map(
      ([, line, code]) => `${line} ${code}`,
    );
  }
}
