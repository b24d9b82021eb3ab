import type pg from 'pg';
import type { Db } from '../../db/connect.ts';
import { toFault } from '../../db/faults.ts';
import { outageMessages } from '../../db/outage.ts';
import { secondMs } from '../../kernel/instant.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import { type Lease, LeaseHolder, type LeasePlan } from '../../leases/lease.ts';
import { registerReplica } from '../../leases/lock.ts';
import { WakeableSleep } from '../../leases/wakeable-sleep.ts';
import type { TaskLog } from '../../logging/log.ts';
import type { Connect } from './connection.ts';
import { type Keeper, startKeeper } from './keeper.ts';
import { computeLeaseChange, computeShare } from './lease-share.ts';
import { readNodeCounts, writeKeeperEpochs } from './node-leases.ts';

// The keepers of this replica: one for each node that it leases, at most its share
// (`lease-share.ts`). `leases/lease.ts` describes how leases are taken and lost.
//
// An advisory lock needs no heartbeats of a job. The server frees the locks of a process that ends,
// and of a session that is silent for 10 s. The next poll of another replica takes them.

export interface KeepersOptions {
  readonly url: string;
  readonly db: Db;
  readonly connect: Connect;
  readonly log: TaskLog;
  readonly probeMs?: number;
  readonly pollMs?: number;
  /** Of the keepers, not of the shares: a clock that only goes forward; ms. */
  readonly nowMs?: () => number;
  /** A process that is silent for this long has lost its nodes. */
  readonly silentMs?: number;
  /** Nodes beyond its share are given back once it has had them for so long. */
  readonly steadyMs?: number;
}

export interface Keepers {
  /** The nodes that this process keeps now. */
  listNodes(): readonly string[];
  /** Ends pending calls, stores their results, and releases the nodes. */
  stop(): Promise<void>;
}

const defaultPollMs = 2 * secondMs;

export function startKeepers(options: KeepersOptions): Keepers {
  const {
    db,
    log,
    pollMs = defaultPollMs,
    silentMs = 10 * secondMs,
    steadyMs = silentMs,
  } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const keepers = new Map<string, Keeper>();
  const elapsedMs = stopwatch();
  let overSinceMs: number | undefined;

  const holdNodes = (): Promise<void> =>
    new LeaseHolder<Lease>({
      kind: 'keeper',
      name: 'keepers',
      url: options.url,
      signal,
      silentMs,
      pollMs,
      // Marks that were stored while no session listened are found by the first poll of a keeper.
      onOpen: registerReplica,
      onWake: (payload) => {
        if (payload === 'keep-node') for (const keeper of keepers.values()) keeper.wake();
      },
      plan: planLeases,
      writeEpochs: writeKeeperEpochs,
      runTask: runKeeper,
      onLost: (nodes) => log.warn({ worker: 'keep-node', nodes }, outageMessages.keepers),
    }).run();

  /** Takes free nodes up to this replica's share, or hands over what exceeds it. */
  async function planLeases(client: pg.Client, kept: readonly string[]): Promise<LeasePlan> {
    const { nodes, processes } = await readNodeCounts(client);
    if (kept.length <= computeShare({ nodes: nodes.length, processes })) overSinceMs = undefined;
    else overSinceMs ??= elapsedMs();
    const overMs = overSinceMs === undefined ? 0 : elapsedMs() - overSinceMs;
    const counts = { nodes: nodes.length, processes, kept: kept.length, overMs };
    const { acquireCount, releaseCount } = computeLeaseChange(counts, steadyMs);
    // The nodes that this replica leased last.
    const surplus = kept.slice(kept.length - releaseCount);
    for (const node of surplus) {
      log.info({ worker: 'keep-node', node, processes }, 'node handed over to another process');
    }
    return { candidates: nodes, max: acquireCount, surplus };
  }

  async function runKeeper(lease: Lease, until: AbortSignal): Promise<void> {
    log.info({ worker: 'keep-node', node: lease.id, epoch: Number(lease.epoch) }, 'node leased');
    const keeper = startKeeper({ ...options, db, lease, signal: until });
    keepers.set(lease.id, keeper);
    await keeper.done;
    keepers.delete(lease.id);
  }

  function logError(error: unknown): void {
    const fault = toFault(error);
    const level = fault.kind === 'transient' ? 'warn' : 'error';
    log[level]({ worker: 'keep-node', code: fault.code, err: fault }, `keepers: ${fault.message}`);
  }

  async function holdRepeatedly(): Promise<void> {
    const sleeper = new WakeableSleep();
    while (!signal.aborted) {
      await holdNodes().catch(logError);
      await sleeper.sleep(pollMs, signal);
    }
  }

  const ended = holdRepeatedly();
  return {
    listNodes: () => [...keepers.keys()],
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}
