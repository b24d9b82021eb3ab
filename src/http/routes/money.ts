import { z } from 'zod';
import type { Db } from '../../db/connect.ts';
import type { PeriodId } from '../../kernel/ids.ts';
import { parseMinor } from '../../kernel/money.ts';
import { adjustBalance } from '../../subscription/commands/adjust.ts';
import { purchase } from '../../subscription/commands/purchase.ts';
import { refund } from '../../subscription/commands/refund.ts';
import { topUp } from '../../subscription/commands/top-up.ts';
import { startTrial } from '../../subscription/commands/trial.ts';
import { readCurrency } from '../../subscription/queries/customer-view.ts';
import type { Payment } from '../../subscription/store/payments.ts';
import { hasScope } from '../../tokens/token.ts';
import { addAccess, toGrantedAccess } from '../access.ts';
import { defineRoute } from '../route.ts';
import {
  byTelegramId,
  createTextSchema,
  currencySchema,
  ifExpiresAtSchema,
  moneySchema,
  parseEndCondition,
  parseSubscriptionIdParam,
  parseTelegramIdParam,
  periodDaysSchema,
  planKeySchema,
  rowIdSchema,
  telegramIdSchema,
  timeSchema,
} from '../schemas.ts';
import { accessShape, balanceShape, stateShape } from './shapes.ts';

const tag = 'Money';

const paymentFields = {
  provider: createTextSchema(64).optional().describe('the provider that took the payment'),
  provider_ref: createTextSchema(200)
    .optional()
    .describe('reference of the payment at the provider, credited once'),
  currency: currencySchema
    .optional()
    .describe("currency that was paid; a currency other than the customer's is refused"),
};

const paymentShape = z.strictObject({ amount: moneySchema, ...paymentFields });

const paymentRefusals = [
  'bad_amount',
  'other_currency',
  'top_up_too_large',
  'no_provider',
  'no_provider_ref',
  'payment_known',
  'balance_too_large',
];

async function toPayment(
  db: Db,
  telegramId: bigint,
  body: z.output<typeof paymentShape>,
  place: string,
): Promise<Payment> {
  const paidCurrency = body.currency ?? (await readCurrency(db, telegramId));
  return {
    amountMinor: parseMinor(body.amount, paidCurrency, place),
    ...(body.provider === undefined ? {} : { provider: body.provider }),
    ...(body.provider_ref === undefined ? {} : { providerRef: body.provider_ref }),
    ...(body.currency === undefined ? {} : { currency: body.currency }),
  };
}

const topUps = defineRoute({
  method: 'POST',
  path: '/v1/customers/{telegram_id}/top-ups',
  id: 'topUp',
  tag,
  summary: 'Credit a balance; failed renewals of the customer are retried at once',
  scope: 'sell',
  keyed: true,
  status: 201,
  params: byTelegramId,
  body: z.strictObject({ amount: moneySchema, ...paymentFields }),
  answer: balanceShape.extend({
    claim_paid: moneySchema.describe('the part that paid the claim'),
    claim: moneySchema.describe('remaining claim of chargebacks'),
  }),
  refusals: ['no_customer', ...paymentRefusals],
  async handle({ db }, { params, body, caller, holder }) {
    const telegramId = parseTelegramIdParam(params);
    const payment = await toPayment(db, telegramId, body, 'amount');
    return topUp(caller, { telegramId, ...payment, isConfirmed: hasScope(holder.scopes, 'admin') });
  },
});

const adjustments = defineRoute({
  method: 'POST',
  path: '/v1/customers/{telegram_id}/adjustments',
  id: 'adjustBalance',
  tag,
  summary: 'Correct a balance by hand, never below 0',
  scope: 'admin',
  keyed: true,
  status: 201,
  params: byTelegramId,
  body: z.strictObject({ amount: moneySchema, reason: createTextSchema(500) }),
  answer: balanceShape,
  refusals: ['no_customer', 'bad_amount', 'short_balance', 'balance_too_large'],
  async handle({ db }, { params, body, caller }) {
    const telegramId = parseTelegramIdParam(params);
    const amountMinor = parseMinor(body.amount, await readCurrency(db, telegramId), 'amount');
    return adjustBalance(caller, { telegramId, amountMinor, reason: body.reason });
  },
});

