import { stopwatch } from '../../db/clock.ts';
import type { Db } from '../../db/connect.ts';
import { Fault } from '../../kernel/faults.ts';
import { holdsPost, type Post } from './node-store.ts';

// Before each call a keeper makes sure that it is the node's keeper still. The answer counts for
// half a second by a stopwatch that goes on while the process stands still: one that was stopped
// and is woken asks again before its next call. What a call that was under way does to the node
// after that is mended by its confirm, which finds another epoch and marks again (S2).

/** How old the answer may be, counted from when it was asked for. */
const freshMs = 500;

export class Fence {
  readonly #db: Db;
  readonly #post: Post;
  readonly #elapsedMs = stopwatch();
  #heldAtMs = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  constructor(db: Db, post: Post) {
    this.#db = db;
    this.#post = post;
  }

  /** @throws Fault `post_lost`, or what the database did */
  async hold(): Promise<void> {
    // Again and again: the process may have stood still while the answer was on its way.
    while (this.#elapsedMs() - this.#heldAtMs > freshMs) {
      this.#asking ??= this.#ask().finally(() => {
        this.#asking = undefined;
      });
      await this.#asking;
    }
  }

  async #ask(): Promise<void> {
    const askedAtMs = this.#elapsedMs();
    if (!(await holdsPost(this.#db, this.#post))) throw postLost(this.#post);
    this.#heldAtMs = askedAtMs;
  }
}

/** Somebody else keeps the node now, or it is gone: nothing may be said to it any more. */
export function postLost({ node }: Post): Fault {
  return new Fault(
    'transient',
    'post_lost',
    `node ${node}: is kept by another keeper now, or gone`,
  );
}
