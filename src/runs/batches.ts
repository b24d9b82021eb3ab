import { type Db, inTransaction, type Tx } from '../db/connect.ts';
import { readTrustedTime } from '../db/trusted-time.ts';
import { readSettings } from '../subscription/store/settings.ts';
import type { BatchContext, BatchResult, Cursor, DueItem, DuePass } from './worker.ts';

// A batch that is under way while the walk that began it goes on to the next one.
//
// No customer is in two batches at once. Who is in hand is left out of the batch that is found
// meanwhile, and comes with the one after it, which begins when the first is done. So whatever the
// database's timing, a customer's subscriptions are done in the order in which the walk finds them.

/** What a batch goes by, but for the prices, which are read once its customers are locked. */
export type BatchSettings = Pick<BatchContext, 'now' | 'settings'>;

/** @throws Fault `clock_suspect`: a batch never goes by a suspicious time */
export async function readBatchSettings(tx: Tx): Promise<BatchSettings> {
  return { now: await readTrustedTime(tx), settings: await readSettings(tx) };
}

/** What is looked for, and what a batch is to have besides or is to leave. */
export interface BatchSearch {
  readonly pass: DuePass;
  readonly page: Parameters<DuePass>[2];
  /** Left by the batch before: comes first. */
  readonly carried: readonly DueItem[];
  /** Their customers are left out. */
  readonly inProgress: readonly DueItem[];
}

export interface BatchPage {
  readonly items: readonly DueItem[];
  /** Of customers who are in hand: for the next batch. */
  readonly deferred: readonly DueItem[];
  /** Where the next page starts; undefined where this one was empty. */
  readonly lastKey: Cursor | undefined;
  /** The page was full: there may be more. */
  readonly isFull: boolean;
}

export interface Batch extends BatchPage {
  readonly ended: Promise<PromiseSettledResult<BatchResult | undefined>>;
}

async function findBatchPage(
  tx: Tx,
  batchSettings: BatchSettings,
  search: BatchSearch,
): Promise<BatchPage> {
  const { pass, page, carried, inProgress } = search;
  const found = page.max > 0 ? await pass(tx, batchSettings, page) : [];
  const busy = new Set(inProgress.map((item) => item.customerId));
  return {
    items: [...carried, ...found].filter((item) => !busy.has(item.customerId)),
    deferred: [...carried, ...found].filter((item) => busy.has(item.customerId)),
    lastKey: found.at(-1)?.key,
    isFull: found.length >= page.max,
  };
}

/**
 * Begins a batch in a transaction of its own, and gives it as soon as it has its customers' locks,
 * or has ended without.
 */
export async function beginBatch(
  db: Db,
  search: BatchSearch,
  work: (
    tx: Tx,
    items: readonly DueItem[],
    batchSettings: BatchSettings,
    locked: () => void,
  ) => Promise<BatchResult>,
): Promise<Batch> {
  let batchPage: BatchPage = { items: [], deferred: [], lastKey: undefined, isFull: false };
  const locked = Promise.withResolvers<void>();
  const running = inTransaction(db, async (tx) => {
    const batchSettings = await readBatchSettings(tx);
    batchPage = await findBatchPage(tx, batchSettings, search);
    return batchPage.items.length === 0
      ? undefined
      : work(tx, batchPage.items, batchSettings, locked.resolve);
  });
  const ended = Promise.allSettled([running]).then(([result]) => result);
  await Promise.race([locked.promise, ended]);
  return { ...batchPage, ended };
}
