import { sql } from 'kysely';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { look, told } from '../../../test/alarms.ts';
import { type Books, freshBooks } from '../../../test/books.ts';
import { openShop, payer, runOf } from '../../../test/shop.ts';
import { hourMs, type Instant, later, minuteMs, parseInstant } from '../../kernel/instant.ts';

const start = parseInstant('2026-11-25T09:00:00Z', 'the test');
const end = later(start, 30 * 24 * hourMs);

/** One customer with enough money whose month ends at `end`, and a session of another program. */
async function locked(): Promise<{ books: Books; session: pg.Client }> {
  const books = await freshBooks({ now: start });
  onTestFinished(() => books.close());
  await openShop(books);
  await payer(books, 1n, 149_00n);
  const session = new pg.Client({ connectionString: books.url, application_name: 'psql' });
  await session.connect();
  onTestFinished(() => session.end());
  await session.query('BEGIN');
  await session.query('UPDATE perennial.customer SET locale = locale');
  return { books, session };
}

const causes = async ({ db }: Books): Promise<string[]> => {
  const { rows } = await sql<{ cause: string }>`
    SELECT params->>'cause' AS cause FROM perennial.notification
    WHERE kind = 'alarm_overdue' ORDER BY id`.execute(db);
  return rows.map(({ cause }) => cause);
};

const putAside = ({ db }: Books, worker: string) =>
  sql`
  INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
  SELECT ${worker}, id::text, 'no_price', perennial.clock(), perennial.clock()
  FROM perennial.subscription`.execute(db);

async function pass(books: Books, worker: string, at: Instant): Promise<void> {
  await books.setClock(at);
  const { outcome } = await runOf(books, worker);
  expect(outcome).toBe('success');
}

test('W1: a customer that a forgotten transaction holds is reported with the session, once, and cleared afterwards', async () => {
  const { books, session } = await locked();
  const worker = 'fast-expiry-cleanup';
  await pass(books, worker, later(end, 4 * minuteMs));
  await look(books, later(end, 4 * minuteMs));
  expect(await told(books)).toEqual([]);
  await pass(books, worker, later(end, 6 * minuteMs));
  await look(books, later(end, 6 * minuteMs));
  await look(books, later(end, 7 * minuteMs));
  expect(await told(books)).toEqual([`alarm_overdue ${worker}`]);
  const { rows } = await session.query('SELECT pg_backend_pid() AS pid');
  const [cause] = await causes(books);
  expect(cause).toMatch(
    new RegExp(`^locked by process ${rows[0].pid} \\(psql, idle in transaction, for \\d+ s\\)$`),
  );
  await session.query('ROLLBACK');
  await pass(books, worker, later(end, 8 * minuteMs));
  await look(books, later(end, 8 * minuteMs));
  expect((await told(books)).slice(1)).toEqual([`alarm_over alarm_overdue ${worker}`]);
});

test('W1: auto-renewal that passes over a customer is reported too, before the customer can expire', async () => {
  const { books } = await locked();
  await pass(books, 'auto-renewal', later(end, 10 * minuteMs));
  await look(books, later(end, 10 * minuteMs));
  expect(await told(books)).toEqual(['alarm_overdue auto-renewal']);
});

test('W1: what is due is not reported before a run has had its turn, and not in quarantine', async () => {
  const { books, session } = await locked();
  await session.query('ROLLBACK');
  await pass(books, 'fast-expiry-cleanup', start);
  await look(books, later(end, 2 * hourMs));
  expect(await told(books)).toEqual([]);
  await sql`
    UPDATE perennial.worker_state SET passed_at = perennial.clock();
    `.execute(books.db);
  await putAside(books, 'auto-renewal');
  await look(books, later(end, 2 * hourMs));
  expect(await told(books)).toEqual([]);
});

test('W1: a run that left work behind, or found the guard taken, did not pass over anything', async () => {
  const { books } = await locked();
  await books.setClock(later(end, hourMs));
  const partial = await runOf(books, 'fast-expiry-cleanup', { budgetMs: 0 });
  expect(partial.outcome).toBe('partial');
  await look(books, later(end, hourMs));
  expect(await told(books)).toEqual([]);
  // An hour of such runs is a worker that does not keep up.
  await look(books, later(end, 2 * hourMs + minuteMs));
  expect(await told(books)).toEqual(['alarm_overdue fast-expiry-cleanup']);
});

test('W1: quarantine of another worker hides nothing, and that of auto-renewal hides an end for the grace only', async () => {
  const { books } = await locked();
  await pass(books, 'auto-renewal', later(end, 10 * minuteMs));
  await putAside(books, 'expiry-reminders');
  await look(books, later(end, 10 * minuteMs));
  expect(await told(books)).toEqual(['alarm_overdue auto-renewal']);
  await putAside(books, 'auto-renewal');
  await pass(books, 'fast-expiry-cleanup', later(end, 25 * hourMs - 1));
  await look(books, later(end, 25 * hourMs - 1));
  expect((await told(books)).slice(1)).toEqual(['alarm_over alarm_overdue auto-renewal']);
  await pass(books, 'fast-expiry-cleanup', later(end, 25 * hourMs + 1));
  await look(books, later(end, 25 * hourMs + 1));
  expect((await told(books)).slice(2)).toEqual(['alarm_overdue fast-expiry-cleanup']);
});
