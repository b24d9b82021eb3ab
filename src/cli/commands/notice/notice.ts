import { Command, Option } from 'commander';
import type { NoticeState } from '../../../db/schema.ts';
import { isoTime } from '../../../kernel/instant.ts';
import {
  type ActionResult,
  cancelNotification,
  type ListedNotification,
  listNotices,
  resendNotification,
} from '../../../notifications/operator-actions.ts';
import { noticeStates } from '../../../outbox/kinds.ts';
import {
  createWholeParser,
  omitUndefined,
  parseNoticeKind,
  parseRowId,
  parseTelegramId,
} from '../../arguments.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  formatTable,
  printResult,
  withDatabase,
} from '../../command.ts';
import { buildNoticeCouriersCommand } from './couriers.ts';
import { buildNoticePreviewCommand } from './preview.ts';
import { buildNoticeSendCommand } from './send.ts';

/** `perennial notice …`: notifications, their texts and their couriers. */
export function buildNoticeCommand(open: DatabaseOpener): Command {
  return new Command('notice')
    .addCommand(buildNoticePreviewCommand(open))
    .addCommand(buildListCommand(open))
    .addCommand(buildNoticeSendCommand(open))
    .addCommand(
      buildActionCommand(
        open,
        'resend',
        'send a notification again or now, if it is still relevant',
      ),
    )
    .addCommand(
      buildActionCommand(
        open,
        'cancel',
        'cancel a notification that waits, or whose answer was lost',
      ),
    )
    .addCommand(buildNoticeCouriersCommand(open));
}

interface ListOptions extends CommonOptions {
  readonly state?: NoticeState;
  readonly kind?: string;
  readonly before?: bigint;
  readonly rows: number;
}

function buildListCommand(open: DatabaseOpener): Command {
  const build = buildCommand('list', 'list notifications, the newest first, one page at a time');
  return build
    .argument('[TG]', 'list notifications of this customer [all]', parseTelegramId)
    .addOption(new Option('--state <STATE>', 'list only this state [all]').choices(noticeStates))
    .option('--kind <KIND>', 'list only this kind [all]', parseNoticeKind)
    .option('--before <ID>', 'list ids below this one, for the next page [newest]', parseRowId)
    .option('--rows <N>', 'list at most N notifications', createWholeParser(1, 10_000), 20)
    .action((id: bigint | undefined, options: ListOptions) =>
      withDatabase(open, options, async ({ db }) => {
        const { state, kind, before, rows } = options;
        const filter = omitUndefined({ telegramId: id, state, kind, before });
        const page = await listNotices(db, { ...filter, max: rows });
        const json = { notices: page.notices.map(toListedJson), next: page.next ?? null };
        printResult(options, json, () => formatPage(page.notices, page.next));
      }),
    );
}

function toListedJson({ telegramId: id, ...row }: ListedNotification) {
  return {
    id: row.id,
    telegram_id: id,
    kind: row.kind,
    state: row.state,
    reason: row.reason,
    params: row.params,
    created_at: isoTime(row.createdAt),
    next_attempt_at: isoTime(row.nextAttemptAt),
    sent_at: row.sentAt === null ? null : isoTime(row.sentAt),
  };
}

function formatPage(notices: readonly ListedNotification[], next: bigint | undefined): string {
  if (notices.length === 0) return 'no notifications';
  const lines = formatTable([
    ['ID', 'CUSTOMER', 'KIND', 'STATE', 'TIME', 'REASON'],
    ...notices.map((row) => [
      String(row.id),
      row.telegramId?.toString() ?? 'admins',
      row.kind,
      row.state,
      formatTime(row),
      row.reason ?? '',
    ]),
  ]);
  return next === undefined ? lines : `${lines}\nnext page: --before ${next}`;
}

/** The time of the send, of the next attempt, or of the creation. */
function formatTime({ state, sentAt, nextAttemptAt, createdAt }: ListedNotification): string {
  if (state === 'sent' && sentAt !== null) return isoTime(sentAt);
  return state === 'pending' ? `due ${isoTime(nextAttemptAt)}` : isoTime(createdAt);
}

const actions = { resend: resendNotification, cancel: cancelNotification } as const;

function buildActionCommand(
  open: DatabaseOpener,
  name: keyof typeof actions,
  description: string,
): Command {
  const build = buildCommand(name, description).argument(
    '<ID>',
    'choose the notification with this id, as "notice list" prints it',
    parseRowId,
  );
  return build.action((id: bigint, options: CommonOptions) =>
    withDatabase(open, options, async ({ db }) => {
      const result = await actions[name](db, id, 'cli');
      printResult(options, result, () => formatActionResult(result));
    }),
  );
}

const formatActionResult = ({ id, kind, state, reason }: ActionResult): string =>
  state === 'pending'
    ? `notification ${id} (${kind}) is sent next, if it is still relevant`
    : `notification ${id} (${kind}) will not be sent: ${reason}`;
