import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Books, freshBooks } from '../../../test/books.ts';
import { type DueKey, readDue } from './store.ts';

// The walk of a courier over what is due, page by page, while others owe, send, move and take back
// between the pages. Many are due at the same moment.

const count = 2_000;
let books: Books;

async function owe(howMany: number): Promise<bigint[]> {
  const { rows } = await sql<{ id: bigint }>`
    INSERT INTO perennial.notification (channel, recipient, kind, dedupe_key, params, bulk,
      next_attempt_at, created_at)
    SELECT 'telegram', n, 'receipt', gen_random_uuid(), '{}', n % 3 = 0,
      '2026-12-01T10:00:00Z'::timestamptz + (random() * 20)::int * interval '1 minute', '2026-12-01Z'
    FROM generate_series(1, ${howMany}::int) n RETURNING id`.execute(books.db);
  return rows.map(({ id }) => id);
}

beforeAll(async () => {
  books = await freshBooks({ now: '2026-12-01T12:00:00Z' });
  await owe(count);
  await sql`ANALYZE perennial.notification`.execute(books.db);
}, 60_000);

afterAll(() => books.close());

const changes = {
  owe: () => owe(5),
  send: (of: number) => changed(sql`state = 'sent', sent_at = created_at`, of),
  move: (of: number) =>
    changed(
      sql`next_attempt_at = next_attempt_at + (random() * 20 - 10)::int * interval '1 m'`,
      of,
    ),
} as const;

type What = keyof typeof changes;

async function changed(how: ReturnType<typeof sql>, of: number): Promise<bigint[]> {
  const { rows } = await sql<{ id: bigint }>`
    UPDATE perennial.notification SET ${how} WHERE id % 200 = ${of}::int RETURNING id`.execute(
    books.db,
  );
  return rows.map(({ id }) => id);
}

test('P1: a walk over what is due ends, and sees each notice that nobody touches once', async () => {
  const walk = async (max: number, disturbances: readonly (readonly [What, number])[]) => {
    const due = await readDue(books.db, 'telegram', { after: undefined, max: 1_000_000 });
    const touched = new Set<bigint>();
    const seen: bigint[] = [];
    let after: DueKey | undefined;
    for (let pages = 0; ; pages += 1) {
      const page = await readDue(books.db, 'telegram', { after, max });
      after = page.at(-1)?.key;
      if (after === undefined) break;
      seen.push(...page.map(({ id }) => id));
      const [what, of] = disturbances[pages % disturbances.length] as [What, number];
      for (const id of await changes[what](of)) touched.add(id);
      // More pages than all rows could fill: it goes in circles.
      expect(pages).toBeLessThan((due.length / max) * 3 + 20);
    }
    const untouched = (ids: readonly bigint[]) => ids.filter((id) => !touched.has(id)).toSorted();
    expect(untouched(seen)).toEqual(untouched(due.map(({ id }) => id)));
  };
  const between = fc.tuple(fc.constantFrom<What>('owe', 'send', 'move'), fc.nat(199));
  const draws = fc.asyncProperty(
    fc.integer({ min: 100, max: 300 }),
    fc.array(between, { minLength: 1, maxLength: 9 }),
    walk,
  );
  await fc.assert(draws, { numRuns: 5, endOnFailure: true });
}, 120_000);
