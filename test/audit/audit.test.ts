import { beforeAll, describe, expect, test } from 'vitest';
import { type AuditReport, audit } from '../../src/audit/audit.ts';
import type { Violation } from '../../src/audit/check.ts';
import { checks } from '../../src/audit/index.ts';
import { parseInstant } from '../../src/kernel/instant.ts';
import { planted } from './planted.ts';
import { noWorker, ofWorkers } from './planted-workers.ts';
import { openStage, plant, plantedAt, type Scene } from './planting.ts';

describe('what is wrong is named, and nothing else', () => {
  let scenes: readonly Scene[];
  let report: AuditReport;
  beforeAll(async () => {
    const stage = await openStage(planted.length);
    await using books = stage.books;
    scenes = stage.scenes;
    const clean = await audit(books.db);
    expect(clean.checks.flatMap(({ sample }) => sample)).toEqual([]);
    await plant(books.url, planted.map((one, n) => one.statements(sceneOf(n))).join(';'));
    report = await audit(books.db);
  });
  const sceneOf = (n: number): Scene => scenes[n] as Scene;

  test.each(planted.map((one, n) => ({ ...one, n })))('$check: $what', (one) => {
    const scene = sceneOf(one.n);
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

  test('nobody else is named, but who was mixed up with a victim', () => {
    const victims = new Set(scenes.map(({ victim }) => victim.telegramId));
    const others = report.checks.flatMap(({ id, sample }) =>
      sample.filter(({ telegramId }) => !victims.has(telegramId ?? 0n)).map(() => id),
    );
    expect(others).toEqual(['period-has-its-charge', 'grant-is-its-event']);
    expect(report.ok).toBe(false);
  });
});

test('each check has something planted that it finds', () => {
  const found = new Set([...planted, ...ofWorkers, noWorker].map(({ check }) => check));
  expect(checks.map(({ id }) => id).filter((id) => !found.has(id))).toEqual([]);
});

test('ids are unique, and what holds is said without a full stop', () => {
  expect(new Set(checks.map(({ id }) => id)).size).toBe(checks.length);
  for (const { id, title } of checks) {
    expect(id).toMatch(/^[a-z]+(-[a-z]+)+$/);
    expect(title).not.toMatch(/\.$/);
  }
});

test('books of customers who only used commands are right, and what was looked at is said', async () => {
  const { books } = await openStage(1);
  await using _ = books;
  const report = await audit(books.db);
  expect(report).toMatchObject({ ok: true, now: parseInstant(plantedAt, 'now') });
  expect(report.lookedAt).toEqual({
    customer: 2n,
    subscription: 2n,
    period: 2n,
    ledger_entry: 4n,
    credential: 2n,
  });
});

test('of many violations the first 20 are shown, and all are counted', async () => {
  const { books, scenes } = await openStage(1);
  await using _ = books;
  const { subscription, customer } = (scenes[0] as Scene).victim;
  await plant(
    books.url,
    `INSERT INTO credential (id, subscription_id, customer_id, issued_at, retired_at)
     SELECT gen_random_uuid(), ${subscription}, ${customer}, clock(), clock() - interval '60001 ms'
     FROM generate_series(1, 1234)`,
  );
  const [broken] = (await audit(books.db)).checks.filter((one) => one.violations > 0n);
  expect(broken?.violations).toBe(1234n);
  expect(broken?.sample).toHaveLength(20);
});

test('what belongs to no customer is named, each once', async () => {
  const { books } = await openStage(1);
  await using _ = books;
  await plant(books.url, ofWorkers.map(({ statements }) => statements).join(';'));
  const report = await audit(books.db);
  const found = report.checks.flatMap(({ id, sample }) =>
    sample.map(({ rows, sentence }) => ({ id, text: `${rowsText(rows)} ${sentence}` })),
  );
  for (const { check, names } of ofWorkers) {
    const naming = found.filter(({ id, text }) => id === check && isNamed(text, names));
    expect(naming, `${check}: ${names}`).not.toHaveLength(0);
  }
  expect(found).toHaveLength(ofWorkers.length);
});

const rowsText = (rows: Violation['rows']) =>
  JSON.stringify(rows, (_, value) => (typeof value === 'bigint' ? `${value}` : value));

/** Whether the sentence or the row of a violation is that one. */
const isNamed = (text: string, names: string): boolean => {
  const [table = '', ...row] = names.split(' ');
  return text.includes(names) || (text.includes(`"${table}"`) && text.includes(row.join(' ')));
};

test('a database in use without a worker for three days is wrong, and one never served is right', async () => {
  const { books } = await openStage(1);
  await using _ = books;
  await plant(books.url, noWorker.statements);
  const wrong = (await audit(books.db)).checks.filter(({ violations }) => violations > 0n);
  expect(wrong.map(({ id, sample }) => [id, sample[0]?.sentence])).toEqual([
    [noWorker.check, expect.stringContaining(noWorker.names)],
  ]);
});

test('a step back of the clock of a minute is no violation of any check', async () => {
  const { books, scenes } = await openStage(1);
  await using _ = books;
  const { customer, credential, topUp, subscription } = (scenes[0] as Scene).victim;
  const ahead = "clock() + interval '1 minute'";
  await plant(
    books.url,
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
  const report = await audit(books.db);
  expect(report.checks.flatMap(({ sample }) => sample)).toEqual([]);
});
