import type { Tx } from '../../db/connect.ts';
import { dayMs } from '../../kernel/instant.ts';
import { type Outlook, readOutlooks } from '../../subscription/outlook.ts';
import type { Found, Moment } from '../worker.ts';
import type { EndFacts } from './rule.ts';
import { type PaidRow, readPaid } from './store.ts';

/** What the rule reads of one subscription, and what its notice tells. */
export type Facts = Omit<PaidRow, keyof EndFacts> & EndFacts;

/** Of one that isn't active any more; the rule says that it is not due. */
const over: Outlook = { at: 'ends' };

export async function readFacts(
  tx: Tx,
  items: readonly Found[],
  { now, settings }: Moment,
): Promise<Facts[]> {
  const rows = await readPaid(tx, items);
  const customers = [...new Set(items.map((item) => item.customerId))];
  const outlooks = await readOutlooks(tx, customers, now, settings);
  return rows.map((row) => ({
    ...row,
    outlook: outlooks.get(row.subscriptionId) ?? over,
    paidMinor: isOfTheSame(row) ? row.paidMinor : null,
  }));
}

/** Whether the last charge was for what comes next: another plan's price is no change of price. */
function isOfTheSame({ plan, periodDays, paidPlan, paidFrom, paidUntil }: PaidRow): boolean {
  if (paidPlan !== plan || paidFrom === null || paidUntil === null) return false;
  return paidUntil - paidFrom === periodDays * dayMs;
}
