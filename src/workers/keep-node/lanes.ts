import type { CredentialId } from '../../kernel/ids.ts';

// The two lanes of the work on one node.
//
// While one lane reads a page or stores results, the other lane keeps the node busy. The same holds
// for the last calls of a page to a distant node. A token decides which lane reads next. No lane
// takes a credential that the other lane processes. Two calls at once about one name can leave this
// name listed but unable to connect (docs/xray-facts.md).

/** Held by the lane that reads its next page. The other lane waits. */
export interface LaneToken {
  /** Lets the other lane read now; else it reads when this lane has finished its page. */
  pass(): void;
}

export class Lanes {
  #lastToken: Promise<void> = Promise.resolve();
  #isDone = false;
  readonly #pages = new Map<Promise<void>, readonly CredentialId[]>();

  /**
   * Runs both lanes until one finds no work.
   * @throws the first failure, after both lanes have ended
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
      // Also after a failure: the other lane begins no step.
      if (found === 'idle') this.#isDone = true;
      resolve();
    }
  }

  /** The credentials of the pages in progress. */
  get inProgress(): readonly CredentialId[] {
    return [...this.#pages.values()].flat();
  }

  /** Registers a page in progress. @returns the function that ends it */
  addPage(credentials: readonly CredentialId[]): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#pages.set(promise, credentials);
    return () => {
      this.#pages.delete(promise);
      resolve();
    };
  }

  /** Waits until no page is in progress. Only the holder of the token can add the next one. */
  async waitUntilEmpty(): Promise<void> {
    await Promise.all(this.#pages.keys());
  }
}
