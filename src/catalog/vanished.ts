import type { Db, Tx } from '../db/connect.ts';
import { UsageFault } from '../kernel/faults.ts';
import type { Step } from './difference.ts';
import { readWithdrawals, type Withdrawal } from './withdrawn.ts';

// A plan or a price that a file no longer lists is most often a slip. A plan goes out of sale, and
// subscriptions whose price is withdrawn can't be renewed: so as long as somebody has it, it goes
// only when that is said.

/**
 * Makes sure that no running subscription has what these steps would take away.
 * @throws UsageFault `plan_in_use`, `price_in_use`: what vanished, how many have it, the way out
 */
export async function refuseVanished(
  db: Db | Tx,
  steps: readonly Step[],
  place: string,
): Promise<void> {
  for (const withdrawal of await readWithdrawals(db, steps)) {
    const { plan, period_days: days, currency } = withdrawal;
    if (days === null)
      refuse(withdrawal, 'plan_in_use', `${place}: plans.${plan}: is gone`, 'have it');
    else {
      const where = `${place}: plans.${plan}.prices.${currency}.${days}: is gone`;
      refuse(withdrawal, 'price_in_use', where, 'are renewed by it');
    }
  }
}

function refuse(
  { subscriptions: count, customers, first_end, last_end }: Withdrawal,
  code: string,
  whatIsGone: string,
  have: string,
): void {
  if (count === 0) return;
  const when = first_end === last_end ? first_end : `${first_end} to ${last_end}`;
  throw new UsageFault(
    code,
    `${whatIsGone}, and ${count} running subscriptions ${have} (${customers} customers, ends ${when}); put it back, or say --retire`,
  );
}
