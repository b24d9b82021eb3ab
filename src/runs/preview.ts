import { readClock } from '../db/clock.ts';
import { type Db, inSnapshot } from '../db/connect.ts';
import { readPriceList } from '../subscription/store/prices.ts';
import { readSettings } from '../subscription/store/settings.ts';
import { findQuarantinedItems, readQuarantinedItems } from './quarantine.ts';
import type {
  BatchContext,
  Cursor,
  DueItem,
  Preview,
  ReservedBalance,
  SubscriptionWorker,
} from './worker.ts';

export interface PreviewContext {
  readonly db: Db;
  readonly batchMax: number;
  readonly signal: AbortSignal;
  readonly confirmed?: boolean;
}

/**
 * Previews a run, subscription by subscription, with the same searches, facts and rules as the run.
 * The preview is one read-only snapshot. It locks and writes nothing. The charge of a customer's
 * first subscription is subtracted before the next one, as in a run.
 */
export async function previewWorker<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  context: PreviewContext,
  report: (preview: Preview) => void,
): Promise<void> {
  const reserved: ReservedBalance = new Map();
  await inSnapshot(context.db, async (tx) => {
    const now = await readClock(tx);
    const batch: BatchContext = {
      now,
      settings: await readSettings(tx),
      prices: await readPriceList(tx, now),
      confirmed: context.confirmed ?? false,
      cachedCounts: new Map(),
      hasHeldBefore: false,
      isPreview: true,
    };
    const reportPage = async (page: readonly DueItem[]) => {
      const facts = await worker.read(tx, page, batch);
      const decided = worker.decide(facts, batch, reserved);
      const outcomes = (await worker.guard?.(tx, decided, batch)) ?? decided;
      for (const outcome of outcomes) report(worker.describe(outcome));
    };
    const { skip, retries } = await readQuarantinedItems(tx, worker.name);
    for (const pass of worker.passes) {
      let after: Cursor | undefined;
      while (!context.signal.aborted) {
        const page = await pass(tx, batch, { after, max: context.batchMax, skip });
        const last = page.at(-1);
        if (last === undefined) break;
        await reportPage(page);
        after = last.key;
      }
    }
    const retried = await findQuarantinedItems(tx, worker.name, retries, context.batchMax);
    if (retried.length > 0) await reportPage(retried);
  });
}
