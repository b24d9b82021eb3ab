import type { Db, Tx } from '../db/connect.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import type { Instant } from '../kernel/instant.ts';
import type { Settings } from '../subscription/rules/settings.ts';
import type { PriceList } from '../subscription/store/prices.ts';

// What a worker over subscriptions is made of. The runner puts the parts together in the order of
// rule 2: find (unlocked, by keyset), lock, read again, decide, write.

/** A due row as it was found: unlocked, so nothing of it may be trusted but who it is about. */
export interface DueItem {
  readonly subscriptionId: SubscriptionId;
  readonly customerId: CustomerId;
  /** It is in quarantine, and its retry is due. */
  readonly isRetry?: boolean;
  /** The keyset's key: the next page starts after it. */
  readonly key: Cursor;
}

/** The place after which a page starts: a time of the index, then the id. */
export interface Cursor {
  readonly at: Instant;
  readonly id: SubscriptionId;
}

/** What a batch goes by, read once for each: one time, one set of rules, one price list. */
export interface BatchContext {
  readonly now: Instant;
  readonly settings: Settings;
  readonly prices: PriceList;
  /** A person confirmed what a guard would hold. */
  readonly confirmed: boolean;
  /** What the worker counted in an earlier batch of this run and need not count again. */
  readonly cachedCounts: Map<string, number>;
  /** A guard held something in an earlier batch of this run: it lets nothing more through. */
  readonly hasHeldBefore: boolean;
  /** Nothing is written and nothing is locked. */
  readonly isPreview: boolean;
}

/** An item that can't be done as it stands, for a reason that is stable and short. */
export interface QuarantinedItem {
  readonly subscriptionId: SubscriptionId;
  readonly reason: string;
  /** What a person needs to mend it. */
  readonly sentence: string;
}

/** What a batch did. */
export interface BatchResult {
  /** Items looked at under their lock. */
  readonly examined: number;
  readonly changed: number;
  /** Put into quarantine by the rule. */
  readonly quarantined: readonly QuarantinedItem[];
  /** Counts by the worker's own words, as `renewed`, `short`. */
  readonly counts: Readonly<Record<string, number>>;
  /** Some of what was done is due again, and may stand further on in the same walk. */
  readonly dueAgain?: boolean;
}

/** By the books' clock, which in a test doesn't go by itself. */
export interface NextDue {
  readonly now: Instant;
  /** undefined: nothing that is known of. */
  readonly at: Instant | undefined;
}

/**
 * A loop over due subscriptions.
 *
 * `Facts` are what the rule reads of one subscription, `Outcome` is what it decided of it. `decide`
 * is pure. Everything else gets the open transaction of the batch and nothing that could reach a
 * network.
 */
export interface SubscriptionWorker<Facts, Outcome> {
  readonly name: string;
  /** How often it runs unless the configuration says otherwise. */
  readonly everyMs: number;
  /** The walks over the due rows, one after the other, each over an index of its own. */
  readonly passes: readonly DuePass[];
  /** Two batches may be in hand at once, as none depends on what another one did or counted. */
  readonly pipelined?: boolean;
  /**
   * When something becomes due by itself next, for a worker that is woken then: the first moment
   * later than `after`, or than now; and the books' time.
   */
  nextDue?(db: Db, after: Instant | undefined): Promise<NextDue>;
  /** Once at the start of a run: jobs in transactions of their own. */
  prepare?(db: Db, mustStop: () => boolean): Promise<void>;
  read(tx: Tx, items: readonly DueItem[], batch: BatchContext): Promise<Facts[]>;
  /** One outcome for each fact; `spent` is what earlier batches of a preview would have taken. */
  decide(facts: readonly Facts[], batch: BatchContext, reserved: ReservedBalance): Outcome[];
  /** Replaces the outcomes that a guard holds. A preview asks it, too. */
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

/** Minor units by customer that were taken from the balance which the facts show. */
export type ReservedBalance = Map<CustomerId, bigint>;

export type Preview = SubscriptionPreview | NodePreview | NoticePreview | AlarmPreview;

/** About ourselves. */
export interface AlarmPreview {
  /** A worker, a node, a machine. */
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

/** About one user of a node; who he is in the books stands in the sentence. */
export interface NodePreview {
  readonly nodeId: string;
  readonly outcome: string;
  readonly sentence: string;
}

/** About one notice. */
export interface NoticePreview {
  readonly noticeId: bigint;
  /** null: an alarm. */
  readonly telegramId: bigint | null;
  readonly kind: string;
  readonly outcome: string;
  readonly sentence: string;
}
