import { z } from 'zod';
import { refused } from '../../kernel/faults.ts';
import type { SubscriptionId } from '../../kernel/ids.ts';
import { parseMinor } from '../../kernel/money.ts';
import { grant, type RightsAnswer, revoke, setAutoRenew } from '../../subscription/granting.ts';
import { changePlan } from '../../subscription/plan-change.ts';
import { currencyOf, portraitOf } from '../../subscription/portrait.ts';
import { reissue } from '../../subscription/reissuing.ts';
import { ownerOf } from '../../subscription/subscriptions.ts';
import { accessOf, withAccess } from '../access.ts';
import { seesSecrets, withoutCredential } from '../redact.ts';
import { type Kit, type Route, route } from '../route.ts';
import {
  bySubscription,
  byTelegramId,
  currency,
  endCondition,
  ifExpiresAt,
  money,
  periodDays,
  planKey,
  rowId,
  subscriptionIdOf,
  telegramId,
  text,
  time,
} from '../schemas.ts';
import { accessShape, rightsShape, subscriptionShape } from './shapes.ts';

const tag = 'Subscriptions';
const part = z.enum(['whole', 'unused']);

interface Place {
  readonly id: string;
  /** The customer in the path, if the path names one. */
  readonly telegram_id?: string;
}

/**
 * The subscription of a path and its customer. A subscription of another customer than the one in
 * the path is as unknown as one that does not exist. @throws Fault `no_subscription`
 */
async function theOne(
  { db }: Kit,
  { id, telegram_id }: Place,
): Promise<{ telegramId: bigint; subscriptionId: SubscriptionId }> {
  const subscriptionId = subscriptionIdOf(id);
  const telegramId = await ownerOf(db, subscriptionId);
  if (telegram_id === undefined || telegramId === BigInt(telegram_id)) {
    return { telegramId, subscriptionId };
  }
  throw refused('no_subscription', `there is no subscription ${id}`);
}

/** The same route under the customer of the subscription. */
function underCustomer(made: Route): Route {
  return {
    ...made,
    path: made.path.replace('/v1/subscriptions/', '/v1/customers/{telegram_id}/subscriptions/'),
    id: `${made.id}OfCustomer`,
    params: byTelegramId.extend(bySubscription.shape),
  };
}

const rights = (answer: RightsAnswer) => ({ ...answer, state: answer.state as 'active' });

const show = route({
  method: 'GET',
  path: '/v1/subscriptions/{id}',
  id: 'getSubscription',
  tag,
  summary: 'Read a subscription with its periods',
  scope: 'read',
  params: bySubscription,
  answer: subscriptionShape.extend({ telegram_id: telegramId }),
  refusals: ['no_subscription'],
  async handle(kit, { params, holder }) {
    const one = await shown(kit, params);
    return seesSecrets(holder) ? one : withoutCredential(one);
  },
});

async function shown(kit: Kit, params: Place) {
  const { telegramId: who, subscriptionId } = await theOne(kit, params);
  const { subscriptions } = await portraitOf(kit.db, who, 0, subscriptionId);
  const found = subscriptions.find(({ id }) => id === Number(subscriptionId));
  if (found === undefined)
    throw refused('no_subscription', `there is no subscription ${params.id}`);
  return { ...found, telegram_id: Number(who) };
}

const nextChoice = z
  .strictObject({ plan: planKey, period_days: periodDays })
  .describe('plan and length from the next renewal on; the present ones cancel the choice');

const change = route({
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
      price: money
        .optional()
        .describe('price of next that the customer saw; any other price is refused'),
      if_expires_at: ifExpiresAt,
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
  answer: subscriptionShape.extend({ telegram_id: telegramId }),
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
  ],
  async handle(kit, { params, body, call }) {
    const one = { ...(await theOne(kit, params)), ...endCondition(body.if_expires_at) };
    if (body.auto_renew !== undefined) await setAutoRenew(call, { ...one, on: body.auto_renew });
    if (body.next !== undefined) {
      const { plan, period_days } = body.next;
      const quoted = await quotedPrice(kit, one.telegramId, body.price);
      await changePlan(call, { ...one, ...quoted, plan, periodDays: period_days, when: 'next' });
    }
    return shown(kit, params);
  },
});

