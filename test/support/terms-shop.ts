import { onTestFinished } from 'vitest';
import { runAudit } from '../../src/audit/audit.ts';
import { readCustomerLinks } from '../../src/catalog/links.ts';
import type { PeriodId } from '../../src/kernel/ids.ts';
import { changePlan } from '../../src/subscription/commands/change-plan.ts';
import { grant } from '../../src/subscription/commands/grant.ts';
import { type Refund, refund } from '../../src/subscription/commands/refund.ts';
import { readCustomerView } from '../../src/subscription/queries/customer-view.ts';
import type { SubscriptionDetails } from '../../src/subscription/queries/subscription-details.ts';
import type { TestDatabase } from './database.ts';
import { createCaller, createShopDatabase, setPrice } from './shop.ts';

// A shop with different terms, and the rights of its customer at a time.

export const start = '2026-11-01T00:00:00Z';

/** The shop with a yearly price of `basic`, and a node that only `plus` opens. */
export async function createTermsShop(): Promise<TestDatabase> {
  const database = await createShopDatabase({ now: start });
  onTestFinished(() => database.close());
  await setPrice(database, 'basic', 365, 1_399_00n, 'RUB');
  await database.query`
    INSERT INTO perennial.node (id, api, inbounds, groups, link)
    VALUES ('fast-1', '127.0.0.1:2', '{vless}', '{fast}', '{"host": "fast.example.net"}')`;
  return database;
}

export async function readSubscriptionView(database: TestDatabase): Promise<SubscriptionDetails> {
  const { subscriptions } = await readCustomerView(database.db, 1n, 0);
  return subscriptions[0] as SubscriptionDetails;
}

const formatTerms = ({
  kind,
  plan,
  period_days,
  next_plan,
  next_period_days,
}: SubscriptionDetails) => {
  const next = next_plan === null ? '' : `, then ${next_plan} ${next_period_days}`;
  return `${kind} ${plan} ${period_days}${next}`;
};

export const readTerms = async (database: TestDatabase): Promise<string> =>
  formatTerms(await readSubscriptionView(database));

/** The nodes for which the customer has a link. */
export const readNodes = async ({ db }: TestDatabase): Promise<string[]> =>
  (await readCustomerLinks(db, 1n)).map(({ node }) => node).sort();

/** Marks since the last call. */
export async function takeMarks({ query }: TestDatabase): Promise<string[]> {
  const rows = await query<{ node: string }>`
    DELETE FROM perennial.access_sync RETURNING node_id AS node`;
  return rows.map(({ node }) => node).sort();
}

export const readPeriodId = async (
  database: TestDatabase,
  find: Partial<SubscriptionDetails['periods'][number]>,
) => {
  const { periods } = await readSubscriptionView(database);
  const found = periods.find((one) =>
    Object.entries(find).every(([name, value]) => one[name as keyof typeof one] === value),
  );
  return BigInt((found as { id: number }).id) as PeriodId;
};

export async function readAuditViolations({ db }: TestDatabase): Promise<string[]> {
  const { checks } = await runAudit(db);
  return checks
    .filter(({ promise, violations }) => violations > 0n && promise !== 4)
    .map(({ id, sample }) => `${id}: ${sample[0]?.sentence}`);
}

export const chooseNextPlan = (database: TestDatabase, plan: string, periodDays = 30) =>
  changePlan(createCaller(database), { telegramId: 1n, plan, periodDays, when: 'next' });

export const grantDays = async (database: TestDatabase, days: number): Promise<PeriodId> => {
  await grant(createCaller(database), { telegramId: 1n, days });
  const { periods } = await readSubscriptionView(database);
  return BigInt(periods.findLast(({ source }) => source === 'grant')?.id ?? 0) as PeriodId;
};

export const refundPeriod = (
  database: TestDatabase,
  periodId: PeriodId,
  part: 'whole' | 'unused' = 'whole',
  more: Partial<Refund> = {},
) => refund(createCaller(database), { telegramId: 1n, periodId, part, ...more });
