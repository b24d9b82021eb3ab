import type { Db, Tx } from '../db/connect.ts';
import { UsageFault } from '../kernel/faults.ts';
import type { CatalogStep } from './diff.ts';
import { readWithdrawals, type Withdrawal } from './withdrawals.ts';

// A plan or a price that a file no longer lists is most often a slip. A plan goes out of sale, and
// subscriptions whose price is withdrawn can't be renewed: so as long as somebody has it, it goes
// only when that is said.

/**
 * Makes sure that no running subscription has what these steps would take away.
 * @throws UsageFault `plan_in_use`, `price_in_use`: what vanished, how many have it, the way out
 */
export async function requireRetireFlag(
  db: Db | Tx,
  steps: readonly CatalogStep[],
  source: string,
): Promise<void> {
  for (const withdrawal of await readWithdrawals(db, steps)) {
    const { plan, period_days: days, currency } = withdrawal;
    if (days === null)
      requireUnused(withdrawal, 'plan_in_use', `${source}: plans.${plan}: is gone`, 'have it');
    else {
      const location = `${source}: plans.${plan}.prices.${currency}.${days}: is gone`;
      requireUnused(withdrawal, 'price_in_use', location, 'are renewed by it');
    }
  }
}

function requireUnused(
  { subscriptions: count, customers, first_end, last_end }: Withdrawal,
  code: string,
  removal: string,
  usage: string,
): void {
  if (count === 0) return;
  const when = first_end === last_end ? first_end : `${first_end} to ${last_end}`;
  throw new UsageFault(
    code,
    `${removal}, and ${count} running subscriptions ${usage} (${customers} customers, ends ${when}); put it back, or say --retire`,
  );
}
