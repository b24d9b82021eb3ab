import { sql } from 'kysely';
import { beforeEach, expect, test } from 'vitest';
import { runAudit } from '../../../src/audit/audit.ts';
import type { BulkRequest } from '../../../src/bulk/job.ts';
import { runBulkJob } from '../../../src/bulk/job-run.ts';
import {
  cancelBulkJob,
  createBulkJob,
  previewBulkJob,
  readBulkJob,
} from '../../../src/bulk/job-store.ts';
import { inTransaction } from '../../../src/db/connect.ts';
import { blockCustomer } from '../../../src/subscription/commands/block.ts';
import { grant } from '../../../src/subscription/commands/grant.ts';
import type { TestDatabase } from '../../support/database.ts';
import { expectFault } from '../../support/faults.ts';
import { hookDatabase } from '../../support/hooked-pool.ts';
import {
  addCustomer,
  buyPlan,
  createCaller,
  createShopDatabase,
  createSubscriber,
  createSubscribers,
  runWorker,
} from '../../support/shop.ts';

// Bulk jobs: membership, actions, idempotency, and customers that change meanwhile.

let database: TestDatabase;

beforeEach(async () => {
  database = await createShopDatabase({ now: '2026-11-24T09:00:00Z' });
  return () => database.close();
});

const twoDays: BulkRequest = { action: 'grant', days: 2 };

const create = async (request: BulkRequest, where: Record<string, string>, key?: string) =>
  BigInt((await createBulkJob(createCaller(database, key), request, where)).id);

const run = (id: bigint) => runBulkJob(database.db, id, { mustStop: () => false });

async function readEnds(): Promise<Record<string, string>> {
  const rows = await database.query<{ id: string; ends: string }>`
    SELECT c.telegram_id::text AS id, to_char(s.expires_at, 'MM-DD') AS ends
    FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    ORDER BY s.id`;
  return Object.fromEntries(rows.map(({ id, ends }) => [id, ends]));
}

test('a grant extends the active subscriptions that match, by the command of one grant', async () => {
  await createSubscriber(database, 1n, 0n);
  await addCustomer(database, 2n, { balanceMinor: 300_00n });
  await buyPlan(database, 2n, { plan: 'plus' });
  const id = await create(twoDays, { node_group: 'fast' });
  expect(await readBulkJob(database.db, id)).toMatchObject({
    state: 'running',
    total: 1,
    filter: { state: 'active', node_group: 'fast' },
  });
  expect(await run(id)).toBe('over');
  expect(await readEnds()).toEqual({ 1: '12-24', 2: '12-26' });
  const job = await readBulkJob(database.db, id);
  expect(job).toMatchObject({ state: 'done', done: 1, skipped: 0, failed: 0, reasons: {} });
  const rows = await database.query<{ actor: string; kind: string }>`
    SELECT e.actor, n.kind FROM perennial.event e
    JOIN perennial.notification n ON n.customer_id = e.customer_id AND n.kind = 'grant'
    WHERE e.action = 'granted'`;
  expect(rows).toEqual([{ actor: 'test', kind: 'grant' }]);
  const report = await runAudit(database.db);
  expect(report.checks.filter(({ violations }) => violations > 0n)).toEqual([]);
});

test('a bulk grant writes what single grants write', async () => {
  await createSubscriber(database, 1n, 0n);
  await createSubscriber(database, 2n, 0n);
  await grant(createCaller(database), { telegramId: 1n, days: 2 });
  await run(await create(twoDays, { plan: 'basic', ends_before: '2026-12-25' }));
  const rows = await database.query<{ id: string; row: unknown }>`
    SELECT c.telegram_id::text AS id, jsonb_build_object(
      'subscription', to_jsonb(s) - 'id' - 'customer_id',
      'periods', (SELECT jsonb_agg(to_jsonb(p) - 'id' - 'subscription_id' - 'customer_id'
        - 'ledger_entry_id' ORDER BY p.starts_at) FROM perennial.period p WHERE p.subscription_id = s.id),
      'notices', (SELECT jsonb_agg(jsonb_build_array(n.kind, n.params) ORDER BY n.id)
        FROM perennial.notification n WHERE n.customer_id = c.id AND n.kind = 'grant')) AS row
    FROM perennial.customer c JOIN perennial.subscription s ON s.customer_id = c.id
    ORDER BY c.id`;
  expect(rows[1]?.row).toEqual(rows[0]?.row);
});

