import { openAccess } from '../../access/credentials.ts';
import { refused } from '../../kernel/faults.ts';
import type { SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime, latest } from '../../kernel/instant.ts';
import { computePriceMinor } from '../rules/price.ts';
import type { Caller, CommandContext } from '../store/command-context.ts';
import { writeFirstPrice } from '../store/known-prices.ts';
import { addPeriods, computePeriodEnd } from '../store/periods.ts';
import { readPriceList } from '../store/prices.ts';
import { releaseQuarantine, remindUnnotified } from '../store/retry-now.ts';
import {
  chooseSubscription,
  createSubscription,
  readCustomerSubscriptions,
  type Subscription,
} from '../store/subscriptions.ts';
import { withLockedCustomer } from './command.ts';
import { type EndCondition, requireExpectedEnd } from './conditions.ts';
import { readLastTerms, readSettledTerms, settleTerms } from './settle.ts';
import {
  readSubscriptionResult,
  recordEvent,
  type SubscriptionResult,
} from './subscription-result.ts';

// The command grant: a period without a charge, for a new or an existing subscription.

export interface Grant extends EndCondition {
  readonly telegramId: bigint;
  readonly days: number;
  /** The subscription to extend. Default: see `chooseSubscription`. */
  readonly subscriptionId?: SubscriptionId;
  /** A new subscription to this plan, with auto-renewal off. */
  readonly newPlan?: string;
}

/**
 * Extends, revives or creates a subscription without a charge. @throws Fault `revoked`, `no_plan`,
 * …
 */
export function grant(caller: Caller, request: Grant): Promise<SubscriptionResult> {
  return withLockedCustomer(caller, 'grant', request.telegramId, request, async (context) => {
    const existing = await chooseGrantTarget(context, request);
    requireExpectedEnd(existing, request);
    const startsAt = existing === undefined ? context.now : latest(context.now, existing.expiresAt);
    const endsAt = computePeriodEnd(startsAt, request.days);
    const lastBefore = existing === undefined ? undefined : await readLastTerms(context, existing);
    const plan = lastBefore?.plan ?? (request.newPlan as string);
    const id = existing?.id ?? (await createGiftSubscription(context, plan, request.days, endsAt));
    await addPeriods(context.tx, [
      {
        subscriptionId: id,
        customerId: context.customer.id,
        source: 'grant',
        plan,
        startsAt,
        endsAt,
        amountMinor: 0n,
        currency: context.customer.currency,
        ledgerEntryId: null,
        periodDays: existing === undefined ? request.days : null,
        listMinor: null,
        discountPercent: null,
        kind: existing?.kind ?? 'paid',
      },
    ]);
    if (existing !== undefined && lastBefore !== undefined) {
      const change = { state: 'active', expiresAt: endsAt, nextTryAt: null } as const;
      await settleTerms(
        context,
        existing,
        lastBefore,
        await readSettledTerms(context, existing),
        change,
      );
    }
    const priced = lastBefore ?? { plan, periodDays: request.days };
    await writeGrantPrice(context, id, { kind: existing?.kind ?? 'paid', ...priced });
    await openAccess(context.tx, [id], context.now);
    await releaseQuarantine(context.tx, context.customer.id);
    await remindUnnotified(context.tx, context.customer.id, context.now);
    const detail = { days: request.days, plan, ends_at: isoTime(endsAt) };
    const stated = existing === undefined ? { ...detail, auto_renew: false } : detail;
    await recordEvent(context, id, 'granted', stated, {
      kind: 'grant',
      dedupeKey: `grant:${id}:${startsAt}:${endsAt}`,
      params: detail,
    });
    return readSubscriptionResult(context, id, 0n);
  });
}

/** The price at the grant is the first amount that a renewal may take. */
async function writeGrantPrice(
  context: CommandContext,
  subscriptionId: SubscriptionId,
  { kind, plan, periodDays }: Pick<Subscription, 'kind' | 'plan' | 'periodDays'>,
): Promise<void> {
  const { tx, customer, now, settings } = context;
  const listMinor = (await readPriceList(tx, now)).getMinor(plan, periodDays, customer.currency);
  if (kind !== 'paid' || listMinor === null) return;
  const priced = { customerId: customer.id, subscriptionId, plan, periodDays };
  await writeFirstPrice(
    tx,
    priced,
    computePriceMinor(listMinor, customer, settings.vipPercent),
    now,
  );
}

async function chooseGrantTarget(
  context: CommandContext,
  request: Grant,
): Promise<Subscription | undefined> {
  if (request.newPlan !== undefined) {
    const plan = await context.tx
      .selectFrom('perennial.plan')
      .select('key')
      .where('key', '=', request.newPlan)
      .executeTakeFirst();
    if (plan === undefined) {
      const hint = 'list them with "perennial plan list"';
      throw refused('no_plan', `plan: "${request.newPlan}" is not a plan`, hint);
    }
    return undefined;
  }
  const subscription = chooseSubscription(
    await readCustomerSubscriptions(context.tx, context.customer.id),
    request.subscriptionId,
  );
  if (subscription.state === 'revoked') {
    throw refused(
      'revoked',
      `subscription ${subscription.id} was revoked`,
      'grant a new one with --plan',
    );
  }
  return subscription;
}

function createGiftSubscription(
  context: CommandContext,
  plan: string,
  days: number,
  expiresAt: Instant,
) {
  return createSubscription(context, {
    kind: 'paid',
    plan,
    periodDays: days,
    expiresAt,
    autoRenew: false,
  });
}
