import type { EndingDecision } from '../subscription/expiry.ts';
import type { RenewalDecision } from '../subscription/renewal.ts';
import type { Facts } from '../subscription/renewal-facts.ts';
import type { Spent } from './worker.ts';

// How a customer's balance is spent from one decision to the next, for both workers that renew.

export interface Decided<F extends Facts, Decision> {
  readonly facts: F;
  readonly decision: Decision;
  /** The balance that this decision saw: several of one customer spend one balance, in order. */
  readonly balanceMinor: bigint;
}

/** Decides one after the other: what one takes is gone for the customer's next one (matrix R11). */
export function decideInTurn<F extends Facts, Decision extends RenewalDecision | EndingDecision>(
  facts: readonly F[],
  spent: Spent,
  decide: (facts: F) => Decision,
): Decided<F, Decision>[] {
  return facts.map((row) => {
    const gone = spent.get(row.customerId) ?? 0n;
    const balanceMinor = row.balanceMinor - gone;
    const inTimeMinor = row.inTimeMinor === null ? null : row.inTimeMinor - gone;
    const decision = decide({ ...row, balanceMinor, inTimeMinor });
    if (decision.do === 'renew') spent.set(row.customerId, gone + decision.chargeMinor);
    return { facts: row, decision, balanceMinor };
  });
}
