import { readClock } from '../../db/clock.ts';
import { type Db, inTransaction } from '../../db/connect.ts';
import { quarantineItems } from '../../runs/quarantine.ts';
import type { Lease } from './node-store.ts';
import {
  clearSuspicion,
  type Mark,
  type MarkResult,
  toMarkItem,
  keepNodeName as worker,
} from './store.ts';

// A connection that broke under an add says nothing of who broke it: the add may have ended the
// node's life, or the line gave way. Whoever was on his way is suspected in the books at once, since
// his keeper may die before it knows. The next probe that is answered tells.

interface CrashSuspect {
  readonly mark: Mark;
  readonly isAlone: boolean;
  readonly callTime: CallTime;
}

/** When he was on his way. */
interface CallTime {
  /** Before any of these calls began, by `Line.nowMs`. */
  readonly fromMs: number;
  /** Of the node, then. */
  readonly bootCount: number;
}

export class CrashSuspects {
  readonly #db: Db;
  readonly #lease: Lease;
  #pending: readonly CrashSuspect[] = [];

  constructor(db: Db, lease: Lease) {
    this.#db = db;
    this.#lease = lease;
  }

  /** Those of whom a probe that is asked from now on tells. Nobody suspected goes while there are any. */
  get pending(): readonly CrashSuspect[] {
    return this.#pending;
  }

  add(settled: readonly MarkResult[], callTime: CallTime): void {
    const lost = settled.flatMap(({ mark, failed }): CrashSuspect[] =>
      failed === undefined || failed.lost === 'no'
        ? []
        : [{ mark, isAlone: failed.lost === 'alone', callTime }],
    );
    if (lost.length > 0) this.#pending = [...this.#pending, ...lost];
  }

  /**
   * Where the node had begun before they were on their way, it was the line: they are suspected no
   * more. Where it is known to live another life, whoever was alone did it. A node that was a second
   * old may be either: nobody is cleared or put aside, and they go apart from the others again.
   * @param suspects who was `open` before the probe was asked
   */
  async resolve(
    suspects: readonly CrashSuspect[],
    { bootedByMs, bootCount }: { readonly bootedByMs: number; readonly bootCount: number },
  ): Promise<void> {
    if (suspects.length === 0) return;
    const predatesCall = ({ callTime }: CrashSuspect) => bootedByMs <= callTime.fromMs;
    const crashers = suspects.filter(
      (each) => each.isAlone && each.callTime.bootCount !== bootCount && !predatesCall(each),
    );
    const cleared = suspects.filter(predatesCall).map(({ mark }) => mark.credentialId);
    await inTransaction(this.#db, (tx) => clearSuspicion(tx, this.#lease, cleared));
    await this.#quarantine(crashers.map(({ mark }) => mark));
    this.#pending = this.#pending.filter((each) => !suspects.includes(each));
  }

  async #quarantine(crashers: readonly Mark[]): Promise<void> {
    if (crashers.length === 0) return;
    const { node } = this.#lease;
    const failedItems = crashers.map((mark) => ({
      item: toMarkItem(node, mark),
      reason: 'kills_node',
      sentence: `node ${node} died again when a credential of subscription ${mark.subscriptionId} was added, with nothing else under way`,
    }));
    await inTransaction(this.#db, async (tx) => {
      await quarantineItems(tx, worker, failedItems, await readClock(tx));
    });
  }
}
