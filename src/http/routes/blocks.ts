import { z } from 'zod';
import { blockCustomer, unblockCustomer } from '../../subscription/commands/block.ts';
import { defineRoute } from '../route.ts';
import {
  byTelegramId,
  createTextSchema,
  parseTelegramIdParam,
  telegramIdSchema,
  timeSchema,
} from '../schemas.ts';

const body = z.strictObject({ reason: createTextSchema(500) });

const answer = z.object({
  telegram_id: telegramIdSchema,
  blocked_at: timeSchema.nullable(),
  blocked_reason: z.string().nullable(),
  subscriptions: z
    .number()
    .int()
    .describe('active subscriptions that lost their access, or have it again'),
});

const common = {
  method: 'POST',
  tag: 'Customers',
  scope: 'admin',
  keyed: true,
  params: byTelegramId,
  body,
  answer,
} as const;

const block = defineRoute({
  ...common,
  path: '/v1/customers/{telegram_id}/block',
  id: 'blockCustomer',
  summary: 'End the access of a customer, and refuse purchases, trials and renewals',
  refusals: ['no_customer', 'is_blocked'],
  handle: (_, { params, body: { reason }, caller }) =>
    blockCustomer(caller, { telegramId: parseTelegramIdParam(params), reason }),
});

const unblock = defineRoute({
  ...common,
  path: '/v1/customers/{telegram_id}/unblock',
  id: 'unblockCustomer',
  summary: 'Restore the access of subscriptions that are still active',
  refusals: ['no_customer', 'not_blocked'],
  handle: (_, { params, body: { reason }, caller }) =>
    unblockCustomer(caller, { telegramId: parseTelegramIdParam(params), reason }),
});

export const blockRoutes = [block, unblock];
