import { type CredentialAccess, readCredentialAccess } from '../access/credential-access.ts';
import { type Db, inSnapshot } from '../db/connect.ts';
import { readClockReading } from '../db/trusted-time.ts';
import type { CustomerId } from '../kernel/ids.ts';
import { isoTime } from '../kernel/instant.ts';
import { createReason, type Reason } from '../kernel/reason.ts';
import { type CustomerDetails, readCurrentView } from '../subscription/queries/customer-view.ts';
import type {
  ChargeView,
  SubscriptionDetails,
} from '../subscription/queries/subscription-details.ts';
import { type NoticeOverview, readNoticeOverview } from './notices.ts';
import { readOverdueEnds } from './overdue-end.ts';

// Why a customer is charged, connected and notified, or not. Each part states what is true, and
// what waits for what. The rules that decide give the reasons.

export interface SubscriptionExplanation
  extends Pick<
    SubscriptionDetails,
    'id' | 'kind' | 'plan' | 'period_days' | 'state' | 'expires_at' | 'auto_renew'
  > {
  readonly next_charge: ChargeView;
  readonly access: {
    /** Whether the subscription has a credential, and why not. */
    readonly reason: Reason;
    readonly nodes: CredentialAccess[];
  };
  /** Why it is still active after its end; null: it has not ended, or is not active. */
  readonly overdue_end: Reason | null;
}

export interface CustomerExplanation {
  readonly telegram_id: number;
  readonly at: string;
  readonly balance: string;
  readonly claim: string;
  readonly currency: string;
  readonly reachable: boolean;
  readonly blocked_at: string | null;
  readonly blocked_reason: string | null;
  readonly subscriptions: SubscriptionExplanation[];
  readonly subscriptions_total: number;
  readonly notices: NoticeOverview;
}

/** Explains the present state of a customer, from one snapshot. @throws Fault `no_customer` */
export function explainCustomer(db: Db, telegramId: bigint): Promise<CustomerExplanation> {
  return inSnapshot(db, async (tx) => {
    const { customer, subscriptions, subscriptions_total } = await readCurrentView(tx, telegramId);
    const { now, trust } = await readClockReading(tx);
    const suspectReason = trust.kind === 'suspect' ? trust.reason : null;
    const nodes = await readCredentialAccess(tx, telegramId, now);
    const nodesBySubscription = Map.groupBy(nodes, ({ subscription_id }) => subscription_id);
    const overdueEnds = await readOverdueEnds(tx, subscriptions, now);
    const id = BigInt(customer.id) as CustomerId;
    return {
      telegram_id: customer.telegram_id,
      at: isoTime(now),
      balance: customer.balance,
      claim: customer.claim,
      currency: customer.currency,
      reachable: customer.reachable,
      blocked_at: customer.blocked_at,
      blocked_reason: customer.blocked_reason,
      subscriptions: subscriptions.map((subscription) => ({
        ...toSubscriptionExplanation(
          subscription,
          nodesBySubscription.get(subscription.id) ?? [],
          customer,
        ),
        overdue_end: overdueEnds.get(subscription.id) ?? null,
      })),
      subscriptions_total,
      notices: await readNoticeOverview(tx, id, now, suspectReason),
    };
  });
}

function toSubscriptionExplanation(
  subscription: SubscriptionDetails,
  nodes: CredentialAccess[],
  customer: CustomerDetails,
): Omit<SubscriptionExplanation, 'overdue_end'> {
  const { id, kind, plan, period_days, state, expires_at, auto_renew, next_charge } = subscription;
  const reason = describeCredential(subscription, nodes, customer);
  const shown = { id, kind, plan, period_days, state, expires_at, auto_renew, next_charge };
  return { ...shown, access: { reason, nodes } };
}

/** Access ends with the subscription, and not with `expires_at` (`access/entitlement.ts`). */
function describeCredential(
  { state, expires_at, credential }: SubscriptionDetails,
  nodes: CredentialAccess[],
  { blocked_at: blockedAt, blocked_reason: why }: CustomerDetails,
): Reason {
  if (state === 'revoked') return createReason('revoked', {}, 'the subscription was revoked');
  if (state === 'expired') {
    const sentence = `the subscription ended at ${expires_at}`;
    return createReason('ended', { ended_at: expires_at }, sentence);
  }
  if (blockedAt !== null) {
    const sentence = `the customer is blocked since ${blockedAt}: ${why}`;
    return createReason('blocked', { blocked_at: blockedAt, reason: why }, sentence);
  }
  if (credential === null)
    return createReason('no_credential', {}, 'the subscription has no credential');
  const entitled = nodes.filter((node) => node.entitled);
  if (entitled.length === 0)
    return createReason('no_node', {}, 'the plan opens no node, so the customer cannot connect');
  const confirmed = entitled.filter((node) => node.confirmed && node.down_since === null);
  const params = { nodes: entitled.length, confirmed: confirmed.length };
  const sentence = `${params.confirmed} of ${params.nodes} nodes of the plan are up and have the user`;
  return createReason('entitled', params, sentence);
}
