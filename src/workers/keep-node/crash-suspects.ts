import { readClock } from '../../db/clock.ts';
import { type Db, inTransaction } from '../../db/connect.ts';
import type { Lease } from '../../leases/lease.ts';
import { quarantineItems } from '../../runs/quarantine.ts';
import {
  clearSuspicion,
  type Mark,
  type MarkResult,
  toMarkItem,
  keepNodeName as worker,
} from './store.ts';

// The adds that may have crashed their node: a connection broke while they were pending.
//
// pending   entered when a connection breaks during an add; the next good probe resolves it:
// cleared   the boot started before the call, so the network was the cause
// crasher   it is another boot, and the call was alone; the subscription goes to quarantine
// suspect   in any other case; the count in the database stays, and the add runs apart again
//
// The database stores the suspicion at once, because the keeper may crash before the next probe.

interface CrashSuspect {
  readonly mark: Mark;
  readonly isAlone: boolean;
  readonly callTime: CallTime;
}

/** The time of the calls of a page. */
interface CallTime {
  /** Before the first of these calls; ms of the keeper's clock. */
  readonly fromMs: number;
  /** Boots that the keeper had seen by then. */
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

  /** The suspects that a probe from now on resolves. No suspect runs before that. */
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
   * Resolves suspects after a good probe. A boot that was up to 1 s old at the call may be either
   * one: the suspect is neither cleared nor quarantined.
   * @param suspects the `pending` ones from before the probe
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
    const { id: node } = this.#lease;
    const failedItems = crashers.map((mark) => ({
      item: toMarkItem(node, mark),
      reason: 'kills_node',
      sentence: `node ${node} crashed again when a credential of subscription ${mark.subscriptionId} was added, with no other call pending`,
    }));
    await inTransaction(this.#db, async (tx) => {
      await quarantineItems(tx, worker, failedItems, await readClock(tx));
    });
  }
}
