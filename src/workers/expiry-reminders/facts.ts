import type { Tx } from '../../db/connect.ts';
import type { Choice } from '../../notify/choice.ts';
import { renewalAheadMs } from '../../notify/reminder-times.ts';
import { readChoices } from '../../subscription/choices.ts';
import type { Outlook } from '../../subscription/outlook.ts';
import { readOutlooks } from '../../subscription/outlook-facts.ts';
import type { Found, Moment } from '../worker.ts';
import type { EndFacts } from './rule.ts';
import { type PaidRow, readPaid } from './store.ts';

/** What the rule reads of one subscription, and what its notice tells. */
export type Facts = Omit<PaidRow, keyof EndFacts> &
  EndFacts & {
    /** What is on sale, if the subscription has no price any more. */
    readonly choices: readonly Choice[];
  };

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
  const outlookOf = (row: PaidRow) => outlooks.get(row.subscriptionId) ?? over;
  const unpriced = rows.filter((row) => outlookOf(row).at === 'no_price');
  const choices = await readChoices(
    tx,
    [...new Set(unpriced.map((row) => row.customerId))],
    now,
    settings.vipPercent,
  );
  return rows.map((row) => ({
    ...row,
    outlook: outlookOf(row),
    aheadMs: renewalAheadMs(settings.renewalAhead, row.periodDays),
    choices: choices.get(row.customerId) ?? [],
  }));
}
