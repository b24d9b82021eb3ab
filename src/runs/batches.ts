import { type Db, inTransaction, type Tx } from '../db/connect.ts';
import { type BatchSettings, readBatchSettings, runBatch } from './batch.ts';
import { mustStop, type WorkerRun } from './run-context.ts';
import type { BatchResult, Cursor, DueItem, DuePass } from './worker.ts';

// The batches of one walk over due rows, as an async iterator that pipelines them.
//
// 1. A batch is one transaction. It finds its page, locks its customers, reads, decides and writes.
// 2. The next batch begins on a second connection as soon as the previous one has its locks. So it
//    is read while the previous batch is written. This requires the permission of the worker, and
//    that no other run of the worker is active.
// 3. No customer is in two open batches. The second batch defers the items of such customers to the
//    batch after it. So the subscriptions of a customer are processed in the order of the walk.
// 4. If an item became due again, and the next page may have been found before that commit, the
//    walk finds this page again.
// 5. The iterator returns only after each of its transactions has ended, also after a fault.

interface BatchSearch {
  readonly pass: DuePass;
  readonly page: Parameters<DuePass>[2];
  /** Deferred by the previous batch. These items come first. */
  readonly carried: readonly DueItem[];
  /** Items of the batch that is still open. Their customers are deferred. */
  readonly open: readonly DueItem[];
}

interface BatchPage {
  readonly items: readonly DueItem[];
  /** Items of customers in the open batch, for the next batch. */
  readonly deferred: readonly DueItem[];
  /** The next page starts after this key. undefined: this page was empty. */
  readonly lastKey: Cursor | undefined;
  /** The page was full, so more rows may follow. */
  readonly isFull: boolean;
}

interface OpenBatch extends BatchPage {
  readonly ended: Promise<PromiseSettledResult<BatchResult | undefined>>;
}

/** A batch whose transaction has ended. Its result is undefined if the page was empty. */
export interface EndedBatch {
  readonly items: readonly DueItem[];
  readonly result: PromiseSettledResult<BatchResult | undefined>;
}

/**
 * Walks the due rows of a pass until none is left, or until the run must stop.
 * @param skip items in quarantine
 */
export async function* walkBatches<Facts, Outcome>(
  run: WorkerRun<Facts, Outcome>,
  pass: DuePass,
  skip: readonly string[],
): AsyncGenerator<EndedBatch, void, void> {
  const { worker, context, state } = run;
  let after: Cursor | undefined;
  let carried: readonly DueItem[] = [];
  let open: OpenBatch | undefined;
  try {
    for (;;) {
      if (mustStop(context)) {
        state.hasWorkLeft = true;
        break;
      }
      const previous = open;
      const page = { after, max: context.batchMax - carried.length, skip };
      const search = { pass, page, carried, open: previous?.items ?? [] };
      open = await beginBatch(context.db, search, (tx, items, settings, onLocked) =>
        runBatch(run, tx, items, settings, onLocked),
      );
      if (previous !== undefined) yield await toEnded(previous);
      if (previous !== undefined && state.dueAgain) {
        carried = []; // rule 4: `after` stays, so these rows are found again
      } else if (open.items.length === 0 && open.deferred.length === 0) {
        break;
      } else {
        after = open.lastKey ?? after;
        carried = open.deferred;
      }
      if (!worker.pipelined || !open.isFull || !state.isOnlyRun) {
        yield await toEnded(open);
        open = undefined;
      }
      state.dueAgain = false;
      // Yields to the event loop between batches.
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (open !== undefined) yield await toEnded(open);
  } finally {
    await open?.ended;
  }
}

const toEnded = async ({ items, ended }: OpenBatch): Promise<EndedBatch> => ({
  items,
  result: await ended,
});

async function findBatchPage(
  tx: Tx,
  batchSettings: BatchSettings,
  { pass, page, carried, open }: BatchSearch,
): Promise<BatchPage> {
  const found = page.max > 0 ? await pass(tx, batchSettings, page) : [];
  const busy = new Set(open.map((item) => item.customerId));
  return {
    items: [...carried, ...found].filter((item) => !busy.has(item.customerId)),
    deferred: [...carried, ...found].filter((item) => busy.has(item.customerId)),
    lastKey: found.at(-1)?.key,
    isFull: found.length >= page.max,
  };
}

/** Begins a transaction, and returns when it holds the locks of its customers or has ended. */
async function beginBatch(
  db: Db,
  search: BatchSearch,
  work: (
    tx: Tx,
    items: readonly DueItem[],
    batchSettings: BatchSettings,
    onLocked: () => void,
  ) => Promise<BatchResult>,
): Promise<OpenBatch> {
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
