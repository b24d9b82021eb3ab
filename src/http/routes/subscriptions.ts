import { z } from 'zod';
import { parseMinor } from '../../kernel/money.ts';
import { setAutoRenew } from '../../subscription/commands/auto-renew.ts';
import { changePlan } from '../../subscription/commands/change-plan.ts';
import { grant } from '../../subscription/commands/grant.ts';
import { reissue } from '../../subscription/commands/reissue.ts';
import { revoke } from '../../subscription/commands/revoke.ts';
import { readCurrency, readCustomerView } from '../../subscription/queries/customer-view.ts';
import { createNoSubscriptionFault } from '../../subscription/store/subscriptions.ts';
import { addAccess, toGrantedAccess } from '../access.ts';
import { canSeeSecrets, hideCredential } from '../redact.ts';
import { defineRoute, type RouteContext } from '../route.ts';
import {
  bySubscription,
  createTextSchema,
  currencySchema,
  ifExpiresAtSchema,
  moneySchema,
  parseEndCondition,
  periodDaysSchema,
  planKeySchema,
  rowIdSchema,
  telegramIdSchema,
  timeSchema,
} from '../schemas.ts';
import { accessShape, rightsShape, subscriptionShape } from './shapes.ts';
import {
  addCustomerPath,
  readPathSubscription,
  type SubscriptionPath,
} from './subscription-path.ts';

const tag = 'Subscriptions';
const part = z.enum(['whole', 'unused']);

const show = defineRoute({
  method: 'GET',
  path: '/v1/subscriptions/{id}',
  id: 'getSubscription',
  tag,
  summary: 'Read a subscription with its periods',
  scope: 'read',
  params: bySubscription,
  answer: subscriptionShape.extend({ telegram_id: telegramIdSchema }),
  refusals: ['no_subscription'],
  async handle(context, { params, holder }) {
    const subscription = await readSubscriptionAnswer(context, params);
    return canSeeSecrets(holder) ? subscription : hideCredential(subscription);
  },
});

async function readSubscriptionAnswer(context: RouteContext, params: SubscriptionPath) {
  const { telegramId, subscriptionId } = await readPathSubscription(context, params);
  const { subscriptions } = await readCustomerView(context.db, telegramId, 0, subscriptionId);
  const subscription = subscriptions.find(({ id }) => id === Number(subscriptionId));
  if (subscription === undefined) throw createNoSubscriptionFault(subscriptionId);
  return { ...subscription, telegram_id: Number(telegramId) };
}

const nextChoice = z
  .strictObject({ plan: planKeySchema, period_days: periodDaysSchema })
  .describe('plan and length from the next renewal on; the present ones cancel the choice');

const change = defineRoute({
  method: 'PATCH',
  path: '/v1/subscriptions/{id}',
  id: 'changeSubscription',
  tag,
  summary: 'Set auto-renewal, and the plan of the next renewal',
  scope: 'sell',
  params: bySubscription,
  body: z
    .strictObject({
      auto_renew: z.boolean().optional(),
      next: nextChoice.optional(),
      price: moneySchema
        .optional()
        .describe('price of next that the customer saw; any other price is refused'),
      if_expires_at: ifExpiresAtSchema,
    })
    .refine(
      ({ auto_renew, next }) => (auto_renew === undefined) !== (next === undefined),
      'names one change: auto_renew or next',
    )
    .refine(
      ({ price, next }) => price === undefined || next !== undefined,
      'price is a condition of next',
    )
    .meta({
      oneOf: [{ required: ['auto_renew'] }, { required: ['next'] }],
      dependentRequired: { price: ['next'] },
    }),
  answer: subscriptionShape.extend({ telegram_id: telegramIdSchema }),
  refusals: [
    'no_subscription',
    'is_trial',
    'revoked',
    'not_running',
    'no_plan',
    'no_price',
    'price_changed',
    'bad_amount',
    'expires_at_changed',
    'clock_suspect',
    'blocked',
  ],
  async handle(context, { params, body, caller }) {
    const target = {
      ...(await readPathSubscription(context, params)),
      ...parseEndCondition(body.if_expires_at),
    };
    if (body.auto_renew !== undefined)
      await setAutoRenew(caller, { ...target, on: body.auto_renew });
    if (body.next !== undefined) {
      const { plan, period_days } = body.next;
      const seenPrice = await toQuotedPrice(context, target.telegramId, body.price);
      await changePlan(caller, {
        ...target,
        ...seenPrice,
        plan,
        periodDays: period_days,
        when: 'next',
      });
    }
    return readSubscriptionAnswer(context, params);
  },
});

