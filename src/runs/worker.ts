import type { Db, Tx } from '../db/connect.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import type { Instant } from '../kernel/instant.ts';
import type { Settings } from '../subscription/rules/settings.ts';
import type { PriceList } from '../subscription/store/prices.ts';

// The contract of a worker over subscriptions. The runner calls the parts in the order of rule 2:
// find (without a lock, by keyset), lock, read again, decide, write.

/** A due row as it was found without a lock. Only its ids are reliable. */
export interface DueItem {
  readonly subscriptionId: SubscriptionId;
  readonly customerId: CustomerId;
  /** The item is in quarantine, and its retry is due. */
  readonly isRetry?: boolean;
  /** The key of the keyset. The next page starts after it. */
  readonly key: Cursor;
}

/** The position after which a page starts: a time of the index, then the id. */
export interface Cursor {
  readonly at: Instant;
  readonly id: SubscriptionId;
}

/** The basis of a batch, read once: one time, one set of rules, one price list. */
export interface BatchContext {
  readonly now: Instant;
  readonly settings: Settings;
  readonly prices: PriceList;
  /** A person confirmed the changes that a guard would hold. */
  readonly confirmed: boolean;
  /** Counts of an earlier batch of this run that need no second query. */
  readonly cachedCounts: Map<string, number>;
  /** A guard held something in an earlier batch of this run, so it admits nothing more. */
  readonly hasHeldBefore: boolean;
  /** Nothing is written and nothing is locked. */
  readonly isPreview: boolean;
}

/** An item that cannot be processed. The reason is stable and short. */
export interface QuarantinedItem {
  readonly subscriptionId: SubscriptionId;
  readonly reason: string;
  /** The correction that a person has to make. */
  readonly sentence: string;
}

/** The result of a batch. */
export interface BatchResult {
  /** Items that were read under their lock. */
  readonly examined: number;
  readonly changed: number;
  /** Items that the rule put into quarantine. */
  readonly quarantined: readonly QuarantinedItem[];
  /** Counts by the names of the worker, such as `renewed` or `short`. */
  readonly counts: Readonly<Record<string, number>>;
  /** Some items are due again, and may be later in the same walk. */
  readonly dueAgain?: boolean;
}

/** Times of the database clock. The clock of a test database moves only by a command. */
export interface NextDue {
  readonly now: Instant;
  /** undefined: nothing will become due. */
  readonly at: Instant | undefined;
}

/**
 * A loop over due subscriptions.
 *
 * `Facts` is the input of the rule for one subscription, and `Outcome` is its decision. `decide` is
 * pure. All other functions get the open transaction of the batch, and nothing that could reach a
 * network.
 */
export interface SubscriptionWorker<Facts, Outcome> {
  readonly name: string;
  /** The interval, unless the configuration sets another one. */
  readonly everyMs: number;
  /** The walks over the due rows, in order. Each walk has its own index. */
  readonly passes: readonly DuePass[];
  /** Two batches may be open at once, because no batch depends on the results of another one. */
  readonly pipelined?: boolean;
  /**
   * When the next item becomes due: the first time after `after`, or after now. For a worker that
   * is woken at this time.
   */
  nextDue?(db: Db, after: Instant | undefined): Promise<NextDue>;
  /** Runs once at the start of a run: jobs in their own transactions. */
  prepare?(db: Db, mustStop: () => boolean): Promise<void>;
  read(tx: Tx, items: readonly DueItem[], batch: BatchContext): Promise<Facts[]>;
  /** One outcome for each fact. `reserved` has the charges of earlier batches of a preview. */
  decide(facts: readonly Facts[], batch: BatchContext, reserved: ReservedBalance): Outcome[];
  /** Replaces the outcomes that a guard holds. A preview calls it, too. */
  guard?(tx: Tx, outcomes: readonly Outcome[], batch: BatchContext): Promise<Outcome[]>;
  write(
    tx: Tx,
    outcomes: readonly Outcome[],
    batch: BatchContext,
    actor: string,
  ): Promise<BatchResult>;
  /** One line of a preview, for a person and for a program. */
  describe(outcome: Outcome): SubscriptionPreview;
}

export type DuePass = (
  tx: Tx,
  batch: Pick<BatchContext, 'now' | 'settings'>,
  page: {
    readonly after: Cursor | undefined;
    readonly max: number;
    readonly skip: readonly string[];
  },
) => Promise<DueItem[]>;

/** Minor units by customer that are subtracted from the balance in the facts. */
export type ReservedBalance = Map<CustomerId, bigint>;

export type Preview = SubscriptionPreview | NodePreview | NoticePreview | AlarmPreview;

/** A change of an alarm. */
export interface AlarmPreview {
  /** A worker, a node or a machine. */
  readonly subject: string;
  readonly outcome: string;
  readonly sentence: string;
}

export interface SubscriptionPreview {
  readonly telegramId: bigint;
  readonly subscriptionId: SubscriptionId;
  readonly outcome: string;
  readonly sentence: string;
  readonly amountMinor: bigint;
  readonly currency: string;
}

/** A change of one user of a node. The sentence names the customer. */
export interface NodePreview {
  readonly nodeId: string;
  readonly outcome: string;
  readonly sentence: string;
}

/** A change of one notification. */
export interface NoticePreview {
  readonly noticeId: bigint;
  /** null: an alarm. */
  readonly telegramId: bigint | null;
  readonly kind: string;
  readonly outcome: string;
  readonly sentence: string;
}
