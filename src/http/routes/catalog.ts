import { z } from 'zod';
import { listPlans } from '../../catalog/plan-list.ts';
import { readClock } from '../../db/clock.ts';
import { quotePlanChange, quotePurchase, readOffers } from '../../subscription/queries/quote.ts';
import { defineRoute } from '../route.ts';
import {
  currencySchema,
  moneySchema,
  parseSubscriptionIdParam,
  periodDaysSchema,
  planKeySchema,
  rowIdSchema,
  telegramIdSchema,
  telegramIdTextSchema,
  timeSchema,
} from '../schemas.ts';
import { renewalReason } from './shapes.ts';

const tag = 'What is sold';

const plans = defineRoute({
  method: 'GET',
  path: '/v1/plans',
  id: 'listPlans',
  tag,
  summary: 'List plans on sale; with a customer, in their currency and at their price',
  scope: 'read',
  query: z.object({ telegram_id: telegramIdTextSchema.optional() }),
  answer: z.object({
    items: z.array(
      z.object({
        key: z.string(),
        title: z.record(z.string(), z.string()).describe('by language'),
        groups: z.array(z.string()),
        prices: z.array(
          z.object({
            period_days: periodDaysSchema,
            currency: currencySchema,
            list_amount: moneySchema.describe('before any discount'),
            amount: moneySchema.describe('price of this customer; without one, the list price'),
          }),
        ),
      }),
    ),
  }),
  refusals: ['no_customer'],
  async handle({ db }, { query }) {
    const all = await listPlans(db, await readClock(db));
    const offers =
      query.telegram_id === undefined ? undefined : await readOffers(db, BigInt(query.telegram_id));
    const onSale = all.filter((plan) => plan.retired_at === null);
    return {
      items: onSale.map(({ key, title, groups, prices }) => ({
        key,
        title,
        groups: [...groups],
        prices:
          offers?.filter((offer) => offer.plan === key).map(({ plan: _, ...offer }) => offer) ??
          prices
            .filter((price) => price.valid_from === null)
            .map(({ valid_from: _, ...price }) => ({ ...price, list_amount: price.amount })),
      })),
    };
  },
});

const boolText = z.enum(['true', 'false']);

const quote = defineRoute({
  method: 'GET',
  path: '/v1/quote',
  id: 'quote',
  tag,
  summary: 'Read the price and the end of a purchase, or of a change of plan now',
  scope: 'read',
  query: z.object({
    telegram_id: telegramIdTextSchema,
    plan: planKeySchema,
    period_days: z
      .string()
      .regex(
        /^([1-9]\d{0,2}|[12]\d{3}|3[0-5]\d{2}|36[0-5]\d|3660)$/,
        'is not a number of days; expected 1 to 3660',
      ),
    subscription_id: telegramIdTextSchema
      .optional()
      .describe('subscription to extend, revive or change'),
    new: boolText.optional().describe('create another subscription'),
    change: boolText.optional().describe('quote a change of plan now, not a purchase'),
    forfeit: boolText.optional().describe('with change: drop time that has no price'),
  }),
  answer: z.object({
    telegram_id: telegramIdSchema,
    subscription_id: rowIdSchema.nullable().describe('null: a new subscription'),
    action: z.enum(['new', 'extended', 'revived', 'converted', 'changed']),
    plan: z.string(),
    period_days: periodDaysSchema,
    price: moneySchema.describe('binding, if the command names it as its price'),
    credited: moneySchema,
    balance: moneySchema,
    missing: moneySchema,
    currency: currencySchema,
    starts_at: timeSchema,
    ends_at: timeSchema,
    renewal_amount: moneySchema
      .nullable()
      .describe('what the next renewal takes if nothing is bought; null: none is to come'),
    renewal_reason: renewalReason,
  }),
  refusals: [
    'clock_suspect',
    'no_customer',
    'blocked',
    'no_plan',
    'no_price',
    'no_subscription',
    'which_subscription',
    'other_plan',
    'revoked',
    'is_trial',
    'not_running',
    'unpriced_time',
  ],
  async handle({ db }, { query }) {
    const target =
      query.subscription_id === undefined
        ? {}
        : { subscriptionId: parseSubscriptionIdParam(query.subscription_id) };
    const request = {
      telegramId: BigInt(query.telegram_id),
      plan: query.plan,
      periodDays: Number(query.period_days),
      ...target,
    };
    return query.change === 'true'
      ? quotePlanChange(db, { ...request, forfeit: query.forfeit === 'true' })
      : quotePurchase(db, { ...request, isNew: query.new === 'true' });
  },
});

export const catalogRoutes = [plans, quote];
