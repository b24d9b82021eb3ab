import { readClock } from '../../db/clock.ts';
import { type Db, inTransaction } from '../../db/connect.ts';
import { putAside } from '../quarantine.ts';
import type { Post } from './node-store.ts';
import { acquit, itemOf, type Mark, type Settled, keepNode as worker } from './store.ts';

// A connection that broke under an add says nothing of who broke it: the add may have ended the
// node's life, or the line gave way. Whoever was on his way is suspected in the books at once, since
// his keeper may die before it knows. The next probe that is answered tells.

interface Suspect {
  readonly mark: Mark;
  readonly isAlone: boolean;
  readonly when: When;
}

/** When he was on his way. */
interface When {
  /** Before any of these calls began, by `Line.nowMs`. */
  readonly fromMs: number;
  /** Of the node, then. */
  readonly life: number;
}

export class Suspicion {
  readonly #db: Db;
  readonly #post: Post;
  #open: readonly Suspect[] = [];

  constructor(db: Db, post: Post) {
    this.#db = db;
    this.#post = post;
  }

  /** Those of whom a probe that is asked from now on tells. Nobody suspected goes while there are any. */
  get open(): readonly Suspect[] {
    return this.#open;
  }

  note(settled: readonly Settled[], when: When): void {
    const lost = settled.flatMap(({ mark, failed }): Suspect[] =>
      failed === undefined || failed.lost === 'no'
        ? []
        : [{ mark, isAlone: failed.lost === 'alone', when }],
    );
    if (lost.length > 0) this.#open = [...this.#open, ...lost];
  }

  /**
   * Where the node had begun before they were on their way, it was the line: they are suspected no
   * more. Where it is known to live another life, whoever was alone did it. A node that was a second
   * old may be either: nobody is cleared or put aside, and they go apart from the others again.
   * @param asked who was `open` before the probe was asked
   */
  async judge(
    asked: readonly Suspect[],
    { bornByMs, life }: { readonly bornByMs: number; readonly life: number },
  ): Promise<void> {
    if (asked.length === 0) return;
    const isInnocent = ({ when }: Suspect) => bornByMs <= when.fromMs;
    const killers = asked.filter(
      (each) => each.isAlone && each.when.life !== life && !isInnocent(each),
    );
    const innocent = asked.filter(isInnocent).map(({ mark }) => mark.credentialId);
    await inTransaction(this.#db, (tx) => acquit(tx, this.#post, innocent));
    await this.#putAside(killers.map(({ mark }) => mark));
    this.#open = this.#open.filter((each) => !asked.includes(each));
  }

  async #putAside(killers: readonly Mark[]): Promise<void> {
    if (killers.length === 0) return;
    const { node } = this.#post;
    const bad = killers.map((mark) => ({
      item: itemOf(node, mark),
      reason: 'kills_node',
      sentence: `node ${node} died again when a credential of subscription ${mark.subscriptionId} was added, with nothing else under way`,
    }));
    await inTransaction(this.#db, async (tx) => {
      await putAside(tx, worker, bad, await readClock(tx));
    });
  }
}
