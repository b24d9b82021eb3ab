import { sql } from 'kysely';
import { onTestFinished } from 'vitest';
import { audit } from '../../src/audit/audit.ts';
import { linksOf } from '../../src/catalog/links.ts';
import type { PeriodId } from '../../src/kernel/ids.ts';
import { grant } from '../../src/subscription/granting.ts';
import { changePlan } from '../../src/subscription/plan-change.ts';
import { portraitOf, type SubscriptionPortrait } from '../../src/subscription/portrait.ts';
import { refund } from '../../src/subscription/refunding.ts';
import { callOf, sells, setsPrice } from '../a-book.ts';
import { type Books, freshBooks } from '../books.ts';

// A shop with terms that differ, and what a customer has of it at a moment.

export const start = '2026-11-01T00:00:00Z';

/** Plans with a year of basic, and a node that only plus opens. */
export async function shop(): Promise<Books> {
  const books = await freshBooks({ now: start });
  onTestFinished(() => books.close());
  await sells(books);
  await setsPrice(books, 'basic', 365, 1_399_00n, 'RUB');
  await sql`UPDATE perennial.plan SET groups = '{all,fast}' WHERE key = 'plus'`.execute(books.db);
  await sql`
    INSERT INTO perennial.node (id, api, inbounds, groups, link)
    VALUES ('fast-1', '127.0.0.1:2', '{vless}', '{fast}', '{"host": "fast.example.net"}')`.execute(
    books.db,
  );
  return books;
}

export async function standOf(books: Books): Promise<SubscriptionPortrait> {
  const { subscriptions } = await portraitOf(books.db, 1n, 0);
  return subscriptions[0] as SubscriptionPortrait;
}

const terms = ({ kind, plan, period_days, next_plan, next_period_days }: SubscriptionPortrait) => {
  const next = next_plan === null ? '' : `, then ${next_plan} ${next_period_days}`;
  return `${kind} ${plan} ${period_days}${next}`;
};

export const termsNow = async (books: Books): Promise<string> => terms(await standOf(books));

/** The nodes that the customer has a link to. */
export const nodesOf = async ({ db }: Books): Promise<string[]> =>
  (await linksOf(db, 1n)).map(({ node }) => node).sort();

/** Marks since the last call. */
export async function marksOf({ db }: Books): Promise<string[]> {
  const { rows } = await sql<{ node: string }>`
    DELETE FROM perennial.access_sync RETURNING node_id AS node`.execute(db);
  return rows.map(({ node }) => node).sort();
}

export const periodOf = async (
  books: Books,
  find: Partial<SubscriptionPortrait['periods'][number]>,
) => {
  const { periods } = await standOf(books);
  const found = periods.find((one) =>
    Object.entries(find).every(([name, value]) => one[name as keyof typeof one] === value),
  );
  return BigInt((found as { id: number }).id) as PeriodId;
};

export async function wrongs({ db }: Books): Promise<string[]> {
  const { checks } = await audit(db);
  return checks
    .filter(({ promise, violations }) => violations > 0n && promise !== 4)
    .map(({ id, sample }) => `${id}: ${sample[0]?.sentence}`);
}

export const choosesNext = (books: Books, plan: string, periodDays = 30) =>
  changePlan(callOf(books), { telegramId: 1n, plan, periodDays, when: 'next' });

export const grants = async (books: Books, days: number): Promise<PeriodId> => {
  await grant(callOf(books), { telegramId: 1n, days });
  const { periods } = await standOf(books);
  return BigInt(periods.findLast(({ source }) => source === 'grant')?.id ?? 0) as PeriodId;
};

export const takesBack = (books: Books, periodId: PeriodId, part: 'whole' | 'unused' = 'whole') =>
  refund(callOf(books), { telegramId: 1n, periodId, part });
