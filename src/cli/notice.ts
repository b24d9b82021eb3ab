import { Command, Option } from 'commander';
import type { NoticeState } from '../db/schema.ts';
import { isoTime } from '../kernel/instant.ts';
import { cancel, type Handled, type Listed, listNotices, resend } from '../notify/by-hand.ts';
import { given, noticeKind, rowId, telegramId, whole } from './arguments.ts';
import { type CommonOptions, command, type OpenBooks, print, table, withBooks } from './frame.ts';
import { couriersCommand } from './notice-couriers.ts';
import { previewCommand } from './notice-preview.ts';

/** `perennial notice …`: messages, as they are owed and as they read. */
export function noticeCommand(open: OpenBooks): Command {
  return new Command('notice')
    .description('messages: how they read, what is owed and what became of it')
    .addCommand(previewCommand(open))
    .addCommand(listCommand(open))
    .addCommand(handleCommand(open, 'resend', 'have one sent, again or now, if it is still true'))
    .addCommand(handleCommand(open, 'cancel', 'take one back that was not sent yet'))
    .addCommand(couriersCommand(open));
}

const states: readonly NoticeState[] = [
  'pending',
  'sending',
  'sent',
  'uncertain',
  'suppressed',
  'failed',
];

interface ListOptions extends CommonOptions {
  readonly state?: NoticeState;
  readonly kind?: string;
  readonly before?: bigint;
  readonly rows: number;
}

function listCommand(open: OpenBooks): Command {
  const build = command('list', 'the newest first, a page at a time');
  return build
    .argument('[TG]', 'of one customer', telegramId)
    .addOption(new Option('--state <STATE>', 'only those').choices(states))
    .option('--kind <KIND>', 'only those', noticeKind)
    .option('--before <ID>', 'older ones than this: the next page', rowId)
    .option('--rows <N>', 'how many', whole(1, 10_000), 20)
    .action((id: bigint | undefined, options: ListOptions) =>
      withBooks(open, options, async ({ db }) => {
        const { state, kind, before, rows } = options;
        const wanted = given({ telegramId: id, state, kind, before });
        const page = await listNotices(db, { ...wanted, max: rows });
        const json = { notices: page.notices.map(listedJson), next: page.next ?? null };
        print(options, json, () => pageText(page.notices, page.next));
      }),
    );
}

function listedJson({ telegramId: id, ...row }: Listed) {
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

function pageText(notices: readonly Listed[], next: bigint | undefined): string {
  if (notices.length === 0) return 'no notices';
  const lines = table([
    ['ID', 'CUSTOMER', 'KIND', 'STATE', 'WHEN', 'REASON'],
    ...notices.map((row) => [
      String(row.id),
      row.telegramId?.toString() ?? 'admins',
      row.kind,
      row.state,
      whenText(row),
      row.reason ?? '',
    ]),
  ]);
  return next === undefined ? lines : `${lines}\nolder ones: --before ${next}`;
}

/** When it was sent, when it will be tried, or when it came up. */
function whenText({ state, sentAt, nextAttemptAt, createdAt }: Listed): string {
  if (state === 'sent' && sentAt !== null) return isoTime(sentAt);
  return state === 'pending' ? `due ${isoTime(nextAttemptAt)}` : isoTime(createdAt);
}

const acts = { resend, cancel } as const;

function handleCommand(open: OpenBooks, name: keyof typeof acts, description: string): Command {
  const build = command(name, description).argument('<ID>', 'as "notice list" prints it', rowId);
  return build.action((id: bigint, options: CommonOptions) =>
    withBooks(open, options, async ({ db }) => {
      const handled = await acts[name](db, id, 'cli');
      print(options, handled, () => handledText(handled));
    }),
  );
}

const handledText = ({ id, kind, state, reason }: Handled): string =>
  state === 'pending'
    ? `notice ${id} (${kind}) is sent next, if it is still true`
    : `notice ${id} (${kind}) will not be sent: ${reason}`;
