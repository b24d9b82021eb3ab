import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { crowd, runAutoRenewal, sells, snapshotOfBooks, wrongsIn } from '../a-book.ts';
import { type Books, freshBooks } from '../books.ts';
import { startChild } from './child.ts';

const dueAt = '2026-11-30T20:00:00Z';

async function crowdedBooks(count: number): Promise<Books> {
  const books = await freshBooks({ now: dueAt });
  await sells(books);
  // Money for three months: a second charge would go through.
  await crowd(books, { count, endsAt: '2026-12-01T00:00:00Z', balanceMinor: 447_00n, together: 7 });
  return books;
}

/** How many renewals each subscription and each charge has. */
async function charges(books: Books) {
  const { rows } = await sql<{ subscriptions: number; renewals: number; entries: number }>`
    SELECT (SELECT count(DISTINCT subscription_id)::int FROM perennial.period
        WHERE source = 'renewal') AS subscriptions,
      (SELECT count(*)::int FROM perennial.period WHERE source = 'renewal') AS renewals,
      (SELECT count(*)::int FROM perennial.ledger_entry WHERE kind = 'renewal') AS entries`.execute(
    books.db,
  );
  return rows[0];
}

test('R1: 8 runs at once in 3 processes over 1,000 due charge each period once', async () => {
  await using books = await crowdedBooks(1_000);
  const entry = new URL('runs-entry.ts', import.meta.url);
  const children = [3, 3, 2].map((runs) => startChild(entry, [books.url, String(runs), '60']));
  try {
    for (const child of children) await child.line('ready', (line) => line === 'ready');
    for (const child of children) child.tell('go\n');
    const told = await Promise.all(
      children.map((child) => child.line('what it did', (line) => line.startsWith('['))),
    );
    const runs = told.flatMap((line) => JSON.parse(line) as { changed: number; outcome: string }[]);
    expect(await charges(books)).toEqual({ subscriptions: 1_000, renewals: 1_000, entries: 1_000 });
    expect(await wrongsIn(books.db)).toEqual([]);
    expect(runs.map(({ outcome }) => outcome)).toEqual(runs.map(() => 'success'));
    expect(runs).toHaveLength(8);
    expect(runs.reduce((sum, { changed }) => sum + changed, 0)).toBe(1_000);
  } finally {
    for (const child of children) await child[Symbol.asyncDispose]();
  }
}, 120_000);

test('R1: two runs at once, however their statements fall, come to what one run comes to', async () => {
  await using alone = await crowdedBooks(40);
  await runAutoRenewal(alone);
  const wanted = await snapshotOfBooks(alone.db);
  for (const batchMax of [1, 7, 40]) {
    await using books = await crowdedBooks(40);
    await Promise.all([
      runAutoRenewal(books, { batchMax }),
      runAutoRenewal(books, { batchMax: batchMax + 3 }),
    ]);
    // What one held when the other came by is left to the next run, at the latest.
    await runAutoRenewal(books);
    expect(await snapshotOfBooks(books.db)).toEqual(wanted);
  }
}, 60_000);