test('G3: a job processes only the customers of its creation, and skips a customer who no longer matches', async () => {
  for (const id of [1n, 2n, 3n, 4n]) await createSubscriber(database, id, 149_00n);
  const id = await create(twoDays, { plan: 'basic' });
  await createSubscriber(database, 5n, 0n);
  await database.query`
    UPDATE perennial.subscription SET state = 'revoked'
    WHERE customer_id = (SELECT id FROM perennial.customer WHERE telegram_id = 2)`;
  await blockCustomer(createCaller(database), { telegramId: 3n, reason: 'abuse' });
  await run(id);
  expect(await readEnds()).toEqual({ 1: '12-26', 2: '12-24', 3: '12-24', 4: '12-26', 5: '12-24' });
  expect(await readBulkJob(database.db, id)).toMatchObject({
    ...{ total: 4, done: 2, skipped: 2 },
    reasons: { no_match: 1, blocked: 1 },
  });
});

test('G3: a customer whom another transaction holds is processed by a later run', async () => {
  for (const id of [1n, 2n, 3n]) await createSubscriber(database, id, 0n);
  const id = await create(twoDays, { state: 'active' });
  await inTransaction(database.db, async (tx) => {
    await sql`SELECT FROM perennial.customer WHERE telegram_id = 2 FOR NO KEY UPDATE`.execute(tx);
    expect(await run(id)).toBe('held');
    expect(await readBulkJob(database.db, id)).toMatchObject({ state: 'running', done: 2 });
  });
  expect(await runWorker(database, 'bulk-jobs')).toMatchObject({ outcome: 'success', changed: 1n });
  expect(await readBulkJob(database.db, id)).toMatchObject({ state: 'done', done: 3 });
  expect(await readEnds()).toEqual({ 1: '12-26', 2: '12-26', 3: '12-26' });
});

test('G3: one key creates one job, and a different request with it is refused', async () => {
  await createSubscriber(database, 1n, 0n);
  const first = await create(twoDays, { state: 'active' }, 'k1');
  await run(first);
  expect(await create(twoDays, { state: 'active' }, 'k1')).toBe(first);
  await run(first);
  expect(await readEnds()).toEqual({ 1: '12-26' });
  const other = create({ action: 'grant', days: 3 }, { state: 'active' }, 'k1');
  await expectFault(other, 'key_reused');
});

/** Four subscribers. The end of the given ones is too late for two further days. */
async function createWithLateEnds(...late: readonly number[]): Promise<void> {
  await createSubscribers(database, { count: 4, endsAt: '2026-12-01T09:00:00Z', balanceMinor: 0n });
  for (const id of late) {
    await database.query`
      UPDATE perennial.period SET refunded_at = '2026-11-24T09:00:00Z' WHERE id = ${id}`;
    await database.query`
      INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at, ends_at,
        currency) SELECT id, customer_id, 'import', plan, '2026-11-01Z', '9999-12-30Z', 'RUB'
      FROM perennial.subscription WHERE id = ${id}`;
    await database.query`
      UPDATE perennial.subscription SET expires_at = '9999-12-30Z' WHERE id = ${id}`;
  }
}

test('a customer whose change fails by itself does not stop the others', async () => {
  await createWithLateEnds(2);
  const id = await create(twoDays, { state: 'active' });
  expect(await run(id)).toBe('over');
  expect(await readBulkJob(database.db, id)).toMatchObject({
    ...{ state: 'done', done: 3, skipped: 1 },
    reasons: { end_too_late: 1 },
  });
});

