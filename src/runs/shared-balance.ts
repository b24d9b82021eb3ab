import type { ExpiryDecision } from '../subscription/rules/expiry.ts';
import type { RenewalDecision } from '../subscription/rules/renewal.ts';
import type { SubscriptionRenewalFacts } from '../subscription/store/renewal-facts.ts';
import type { ReservedBalance } from './worker.ts';

// Decisions that share the balance of a customer, for both workers that renew.

export interface DecidedItem<F extends SubscriptionRenewalFacts, Decision> {
  readonly facts: F;
  readonly decision: Decision;
  /**
   * The balance before this decision. The subscriptions of a customer spend one balance in order.
   */
  readonly balanceMinor: bigint;
  /** A guard held this decision, and a person confirmed it. */
  readonly isConfirmed?: boolean;
}

/** Decides in order. A charge is subtracted before the customer's next decision (matrix R11). */
export function decideInOrder<
  F extends SubscriptionRenewalFacts,
  Decision extends RenewalDecision | ExpiryDecision,
>(
  facts: readonly F[],
  reserved: ReservedBalance,
  decide: (facts: F) => Decision,
): DecidedItem<F, Decision>[] {
  return facts.map((row) => {
    const reservedMinor = reserved.get(row.customerId) ?? 0n;
    const balanceMinor = row.balanceMinor - reservedMinor;
    const inTimeMinor = row.inTimeMinor === null ? null : row.inTimeMinor - reservedMinor;
    const decision = decide({ ...row, balanceMinor, inTimeMinor });
    if (decision.do === 'renew') reserved.set(row.customerId, reservedMinor + decision.chargeMinor);
    return { facts: row, decision, balanceMinor };
  });
}
