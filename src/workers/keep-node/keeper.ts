import type { Db } from '../../db/connect.ts';
import { toFault } from '../../db/faults.ts';
import { secondMs } from '../../kernel/instant.ts';
import { Fence, leaseLostCode } from '../../leases/fence.ts';
import type { Lease } from '../../leases/lease.ts';
import { delayAbort, WakeableSleep } from '../../leases/wakeable-sleep.ts';
import type { TaskLog } from '../../logging/log.ts';
import { type Connect, KeeperConnection } from './connection.ts';
import { CrashSuspects } from './crash-suspects.ts';
import { Lanes } from './lanes.ts';
import { holdsLease, leaseLost } from './node-store.ts';
import { type ProbeOutcome, probe } from './probe.ts';
import { keepNodeName as worker } from './store.ts';
import { runWorkStep, type WorkContext } from './work-step.ts';

// The keeper of one node: two loops that no other node delays.
//
// state     the loops                                    leaves the state by
// running   probe the node; apply marks in two lanes     the signal, or a lost lease → ending
// ending    begin no call; pending calls may end (1 s)   both loops returned → ended
// ended     have returned; the connection is closed
//
// `connection-state.ts` decides what the work loop may do while the keeper runs.

export interface KeeperOptions {
  readonly db: Db;
  readonly lease: Lease;
  readonly connect: Connect;
  readonly signal: AbortSignal;
  readonly log: TaskLog;
  readonly probeMs?: number;
  /** How often the keeper looks for marks without a wake-up. */
  readonly pollMs?: number;
  /** A clock that only goes forward; ms. */
  readonly nowMs?: () => number;
}

export interface Keeper {
  /** Never rejects. */
  readonly done: Promise<void>;
  /** Call this when there may be marks. */
  wake(): void;
}

/**
 * The time that pending calls have when the keeper ends. A cancelled call may still arrive, after
 * the next keeper has sent the node another one, and no program would notice.
 */
const callGraceMs = secondMs;

export function startKeeper(options: KeeperOptions): Keeper {
  const { db, lease, log, probeMs = 2 * secondMs, pollMs = 2 * secondMs } = options;
  const replaced = new AbortController();
  const signal = AbortSignal.any([options.signal, replaced.signal]);
  const ended = new AbortController();
  const connection = new KeeperConnection(options.connect, options.nowMs);
  const markSleeper = new WakeableSleep();
  const probeSleeper = new WakeableSleep();
  const lanes = new Lanes();
  const crashSuspects = new CrashSuspects(db, lease);
  const logFields = { worker, node: lease.id };
  const context: WorkContext = {
    ...{ db, lease, connection, lanes, crashSuspects, log, signal },
    calls: delayAbort(signal, callGraceMs, ended.signal),
    fence: new Fence({
      isHeld: () => holdsLease(db, lease),
      createFault: () => leaseLost(lease),
    }),
    probeSoon: () => probeSleeper.wake(),
  };

  async function probeNode(): Promise<void> {
    const pendingSuspects = crashSuspects.pending;
    const outcome = await probe({ db, lease, connection, signal });
    logProbe(log, lease, outcome);
    if (!('bootedByMs' in outcome)) return;
    const { bootCount } = connection.state;
    await crashSuspects.resolve(pendingSuspects, { bootedByMs: outcome.bootedByMs, bootCount });
    if (outcome.is !== 'unchanged') markSleeper.wake();
  }

  /** Repeats a task until the keeper ends. @param pauseMs the pause that the task asks for */
  async function loop(
    sleeper: WakeableSleep,
    everyMs: number,
    task: () => Promise<void>,
    pauseMs: () => number,
  ): Promise<void> {
    while (!signal.aborted) {
      try {
        await task();
      } catch (error) {
        const fault = toFault(error);
        if (fault.code === leaseLostCode) {
          log.info(logFields, fault.message);
          replaced.abort();
          return;
        }
        const level = fault.kind === 'transient' ? 'warn' : 'error';
        log[level]({ ...logFields, code: fault.code, err: fault }, `keeper: ${fault.message}`);
      }
      const backoffMs = pauseMs();
      await sleeper.sleep(backoffMs > 0 ? Math.min(backoffMs, everyMs) : everyMs, signal);
    }
  }

  const work = () => lanes.run(signal, (token) => runWorkStep(context, token));
  const loops = [
    loop(probeSleeper, probeMs, probeNode, () => 0),
    loop(markSleeper, pollMs, work, () => connection.getPauseMs()),
  ];
  return {
    done: Promise.all(loops).then(() => {
      connection.close();
      ended.abort();
    }),
    wake: () => markSleeper.wake(),
  };
}

function logProbe(log: TaskLog, { id: node }: Lease, outcome: ProbeOutcome): void {
  const fields = { worker, node };
  switch (outcome.is) {
    case 'failed': {
      // The third failure opens the breaker. The next ones add no information.
      const { fault, failures } = outcome;
      const level = failures === 1 || failures === 3 ? 'warn' : 'debug';
      log[level]({ ...fields, code: fault.code, failures }, fault.message);
      return;
    }
    case 'emptied':
      log.warn({ ...fields, inbound: outcome.tag }, 'inbound lost users: seeding the node');
      return;
    case 'returned':
      log.info(fields, 'node reachable');
      return;
    case 'restarted':
      log.info(fields, 'node restarted: seeding it');
      return;
    case 'doubted':
      log.info(fields, 'node may have restarted: seeding it');
      return;
    case 'unchanged':
    case 'discarded':
      return;
  }
}
