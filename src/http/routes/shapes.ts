import { z } from 'zod';
import {
  currencySchema,
  moneySchema,
  periodDaysSchema,
  rowIdSchema,
  telegramIdSchema,
  timeSchema,
} from '../schemas.ts';

// Schemas that several routes return.

export const linkAnswerShape = z
  .object({
    subscription_id: rowIdSchema,
    node: z.string(),
    link: z.string().nullable().describe('null: the settings of the node are wrong'),
    error: z.string().nullable(),
  })
  .meta({ title: 'Link' });

/** The access that a command gave: stored with its answer. */
export const accessShape = {
  sub_token: z.string().describe('the secret of the subscription URL, /sub/{sub_token}'),
  links: z.array(linkAnswerShape).describe('of this subscription'),
};

export const stateShape = z.enum(['active', 'expired', 'revoked']);

/** Why a renewal does not take the list price. */
export const renewalReason = z
  .enum(['discount', 'known_price', 'no_price'])
  .nullable()
  .describe(
    'why the amount is not the list price; known_price: the customer was not notified of a higher amount in time; no_price: the plan and length are not on sale',
  );

/** A reason as a code, its parameters, and one sentence of both. */
export const reasonShape = z
  .object({
    code: z.string(),
    params: z.record(z.string(), z.union([z.string(), z.number()]).nullable()),
    sentence: z.string(),
  })
  .meta({ title: 'Reason' });

export const nextChargeShape = z
  .object({
    subscription_id: rowIdSchema.nullable().describe('null: the customer has no subscription'),
    at: timeSchema.nullable().describe('the earliest time of the charge; null: none is expected'),
    amount: moneySchema.nullable().describe('null without a charge, and without a price'),
    missing: moneySchema.describe('the top-up that the charge requires'),
    currency: currencySchema,
    reason: reasonShape.describe('why the charge comes, waits or does not come'),
  })
  .meta({ title: 'NextCharge' });

export const subscriptionShape = z.object({
  id: rowIdSchema,
  kind: z.enum(['trial', 'paid']),
  plan: z.string(),
  period_days: periodDaysSchema,
  next_plan: z.string().nullable(),
  next_period_days: periodDaysSchema.nullable(),
  state: stateShape,
  started_at: timeSchema,
  expires_at: timeSchema,
  auto_renew: z.boolean(),
  next_renewal: z
    .object({
      at: timeSchema.describe('from when on the balance is charged'),
      amount: moneySchema.nullable().describe('what the renewal takes as things are now'),
      list_amount: moneySchema.nullable(),
      reason: renewalReason,
    })
    .meta({ title: 'NextRenewal' })
    .nullable()
    .describe('null: it is not to be renewed'),
  next_charge: nextChargeShape,
  credential: z
    .string()
    .nullable()
    .describe('the UUID that opens the nodes; null with the scope `read`'),
  periods: z.array(
    z
      .object({
        id: rowIdSchema,
        source: z.enum(['trial', 'purchase', 'renewal', 'grant', 'import']),
        plan: z.string(),
        starts_at: timeSchema,
        ends_at: timeSchema,
        amount: moneySchema,
        refunded_at: timeSchema.nullable(),
        part_of: rowIdSchema
          .nullable()
          .describe('set for a served part: the refunded period whose time until the refund it is'),
        moved_from: timeSchema.nullable().describe('the start that was sold, if the period moved'),
      })
      .meta({ title: 'Period' }),
  ),
});

/** The answer of a command on a subscription. */
export const rightsShape = z.object({
  telegram_id: telegramIdSchema,
  subscription_id: rowIdSchema,
  plan: z.string(),
  state: stateShape,
  expires_at: timeSchema,
  auto_renew: z.boolean(),
  refunded: moneySchema,
  balance: moneySchema,
  currency: currencySchema,
});

export const balanceShape = z.object({
  telegram_id: telegramIdSchema,
  amount: moneySchema,
  balance: moneySchema,
  currency: currencySchema,
  ledger_entry_id: rowIdSchema,
});