async function toQuotedPrice({ db }: RouteContext, telegramId: bigint, price: string | undefined) {
  if (price === undefined) return {};
  return { quotedMinor: parseMinor(price, await readCurrency(db, telegramId), 'price') };
}

const changePlanNow = defineRoute({
  method: 'POST',
  path: '/v1/subscriptions/{id}/change-plan',
  id: 'changePlan',
  tag,
  summary: 'Change the plan: now, with credit for unused time, or at the next renewal',
  scope: 'sell',
  keyed: true,
  params: bySubscription,
  body: z
    .strictObject({
      plan: planKeySchema,
      period_days: periodDaysSchema,
      when: z.enum(['now', 'next']),
      forfeit: z.boolean().optional().describe('drop granted or imported time'),
      price: moneySchema
        .optional()
        .describe('price that the customer saw; any other price is refused'),
      if_expires_at: ifExpiresAtSchema,
    })
    .refine(
      ({ when, forfeit }) => when === 'now' || forfeit !== true,
      'forfeit has an effect only with "when": "now"',
    ),
  answer: z.object({
    telegram_id: telegramIdSchema,
    subscription_id: rowIdSchema,
    when: z.enum(['now', 'next']),
    plan: z.string(),
    period_days: periodDaysSchema,
    credited: moneySchema,
    amount: moneySchema,
    balance: moneySchema,
    currency: currencySchema,
    expires_at: timeSchema,
  }),
  refusals: [
    'no_subscription',
    'not_running',
    'is_trial',
    'no_plan',
    'no_price',
    'price_changed',
    'bad_amount',
    'short_balance',
    'unpriced_time',
    'expires_at_changed',
    'end_too_late',
    'balance_too_large',
    'blocked',
  ],
  async handle(context, { params, body, caller }) {
    const target = {
      ...(await readPathSubscription(context, params)),
      ...parseEndCondition(body.if_expires_at),
    };
    const seenPrice = await toQuotedPrice(context, target.telegramId, body.price);
    const answer = await changePlan(caller, {
      ...target,
      ...seenPrice,
      plan: body.plan,
      periodDays: body.period_days,
      when: body.when,
      ...(body.forfeit === undefined ? {} : { forfeit: body.forfeit }),
    });
    return { ...answer, when: body.when };
  },
});

const grants = defineRoute({
  method: 'POST',
  path: '/v1/subscriptions/{id}/grant',
  id: 'grant',
  tag,
  summary: 'Give a free period',
  scope: 'admin',
  keyed: true,
  params: bySubscription,
  body: z.strictObject({ days: periodDaysSchema, if_expires_at: ifExpiresAtSchema }),
  answer: rightsShape,
  refusals: ['no_subscription', 'revoked', 'expires_at_changed', 'end_too_late', 'blocked'],
  async handle(context, { params, body, caller }) {
    const target = {
      ...(await readPathSubscription(context, params)),
      ...parseEndCondition(body.if_expires_at),
    };
    return grant(caller, { ...target, days: body.days });
  },
});

const revocations = defineRoute({
  method: 'POST',
  path: '/v1/subscriptions/{id}/revoke',
  id: 'revoke',
  tag,
  summary: 'Revoke access now; no money moves unless asked',
  scope: 'admin',
  keyed: true,
  params: bySubscription,
  body: z.strictObject({
    reason: createTextSchema(500),
    refund: part.optional(),
    if_expires_at: ifExpiresAtSchema,
  }),
  answer: rightsShape,
  refusals: ['no_subscription', 'revoked', 'expires_at_changed', 'balance_too_large'],
  async handle(context, { params, body, caller }) {
    const refund = body.refund === undefined ? {} : { refund: body.refund };
    const target = {
      ...(await readPathSubscription(context, params)),
      ...parseEndCondition(body.if_expires_at),
    };
    return revoke(caller, { ...target, ...refund, reason: body.reason });
  },
});

const reissues = defineRoute({
  method: 'POST',
  path: '/v1/subscriptions/{id}/reissue',
  id: 'reissue',
  tag,
  summary: 'Replace the credential, for a lost link; the old one no longer works',
  scope: 'sell',
  keyed: true,
  params: bySubscription,
  answer: rightsShape.extend(accessShape),
  refusals: ['no_subscription', 'not_running', 'blocked'],
  async handle(context, { params, caller }) {
    const answer = await reissue(addAccess(caller), await readPathSubscription(context, params));
    return { ...answer, ...toGrantedAccess(answer) };
  },
});

const baseRoutes = [show, change, changePlanNow, grants, revocations, reissues];

export const subscriptionRoutes = [...baseRoutes, ...baseRoutes.map(addCustomerPath)];
