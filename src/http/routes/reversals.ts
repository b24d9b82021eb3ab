import { z } from 'zod';
import type { LedgerEntryId } from '../../kernel/ids.ts';
import { parseMinor } from '../../kernel/money.ts';
import { applyChargeback } from '../../subscription/commands/chargeback.ts';
import { movePayment } from '../../subscription/commands/move-payment.ts';
import { waiveClaim } from '../../subscription/commands/waive-claim.ts';
import { readCurrency } from '../../subscription/queries/customer-view.ts';
import { defineRoute } from '../route.ts';
import {
  byTelegramId,
  createTextSchema,
  currencySchema,
  moneySchema,
  parseTelegramIdParam,
  rowIdSchema,
  telegramIdSchema,
} from '../schemas.ts';
import { balanceShape } from './shapes.ts';

const tag = 'Money';

const payment = {
  provider: createTextSchema(64).describe('the provider that took the payment'),
  provider_ref: createTextSchema(200).describe('reference of the payment at the provider'),
};

const chargebacks = defineRoute({
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
    dispute: createTextSchema(200).describe('id of the dispute at the provider, used once'),
  }),
  answer: z.object({
    telegram_id: telegramIdSchema,
    provider: z.string(),
    provider_ref: z.string(),
    dispute: z.string(),
    amount: moneySchema,
    periods_ended: z.number().int().describe('the periods that the payment paid for'),
    returned: moneySchema.describe('the unused parts of these periods'),
    taken: moneySchema.describe('amount that left the balance'),
    claim_added: moneySchema,
    claim: moneySchema,
    balance: moneySchema,
    currency: currencySchema,
    ledger_entry_id: rowIdSchema,
  }),
  refusals: ['no_customer', 'no_payment', 'payment_reversed', 'dispute_known'],
  handle: (_, { params, body, caller }) =>
    applyChargeback(caller, {
      telegramId: parseTelegramIdParam(params),
      provider: body.provider,
      providerRef: body.provider_ref,
      dispute: body.dispute,
    }),
});

const moves = defineRoute({
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
    from: telegramIdSchema.describe('the customer that was credited'),
    to: telegramIdSchema.describe('the customer that the payment belongs to'),
    adjustment_id: rowIdSchema
      .optional()
      .describe('the ledger entry that took the money back already'),
    claim: z
      .boolean()
      .optional()
      .describe('the part that the balance does not cover becomes a claim (default: refused)'),
  }),
  answer: z.object({
    provider: z.string(),
    provider_ref: z.string(),
    from: telegramIdSchema,
    to: telegramIdSchema,
    amount: moneySchema,
    currency: currencySchema,
    from_balance: moneySchema,
    from_claim: moneySchema,
    to_balance: moneySchema,
    claim_paid: moneySchema,
    claim: moneySchema,
    out_entry_id: rowIdSchema,
    ledger_entry_id: rowIdSchema,
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
  handle: (_, { body, caller }) =>
    movePayment(caller, {
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

const waivers = defineRoute({
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
    amount: moneySchema.optional().describe('part of the claim (default: the whole claim)'),
    reason: createTextSchema(500),
  }),
  answer: balanceShape.extend({ claim: moneySchema.describe('what is left of the claim') }),
  refusals: ['no_customer', 'no_claim', 'bad_amount'],
  async handle({ db }, { params, body, caller }) {
    const telegramId = parseTelegramIdParam(params);
    const { amount, reason } = body;
    const waiver = { telegramId, reason };
    if (amount === undefined) return waiveClaim(caller, waiver);
    const amountMinor = parseMinor(amount, await readCurrency(db, telegramId), 'amount');
    return waiveClaim(caller, { ...waiver, amountMinor });
  },
});

export const reversalRoutes = [chargebacks, moves, waivers];
