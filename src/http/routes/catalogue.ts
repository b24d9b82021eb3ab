import { z } from 'zod';
import { listPlans } from '../../catalog/list.ts';
import { readClock } from '../../db/clock.ts';
import { offersOf, quoteChange, quotePurchase } from '../../subscription/quote.ts';
import { route } from '../route.ts';
import {
  currency,
  money,
  periodDays,
  planKey,
  rowId,
  subscriptionIdOf,
  telegramId,
  telegramIdText,
  time,
} from '../schemas.ts';
import { renewalReason } from './shapes.ts';

const tag = 'What is sold';

const plans = route({
  method: 'GET',
  path: '/v1/plans',
  id: 'listPlans',
  tag,
  summary: 'List plans on sale; with a customer, in their currency and at their price',
  scope: 'read',
  query: z.object({ telegram_id: telegramIdText.optional() }),
  answer: z.object({
    items: z.array(
      z.object({
        key: z.string(),
        title: z.record(z.string(), z.string()).describe('by language'),
        groups: z.array(z.string()),
        prices: z.array(
          z.object({
            period_days: periodDays,
            currency,
            list_amount: money.describe('before any discount'),
            amount: money.describe('price of this customer; without one, the list price'),
          }),
        ),
      }),
    ),
  }),
  refusals: ['no_customer'],
  async handle({ db }, { query }) {
    const all = await listPlans(db, await readClock(db));
    const offers =
      query.telegram_id === undefined ? undefined : await offersOf(db, BigInt(query.telegram_id));
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

const bool = z.enum(['true', 'false']);

const quote = route({
  method: 'GET',
  path: '/v1/quote',
  id: 'quote',
  tag,
  summary: 'Read the price and the end of a purchase, or of a change of plan now',
  scope: 'read',
  query: z.object({
    telegram_id: telegramIdText,
    plan: planKey,
    period_days: z
      .string()
      .regex(
        /^([1-9]\d{0,2}|[12]\d{3}|3[0-5]\d{2}|36[0-5]\d|3660)$/,
        'is not a number of days from 1 to 3660',
      ),
    subscription_id: telegramIdText.optional().describe('subscription to extend, revive or change'),
    new: bool.optional().describe('create another subscription'),
    change: bool.optional().describe('quote a change of plan now, not a purchase'),
    forfeit: bool.optional().describe('with change: give up time that has no price'),
  }),
  answer: z.object({
    telegram_id: telegramId,
    subscription_id: rowId.nullable().describe('null: a new subscription'),
    action: z.enum(['new', 'extended', 'revived', 'converted', 'changed']),
    plan: z.string(),
    period_days: periodDays,
    price: money.describe('binding, if the command names it as its price'),
    credited: money,
    balance: money,
    missing: money,
    currency,
    starts_at: time,
    ends_at: time,
    renewal_amount: money
      .nullable()
      .describe('what the next renewal takes if nothing is bought; null: none is to come'),
    renewal_reason: renewalReason,
  }),
  refusals: [
    'clock_suspect',
    'no_customer',
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
    const one =
      query.subscription_id === undefined
        ? {}
        : { subscriptionId: subscriptionIdOf(query.subscription_id) };
    const wanted = {
      telegramId: BigInt(query.telegram_id),
      plan: query.plan,
      periodDays: Number(query.period_days),
      ...one,
    };
    const answer = await (query.change === 'true'
      ? quoteChange(db, { ...wanted, forfeit: query.forfeit === 'true' })
      : quotePurchase(db, { ...wanted, isNew: query.new === 'true' }));
    return { ...answer, action: answer.action as 'new' };
  },
});

export const catalogueRoutes = [plans, quote];
