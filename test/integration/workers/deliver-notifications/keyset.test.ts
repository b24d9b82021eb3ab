import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type DueKey,
  findDueNotices,
} from '../../../../src/workers/deliver-notifications/store.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';

// The keyset walk of a courier, page by page. Between the pages other transactions store, send,
// move and cancel notifications. Many are due at the same moment.

const count = 2_000;
let database: TestDatabase;

async function insertReceipts(howMany: number): Promise<bigint[]> {
  const rows = await database.query<{ id: bigint }>`
    INSERT INTO perennial.notification (channel, recipient, kind, dedupe_key, params, bulk,
      next_attempt_at, created_at)
    SELECT 'telegram', n, 'receipt', gen_random_uuid(), '{}', n % 3 = 0,
      '2026-12-01T10:00:00Z'::timestamptz + (random() * 20)::int * interval '1 minute', '2026-12-01Z'
    FROM generate_series(1, ${howMany}::int) n RETURNING id`;
  return rows.map(({ id }) => id);
}

beforeAll(async () => {
  database = await createDatabase({ now: '2026-12-01T12:00:00Z' });
  await insertReceipts(count);
  await database.query`ANALYZE perennial.notification`;
}, 60_000);

afterAll(() => database.close());

const changes = {
  owe: () => insertReceipts(5),
  send: (of: number) => updateReceipts(sql`state = 'sent', sent_at = created_at`, of),
  move: (of: number) =>
    updateReceipts(
      sql`next_attempt_at = next_attempt_at + (random() * 20 - 10)::int * interval '1 m'`,
      of,
    ),
} as const;

type ChangeName = keyof typeof changes;

async function updateReceipts(assignment: ReturnType<typeof sql>, of: number): Promise<bigint[]> {
  const rows = await database.query<{ id: bigint }>`
    UPDATE perennial.notification SET ${assignment} WHERE id % 200 = ${of}::int RETURNING id`;
  return rows.map(({ id }) => id);
}

test('P1: a walk over due notifications ends, and visits each unchanged notification once', async () => {
  const walk = async (max: number, disturbances: readonly (readonly [ChangeName, number])[]) => {
    const due = await findDueNotices(database.db, 'telegram', { after: undefined, max: 1_000_000 });
    const touched = new Set<bigint>();
    const seen: bigint[] = [];
    let after: DueKey | undefined;
    for (let pages = 0; ; pages += 1) {
      const page = await findDueNotices(database.db, 'telegram', { after, max });
      after = page.at(-1)?.key;
      if (after === undefined) break;
      seen.push(...page.map(({ id }) => id));
      const [change, of] = disturbances[pages % disturbances.length] as [ChangeName, number];
      for (const id of await changes[change](of)) touched.add(id);
      // More pages than all rows could fill mean a circle.
      expect(pages).toBeLessThan((due.length / max) * 3 + 20);
    }
    const untouched = (ids: readonly bigint[]) => ids.filter((id) => !touched.has(id)).toSorted();
    expect(untouched(seen)).toEqual(untouched(due.map(({ id }) => id)));
  };
  const between = fc.tuple(fc.constantFrom<ChangeName>('owe', 'send', 'move'), fc.nat(199));
  const draws = fc.asyncProperty(
    fc.integer({ min: 100, max: 300 }),
    fc.array(between, { minLength: 1, maxLength: 9 }),
    walk,
  );
  await fc.assert(draws, { numRuns: 5, endOnFailure: true });
}, 120_000);
