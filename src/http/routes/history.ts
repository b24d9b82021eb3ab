import { z } from 'zod';
import { readAhead } from '../../explanation/ahead.ts';
import { type HistoryCursor, readHistory } from '../../explanation/history.ts';
import { defineRoute } from '../route.ts';
import {
  byTelegramId,
  createPageSchema,
  currencySchema,
  moneySchema,
  pageQuery,
  parsePageQuery,
  parseTelegramIdParam,
  rowIdSchema,
  timeSchema,
} from '../schemas.ts';
import { ledgerEntryShape, noticeLineShape, timelineEventShape } from './history-shapes.ts';
import { reasonShape } from './shapes.ts';

// The time of one customer: the history, and what is ahead.

/** The last ids of events, ledger and notifications; 0: none yet. */
const cursorSchema = z
  .string()
  .regex(
    /^(0|[1-9]\d{0,17})-(0|[1-9]\d{0,17})-(0|[1-9]\d{0,17})$/,
    'is not a cursor; expected next_cursor of the page before',
  )
  .optional()
  .describe('`next_cursor` of the page before');

function parseCursor(cursor = '0-0-0'): HistoryCursor {
  const [event, ledger, notice] = cursor
    .split('-')
    .map((id) => (id === '0' ? undefined : BigInt(id)));
  return { event, ledger, notice };
}

const formatCursor = ({ event, ledger, notice }: HistoryCursor): string =>
  [event, ledger, notice].map((id) => id ?? 0n).join('-');

const history = defineRoute({
  method: 'GET',
  path: '/v1/customers/{telegram_id}/history',
  id: 'getHistory',
  tag: 'Customers',
  isList: true,
  summary: 'List ledger, notifications and events as one line of time, the latest first',
  scope: 'read',
  params: byTelegramId,
  query: pageQuery.extend({
    cursor: cursorSchema,
    kind: z.enum(['event', 'ledger', 'notice']).optional().describe('only this kind'),
  }),
  answer: createPageSchema(
    z
      .discriminatedUnion('kind', [
        z.object({ kind: z.literal('event'), at: timeSchema, event: timelineEventShape }),
        z.object({ kind: z.literal('ledger'), at: timeSchema, entry: ledgerEntryShape }),
        z.object({ kind: z.literal('notice'), at: timeSchema, notice: noticeLineShape }),
      ])
      .meta({ title: 'HistoryItem' }),
  ),
  refusals: ['no_customer'],
  async handle({ db }, { params, query }) {
    const { max } = parsePageQuery({ limit: query.limit });
    const telegramId = parseTelegramIdParam(params);
    const { kind } = query;
    const page = await readHistory(db, telegramId, {
      max,
      kind,
      after: parseCursor(query.cursor),
    });
    return {
      items: [...page.items],
      next_cursor: page.next === undefined ? null : formatCursor(page.next),
    };
  },
});

const ahead = defineRoute({
  method: 'GET',
  path: '/v1/customers/{telegram_id}/ahead',
  id: 'getAhead',
  tag: 'Customers',
  summary: 'List the next charges, ends and reminders as things are now, the earliest first',
  scope: 'read',
  params: byTelegramId,
  answer: z.object({
    now: timeSchema,
    currency: currencySchema,
    items: z
      .array(
        z
          .object({
            at: timeSchema,
            kind: z.enum(['charge', 'end', 'reminder']),
            subscription_id: rowIdSchema,
            plan: z.string(),
            amount: moneySchema.nullable().describe('of a charge; null also without a price'),
            missing: moneySchema.nullable().describe('of a charge: the top-up that it requires'),
            notice: z.string().nullable().describe('of a reminder: its kind'),
            reason: reasonShape.nullable().describe('null: a reminder'),
          })
          .meta({ title: 'AheadItem' }),
      )
      .describe('of the 20 active subscriptions that end first'),
  }),
  refusals: ['no_customer'],
  async handle({ db }, { params }) {
    const { items, ...rest } = await readAhead(db, parseTelegramIdParam(params));
    return { ...rest, items: [...items] };
  },
});

export const historyRoutes = [history, ahead];
