import { z } from 'zod';
import type { LedgerEntryId } from '../../kernel/ids.ts';
import { parseMinor } from '../../kernel/money.ts';
import { chargeback } from '../../subscription/chargeback.ts';
import { movePayment } from '../../subscription/move-payment.ts';
import { currencyOf } from '../../subscription/portrait.ts';
import { waiveClaim } from '../../subscription/waive-claim.ts';
import { route } from '../route.ts';
import {
  byTelegramId,
  currency,
  money,
  rowId,
  telegramId,
  telegramIdOf,
  text,
} from '../schemas.ts';
import { balanceShape } from './shapes.ts';

const tag = 'Money';

const payment = {
  provider: text(64).describe('the provider that took the payment'),
  provider_ref: text(200).describe('reference of the payment at the provider'),
};

const chargebacks = route({
  method: 'POST',
  path: '/v1/customers/{telegram_id}/chargebacks',
  id: 'chargeBack',
  tag,
  summary: 'Reverse a payment that the provider took back',
  scope: 'admin',
  keyed: true,
  status: 201,
  params: byTelegramId,
  body: z.strictObject({
    ...payment,
    dispute: text(200).describe('id of the dispute at the provider, used once'),
  }),
  answer: z.object({
    telegram_id: telegramId,
    provider: z.string(),
    provider_ref: z.string(),
    dispute: z.string(),
    amount: money,
    periods_ended: z.number().int().describe('the periods that the payment paid for'),
    returned: money.describe('the unused parts of these periods'),
    taken: money.describe('amount that left the balance'),
    claim_added: money,
    claim: money,
    balance: money,
    currency,
    ledger_entry_id: rowId,
  }),
  refusals: ['no_customer', 'no_payment', 'payment_reversed', 'dispute_known'],
  handle: (_, { params, body, call }) =>
    chargeback(call, {
      telegramId: telegramIdOf(params),
      provider: body.provider,
      providerRef: body.provider_ref,
      dispute: body.dispute,
    }),
});

const moves = route({
  method: 'POST',
  path: '/v1/payment-moves',
  id: 'movePayment',
  tag,
  summary: 'Move a payment to the customer that it belongs to, under its own reference',
  scope: 'admin',
  keyed: true,
  status: 201,
  body: z.strictObject({
    ...payment,
    from: telegramId.describe('the customer that was credited'),
    to: telegramId.describe('the customer that the payment belongs to'),
    adjustment_id: rowId.optional().describe('the ledger entry that took the money back already'),
    claim: z
      .boolean()
      .optional()
      .describe('the part that the balance does not cover becomes a claim (default: refused)'),
  }),
  answer: z.object({
    provider: z.string(),
    provider_ref: z.string(),
    from: telegramId,
    to: telegramId,
    amount: money,
    currency,
    from_balance: money,
    from_claim: money,
    to_balance: money,
    claim_paid: money,
    claim: money,
    out_entry_id: rowId,
    ledger_entry_id: rowId,
  }),
  refusals: [
    'no_customer',
    'same_customer',
    'no_payment',
    'payment_reversed',
    'other_currency',
    'short_balance',
    'claims_off',
    'no_adjustment',
    'balance_too_large',
  ],
  handle: (_, { body, call }) =>
    movePayment(call, {
      provider: body.provider,
      providerRef: body.provider_ref,
      from: BigInt(body.from),
      to: BigInt(body.to),
      ...(body.adjustment_id === undefined
        ? {}
        : { adjustmentId: BigInt(body.adjustment_id) as LedgerEntryId }),
      ...(body.claim === undefined ? {} : { withClaim: body.claim }),
    }),
});

const waivers = route({
  method: 'POST',
  path: '/v1/customers/{telegram_id}/claim-waivers',
  id: 'waiveClaim',
  tag,
  summary: 'Waive the claim of a customer, whole or in part',
  scope: 'admin',
  keyed: true,
  status: 201,
  params: byTelegramId,
  body: z.strictObject({
    amount: money.optional().describe('part of the claim (default: the whole claim)'),
    reason: text(500),
  }),
  answer: balanceShape.extend({ claim: money.describe('what is left of the claim') }),
  refusals: ['no_customer', 'no_claim', 'bad_amount'],
  async handle({ db }, { params, body, call }) {
    const who = telegramIdOf(params);
    const { amount, reason } = body;
    const whole = { telegramId: who, reason };
    if (amount === undefined) return waiveClaim(call, whole);
    const amountMinor = parseMinor(amount, await currencyOf(db, who), 'amount');
    return waiveClaim(call, { ...whole, amountMinor });
  },
});

export const reversals = [chargebacks, moves, waivers];
