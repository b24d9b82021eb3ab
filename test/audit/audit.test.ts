import { describe, expect, test } from 'vitest';
import { audit } from '../../src/audit/audit.ts';
import { checks } from '../../src/audit/index.ts';
import { parseInstant } from '../../src/kernel/instant.ts';
import { planted } from './planted.ts';
import { plant, plantedAt, plantedBooks, victimId } from './planting.ts';

describe('what is wrong is named, and nothing else', () => {
  test.each(planted)('$check: $what', async ({ check, statements, rows, violations = 1 }) => {
    const { books, scene } = await plantedBooks();
    await using _ = books;
    await plant(books.url, statements(scene));
    const report = await audit(books.db);
    const broken = report.checks.filter((one) => one.violations > 0n);
    expect(broken.map(({ id }) => id)).toEqual([check]);
    expect(report.ok).toBe(false);
    expect(broken[0]?.violations).toBe(BigInt(violations));
    const [first] = broken[0]?.sample ?? [];
    expect(first?.telegramId).toBe(victimId);
    expect(first?.sentence).toMatch(/\w \w/);
    expect(Object.values(first?.rows ?? {}).flat()).not.toHaveLength(0);
    if (rows !== undefined) expect(first?.rows).toEqual(rows(scene));
  });
});

test('each check has something planted that it finds', () => {
  const found = new Set(planted.map(({ check }) => check));
  expect(checks.map(({ id }) => id).filter((id) => !found.has(id))).toEqual([]);
});

test('ids are unique, and what holds is said without a full stop', () => {
  expect(new Set(checks.map(({ id }) => id)).size).toBe(checks.length);
  for (const { id, title } of checks) {
    expect(id).toMatch(/^[a-z]+(-[a-z]+)+$/);
    expect(title).not.toMatch(/\.$/);
  }
});

test('books before anything was planted are right', async () => {
  const { books } = await plantedBooks();
  await using _ = books;
  const report = await audit(books.db);
  expect(report.checks.flatMap(({ sample }) => sample)).toEqual([]);
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
  const { books, scene } = await plantedBooks();
  await using _ = books;
  await plant(
    books.url,
    `INSERT INTO credential (id, subscription_id, customer_id, issued_at, retired_at)
     SELECT gen_random_uuid(), ${scene.victim.subscription}, ${scene.victim.customer}, clock(),
       clock() - interval '1 ms' FROM generate_series(1, 1234)`,
  );
  const [broken] = (await audit(books.db)).checks.filter((one) => one.violations > 0n);
  expect(broken?.violations).toBe(1234n);
  expect(broken?.sample).toHaveLength(20);
});
