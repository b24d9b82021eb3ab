import { sql } from 'kysely';
import { type Db, inTransaction, type Tx } from '../db/connect.ts';
import { wakeWorker } from '../db/notify.ts';
import { readWriteTime } from '../db/trusted-time.ts';
import { unnest } from '../db/unnest.ts';
import { type Fault, refused } from '../kernel/faults.ts';
import { isoTime } from '../kernel/instant.ts';
import { recordEvents, toSubscriptionSubject } from '../subscription/store/events.ts';
import { listQuarantine, type QuarantineFilter, type QuarantineRow } from './quarantine-list.ts';

// Decisions of a person about items in quarantine.
//
// 1. A retry makes the items due at once, and wakes their workers. The items keep their attempts,
//    so the next pause after a failure is longer.
// 2. A dismissal deletes the item, and decides nothing else. The work of the item stays due by its
//    own facts: a subscription by its end, a mark by its row, a notification by its state. Its
//    worker finds the item in its usual order. A new failure is a new item with a first attempt.
// 3. A dismissal has a reason. The timeline of the customer names the reason and the actor.

export interface ReleaseOptions {
  readonly actor: string;
  /** Returns the items, and changes nothing. */
  readonly isPreview?: boolean;
}

/** Of more items than this, the rest needs a second command. A run retries 1,000 at a time. */
const releaseMax = 10_000;

/** Makes items due at once. @returns the items @throws Fault `no_item` */
export function retryItems(
  db: Db,
  filter: QuarantineFilter,
  { actor, isPreview = false }: ReleaseOptions,
): Promise<readonly QuarantineRow[]> {
  return inTransaction(db, async (tx) => {
    const now = await readWriteTime(tx);
    const items = await requireItems(tx, filter);
    if (isPreview) return items;
    await sql`
      UPDATE perennial.quarantine q SET retry_at = ${isoTime(now)}
      FROM ${toNamedItemsSql(items)} WHERE q.worker = named.worker AND q.item = named.item`.execute(
      tx,
    );
    for (const worker of new Set(items.map((row) => row.worker))) await wakeWorker(tx, worker);
    const events = items.map((row) => toEvent(row, 'quarantine_retried', {}));
    await recordEvents(tx, events, actor, now);
    return items;
  });
}

/** Deletes one item. @returns the item @throws Fault `no_item`, `several_items` */
export function dismissItem(
  db: Db,
  filter: QuarantineFilter & { readonly item: string },
  { actor, isPreview = false, reason }: ReleaseOptions & { readonly reason: string },
): Promise<QuarantineRow> {
  return inTransaction(db, async (tx) => {
    const now = await readWriteTime(tx);
    const items = await requireItems(tx, filter);
    const [row] = items as [QuarantineRow];
    if (items.length > 1) throw toSeveralItemsFault(items);
    if (isPreview) return row;
    await sql`
      DELETE FROM perennial.quarantine
      WHERE worker = ${row.worker} AND item = ${row.item}`.execute(tx);
    await recordEvents(tx, [toEvent(row, 'quarantine_dismissed', { reason })], actor, now);
    return row;
  });
}

const toNamedItemsSql = (items: readonly QuarantineRow[]) =>
  unnest('named', items, {
    worker: ['text', (row) => row.worker],
    item: ['text', (row) => row.item],
  });

async function requireItems(tx: Tx, filter: QuarantineFilter): Promise<readonly QuarantineRow[]> {
  const items = await listQuarantine(tx, filter, { max: releaseMax });
  if (items.length > 0) return items;
  throw await createNoItemFault(tx, filter);
}

/** The fault names this many items. "quarantine list" prints all of them. */
const availableMax = 10;

async function createNoItemFault(tx: Tx, filter: QuarantineFilter): Promise<Fault> {
  const others = await listQuarantine(tx, {}, { max: availableMax + 1 });
  const names = others.slice(0, availableMax).map((row) => `${row.item} (${row.worker})`);
  const available = `${names.join(', ') || 'none'}${others.length > availableMax ? ', …' : ''}`;
  const { item, worker, reason } = filter;
  const wanted = [
    item === undefined ? 'no item' : `no item "${item}"`,
    ...(worker === undefined ? [] : [`of ${worker}`]),
    'is in quarantine',
    ...(reason === undefined ? [] : [`with the reason "${reason}"`]),
  ];
  return refused('no_item', `${wanted.join(' ')}; available: ${available}`);
}

const toSeveralItemsFault = (items: readonly QuarantineRow[]): Fault =>
  refused(
    'several_items',
    `"${items[0]?.item}" is in quarantine of several workers; expected one of ${items.map(({ worker }) => worker).join(', ')}`,
    'pass --worker',
  );

/** In the timeline of the customer, if the item has one. */
function toEvent(row: QuarantineRow, action: string, given: object) {
  const { worker, item, customer_id: customerId, subscription_id: id, attempts } = row;
  const detail = { ...given, worker, item, failure: row.reason, sentence: row.sentence, attempts };
  const isOfSubscription = customerId !== null && id !== null;
  const subject = isOfSubscription ? toSubscriptionSubject(id) : `quarantine:${worker}:${item}`;
  return { customerId, subject, action, detail };
}
