import type { SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, later } from '../../kernel/instant.ts';

// The charges of several subscriptions in the order of auto-renewal: by time, then by id.
//
// A binary heap holds the next charge of each subscription. So a charge costs log(n), and only
// charges that are taken exist.

/** A subscription that is charged at `at`, at `nextAt`, and then every `everyMs`. */
export interface RecurringCharge {
  readonly id: SubscriptionId;
  readonly at: Instant;
  readonly nextAt: Instant;
  readonly everyMs: number;
  readonly priceMinor: bigint;
}

interface DueCharge {
  readonly at: Instant;
  readonly charge: RecurringCharge;
}

export type ChargePosition = Pick<RecurringCharge, 'at' | 'id'>;

const isEarlier = (one: DueCharge, other: DueCharge): boolean =>
  one.at < other.at || (one.at === other.at && one.charge.id < other.charge.id);

export class ChargeQueue {
  readonly #heap: DueCharge[] = [];

  add(charge: RecurringCharge): void {
    this.#push({ at: charge.at, charge });
  }

  /**
   * Takes the next charge if it is before this position.
   * @returns the amount; undefined: no charge is before it
   */
  takeBefore({ at, id }: ChargePosition): bigint | undefined {
    const next = this.#heap[0];
    if (next === undefined || next.at > at) return undefined;
    return next.at < at || next.charge.id < id ? this.#take(next) : undefined;
  }

  /** Takes the next charge if it is before this time. */
  takeBeforeTime(at: Instant): bigint | undefined {
    const next = this.#heap[0];
    return next !== undefined && next.at < at ? this.#take(next) : undefined;
  }

  /** Replaces the first charge by the following one of the same subscription. */
  #take({ at, charge }: DueCharge): bigint {
    const next = at === charge.at ? charge.nextAt : later(at, charge.everyMs);
    this.#sink({ at: next, charge });
    return charge.priceMinor;
  }

  #push(due: DueCharge): void {
    const heap = this.#heap;
    let index = heap.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as DueCharge;
      if (!isEarlier(due, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = due;
  }

  /** Replaces the root of the heap. */
  #sink(due: DueCharge): void {
    const heap = this.#heap;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const right = left + 1;
      if (left >= heap.length) break;
      const isRight =
        right < heap.length && isEarlier(heap[right] as DueCharge, heap[left] as DueCharge);
      const child = isRight ? right : left;
      if (!isEarlier(heap[child] as DueCharge, due)) break;
      heap[index] = heap[child] as DueCharge;
      index = child;
    }
    heap[index] = due;
  }
}
