import type { Tx } from '../../db/connect.ts';
import type { JsonObject } from '../../db/schema.ts';
import { countBatch } from '../../runs/run-record.ts';
import type { Claim } from './claim.ts';
import type { SendSettlement } from './rule.ts';

type RunId = Parameters<typeof countBatch>[1];

/** The counts of a run, written into its record with each notification. */
export class RunCounts {
  readonly counts: Record<string, number> = {};
  /** Notifications that this run put into quarantine for the first time. */
  newlyQuarantined = 0;
  readonly #id: RunId;

  constructor(id: RunId) {
    this.#id = id;
  }

  get detail(): JsonObject {
    return { ...this.counts };
  }

  async countClaim(tx: Tx, claim: Claim): Promise<void> {
    switch (claim.is) {
      case 'suppressed':
        return this.#count(tx, 'suppressed', { changed: 1, failed: 0 });
      case 'postponed':
        return this.#count(tx, 'postponed', { changed: 1, failed: 0 });
      case 'quarantined':
        return this.#count(tx, 'quarantined', { changed: 0, failed: 1 });
      case 'send': // counted with its outcome
      case 'not_now':
    }
  }

  async countSettlement(tx: Tx, { state, reachable }: SendSettlement): Promise<void> {
    const failed = state === 'failed' || reachable === false ? 1 : 0;
    const name = reachable === false ? 'unreachable' : state === 'pending' ? 'again' : state;
    await this.#count(tx, name, { changed: state === 'sent' ? 1 : 0, failed });
  }

  async #count(tx: Tx, name: string, { changed, failed }: { changed: number; failed: number }) {
    await countBatch(tx, this.#id, { examined: 1, changed, failed });
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }
}