async function quotedPrice({ db }: Kit, telegramId: bigint, price: string | undefined) {
  if (price === undefined) return {};
  return { quotedMinor: parseMinor(price, await currencyOf(db, telegramId), 'price') };
}

const changePlanNow = route({
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
      plan: planKey,
      period_days: periodDays,
      when: z.enum(['now', 'next']),
      forfeit: z.boolean().optional().describe('give up granted or imported time'),
      price: money.optional().describe('price that the customer saw; any other price is refused'),
      if_expires_at: ifExpiresAt,
    })
    .refine(
      ({ when, forfeit }) => when === 'now' || forfeit !== true,
      'forfeit has an effect only with "when": "now"',
    ),
  answer: z.object({
    telegram_id: telegramId,
    subscription_id: rowId,
    when: z.enum(['now', 'next']),
    plan: z.string(),
    period_days: periodDays,
    credited: money,
    amount: money,
    balance: money,
    currency,
    expires_at: time,
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
  ],
  async handle(kit, { params, body, call }) {
    const one = { ...(await theOne(kit, params)), ...endCondition(body.if_expires_at) };
    const quoted = await quotedPrice(kit, one.telegramId, body.price);
    const answer = await changePlan(call, {
      ...one,
      ...quoted,
      plan: body.plan,
      periodDays: body.period_days,
      when: body.when,
      ...(body.forfeit === undefined ? {} : { forfeit: body.forfeit }),
    });
    return { ...answer, when: body.when };
  },
});

const grants = route({
  method: 'POST',
  path: '/v1/subscriptions/{id}/grant',
  id: 'grant',
  tag,
  summary: 'Give a free period',
  scope: 'admin',
  keyed: true,
  params: bySubscription,
  body: z.strictObject({ days: periodDays, if_expires_at: ifExpiresAt }),
  answer: rightsShape,
  refusals: ['no_subscription', 'revoked', 'expires_at_changed', 'end_too_late'],
  async handle(kit, { params, body, call }) {
    const one = { ...(await theOne(kit, params)), ...endCondition(body.if_expires_at) };
    return rights(await grant(call, { ...one, days: body.days }));
  },
});

const revocations = route({
  method: 'POST',
  path: '/v1/subscriptions/{id}/revoke',
  id: 'revoke',
  tag,
  summary: 'Revoke access now; no money moves unless asked',
  scope: 'admin',
  keyed: true,
  params: bySubscription,
  body: z.strictObject({
    reason: text(500),
    refund: part.optional(),
    if_expires_at: ifExpiresAt,
  }),
  answer: rightsShape,
  refusals: ['no_subscription', 'revoked', 'expires_at_changed', 'balance_too_large'],
  async handle(kit, { params, body, call }) {
    const of = body.refund === undefined ? {} : { refund: body.refund };
    const one = { ...(await theOne(kit, params)), ...endCondition(body.if_expires_at) };
    return rights(await revoke(call, { ...one, ...of, reason: body.reason }));
  },
});

const reissues = route({
  method: 'POST',
  path: '/v1/subscriptions/{id}/reissue',
  id: 'reissue',
  tag,
  summary: 'Replace the credential, for a lost link; the old one no longer works',
  scope: 'sell',
  keyed: true,
  params: bySubscription,
  answer: rightsShape.extend(accessShape),
  refusals: ['no_subscription', 'not_running'],
  async handle(kit, { params, call }) {
    const answer = await reissue(withAccess(call), await theOne(kit, params));
    return { ...rights(answer), ...accessOf(answer) };
  },
});

const direct = [show, change, changePlanNow, grants, revocations, reissues];

export const subscriptionRoutes = [...direct, ...direct.map(underCustomer)];
