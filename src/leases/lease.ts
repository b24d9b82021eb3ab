import type pg from 'pg';
import { wakeChannel } from '../db/notify.ts';
import { type LeaseKind, lockLeases, unlockLeases } from './lock.ts';
import { LeaseSession, type SessionOptions } from './session.ts';
import { WakeableSleep } from './wakeable-sleep.ts';

// The lease of a node or an account: over all replicas, one task works under it.
//
// The states of a lease in one replica:
// - none: The replica holds nothing.
// - lock: The session holds the advisory lock. The row has an older epoch.
// - work: The row has the epoch of this replica. The task works under this epoch.
// - handover: The replica has too many leases. The task was asked to end.
// - end: The task ended. The session still holds the lock.
//
// The transitions:
// - none to lock: The lock was free.
// - lock to work: The worker wrote a new epoch into the row, and the task started.
// - lock to end: The worker wrote no epoch, because the row was removed or refuses this replica.
// - work to handover: The lease is surplus.
// - work to end: The task ended. Its fence found another epoch, or the replica stops.
// - handover to end: The task ended.
// - end to none: The lock is released. After a handover the other replicas are notified.
// - each state to none: The session ended. The tasks end, and the server frees the locks.
//
// The lock avoids contention and makes a takeover quick, because the server frees it when a process
// ends. The epoch guarantees safety (rule 4): writes and calls are checked against it (`fence.ts`).

export type LeaseState =
  | { readonly kind: 'lock' }
  | { readonly kind: 'work' }
  | { readonly kind: 'handover' }
  | { readonly kind: 'end'; readonly isHandover: boolean };

export type LeaseEvent = 'epoch_written' | 'epoch_refused' | 'surplus' | 'task_ended';

/** @returns the next state; an event that does not concern the state changes nothing */
export function nextLeaseState(state: LeaseState, event: LeaseEvent): LeaseState {
  switch (state.kind) {
    case 'lock':
      if (event === 'epoch_written') return { kind: 'work' };
      return event === 'epoch_refused' ? { kind: 'end', isHandover: false } : state;
    case 'work':
      if (event === 'surplus') return { kind: 'handover' };
      return event === 'task_ended' ? { kind: 'end', isHandover: false } : state;
    case 'handover':
      return event === 'task_ended' ? { kind: 'end', isHandover: true } : state;
    case 'end':
      return state;
  }
}

/** The lease of a row: the one holder with the epoch of the row may work. */
export interface Lease {
  /** The id of the node or of the account. */
  readonly id: string;
  readonly epoch: bigint;
}

/** Leases to take and to hand over now. */
export interface LeasePlan {
  /** Up to `max` of these are taken if they are free. */
  readonly candidates: readonly string[];
  readonly max: number;
  readonly surplus: readonly string[];
}

export interface LeaseOptions<L extends Lease> extends SessionOptions {
  readonly kind: LeaseKind;
  /** Ends the tasks, then releases all leases. */
  readonly signal: AbortSignal;
  readonly pollMs: number;
  readonly onOpen?: (client: pg.Client) => Promise<void>;
  /** Queries at least once, so that the session is not silent. @param working from the oldest on */
  readonly plan: (client: pg.Client, working: readonly string[]) => Promise<LeasePlan>;
  /** Writes new epochs into the rows of locked leases. @returns the leases by id */
  readonly writeEpochs: (
    client: pg.Client,
    ids: readonly string[],
  ) => Promise<ReadonlyMap<string, L>>;
  /** The task of a holder, until the signal aborts or the lease is lost. Never rejects. */
  readonly runTask: (lease: L, signal: AbortSignal) => Promise<void>;
  /** The connection broke, and the tasks of these leases ended. */
  readonly onLost?: (ids: readonly string[]) => void;
}

interface HeldLease {
  state: LeaseState;
  readonly handover: AbortController;
  task: Promise<void>;
}

/** The leases of one session. */
export class LeaseHolder<L extends Lease> {
  readonly #options: LeaseOptions<L>;
  readonly #session: LeaseSession;
  readonly #releasedPayload: string;
  readonly #sleeper = new WakeableSleep();
  readonly #held = new Map<string, HeldLease>();
  readonly #closing = new AbortController();
  readonly #over: AbortSignal;

  constructor(options: LeaseOptions<L>) {
    this.#options = options;
    this.#releasedPayload = `${options.kind}s`;
    const onWake = (payload: string | undefined): void => {
      if (payload === this.#releasedPayload) this.#sleeper.wake();
      options.onWake(payload);
    };
    this.#session = new LeaseSession({ ...options, onWake });
    this.#over = AbortSignal.any([options.signal, this.#session.lost, this.#closing.signal]);
  }

  /**
   * Holds leases until the signal aborts or the session ends.
   * @throws a fault of the database, after the tasks have ended
   */
  async run(): Promise<void> {
    const { signal, silentMs, pollMs, onOpen, onLost } = this.#options;
    try {
      await this.#session.open();
      await onOpen?.(this.#session.client);
      while (!this.#over.aborted) {
        await this.#releaseEnded();
        await this.#adjust();
        await this.#sleeper.sleep(Math.min(pollMs, silentMs / 4), this.#over);
      }
    } finally {
      // The calls of the tasks end before the locks are released.
      this.#closing.abort();
      await Promise.all([...this.#held.values()].map(({ task }) => task));
      if (!signal.aborted) onLost?.([...this.#held.keys()]);
      await this.#session.close();
    }
  }

  async #adjust(): Promise<void> {
    const working = [...this.#held].filter(([, { state }]) => state.kind === 'work');
    const ids = working.map(([id]) => id);
    const { candidates, max, surplus } = await this.#options.plan(this.#session.client, ids);
    for (const [id, lease] of working) if (surplus.includes(id)) this.#advance(lease, 'surplus');
    const free = candidates.filter((id) => !this.#held.has(id));
    if (max > 0 && free.length > 0) await this.#take(free, max);
  }

  async #take(free: readonly string[], max: number): Promise<void> {
    const { kind, writeEpochs, runTask } = this.#options;
    const { client } = this.#session;
    const locked = await lockLeases(client, kind, free, max);
    if (locked.length === 0) return;
    const leases = await writeEpochs(client, locked);
    for (const id of locked) {
      const handover = new AbortController();
      const held: HeldLease = { state: { kind: 'lock' }, handover, task: Promise.resolve() };
      this.#held.set(id, held);
      const lease = leases.get(id);
      this.#advance(held, lease === undefined ? 'epoch_refused' : 'epoch_written');
      if (lease === undefined) continue;
      const until = AbortSignal.any([this.#over, handover.signal]);
      held.task = runTask(lease, until).then(() => this.#advance(held, 'task_ended'));
    }
  }

  async #releaseEnded(): Promise<void> {
    const ended: string[] = [];
    let isHandover = false;
    for (const [id, { state }] of this.#held) {
      if (state.kind !== 'end') continue;
      ended.push(id);
      isHandover ||= state.isHandover;
    }
    if (ended.length === 0) return;
    const { client } = this.#session;
    await unlockLeases(client, this.#options.kind, ended);
    for (const id of ended) this.#held.delete(id);
    if (isHandover) {
      await client.query('SELECT pg_notify($1, $2)', [wakeChannel, this.#releasedPayload]);
    }
  }

  #advance(lease: HeldLease, event: LeaseEvent): void {
    lease.state = nextLeaseState(lease.state, event);
    if (lease.state.kind === 'handover') lease.handover.abort();
    if (lease.state.kind === 'end') this.#sleeper.wake();
  }
}
