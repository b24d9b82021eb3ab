import { readClock } from '../db/clock.ts';
import type { Db } from '../db/connect.ts';
import { readPriceList } from '../subscription/price-list.ts';
import { readSettings } from '../subscription/settings.ts';
import { findRetried, heldItems } from './quarantine.ts';
import type { Cursor, Found, Moment, Preview, Spent, SubscriptionWorker } from './worker.ts';

export interface PreviewContext {
  readonly db: Db;
  readonly batchMax: number;
  readonly signal: AbortSignal;
  readonly confirmed?: boolean;
}

/**
 * What a run would do now, subscription by subscription, by the same finding, reading and rule as
 * the run itself. In one read-only snapshot: nothing is locked and nothing can be written. What a
 * customer's first subscription would take is gone for the next one, as in a run.
 */
export async function previewWorker<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  context: PreviewContext,
  report: (preview: Preview) => void,
): Promise<void> {
  const spent: Spent = new Map();
  await context.db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (tx) => {
      const now = await readClock(tx);
      const moment: Moment = {
        now,
        settings: await readSettings(tx),
        prices: await readPriceList(tx, now),
        confirmed: context.confirmed ?? false,
        counted: new Map(),
        heldBefore: false,
        isPreview: true,
      };
      const show = async (page: readonly Found[]) => {
        const facts = await worker.read(tx, page, moment);
        const decided = worker.decide(facts, moment, spent);
        const outcomes = (await worker.guard?.(tx, decided, moment)) ?? decided;
        for (const outcome of outcomes) report(worker.describe(outcome));
      };
      const { skip, retries } = await heldItems(tx, worker.name);
      for (const pass of worker.passes) {
        let after: Cursor | undefined;
        while (!context.signal.aborted) {
          const page = await pass(tx, moment, { after, max: context.batchMax, skip });
          const last = page.at(-1);
          if (last === undefined) break;
          await show(page);
          after = last.key;
        }
      }
      const retried = await findRetried(tx, worker.name, retries, context.batchMax);
      if (retried.length > 0) await show(retried);
    });
}
