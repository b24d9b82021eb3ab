import pg from 'pg';
import { connectChecked, type Db } from '../../db/connect.ts';
import { toFault } from '../../db/faults.ts';
import { wakeChannel } from '../../db/notify.ts';
import { secondMs } from '../../kernel/instant.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import { createSessionConfig } from '../../leases/session.ts';
import { WakeableSleep } from '../../leases/wakeable-sleep.ts';
import type { Connect } from './connection-state.ts';
import { type Keeper, type KeeperLog, startKeeper } from './keeper.ts';
import { computeLeaseChange, computeShare } from './lease-share.ts';
import { acquire, freedPayload, readLeaseState, registerReplica, release } from './node-leases.ts';
import type { Lease } from './node-store.ts';

// Which nodes this process keeps: those whose advisory lock it got, on one connection of its own,
// and of all nodes no more than its share (`lease-share.ts`). The queue's long jobs would do as well, but a lock needs no heartbeats of a job: when a process
// dies the server frees what it held at once, and the next look of another one takes it. What
// doesn't die but stands still (a stopped process, a machine that is gone, a network that swallows
// packets) says nothing on that connection, and the server ends a session that is silent for 10 s.
//
// The lock is for peace, and for being quick; what is right is seen to by the epoch, which whoever
// takes a node raises (rule 4).

export interface KeepersOptions {
  readonly url: string;
  readonly db: Db;
  readonly connect: Connect;
  readonly log: KeeperLog;
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
  /** Ends the calls under way, writes down what came of them, and lets others have the nodes. */
  stop(): Promise<void>;
}

const defaultPollMs = 2 * secondMs;

interface KeptNode {
  readonly keeper: Keeper;
  /** Aborted: its calls end, and another process may have it then. */
  readonly leaving: AbortController;
  ended: boolean;
}

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
  const keptNodes = new Map<string, KeptNode>();
  const sleeper = new WakeableSleep();
  const elapsedMs = stopwatch();
  let overSinceMs: number | undefined;

  /** Keeps nodes for as long as one connection lives. */
  async function runSession(): Promise<void> {
    const config = createSessionConfig(options.url, 'keepers', silentMs);
    const client = new pg.Client(config);
    const connectionLost = new AbortController();
    const over = AbortSignal.any([signal, connectionLost.signal]);
    client.on('error', () => connectionLost.abort());
    client.on('end', () => connectionLost.abort());
    client.on('notification', ({ payload }) => {
      if (payload === 'keep-node') for (const { keeper } of keptNodes.values()) keeper.wake();
      if (payload === freedPayload) sleeper.wake();
    });
    try {
      await connectChecked(client, options.url, config);
      await client.query(`LISTEN ${wakeChannel}`);
      await registerReplica(client);
      // What was said while nobody listened is seen by the keepers' first look.
      while (!over.aborted) {
        await releaseEnded(client);
        await adjustNodes(client, over);
        await sleeper.sleep(Math.min(pollMs, silentMs / 4), over);
      }
    } finally {
      // The nodes' calls end before their locks go.
      connectionLost.abort();
      await Promise.all([...keptNodes.values()].map(({ keeper }) => keeper.done));
      if (!signal.aborted) {
        const nodes = [...keptNodes.keys()];
        log.warn(
          { worker: 'keep-node', nodes },
          'keepers: their connection was lost, and their nodes',
        );
      }
      keptNodes.clear();
      // A connection that hangs must not keep this process from the next one.
      await Promise.race([
        client.end(),
        new WakeableSleep().sleep(secondMs, new AbortController().signal),
      ]);
    }
  }

  /** Takes what is free up to this process's share, or gives back what it has beyond it. */
  async function adjustNodes(client: pg.Client, over: AbortSignal): Promise<void> {
    const { nodes, processes } = await readLeaseState(client);
    const staying = [...keptNodes].filter(([, { leaving }]) => !leaving.signal.aborted);
    if (staying.length <= computeShare({ nodes: nodes.length, processes })) overSinceMs = undefined;
    else overSinceMs ??= elapsedMs();
    const overMs = overSinceMs === undefined ? 0 : elapsedMs() - overSinceMs;
    const counts = { nodes: nodes.length, processes, kept: staying.length, overMs };
    const { acquireCount, releaseCount } = computeLeaseChange(counts, steadyMs);
    // Those that it has had for the shortest time.
    for (const [node, { leaving }] of staying.slice(staying.length - releaseCount)) {
      log.info({ worker: 'keep-node', node, processes }, 'node is given to another process');
      leaving.abort();
    }
    const others = nodes.filter((id) => !keptNodes.has(id));
    if (acquireCount === 0 || others.length === 0) return;
    for (const lease of await acquire(client, others, acquireCount)) startNode(lease, over);
  }

  function startNode(lease: Lease, over: AbortSignal): void {
    log.info({ worker: 'keep-node', ...lease, epoch: Number(lease.epoch) }, 'node is kept here');
    const leaving = new AbortController();
    const until = AbortSignal.any([over, leaving.signal]);
    const held = {
      keeper: startKeeper({ ...options, db, lease, signal: until }),
      leaving,
      ended: false,
    };
    keptNodes.set(lease.node, held);
    void held.keeper.done.then(() => {
      held.ended = true;
      sleeper.wake();
    });
  }

  /** Nodes whose keeper ended: another process may have them, this one too if it has room. */
  async function releaseEnded(client: pg.Client): Promise<void> {
    const over = [...keptNodes].filter(([, { ended }]) => ended);
    if (over.length === 0) return;
    const hasHandover = over.some(([, { leaving }]) => leaving.signal.aborted);
    await release(
      client,
      over.map(([node]) => node),
      hasHandover,
    );
    for (const [node] of over) keptNodes.delete(node);
  }

  function logError(error: unknown): void {
    const fault = toFault(error);
    const level = fault.kind === 'transient' ? 'warn' : 'error';
    log[level]({ worker: 'keep-node', code: fault.code, err: fault }, `keepers: ${fault.message}`);
  }

  async function runSessions(): Promise<void> {
    while (!signal.aborted) {
      await runSession().catch(logError);
      await sleeper.sleep(pollMs, signal);
    }
  }

  const ended = runSessions();
  return {
    listNodes: () => [...keptNodes.keys()],
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}
