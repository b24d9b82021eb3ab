import { z } from 'zod';
import { explainCustomer } from '../../explanation/customer.ts';
import { defineRoute } from '../route.ts';
import {
  byTelegramId,
  currencySchema,
  moneySchema,
  parseTelegramIdParam,
  periodDaysSchema,
  rowIdSchema,
  telegramIdSchema,
  timeSchema,
} from '../schemas.ts';
import { nextChargeShape, reasonShape, stateShape } from './shapes.ts';

const nodeAccessShape = z
  .object({
    subscription_id: rowIdSchema,
    node: z.string(),
    entitled: z.boolean().describe('the plan opens the node'),
    marked: z.boolean().describe('a change waits for the node'),
    confirmed: z.boolean().describe('the node had the user at its last probe'),
    down_since: timeSchema.nullable().describe('null: the node answers'),
    reason: reasonShape,
  })
  .meta({ title: 'NodeUser' });

const noticesShape = z
  .object({
    waiting: z.array(
      z
        .object({
          id: rowIdSchema,
          kind: z.string(),
          state: z.enum(['pending', 'sending', 'uncertain']),
          created_at: timeSchema,
          reason: reasonShape.describe('what the notification waits for'),
        })
        .meta({ title: 'WaitingNotice' }),
    ),
    last_sent: z
      .object({ id: rowIdSchema, kind: z.string(), channel: z.string(), sent_at: timeSchema })
      .nullable(),
  })
  .meta({ title: 'NoticeOverview' });

const why = defineRoute({
  method: 'GET',
  path: '/v1/customers/{telegram_id}/why',
  id: 'explainCustomer',
  tag: 'Customers',
  summary: 'Explain the charges, the access and the notifications of a customer',
  scope: 'read',
  params: byTelegramId,
  answer: z.object({
    telegram_id: telegramIdSchema,
    at: timeSchema.describe('the time of this state'),
    balance: moneySchema,
    claim: moneySchema,
    currency: currencySchema,
    reachable: z.boolean(),
    blocked_at: timeSchema.nullable(),
    blocked_reason: z.string().nullable(),
    subscriptions: z
      .array(
        z
          .object({
            id: rowIdSchema,
            kind: z.enum(['trial', 'paid']),
            plan: z.string(),
            period_days: periodDaysSchema,
            state: stateShape,
            expires_at: timeSchema,
            auto_renew: z.boolean(),
            next_charge: nextChargeShape,
            access: z.object({
              reason: reasonShape.describe('whether the subscription has access, and why not'),
              nodes: z.array(nodeAccessShape),
            }),
            overdue_end: reasonShape
              .nullable()
              .describe('why it is still active after its end; null: it is not'),
          })
          .meta({ title: 'SubscriptionExplanation' }),
      )
      .describe('at most 100, active ones first'),
    subscriptions_total: z.number().int(),
    notices: noticesShape,
  }),
  refusals: ['no_customer'],
  handle: ({ db }, { params }) => explainCustomer(db, parseTelegramIdParam(params)),
});

export const explanationRoutes = [why];
