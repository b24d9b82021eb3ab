import { type Db, inTransaction, type Tx } from '../db/connect.ts';
import { readTrustedTime } from '../db/trusted-time.ts';
import { readSettings } from '../subscription/settings.ts';
import type { Cursor, Found, Moment, Pass, Tally } from './worker.ts';

// A batch that is under way while the walk that began it goes on to the next one.
//
// No customer is in two batches at once. Who is in hand is left out of the batch that is found
// meanwhile, and comes with the one after it, which begins when the first is done. So whatever the
// database's timing, a customer's subscriptions are done in the order in which the walk finds them.

/** What a batch goes by, but for the prices, which are read once its customers are locked. */
export type Setting = Pick<Moment, 'now' | 'settings'>;

/** @throws Fault `clock_suspect`: a batch never goes by a suspicious time */
export async function readSetting(tx: Tx): Promise<Setting> {
  return { now: await readTrustedTime(tx), settings: await readSettings(tx) };
}

/** What is looked for, and what a batch is to have besides or is to leave. */
export interface Search {
  readonly pass: Pass;
  readonly page: Parameters<Pass>[2];
  /** Left by the batch before: comes first. */
  readonly carried: readonly Found[];
  /** Their customers are left out. */
  readonly inHand: readonly Found[];
}

export interface Share {
  readonly items: readonly Found[];
  /** Of customers who are in hand: for the next batch. */
  readonly left: readonly Found[];
  /** Where the next page starts; undefined where this one was empty. */
  readonly end: Cursor | undefined;
  /** The page was full: there may be more. */
  readonly full: boolean;
}

export interface Batch extends Share {
  readonly ended: Promise<PromiseSettledResult<Tally | undefined>>;
}

async function find(tx: Tx, setting: Setting, search: Search): Promise<Share> {
  const { pass, page, carried, inHand } = search;
  const found = page.max > 0 ? await pass(tx, setting, page) : [];
  const busy = new Set(inHand.map((item) => item.customerId));
  return {
    items: [...carried, ...found].filter((item) => !busy.has(item.customerId)),
    left: [...carried, ...found].filter((item) => busy.has(item.customerId)),
    end: found.at(-1)?.key,
    full: found.length >= page.max,
  };
}

/**
 * Begins a batch in a transaction of its own, and gives it as soon as it has its customers' locks,
 * or has ended without.
 */
export async function beginBatch(
  db: Db,
  search: Search,
  work: (tx: Tx, items: readonly Found[], setting: Setting, locked: () => void) => Promise<Tally>,
): Promise<Batch> {
  let share: Share = { items: [], left: [], end: undefined, full: false };
  const locked = Promise.withResolvers<void>();
  const doing = inTransaction(db, async (tx) => {
    const setting = await readSetting(tx);
    share = await find(tx, setting, search);
    return share.items.length === 0 ? undefined : work(tx, share.items, setting, locked.resolve);
  });
  const ended = Promise.allSettled([doing]).then(([end]) => end);
  await Promise.race([locked.promise, ended]);
  return { ...share, ended };
}
