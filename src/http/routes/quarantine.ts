import { z } from 'zod';
import { isoTime } from '../../kernel/instant.ts';
import {
  countQuarantine,
  listQuarantine,
  type QuarantineRow,
  quarantineOnlyWorkers,
} from '../../runs/quarantine-list.ts';
import { dismissItem, retryItems } from '../../runs/quarantine-release.ts';
import { workerNames } from '../../runs/worker-names.ts';
import { defineRoute } from '../route.ts';
import {
  createPageSchema,
  createTextSchema,
  pageQuery,
  parsePageQuery,
  rowIdSchema,
  telegramIdSchema,
  timeSchema,
} from '../schemas.ts';

const tag = 'Operations';

const workerSchema = z.enum([...workerNames, ...quarantineOnlyWorkers]);
const reasonSchema = createTextSchema(100).describe('stable code, such as no_price');

const itemShape = z
  .object({
    worker: z.string(),
    item: z.string(),
    reason: reasonSchema,
    sentence: z.string().describe('what has to be corrected'),
    attempts: z.number().int(),
    retry_at: timeSchema,
    first_seen_at: timeSchema,
    telegram_id: telegramIdSchema.nullable().describe('null: the item has no customer'),
    subscription_id: rowIdSchema.nullable(),
  })
  .meta({ title: 'QuarantinedItem' });

function toItemAnswer({ customer_id: _, ...row }: QuarantineRow) {
  return {
    ...row,
    retry_at: isoTime(row.retry_at),
    first_seen_at: isoTime(row.first_seen_at),
    telegram_id: row.telegram_id === null ? null : Number(row.telegram_id),
    subscription_id: row.subscription_id === null ? null : Number(row.subscription_id),
  };
}

/** A cursor is `worker/item`. No name of a worker has a slash. */
function parseCursor(cursor: string | undefined) {
  if (cursor === undefined) return undefined;
  const [worker = '', ...item] = cursor.split('/');
  return { worker, item: item.join('/') };
}

const list = defineRoute({
  method: 'GET',
  path: '/v1/quarantine',
  id: 'listQuarantine',
  tag,
  isList: true,
  summary: 'List items in quarantine with their customers, and count them by reason',
  scope: 'read',
  query: z.object({
    limit: pageQuery.shape.limit,
    cursor: createTextSchema(300).optional().describe('`next_cursor` of the page before'),
    worker: workerSchema.optional(),
    reason: reasonSchema.optional(),
  }),
  answer: createPageSchema(itemShape).extend({
    counts: z
      .array(
        z
          .object({
            worker: z.string(),
            reason: z.string(),
            items: z.number().int(),
            first_seen_at: timeSchema,
            next_retry_at: timeSchema,
          })
          .meta({ title: 'QuarantineCount' }),
      )
      .describe('of all pages'),
  }),
  async handle({ db }, { query }) {
    const { max } = parsePageQuery({ limit: query.limit });
    const filter = { worker: query.worker, reason: query.reason };
    const after = parseCursor(query.cursor);
    const rows = await listQuarantine(db, filter, { after, max: max + 1 });
    const counts = await countQuarantine(db, filter);
    const items = rows.slice(0, max).map(toItemAnswer);
    const last = items.at(-1);
    const more = rows.length > max && last !== undefined;
    return {
      items,
      next_cursor: more ? `${last.worker}/${last.item}` : null,
      counts: counts.map((row) => ({
        ...row,
        items: Number(row.items),
        first_seen_at: isoTime(row.first_seen_at),
        next_retry_at: isoTime(row.next_retry_at),
      })),
    };
  },
});

const itemParams = z.object({ worker: createTextSchema(64), item: createTextSchema(200) });
const itemAnswer = z.object({ worker: z.string(), item: z.string(), done: z.literal(true) });

const retry = defineRoute({
  method: 'POST',
  path: '/v1/quarantine/{worker}/{item}/retry',
  id: 'retryItem',
  tag,
  summary: 'Retry an item; a run of its worker is requested',
  scope: 'admin',
  params: itemParams,
  answer: itemAnswer,
  refusals: ['no_item'],
  async handle({ db }, { params, caller }) {
    await retryItems(db, params, { actor: caller.actor });
    return { ...params, done: true as const };
  },
});

const retryAll = defineRoute({
  method: 'POST',
  path: '/v1/quarantine/retry',
  id: 'retryItems',
  tag,
  summary: 'Retry all items of a worker, with a reason, or both; runs are requested',
  scope: 'admin',
  body: z
    .strictObject({ worker: workerSchema.optional(), reason: reasonSchema.optional() })
    .refine(
      ({ worker, reason }) => worker !== undefined || reason !== undefined,
      'names nothing; expected worker or reason',
    ),
  answer: z.object({ items: z.array(itemShape) }),
  refusals: ['no_item'],
  async handle({ db }, { body, caller }) {
    const items = await retryItems(db, body, { actor: caller.actor });
    return { items: items.map(toItemAnswer) };
  },
});

const dismiss = defineRoute({
  method: 'POST',
  path: '/v1/quarantine/{worker}/{item}/dismiss',
  id: 'dismissItem',
  tag,
  summary: 'Remove an item from quarantine; it returns if it fails again',
  scope: 'admin',
  params: itemParams,
  body: z.strictObject({
    reason: createTextSchema(200).describe('for the timeline of the customer'),
  }),
  answer: itemAnswer,
  refusals: ['no_item'],
  async handle({ db }, { params, body, caller }) {
    await dismissItem(db, params, { actor: caller.actor, reason: body.reason });
    return { ...params, done: true as const };
  },
});

export const quarantineRoutes = [list, retry, retryAll, dismiss];
