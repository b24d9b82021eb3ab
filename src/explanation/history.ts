import type { Db, Tx } from '../db/connect.ts';
import { isoTime } from '../kernel/instant.ts';
import { type ListedNotification, listNotices } from '../notifications/operator-actions.ts';
import { readCustomerKey } from '../subscription/queries/customer-view.ts';
import {
  type EventLine,
  type LedgerLine,
  type PageRequest,
  readEvents,
  readLedger,
} from '../subscription/queries/history.ts';

// The history of a customer as one line of time: ledger, notifications and events.
//
// 1. Each part is in the order of its ids, the latest first (`subscription/queries/history.ts`).
// 2. The merge takes the later head. At the same time an event comes first, then the ledger, then
//    notifications. So the rows of one transaction are neighbours.
// 3. The cursor has the last id of each part. So no page repeats or omits a row.

export type NoticeLine = Omit<
  ListedNotification,
  'id' | 'telegramId' | 'createdAt' | 'nextAttemptAt' | 'sentAt'
> & {
  readonly id: number;
  readonly created_at: string;
  readonly sent_at: string | null;
};

export type HistoryItem =
  | { readonly kind: 'event'; readonly at: string; readonly event: EventLine }
  | { readonly kind: 'ledger'; readonly at: string; readonly entry: LedgerLine }
  | { readonly kind: 'notice'; readonly at: string; readonly notice: NoticeLine };

/** The last id of each part that earlier pages had; undefined: none. */
export type HistoryCursor = Readonly<Record<HistoryItem['kind'], bigint | undefined>>;

export interface HistoryPage {
  readonly items: readonly HistoryItem[];
  /** undefined: this is the last page. */
  readonly next: HistoryCursor | undefined;
}

export interface HistoryRequest {
  readonly max: number;
  readonly after: HistoryCursor;
  /** Only this part. */
  readonly kind?: HistoryItem['kind'] | undefined;
}

/** One page, the latest item first, from one snapshot. @throws Fault `no_customer` */
export function readHistory(
  db: Db,
  telegramId: bigint,
  { max, after, kind: only }: HistoryRequest,
): Promise<HistoryPage> {
  const snapshot = db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only');
  return snapshot.execute(async (tx) => {
    const { id, currency } = await readCustomerKey(tx, telegramId);
    const readPart = async <Line>(
      kind: HistoryItem['kind'],
      read: (request: PageRequest) => Promise<Line[]>,
      toItem: (line: Line) => HistoryItem,
    ): Promise<HistoryItem[]> =>
      only === undefined || only === kind
        ? (await read({ max: max + 1, before: after[kind] })).map(toItem)
        : [];
    const parts = [
      await readPart('event', (page) => readEvents(tx, id, page), toEventItem),
      await readPart('ledger', (page) => readLedger(tx, id, currency, page), toLedgerItem),
      await readPart('notice', (page) => readNotices(tx, telegramId, page), toNoticeItem),
    ];
    return mergeHistory(parts, max, after);
  });
}

async function readNotices(
  tx: Tx,
  telegramId: bigint,
  { max, before }: PageRequest,
): Promise<NoticeLine[]> {
  const { notices } = await listNotices(tx, {
    telegramId,
    max,
    ...(before === undefined ? {} : { before }),
  });
  return notices.map(({ id, kind, state, reason, params, createdAt, sentAt }) => ({
    id: Number(id),
    kind,
    state,
    reason,
    params,
    created_at: isoTime(createdAt),
    sent_at: sentAt === null ? null : isoTime(sentAt),
  }));
}

const toEventItem = (event: EventLine): HistoryItem => ({ kind: 'event', at: event.at, event });
const toLedgerItem = (entry: LedgerLine): HistoryItem => ({
  kind: 'ledger',
  at: entry.created_at,
  entry,
});
const toNoticeItem = (notice: NoticeLine): HistoryItem => ({
  kind: 'notice',
  at: notice.created_at,
  notice,
});

function getId(item: HistoryItem): bigint {
  if (item.kind === 'event') return BigInt(item.event.id);
  return BigInt(item.kind === 'ledger' ? item.entry.id : item.notice.id);
}

/** Statements 2 and 3. @param parts each with at most `max + 1` items, the latest first */
function mergeHistory(
  parts: readonly (readonly HistoryItem[])[],
  max: number,
  after: HistoryCursor,
): HistoryPage {
  const taken = parts.map(() => 0);
  const items: HistoryItem[] = [];
  let next = after;
  for (;;) {
    let latest: { readonly item: HistoryItem; readonly part: number } | undefined;
    for (const [part, rows] of parts.entries()) {
      const item = rows[taken[part] as number];
      if (item !== undefined && (latest === undefined || item.at > latest.item.at))
        latest = { item, part };
    }
    if (latest === undefined) return { items, next: undefined };
    if (items.length === max) return { items, next };
    const { item, part } = latest;
    items.push(item);
    next = { ...next, [item.kind]: getId(item) };
    taken[part] = (taken[part] as number) + 1;
  }
}
