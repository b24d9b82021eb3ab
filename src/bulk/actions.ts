import { sql } from 'kysely';
import type { BulkOutcome } from '../db/schema-bulk.ts';
import { anyOf } from '../db/unnest.ts';
import { unreachable } from '../kernel/faults.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import { enqueueNotifications } from '../outbox/outbox.ts';
import { grantPeriods, type NewGrant } from '../subscription/batch/grant-periods.ts';
import { switchAutoRenew } from '../subscription/batch/switch-auto-renew.ts';
import { readMatches, readMatchingCustomers } from '../subscription/queries/matches.ts';
import {
  parseFilter,
  type SubscriptionFilter,
} from '../subscription/queries/subscription-filter.ts';
import type { WriteContext } from '../subscription/store/command-context.ts';
import { type Customer, readCustomersById } from '../subscription/store/locked-customer.ts';
import { readSubscriptionsById, type Subscription } from '../subscription/store/subscriptions.ts';
import { type BulkJob, chooseAnnouncement } from './job.ts';

// The changes of a batch of a bulk job. The transaction holds the rows of the customers.

export interface ItemOutcome {
  readonly customerId: CustomerId;
  readonly outcome: BulkOutcome;
  /** Why the customer was skipped, or why the change failed. */
  readonly reason: string | null;
}

/** Why a job leaves a customer as they are. */
type SkipReason =
  /** The customer no longer matches the filter. */
  | 'no_match'
  | 'blocked'
  | 'revoked'
  | 'is_trial'
  /** Auto-renewal is as the job would set it. */
  | 'unchanged';

/** A customer with the subscriptions that match the filter now. */
interface ChangeTarget {
  readonly customer: Customer;
  readonly subscriptions: readonly Subscription[];
}

/** @returns one outcome for each customer */
export async function applyToCustomers(
  context: WriteContext,
  job: BulkJob,
  customers: readonly CustomerId[],
): Promise<ItemOutcome[]> {
  const { request } = job;
  const filter = parseFilter(job.filter);
  switch (request.action) {
    case 'grant':
      return changeTargets(context, filter, customers, {
        skip: ({ state }, { isBlocked }) =>
          isBlocked ? 'blocked' : state === 'revoked' ? 'revoked' : undefined,
        write: (targets) =>
          grantPeriods(
            context,
            targets.flatMap(({ customer, subscriptions }) =>
              subscriptions.map(
                (subscription): NewGrant => ({
                  ...{ customer, subscription },
                  isNew: false,
                  days: request.days,
                }),
              ),
            ),
          ),
      });
    case 'auto_renew':
      return changeTargets(context, filter, customers, {
        skip: ({ kind, state, autoRenew }, { isBlocked }) => {
          if (isBlocked && request.isOn) return 'blocked';
          if (kind === 'trial') return 'is_trial';
          if (state === 'revoked') return 'revoked';
          return autoRenew === request.isOn ? 'unchanged' : undefined;
        },
        write: (targets) => switchAutoRenew(context, targets, request.isOn),
      });
    case 'announcement':
      return announce(context, job, request.texts, filter, customers);
    default:
      return unreachable(request);
  }
}

interface SubscriptionChanges {
  /** Why a subscription stays as it is; undefined: it is changed. */
  skip(subscription: Subscription, customer: Customer): SkipReason | undefined;
  write(targets: readonly ChangeTarget[]): Promise<void>;
}

async function changeTargets(
  { tx }: WriteContext,
  filter: SubscriptionFilter,
  ids: readonly CustomerId[],
  { skip, write }: SubscriptionChanges,
): Promise<ItemOutcome[]> {
  const matches = await readMatches(tx, filter, ids);
  const subscriptions = await readSubscriptionsById(
    tx,
    matches.map(({ subscriptionId }) => subscriptionId),
  );
  const byId = new Map<SubscriptionId, Subscription>(subscriptions.map((one) => [one.id, one]));
  const matchesOf = Map.groupBy(matches, ({ customerId }) => customerId);
  const targets: ChangeTarget[] = [];
  const skipped: ItemOutcome[] = [];
  for (const customer of await readCustomersById(tx, ids)) {
    const matching = (matchesOf.get(customer.id) ?? []).flatMap(
      ({ subscriptionId }) => byId.get(subscriptionId) ?? [],
    );
    const changing = matching.filter((one) => skip(one, customer) === undefined);
    if (changing.length > 0) targets.push({ customer, subscriptions: changing });
    else {
      const [first] = matching;
      const reason = first === undefined ? 'no_match' : (skip(first, customer) ?? null);
      skipped.push({ customerId: customer.id, outcome: 'skipped', reason });
    }
  }
  await write(targets);
  const done = targets.map(({ customer }) => ({
    customerId: customer.id,
    outcome: 'done' as const,
    reason: null,
  }));
  return [...done, ...skipped];
}

async function announce(
  { tx, now }: WriteContext,
  job: BulkJob,
  texts: Readonly<Record<string, string>>,
  filter: SubscriptionFilter,
  ids: readonly CustomerId[],
): Promise<ItemOutcome[]> {
  const matching = await readMatchingCustomers(tx, filter, ids);
  const { rows } = await sql<{ id: CustomerId; locale: string }>`
    SELECT id, locale FROM perennial.customer WHERE id = ${anyOf('bigint', ids)}
    ORDER BY id`.execute(tx);
  const recipients = rows.filter(({ id }) => matching.has(id));
  await enqueueNotifications(
    tx,
    recipients.map(({ id, locale }) => ({
      customerId: id,
      subscriptionId: null,
      kind: 'announcement' as const,
      dedupeKey: `announcement:${job.id}:${id}`,
      params: { text: chooseAnnouncement(texts, locale), job: String(job.id) },
    })),
    now,
  );
  return rows.map(({ id }) =>
    matching.has(id)
      ? { customerId: id, outcome: 'done', reason: null }
      : { customerId: id, outcome: 'skipped', reason: 'no_match' },
  );
}
