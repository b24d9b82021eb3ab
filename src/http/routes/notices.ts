import { z } from 'zod';
import { isoTime } from '../../kernel/instant.ts';
import {
  type ActionResult,
  cancelNotification,
  listNotices,
  resendNotification,
} from '../../notifications/operator-actions.ts';
import { type NoticeKind, noticeSpecs } from '../../outbox/kinds.ts';
import {
  readCouriers,
  toCourierJson,
} from '../../workers/deliver-notifications/courier-registry.ts';
import { defineRoute } from '../route.ts';
import {
  createPageSchema,
  pageQuery,
  parsePageQuery,
  rowIdSchema,
  telegramIdSchema,
  telegramIdTextSchema,
  timeSchema,
} from '../schemas.ts';
import { noticeStateShape } from './history-shapes.ts';

const tag = 'Notices';

const state = noticeStateShape;
const kind = z.enum(Object.keys(noticeSpecs) as [NoticeKind, ...NoticeKind[]]);

const listRoute = defineRoute({
  method: 'GET',
  path: '/v1/notices',
  id: 'listNotices',
  tag,
  isList: true,
  summary: 'List notifications, the newest first',
  scope: 'read',
  query: pageQuery.extend({
    telegram_id: telegramIdTextSchema.optional(),
    state: state.optional(),
    kind: kind.optional(),
  }),
  answer: createPageSchema(
    z
      .object({
        id: rowIdSchema,
        telegram_id: telegramIdSchema.nullable().describe('null: an alarm, for the operator'),
        kind: z.string(),
        state,
        reason: z.string().nullable(),
        params: z.record(z.string(), z.unknown()),
        created_at: timeSchema,
        next_attempt_at: timeSchema,
        sent_at: timeSchema.nullable(),
      })
      .meta({ title: 'Notice' }),
  ),
  refusals: ['no_customer'],
  async handle({ db }, { query }) {
    const { max, before } = parsePageQuery(query);
    const page = await listNotices(db, {
      max,
      ...(before === undefined ? {} : { before }),
      ...(query.telegram_id === undefined ? {} : { telegramId: BigInt(query.telegram_id) }),
      ...(query.state === undefined ? {} : { state: query.state }),
      ...(query.kind === undefined ? {} : { kind: query.kind }),
    });
    return {
      items: page.notices.map((notice) => ({
        id: Number(notice.id),
        telegram_id: notice.telegramId === null ? null : Number(notice.telegramId),
        kind: notice.kind,
        state: notice.state,
        reason: notice.reason,
        params: notice.params,
        created_at: isoTime(notice.createdAt),
        next_attempt_at: isoTime(notice.nextAttemptAt),
        sent_at: notice.sentAt === null ? null : isoTime(notice.sentAt),
      })),
      next_cursor: page.next === undefined ? null : String(page.next),
    };
  },
});

const byId = z.object({ id: telegramIdTextSchema.describe('id of the notification') });
const actionAnswer = z.object({ id: rowIdSchema, kind: z.string(), state });
const toActionAnswer = ({ id, kind: of, state: newState }: ActionResult) => ({
  id: Number(id),
  kind: of,
  state: newState,
});

const resendRoute = defineRoute({
  method: 'POST',
  path: '/v1/notices/{id}/resend',
  id: 'resendNotice',
  tag,
  summary: 'Send a notification again or now, if it is still relevant',
  scope: 'admin',
  params: byId,
  answer: actionAnswer,
  refusals: ['no_notice', 'being_sent'],
  handle: async ({ db }, { params, caller }) =>
    toActionAnswer(await resendNotification(db, BigInt(params.id), caller.actor)),
});

const cancelRoute = defineRoute({
  method: 'POST',
  path: '/v1/notices/{id}/cancel',
  id: 'cancelNotice',
  tag,
  summary: 'Cancel a notification that was not sent',
  scope: 'admin',
  params: byId,
  answer: actionAnswer,
  refusals: ['no_notice', 'being_sent', 'is_over'],
  handle: async ({ db }, { params, caller }) =>
    toActionAnswer(await cancelNotification(db, BigInt(params.id), caller.actor)),
});

const couriersRoute = defineRoute({
  method: 'GET',
  path: '/v1/couriers',
  id: 'listCouriers',
  tag,
  summary: 'List bots, mailboxes and logs that delivered, with their states',
  scope: 'read',
  answer: z.object({
    items: z.array(
      z
        .object({
          id: z.string(),
          delivers: z.boolean().describe('a replica delivers for it now'),
          rests_until: timeSchema.nullable().describe('null: it does not pause'),
          failures: z.number().int().describe('failed sends in a row'),
          last_error: z.string().nullable(),
        })
        .meta({ title: 'Courier' }),
    ),
  }),
  handle: async ({ db }) => ({ items: (await readCouriers(db)).map(toCourierJson) }),
});

export const noticeRoutes = [listRoute, resendRoute, cancelRoute, couriersRoute];
