import type { Db, Tx } from '../db/connect.ts';
import { formatCount } from '../kernel/count.ts';
import { UsageFault } from '../kernel/faults.ts';
import type { CatalogStep } from './diff.ts';
import { readWithdrawals, type Withdrawal } from './withdrawals.ts';

// `apply` withdraws a plan or a price that subscriptions use only with `--retire`.
//
// A missing plan or price in a file is most often a mistake. A retired plan cannot be bought, and
// subscriptions whose price is withdrawn cannot be renewed.

/**
 * Requires that no running subscription uses a plan or price that these steps withdraw.
 * @throws UsageFault `plan_in_use`, `price_in_use`
 */
export async function requireRetireFlag(
  db: Db | Tx,
  steps: readonly CatalogStep[],
  source: string,
): Promise<void> {
  for (const withdrawal of await readWithdrawals(db, steps)) {
    const { plan, period_days: days, currency } = withdrawal;
    if (days === null)
      requireUnused(withdrawal, 'plan_in_use', `${source}: plans.${plan}: is missing`, 'use it');
    else {
      const location = `${source}: plans.${plan}.prices.${currency}.${days}: is missing`;
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
  const verb = count === 1 ? usage.replace(/^use/, 'uses').replace(/^are/, 'is') : usage;
  const when = first_end === last_end ? first_end : `${first_end} to ${last_end}`;
  throw new UsageFault(
    code,
    `${removal}, but ${formatCount(count, 'running subscription')} ${verb} (${formatCount(customers, 'customer')}, ends ${when}); restore it, or pass --retire`,
  );
}