const purchases = defineRoute({
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
      plan: planKeySchema,
      period_days: periodDaysSchema,
      subscription_id: rowIdSchema.optional().describe('subscription to extend or revive'),
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
      price: moneySchema
        .optional()
        .describe('price that the customer saw; any other price is refused'),
      if_expires_at: ifExpiresAtSchema
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
    telegram_id: telegramIdSchema,
    subscription_id: rowIdSchema,
    action: z.enum(['new', 'extended', 'revived', 'converted']),
    plan: z.string(),
    period_days: periodDaysSchema,
    starts_at: timeSchema,
    ends_at: timeSchema,
    amount: moneySchema,
    balance: moneySchema,
    currency: currencySchema,
    ledger_entry_id: rowIdSchema,
    ...accessShape,
  }),
  refusals: [
    'no_customer',
    'blocked',
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
  async handle({ db }, { params, body, caller, holder }) {
    const telegramId = parseTelegramIdParam(params);
    const price =
      body.price === undefined
        ? undefined
        : parseMinor(body.price, await readCurrency(db, telegramId), 'price');
    const payment =
      body.payment && (await toPayment(db, telegramId, body.payment, 'payment.amount'));
    const answer = await purchase(addAccess(caller), {
      telegramId,
      ...(payment === undefined ? {} : { payment, isConfirmed: hasScope(holder.scopes, 'admin') }),
      plan: body.plan,
      periodDays: body.period_days,
      ...(body.subscription_id === undefined
        ? {}
        : { subscriptionId: parseSubscriptionIdParam(body.subscription_id) }),
      ...(body.new === undefined ? {} : { isNew: body.new }),
      ...(body.auto_renew === undefined ? {} : { autoRenew: body.auto_renew }),
      ...(price === undefined ? {} : { quotedMinor: price }),
      ...parseEndCondition(body.if_expires_at),
    });
    return { ...answer, ...toGrantedAccess(answer) };
  },
});

const trial = defineRoute({
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
    telegram_id: telegramIdSchema,
    subscription_id: rowIdSchema,
    plan: z.string(),
    days: periodDaysSchema,
    starts_at: timeSchema,
    ends_at: timeSchema,
    ...accessShape,
  }),
  refusals: [
    'no_customer',
    'blocked',
    'no_trial',
    'trial_used',
    'has_paid',
    'no_plan',
    'end_too_late',
  ],
  async handle(_, { params, caller }) {
    const answer = await startTrial(addAccess(caller), {
      telegramId: parseTelegramIdParam(params),
    });
    return { ...answer, ...toGrantedAccess(answer) };
  },
});

const refunds = defineRoute({
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
    period_id: rowIdSchema,
    part: z.enum(['whole', 'unused']),
    keep_auto_renew: z.boolean().optional(),
    payout: z
      .boolean()
      .optional()
      .describe('the money leaves the balance in the same transaction, to be paid out'),
    if_expires_at: ifExpiresAtSchema,
  }),
  answer: z.object({
    telegram_id: telegramIdSchema,
    subscription_id: rowIdSchema,
    period_id: rowIdSchema,
    amount: moneySchema,
    paid_out: moneySchema,
    balance: moneySchema,
    currency: currencySchema,
    expires_at: timeSchema,
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
  async handle(_, { params, body, caller }) {
    return refund(caller, {
      telegramId: parseTelegramIdParam(params),
      periodId: BigInt(body.period_id) as PeriodId,
      part: body.part,
      ...(body.keep_auto_renew === undefined ? {} : { keepAutoRenew: body.keep_auto_renew }),
      ...(body.payout === undefined ? {} : { payout: body.payout }),
      ...parseEndCondition(body.if_expires_at),
    });
  },
});

export const moneyRoutes = [topUps, purchases, trial, refunds, adjustments];
