import type { CredentialId } from '../../kernel/ids.ts';

// Two hands work on one node, so that it isn't idle while the marks of one page are read and what
// came of another is written down, or while the last calls of a page are on their way to a node that
// is far. They look for the next page in turns, and neither takes a credential that the other has
// in hand: two calls at once about one name can leave it listed and useless (docs/xray-facts.md).

/** What a hand has while it looks for its next page; the other one waits for it. */
export interface LaneToken {
  /** Lets the other one look; else it does when this one is through with its page. */
  pass(): void;
}

export class Lanes {
  #lastToken: Promise<void> = Promise.resolve();
  #isDone = false;
  readonly #pages = new Map<Promise<void>, readonly CredentialId[]>();

  /**
   * Both at once, turn after turn, until one finds that there is nothing left.
   * @throws the first failure, when both have ended
   */
  async run(
    signal: AbortSignal,
    step: (token: LaneToken) => Promise<'more' | 'idle'>,
  ): Promise<void> {
    this.#isDone = false;
    const runLane = async (): Promise<void> => {
      while (!signal.aborted && (await this.#runStep(step)) === 'more');
    };
    const results = await Promise.allSettled([runLane(), runLane()]);
    const failed = results.find((each) => each.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #runStep(step: (token: LaneToken) => Promise<'more' | 'idle'>): Promise<'more' | 'idle'> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const previous = this.#lastToken;
    this.#lastToken = promise;
    let found: 'more' | 'idle' = 'idle';
    try {
      await previous;
      if (!this.#isDone) found = await step({ pass: resolve });
      return found;
    } finally {
      // Also after a failure: the other hand begins nothing new.
      if (found === 'idle') this.#isDone = true;
      resolve();
    }
  }

  /** The credentials that are in either hand. */
  get inProgress(): readonly CredentialId[] {
    return [...this.#pages.values()].flat();
  }

  /** Takes a page in hand, @returns what lets go of it */
  addPage(credentials: readonly CredentialId[]): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#pages.set(promise, credentials);
    return () => {
      this.#pages.delete(promise);
      resolve();
    };
  }

  /** Until nothing is in hand. Whoever has the turn sees to it that it stays so. */
  async waitUntilEmpty(): Promise<void> {
    await Promise.all(this.#pages.keys());
  }
}
