import type { SubscriptionId } from '../kernel/ids.ts';
import { type Instant, later } from '../kernel/instant.ts';

// The charges of several subscriptions in the order of auto-renewal: by time, then by id. The next
// charge of each one is in a binary heap, so that a charge costs log(n), and only those that are
// taken exist.

/** A subscription that is charged at `at`, and from `nextAt` on every `everyMs`. */
export interface Charged {
  readonly id: SubscriptionId;
  readonly at: Instant;
  readonly nextAt: Instant;
  readonly everyMs: number;
  readonly priceMinor: bigint;
}

interface Due {
  readonly at: Instant;
  readonly of: Charged;
}

export type Position = Pick<Charged, 'at' | 'id'>;

const isEarlier = (one: Due, other: Due): boolean =>
  one.at < other.at || (one.at === other.at && one.of.id < other.of.id);

export class ChargeOrder {
  readonly #heap: Due[] = [];

  add(of: Charged): void {
    this.#push({ at: of.at, of });
  }

  /** Takes the next charge if it is before this position. @returns undefined: none is */
  takeBefore({ at, id }: Position): bigint | undefined {
    const next = this.#heap[0];
    if (next === undefined || next.at > at) return undefined;
    return next.at < at || next.of.id < id ? this.#take(next) : undefined;
  }

  /** Takes the next charge if it is before this time. */
  takeBeforeTime(at: Instant): bigint | undefined {
    const next = this.#heap[0];
    return next !== undefined && next.at < at ? this.#take(next) : undefined;
  }

  /** Replaces the first charge by the following one of the same subscription. */
  #take({ at, of }: Due): bigint {
    const next = at === of.at ? of.nextAt : later(at, of.everyMs);
    this.#sink({ at: next, of });
    return of.priceMinor;
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let place = heap.length;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = heap[parent] as Due;
      if (!isEarlier(due, above)) break;
      heap[place] = above;
      place = parent;
    }
    heap[place] = due;
  }

  /** Puts a charge in the place of the first one. */
  #sink(due: Due): void {
    const heap = this.#heap;
    let place = 0;
    for (;;) {
      const left = 2 * place + 1;
      const right = left + 1;
      if (left >= heap.length) break;
      const isRight = right < heap.length && isEarlier(heap[right] as Due, heap[left] as Due);
      const child = isRight ? right : left;
      if (!isEarlier(heap[child] as Due, due)) break;
      heap[place] = heap[child] as Due;
      place = child;
    }
    heap[place] = due;
  }
}
