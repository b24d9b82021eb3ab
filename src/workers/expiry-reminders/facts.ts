import type { Tx } from '../../db/connect.ts';
import type { PlanChoice } from '../../outbox/plan-choice.ts';
import { computeRenewalAheadMs } from '../../outbox/reminder-schedule.ts';
import type { BatchContext, DueItem } from '../../runs/worker.ts';
import type { Forecast } from '../../subscription/rules/forecast.ts';
import { readForecasts } from '../../subscription/store/forecast-facts.ts';
import { readChoices } from '../../subscription/store/plan-choices.ts';
import type { EndFacts } from './rule.ts';
import { type PaidRow, readPaidRows } from './store.ts';

/** The input of the rule for one subscription, and the content of its notification. */
export type ReminderFacts = Omit<PaidRow, keyof EndFacts> &
  EndFacts & {
    /** The plans on sale, if the subscription has no price any more. */
    readonly choices: readonly PlanChoice[];
  };

/** For a subscription that is not active. The rule decides that it is not due. */
const endedForecast: Forecast = { kind: 'ends' };

export async function readReminderFacts(
  tx: Tx,
  items: readonly Pick<DueItem, 'customerId' | 'subscriptionId'>[],
  { now, settings }: Pick<BatchContext, 'now' | 'settings'>,
): Promise<ReminderFacts[]> {
  const rows = await readPaidRows(tx, items);
  const customers = [...new Set(items.map((item) => item.customerId))];
  const forecasts = await readForecasts(tx, customers, now, settings);
  const getForecast = (row: PaidRow) => forecasts.get(row.subscriptionId) ?? endedForecast;
  const unpriced = rows.filter((row) => getForecast(row).kind === 'no_price');
  const choices = await readChoices(
    tx,
    [...new Set(unpriced.map((row) => row.customerId))],
    now,
    settings.vipPercent,
  );
  return rows.map((row) => ({
    ...row,
    forecast: getForecast(row),
    aheadMs: computeRenewalAheadMs(settings.renewalAhead, row.periodDays),
    choices: choices.get(row.customerId) ?? [],
  }));
}
