import { beforeAll, describe, expect, test } from 'vitest';
import { type AuditReport, runAudit } from '../../../src/audit/audit.ts';
import type { Violation } from '../../../src/audit/check.ts';
import { auditChecks } from '../../../src/audit/index.ts';
import { parseInstant } from '../../../src/kernel/instant.ts';
import { type AuditScene, corrupt, createScenes, sceneTime } from '../../support/corruption.ts';
import { corruptions } from './corruptions.ts';
import { missingWorkers, workerCorruptions } from './worker-corruptions.ts';

describe('the report names each corruption, and nothing else', () => {
  let scenes: readonly AuditScene[];
  let report: AuditReport;
  beforeAll(async () => {
    const stage = await createScenes(corruptions.length);
    await using database = stage.database;
    scenes = stage.scenes;
    const clean = await runAudit(database.db);
    expect(clean.checks.flatMap(({ sample }) => sample)).toEqual([]);
    await corrupt(
      database.url,
      corruptions.map((one, n) => one.statements(findScene(n))).join(';'),
    );
    report = await runAudit(database.db);
  });
  const findScene = (n: number): AuditScene => scenes[n] as AuditScene;

  test.each(corruptions.map((one, n) => ({ ...one, n })))('$check: $what', (one) => {
    const scene = findScene(one.n);
    const named = report.checks.flatMap(({ id, sample }) =>
      sample
        .filter(({ telegramId }) => telegramId === scene.victim.telegramId)
        .map((violation) => ({ id, violation })),
    );
    const expected = [...Array(one.violations ?? 1).fill(one.check), ...(one.also ?? [])];
    expect(named.map(({ id }) => id).sort()).toEqual(expected.sort());
    const violation = named.find(({ id }) => id === one.check)?.violation as Violation;
    expect(violation.sentence).toMatch(/\w \w/);
    expect(Object.values(violation.rows).flat()).not.toHaveLength(0);
    if (one.rows !== undefined) expect(violation.rows).toEqual(one.rows(scene));
  });

  test('the report names no other customer, except those mixed up with a victim', () => {
    const victims = new Set(scenes.map(({ victim }) => victim.telegramId));
    const others = report.checks.flatMap(({ id, sample }) =>
      sample.filter(({ telegramId }) => !victims.has(telegramId ?? 0n)).map(() => id),
    );
    expect(others).toEqual(['period-has-its-charge', 'grant-is-its-event']);
    expect(report.ok).toBe(false);
  });
});

test('each check has a planted corruption that it finds', () => {
  const found = new Set(
    [...corruptions, ...workerCorruptions, missingWorkers].map(({ check }) => check),
  );
  expect(auditChecks.map(({ id }) => id).filter((id) => !found.has(id))).toEqual([]);
});

test('ids are unique, and titles have no full stop', () => {
  expect(new Set(auditChecks.map(({ id }) => id)).size).toBe(auditChecks.length);
  for (const { id, title } of auditChecks) {
    expect(id).toMatch(/^[a-z]+(-[a-z]+)+$/);
    expect(title).not.toMatch(/\.$/);
  }
});

test('a database of customers who only used commands is valid, and the report states what was read', async () => {
  const { database } = await createScenes(1);
  await using _ = database;
  const report = await runAudit(database.db);
  expect(report).toMatchObject({ ok: true, now: parseInstant(sceneTime, 'now') });
  expect(report.rowCounts).toEqual({
    customer: 2n,
    subscription: 2n,
    period: 2n,
    ledger_entry: 4n,
    credential: 2n,
  });
});

test('of many violations the first 20 are shown, and all are counted', async () => {
  const { database, scenes } = await createScenes(1);
  await using _ = database;
  const { subscription, customer } = (scenes[0] as AuditScene).victim;
  await corrupt(
    database.url,
    `INSERT INTO credential (id, subscription_id, customer_id, issued_at, retired_at)
     SELECT gen_random_uuid(), ${subscription}, ${customer}, clock(), clock() - interval '60001 ms'
     FROM generate_series(1, 1234)`,
  );
  const [broken] = (await runAudit(database.db)).checks.filter((one) => one.violations > 0n);
  expect(broken?.violations).toBe(1234n);
  expect(broken?.sample).toHaveLength(20);
});

test('corruptions that belong to no customer are named, each once', async () => {
  const { database } = await createScenes(1);
  await using _ = database;
  await corrupt(database.url, workerCorruptions.map(({ statements }) => statements).join(';'));
  const report = await runAudit(database.db);
  const found = report.checks.flatMap(({ id, sample }) =>
    sample.map(({ rows, sentence }) => ({ id, text: `${formatRows(rows)} ${sentence}` })),
  );
  for (const { check, names } of workerCorruptions) {
    const naming = found.filter(({ id, text }) => id === check && isNamed(text, names));
    expect(naming, `${check}: ${names}`).not.toHaveLength(0);
  }
  expect(found).toHaveLength(workerCorruptions.length);
});

const formatRows = (rows: Violation['rows']) =>
  JSON.stringify(rows, (_, value) => (typeof value === 'bigint' ? `${value}` : value));

/** True if the sentence or the row of a violation contains this name. */
const isNamed = (text: string, names: string): boolean => {
  const [table = '', ...row] = names.split(' ');
  return text.includes(names) || (text.includes(`"${table}"`) && text.includes(row.join(' ')));
};

test('a database in use without a worker for three days is invalid, and one never served is valid', async () => {
  const { database } = await createScenes(1);
  await using _ = database;
  await corrupt(database.url, missingWorkers.statements);
  const wrong = (await runAudit(database.db)).checks.filter(({ violations }) => violations > 0n);
  expect(wrong.map(({ id, sample }) => [id, sample[0]?.sentence])).toEqual([
    [missingWorkers.check, expect.stringContaining(missingWorkers.names)],
  ]);
});

test('a step back of the clock of a minute is no violation of any check', async () => {
  const { database, scenes } = await createScenes(1);
  await using _ = database;
  const { customer, credential, topUp, subscription } = (scenes[0] as AuditScene).victim;
  const ahead = "clock() + interval '1 minute'";
  await corrupt(
    database.url,
    `INSERT INTO credential (id, subscription_id, customer_id, issued_at, retired_at)
     VALUES (gen_random_uuid(), ${subscription}, ${customer}, ${ahead}, clock());
     UPDATE credential SET issued_at = ${ahead} WHERE id = '${credential}';
     UPDATE customer SET created_at = ${ahead} WHERE id = ${customer};
     UPDATE ledger_entry SET created_at = ${ahead} WHERE id = ${topUp};
     UPDATE event SET at = ${ahead} WHERE customer_id = ${customer};
     INSERT INTO worker_run (worker, replica, replica_number, started_at, finished_at, outcome)
     VALUES ('auto-renewal', 'r', 1, ${ahead}, clock(), 'success');
     UPDATE notification SET state = 'sent', created_at = ${ahead}, sending_since = clock(),
       sent_at = clock() WHERE customer_id = ${customer}`,
  );
  const report = await runAudit(database.db);
  expect(report.checks.flatMap(({ sample }) => sample)).toEqual([]);
});
