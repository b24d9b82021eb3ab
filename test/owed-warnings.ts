import { sql } from 'kysely';
import { readClock } from '../src/db/clock.ts';
import { inTransaction } from '../src/db/connect.ts';
import type { SubscriptionId } from '../src/kernel/ids.ts';
import type { Instant } from '../src/kernel/instant.ts';
import { readFacts } from '../src/notify/facts.ts';
import { judge, type Verdict } from '../src/notify/judging.ts';
import type { NoticeKind, Params } from '../src/notify/kinds.ts';
import { type NewNotice, owe } from '../src/notify/outbox.ts';
import type { Books } from './books.ts';
import { openShop, payer, runOf } from './shop.ts';

// What would become of the notices of real books, and a customer who is owed warnings.

export const start = '2026-10-26T09:00:00Z';
export const end = '2026-11-25T09:00:00.000Z';
const anHourBefore = '2026-11-25T08:00:00Z';
export const call = ({ db }: Pick<Books, 'db'>) => ({ db, actor: 'test' });

interface Row {
  readonly id: bigint;
  readonly kind: NoticeKind;
  readonly params: Params;
  readonly createdAt: Instant;
}

/** What would become of each notice now: its kind, then `send` or why not. */
export async function verdicts(books: Books): Promise<Record<string, string>> {
  const judged = Object.entries(await judgedNow(books));
  return Object.fromEntries(
    judged.map(([kind, it]) => [kind, it.do === 'suppress' ? it.reason : it.do]),
  );
}

export async function judgedNow(books: Books): Promise<Record<string, Verdict>> {
  const { rows } = await sql<Row>`
    SELECT id, kind, params, created_at AS "createdAt" FROM perennial.notification
    ORDER BY id`.execute(books.db);
  return inTransaction(books.db, async (tx) => {
    const now = await readClock(tx);
    const ids = rows.map(({ id }) => id);
    const read = await readFacts(tx, ids, now);
    return Object.fromEntries(
      rows.map((row) => {
        const { facts } = read.get(row.id) ?? {};
        if (facts === undefined) throw new Error(`no facts of ${row.id}`);
        return [row.kind, judge(row, facts, now)];
      }),
    );
  });
}

export const ends = (
  kind: 'ends_24h' | 'ends_3h',
  customerId: NewNotice['customerId'],
  subscriptionId: SubscriptionId,
) =>
  ({
    kind,
    customerId,
    subscriptionId,
    dedupeKey: kind,
    params: { plan: 'basic', expires_at: end, missing: null, others: null, currency: 'RUB' },
  }) as NewNotice;

/** A customer whose month ends in an hour, short by 49, and who is owed all that says so. */
export async function shortPayer(books: Books) {
  await openShop(books);
  const id = await payer(books, 1n, 100_00n);
  await books.setClock('2026-11-25T05:00:00Z');
  await runOf(books, 'auto-renewal');
  await books.setClock(anHourBefore);
  const { id: customer } = await books.db
    .selectFrom('perennial.customer')
    .select('id')
    .executeTakeFirstOrThrow();
  await inTransaction(books.db, async (tx) =>
    owe(tx, [ends('ends_24h', customer, id), ends('ends_3h', customer, id)], await readClock(tx)),
  );
  return id;
}

/** Another month of the same customer's that ends a minute before. */
export async function earlierOne(books: Books, id: SubscriptionId) {
  await sql`
    WITH made AS (
      INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
        expires_at)
      SELECT customer_id, 'paid', 'basic', 30, 'active', started_at, expires_at - interval '1 minute'
      FROM perennial.subscription WHERE id = ${id} RETURNING *)
    INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at, ends_at,
      currency)
    SELECT id, customer_id, 'import', plan, started_at, expires_at, 'RUB' FROM made`.execute(
    books.db,
  );
}
