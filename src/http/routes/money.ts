import { z } from 'zod';
import type { Db } from '../../db/connect.ts';
import type { PeriodId } from '../../kernel/ids.ts';
import { parseMinor } from '../../kernel/money.ts';
import { adjust, topUp } from '../../subscription/balance.ts';
import { purchase } from '../../subscription/buying.ts';
import type { Payment } from '../../subscription/payments.ts';
import { currencyOf } from '../../subscription/portrait.ts';
import { refund } from '../../subscription/refunding.ts';
import { startTrial } from '../../subscription/trial.ts';
import { mayDo } from '../../tokens/token.ts';
import { accessOf, withAccess } from '../access.ts';
import { route } from '../route.ts';
import {
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
  telegramIdOf,
  text,
  time,
} from '../schemas.ts';
import { accessShape, balanceShape, stateShape } from './shapes.ts';

const tag = 'Money';

const paymentFields = {
  provider: text(64).optional().describe('the provider that took the payment'),
  provider_ref: text(200)
    .optional()
    .describe('reference of the payment at the provider, credited once'),
  currency: currency
    .optional()
    .describe("currency that was paid; a currency other than the customer's is refused"),
};

const paymentShape = z.strictObject({ amount: money, ...paymentFields });

const paymentRefusals = [
  'bad_amount',
  'other_currency',
  'top_up_too_large',
  'no_provider',
  'no_provider_ref',
  'payment_known',
  'balance_too_large',
];

async function paymentOf(
  db: Db,
  who: bigint,
  body: z.output<typeof paymentShape>,
  place: string,
): Promise<Payment> {
  const known = body.currency ?? (await currencyOf(db, who));
  return {
    amountMinor: parseMinor(body.amount, known, place),
    ...(body.provider === undefined ? {} : { provider: body.provider }),
    ...(body.provider_ref === undefined ? {} : { providerRef: body.provider_ref }),
    ...(body.currency === undefined ? {} : { currency: body.currency }),
  };
}

const topUps = route({
  method: 'POST',
  path: '/v1/customers/{telegram_id}/top-ups',
  id: 'topUp',
  tag,
  summary: 'Credit a balance; failed renewals of the customer are retried at once',
  scope: 'sell',
  keyed: true,
  status: 201,
  params: byTelegramId,
  body: z.strictObject({
    amount: money,
    ...paymentFields,
  }),
  answer: balanceShape.extend({
    claim_paid: money.describe('the part that paid the claim'),
    claim: money.describe('remaining claim of chargebacks'),
  }),
  refusals: ['no_customer', ...paymentRefusals],
  async handle({ db }, { params, body, call, holder }) {
    const telegramId = telegramIdOf(params);
    const payment = await paymentOf(db, telegramId, body, 'amount');
    return topUp(call, { telegramId, ...payment, isConfirmed: mayDo(holder.scopes, 'admin') });
  },
});

const adjustments = route({
  method: 'POST',
  path: '/v1/customers/{telegram_id}/adjustments',
  id: 'adjustBalance',
  tag,
  summary: 'Correct a balance by hand, never below 0',
  scope: 'admin',
  keyed: true,
  status: 201,
  params: byTelegramId,
  body: z.strictObject({ amount: money, reason: text(500) }),
  answer: balanceShape,
  refusals: ['no_customer', 'bad_amount', 'short_balance', 'balance_too_large'],
  async handle({ db }, { params, body, call }) {
    const who = telegramIdOf(params);
    const amountMinor = parseMinor(body.amount, await currencyOf(db, who), 'amount');
    return adjust(call, { telegramId: who, amountMinor, reason: body.reason });
  },
});

