import { isoTime } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import type { NewNotice } from '../../outbox/outbox.ts';
import type { SubscriptionRenewalFacts } from '../../subscription/store/renewal-facts.ts';

/**
 * One notification per period: the key names the end that cannot be paid for. An ended one has it.
 */
export function toLowBalanceNotices(row: {
  readonly facts: SubscriptionRenewalFacts;
  readonly priceMinor: bigint;
  readonly missingMinor: bigint;
}): NewNotice[] {
  const { facts } = row;
  if (facts.state !== 'active') return [];
  return [
    {
      customerId: facts.customerId,
      subscriptionId: facts.subscriptionId,
      kind: 'low_balance',
      dedupeKey: `low_balance:${facts.subscriptionId}:${facts.expiresAt}`,
      params: {
        price: majorUnits(row.priceMinor, facts.currency),
        // By the balance after the earlier subscriptions of this run. Corrected when it is sent.
        missing: majorUnits(row.missingMinor, facts.currency),
        others: null,
        currency: facts.currency,
        plan: facts.plan,
        period_days: facts.periodDays,
        expires_at: isoTime(facts.expiresAt),
      },
    },
  ];
}
