import { z } from 'zod';
import { isoTime } from '../../kernel/instant.ts';
import { cancel, type Handled, listNotices, resend } from '../../notify/by-hand.ts';
import { kinds, type NoticeKind } from '../../notify/kinds.ts';
import { route } from '../route.ts';
import { listOf, pageOf, pageQuery, rowId, telegramId, telegramIdText, time } from '../schemas.ts';

const tag = 'Notices';

const state = z.enum(['pending', 'sending', 'sent', 'uncertain', 'suppressed', 'failed']);
const kind = z.enum(Object.keys(kinds) as [NoticeKind, ...NoticeKind[]]);

const list = route({
  method: 'GET',
  path: '/v1/notices',
  id: 'listNotices',
  tag,
  isList: true,
  summary: 'List notifications, the newest first',
  scope: 'read',
  query: pageQuery.extend({
    telegram_id: telegramIdText.optional(),
    state: state.optional(),
    kind: kind.optional(),
  }),
  answer: listOf(
    z
      .object({
        id: rowId,
        telegram_id: telegramId.nullable().describe('null: an alarm, for the operator'),
        kind: z.string(),
        state,
        reason: z.string().nullable(),
        params: z.record(z.string(), z.unknown()),
        created_at: time,
        next_attempt_at: time,
        sent_at: time.nullable(),
      })
      .meta({ title: 'Notice' }),
  ),
  refusals: ['no_customer'],
  async handle({ db }, { query }) {
    const { max, before } = pageOf(query);
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

const byId = z.object({ id: telegramIdText.describe('id of the notification') });
const handled = z.object({ id: rowId, kind: z.string(), state });
const shown = ({ id, kind: of, state: now }: Handled) => ({ id: Number(id), kind: of, state: now });

const again = route({
  method: 'POST',
  path: '/v1/notices/{id}/resend',
  id: 'resendNotice',
  tag,
  summary: 'Send a notification again or now, if it is still relevant',
  scope: 'admin',
  params: byId,
  answer: handled,
  refusals: ['no_notice', 'being_sent'],
  handle: async ({ db }, { params, call }) =>
    shown(await resend(db, BigInt(params.id), call.actor)),
});

const back = route({
  method: 'POST',
  path: '/v1/notices/{id}/cancel',
  id: 'cancelNotice',
  tag,
  summary: 'Cancel a notification that was not sent',
  scope: 'admin',
  params: byId,
  answer: handled,
  refusals: ['no_notice', 'being_sent', 'is_over'],
  handle: async ({ db }, { params, call }) =>
    shown(await cancel(db, BigInt(params.id), call.actor)),
});

export const noticeRoutes = [list, again, back];