const purchases = route({
  method: 'POST',
  path: '/v1/customers/{telegram_id}/purchases',
  id: 'purchase',
  tag,
  summary: 'Buy a period from the balance',
  scope: 'sell',
  keyed: true,
  status: 201,
  params: byTelegramId,
  body: z
    .strictObject({
      plan: planKey,
      period_days: periodDays,
      subscription_id: rowId.optional().describe('subscription to extend or revive'),
      new: z.boolean().optional().describe('create another subscription'),
      auto_renew: z
        .boolean()
        .optional()
        .describe('auto-renewal of a new or converted subscription (default: on)'),
      payment: paymentShape
        .optional()
        .describe(
          'a payment that is credited in the same transaction; a refused purchase credits nothing',
        ),
      price: money.optional().describe('price that the customer saw; any other price is refused'),
      if_expires_at: ifExpiresAt
        .unwrap()
        .nullable()
        .optional()
        .describe(
          'condition: the end that the customer saw; null: a new subscription. If it is different now, nothing changes (expires_at_changed)',
        ),
    })
    .refine(
      (body) => body.new !== true || body.subscription_id === undefined,
      'new and subscription_id: only one of them can be meant',
    ),
  answer: z.object({
    telegram_id: telegramId,
    subscription_id: rowId,
    action: z.enum(['new', 'extended', 'revived', 'converted']),
    plan: z.string(),
    period_days: periodDays,
    starts_at: time,
    ends_at: time,
    amount: money,
    balance: money,
    currency,
    ledger_entry_id: rowId,
    ...accessShape,
  }),
  refusals: [
    'no_customer',
    'no_plan',
    'no_price',
    'price_changed',
    'bad_amount',
    'expires_at_changed',
    'end_too_late',
    'short_balance',
    'no_subscription',
    'which_subscription',
    'other_plan',
    'revoked',
    ...paymentRefusals,
  ],
  async handle({ db }, { params, body, call, holder }) {
    const who = telegramIdOf(params);
    const price =
      body.price === undefined
        ? undefined
        : parseMinor(body.price, await currencyOf(db, who), 'price');
    const payment = body.payment && (await paymentOf(db, who, body.payment, 'payment.amount'));
    const answer = await purchase(withAccess(call), {
      telegramId: who,
      ...(payment === undefined ? {} : { payment, isConfirmed: mayDo(holder.scopes, 'admin') }),
      plan: body.plan,
      periodDays: body.period_days,
      ...(body.subscription_id === undefined
        ? {}
        : { subscriptionId: subscriptionIdOf(body.subscription_id) }),
      ...(body.new === undefined ? {} : { isNew: body.new }),
      ...(body.auto_renew === undefined ? {} : { autoRenew: body.auto_renew }),
      ...(price === undefined ? {} : { quotedMinor: price }),
      ...endCondition(body.if_expires_at),
    });
    return { ...answer, ...accessOf(answer), action: answer.action as 'new' };
  },
});

const trial = route({
  method: 'POST',
  path: '/v1/customers/{telegram_id}/trial',
  id: 'startTrial',
  tag,
  summary: 'Start a trial: free, once, and only without an earlier subscription',
  scope: 'sell',
  keyed: true,
  status: 201,
  params: byTelegramId,
  answer: z.object({
    telegram_id: telegramId,
    subscription_id: rowId,
    plan: z.string(),
    days: periodDays,
    starts_at: time,
    ends_at: time,
    ...accessShape,
  }),
  refusals: ['no_customer', 'no_trial', 'trial_used', 'has_paid', 'no_plan', 'end_too_late'],
  async handle(_, { params, call }) {
    const answer = await startTrial(withAccess(call), { telegramId: telegramIdOf(params) });
    return { ...answer, ...accessOf(answer) };
  },
});

const refunds = route({
  method: 'POST',
  path: '/v1/customers/{telegram_id}/refunds',
  id: 'refund',
  tag,
  summary: 'Refund a period to the balance, or take a grant back',
  scope: 'admin',
  keyed: true,
  status: 201,
  params: byTelegramId,
  body: z.strictObject({
    period_id: rowId,
    part: z.enum(['whole', 'unused']),
    keep_auto_renew: z.boolean().optional(),
    payout: z
      .boolean()
      .optional()
      .describe('the money leaves the balance in the same transaction, to be paid out'),
    if_expires_at: ifExpiresAt,
  }),
  answer: z.object({
    telegram_id: telegramId,
    subscription_id: rowId,
    period_id: rowId,
    amount: money,
    paid_out: money,
    balance: money,
    currency,
    expires_at: time,
    state: stateShape,
  }),
  refusals: [
    'no_customer',
    'no_period',
    'not_charged',
    'refund_later_first',
    'nothing_unused',
    'no_payout',
    'balance_too_large',
    'expires_at_changed',
  ],
  async handle(_, { params, body, call }) {
    const answer = await refund(call, {
      telegramId: telegramIdOf(params),
      periodId: BigInt(body.period_id) as PeriodId,
      part: body.part,
      ...(body.keep_auto_renew === undefined ? {} : { keepAutoRenew: body.keep_auto_renew }),
      ...(body.payout === undefined ? {} : { payout: body.payout }),
      ...endCondition(body.if_expires_at),
    });
    return { ...answer, state: answer.state as 'active' };
  },
});

export const moneyRoutes = [topUps, purchases, trial, refunds, adjustments];
