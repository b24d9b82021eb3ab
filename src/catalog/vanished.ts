import { sql } from 'kysely';
import type { Db, Tx } from '../db/connect.ts';
import { UsageFault } from '../kernel/faults.ts';
import type { Step } from './difference.ts';

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
  for (const step of steps) {
    if (step.do === 'retire-plan') {
      const { rows } = await sql<{ count: bigint }>`
        SELECT count(*) FROM perennial.subscription
        WHERE state = 'active' AND (plan = ${step.plan} OR next_plan = ${step.plan})`.execute(db);
      refuse(rows, 'plan_in_use', `${place}: plans.${step.plan}: is gone`, 'have it');
    }
    if (step.do === 'set-price' && step.amountMinor === null) {
      const { plan, periodDays, currency } = step;
      const { rows } = await sql<{ count: bigint }>`
        SELECT count(*)
        FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
        WHERE s.state = 'active' AND s.kind = 'paid' AND s.auto_renew
          AND coalesce(s.next_plan, s.plan) = ${plan}
          AND coalesce(s.next_period_days, s.period_days) = ${periodDays}
          AND c.currency = ${currency}`.execute(db);
      const where = `${place}: plans.${plan}.prices.${currency}.${periodDays}: is gone`;
      refuse(rows, 'price_in_use', where, 'are renewed by it');
    }
  }
}

function refuse(
  rows: readonly { readonly count: bigint }[],
  code: string,
  whatIsGone: string,
  have: string,
): void {
  const count = rows[0]?.count ?? 0n;
  if (count === 0n) return;
  throw new UsageFault(
    code,
    `${whatIsGone}, and ${count} running subscriptions ${have}; put it back, or say --retire`,
  );
}