test('G3: a customer whom another process skips meanwhile does not cost the next one the change', async () => {
  await createWithLateEnds(1);
  const id = await create(twoDays, { state: 'active' });
  let rollbacks = 0;
  // The first rollback is that of the whole batch, the second one that of the first customer.
  await using here = hookDatabase(database, async ({ sql: statement, when }) => {
    if (when !== 'after' || !/^rollback/i.test(statement)) return;
    rollbacks += 1;
    if (rollbacks !== 2) return;
    await database.query`
      UPDATE perennial.bulk_item SET outcome = 'skipped', reason = 'end_too_late'
      WHERE job_id = ${id} AND customer_id = (SELECT min(customer_id) FROM perennial.bulk_item)`;
    await database.query`UPDATE perennial.bulk_job SET skipped = skipped + 1 WHERE id = ${id}`;
  });
  expect(await runBulkJob(here.db, id, { mustStop: () => false })).toBe('over');
  expect(rollbacks).toBe(2);
  expect(await readBulkJob(database.db, id)).toMatchObject({
    ...{ state: 'done', done: 3, skipped: 1, failed: 0 },
    reasons: { end_too_late: 1 },
  });
});

test('G3: several processes with one job process each customer once, until it is cancelled', async () => {
  const many = { count: 1_300, endsAt: '2026-12-01T09:00:00Z', balanceMinor: 0n, together: 1_300 };
  await createSubscribers(database, many);
  const id = await create(twoDays, { state: 'active' });
  expect(await Promise.all([run(id), run(id), run(id)])).toEqual(['over', 'over', 'over']);
  expect(await readBulkJob(database.db, id)).toMatchObject({ state: 'done', done: 1_300 });
  const readGrants = async () =>
    (
      await database.query<{ most: number; grants: number }>`
        SELECT count(*)::int AS grants, count(DISTINCT customer_id)::int AS most
        FROM perennial.period WHERE source = 'grant'`
    )[0];
  expect(await readGrants()).toEqual({ grants: 1_300, most: 1_300 });
  const next = await create(twoDays, { state: 'active' });
  let batches = 0;
  const onBatch = async () => {
    batches += 1;
    const cancel = () => cancelBulkJob(database.db, next, 'test');
    const outcomes = await Promise.allSettled([cancel(), cancel()]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  };
  expect(await runBulkJob(database.db, next, { mustStop: () => false, onBatch })).toBe('over');
  expect(batches).toBe(1);
  expect(await readBulkJob(database.db, next)).toMatchObject({ state: 'cancelled', done: 500 });
  expect(await readGrants()).toEqual({ grants: 1_800, most: 1_300 });
});

test('G3: a fault that affects all customers ends the run, and no customer has an outcome', async () => {
  await createSubscriber(database, 1n, 0n);
  const id = await create(twoDays, { state: 'active' });
  await database.query`ALTER TABLE perennial.period RENAME COLUMN list_minor TO listed`;
  await expect(run(id)).rejects.toThrow(/column/);
  expect(await readBulkJob(database.db, id)).toMatchObject({ state: 'running', failed: 0 });
  await database.query`ALTER TABLE perennial.period RENAME COLUMN listed TO list_minor`;
  expect(await run(id)).toBe('over');
  expect(await readBulkJob(database.db, id)).toMatchObject({ state: 'done', done: 1 });
});

test('auto-renewal is switched for all customers who match, and an equal value stays', async () => {
  await createSubscriber(database, 1n, 0n);
  await createSubscriber(database, 2n, 0n);
  await addCustomer(database, 3n);
  const { startTrial } = await import('../../../src/subscription/commands/trial.ts');
  await startTrial(createCaller(database), { telegramId: 3n });
  await run(await create({ action: 'auto_renew', isOn: false }, { plan: 'basic' }));
  const read = async () =>
    (
      await database.query<{ on: boolean }>`
        SELECT auto_renew AS on FROM perennial.subscription ORDER BY id`
    ).map(({ on }) => on);
  expect(await read()).toEqual([false, false, false]);
  const id = await create({ action: 'auto_renew', isOn: true }, { kind: 'paid' });
  await run(id);
  expect(await read()).toEqual([true, true, false]);
  const again = await create({ action: 'auto_renew', isOn: true }, { plan: 'basic' });
  await run(again);
  expect(await readBulkJob(database.db, again)).toMatchObject({
    ...{ done: 0, skipped: 3 },
    reasons: { unchanged: 2, is_trial: 1 },
  });
  const report = await runAudit(database.db);
  expect(report.checks.filter(({ violations }) => violations > 0n)).toEqual([]);
});

const announcement: BulkRequest = {
  action: 'announcement',
  texts: { en: 'Node nl-1 is replaced tonight.', ru: 'Сегодня ночью заменим nl-1.' },
};

async function readAnnouncements() {
  const rows = await database.query<{
    id: string;
    text: string;
    state: string;
    reason: string;
    bulk: boolean;
  }>`
    SELECT c.telegram_id::text AS id, n.params->>'text' AS text, n.state, n.reason, n.bulk
    FROM perennial.notification n JOIN perennial.customer c ON c.id = n.customer_id
    WHERE n.kind = 'announcement' ORDER BY c.telegram_id`;
  return rows;
}

test('an announcement is stored once for each customer, in the language of the customer', async () => {
  await addCustomer(database, 1n, { locale: 'ru' });
  await addCustomer(database, 2n, { locale: 'fa' });
  const id = await create(announcement, { blocked: 'no' });
  await run(id);
  await run(id);
  expect(await readAnnouncements()).toMatchObject([
    { id: '1', text: 'Сегодня ночью заменим nl-1.', state: 'pending', bulk: true },
    { id: '2', text: 'Node nl-1 is replaced tonight.', state: 'pending', bulk: true },
  ]);
  await runWorker(database, 'deliver-notifications');
  expect((await readAnnouncements()).map(({ state }) => state)).toEqual(['sent', 'sent']);
});

test('announcements of a cancelled job are not sent', async () => {
  await addCustomer(database, 1n);
  const id = await create(announcement, { blocked: 'no' });
  await run(id);
  expect(await cancelBulkJob(database.db, id, 'test')).toMatchObject({ state: 'cancelled' });
  await runWorker(database, 'deliver-notifications');
  expect(await readAnnouncements()).toMatchObject([{ state: 'suppressed', reason: 'cancelled' }]);
  await expectFault(cancelBulkJob(database.db, id, 'test'), 'is_over');
});

test('a cancelled job changes no further customer', async () => {
  await createSubscriber(database, 1n, 0n);
  const id = await create(twoDays, { state: 'active' });
  await cancelBulkJob(database.db, id, 'test');
  expect(await run(id)).toBe('over');
  expect(await readEnds()).toEqual({ 1: '12-24' });
  const over = cancelBulkJob(database.db, await createDone(), 'test');
  await expectFault(over, 'is_over');
});

async function createDone(): Promise<bigint> {
  const id = await create(twoDays, { state: 'active' });
  await run(id);
  return id;
}

test('a preview counts the customers, and changes nothing', async () => {
  await createSubscriber(database, 1n, 0n);
  await createSubscriber(database, 2n, 500_00n);
  expect(await previewBulkJob(database.db, twoDays, { short: 'yes' })).toMatchObject({
    ...{ count: 1, count_is_estimated: false, filter: { state: 'active', short: 'yes' } },
    customers: [{ telegram_id: 1 }],
  });
  const id = await create(twoDays, { short: 'yes' });
  await run(id);
  expect(await readEnds()).toEqual({ 1: '12-26', 2: '12-24' });
});

test.each([
  ['no condition', twoDays, {}, 'no_filter'],
  ['an unknown filter', twoDays, { colour: 'red' }, 'unknown_filter'],
  ['an unknown plan', twoDays, { plan: 'gold' }, 'no_plan'],
  [
    'no English text',
    { action: 'announcement', texts: { ru: 'Привет' } },
    { plan: 'basic' },
    'bad_texts',
  ],
  [
    'a language that is none',
    { action: 'announcement', texts: { en: 'x', '1': 'y' } },
    { plan: 'basic' },
    'bad_texts',
  ],
  [
    'a text with NUL',
    { action: 'announcement', texts: { en: 'a\u0000b' } },
    { plan: 'basic' },
    'bad_texts',
  ],
  [
    'a text with half of a character',
    { action: 'announcement', texts: { en: 'a\ud800b' } },
    { plan: 'basic' },
    'bad_texts',
  ],
  ['an empty text', { action: 'announcement', texts: { en: ' ' } }, { plan: 'basic' }, 'bad_texts'],
] as const)('%s is refused, and no job is created', async (_, request, where, code) => {
  await expectFault(create(request, where), code);
  expect(await database.query`SELECT FROM perennial.bulk_job`).toEqual([]);
});
