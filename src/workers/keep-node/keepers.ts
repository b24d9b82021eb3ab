import pg from 'pg';
import { connectChecked, type Db } from '../../db/connect.ts';
import { faultOf } from '../../db/faults.ts';
import { wakeChannel } from '../../db/wake.ts';
import { secondMs } from '../../kernel/instant.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import { Bell } from '../bell.ts';
import { guardConfig } from '../guard.ts';
import { type Keeper, type KeeperLog, startKeeper } from './keeper.ts';
import type { Connect } from './line.ts';
import type { Post } from './node-store.ts';
import { appear, freedWord, giveUp, lookAround, takeUp } from './posts.ts';
import { moveOf, shareOf } from './share.ts';

// Which nodes this process keeps: those whose advisory lock it got, on one connection of its own,
// and of all nodes no more than its share (`share.ts`). The queue's long jobs would do as well, but a lock needs no heartbeats of a job: when a process
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
  kept(): readonly string[];
  /** Ends the calls under way, writes down what came of them, and lets others have the nodes. */
  stop(): Promise<void>;
}

const lookMs = 2 * secondMs;

interface Held {
  readonly keeper: Keeper;
  /** Aborted: its calls end, and another process may have it then. */
  readonly leaving: AbortController;
  ended: boolean;
}

export function startKeepers(options: KeepersOptions): Keepers {
  const { db, log, pollMs = lookMs, silentMs = 10 * secondMs, steadyMs = silentMs } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const kept = new Map<string, Held>();
  const bell = new Bell();
  const elapsedMs = stopwatch();
  let overSinceMs: number | undefined;

  /** Keeps nodes for as long as one connection lives. */
  async function session(): Promise<void> {
    const config = guardConfig(options.url, 'keepers', silentMs);
    const client = new pg.Client(config);
    const lost = new AbortController();
    const over = AbortSignal.any([signal, lost.signal]);
    client.on('error', () => lost.abort());
    client.on('end', () => lost.abort());
    client.on('notification', ({ payload }) => {
      if (payload === 'keep-node') for (const { keeper } of kept.values()) keeper.wake();
      if (payload === freedWord) bell.ring();
    });
    try {
      await connectChecked(client, options.url, config);
      await client.query(`LISTEN ${wakeChannel}`);
      await appear(client);
      // What was said while nobody listened is seen by the keepers' first look.
      while (!over.aborted) {
        await letGo(client);
        await look(client, over);
        await bell.wait(Math.min(pollMs, silentMs / 4), over);
      }
    } finally {
      // The nodes' calls end before their locks go.
      lost.abort();
      await Promise.all([...kept.values()].map(({ keeper }) => keeper.done));
      if (!signal.aborted) {
        const nodes = [...kept.keys()];
        log.warn(
          { worker: 'keep-node', nodes },
          'keepers: their connection was lost, and their nodes',
        );
      }
      kept.clear();
      // A connection that hangs must not keep this process from the next one.
      await Promise.race([client.end(), new Bell().wait(secondMs, new AbortController().signal)]);
    }
  }

  /** Takes what is free up to this process's share, or gives back what it has beyond it. */
  async function look(client: pg.Client, over: AbortSignal): Promise<void> {
    const { nodes, processes } = await lookAround(client);
    const staying = [...kept].filter(([, { leaving }]) => !leaving.signal.aborted);
    if (staying.length <= shareOf({ nodes: nodes.length, processes })) overSinceMs = undefined;
    else overSinceMs ??= elapsedMs();
    const overMs = overSinceMs === undefined ? 0 : elapsedMs() - overSinceMs;
    const scene = { nodes: nodes.length, processes, kept: staying.length, overMs };
    const { take, give } = moveOf(scene, steadyMs);
    // Those that it has had for the shortest time.
    for (const [node, { leaving }] of staying.slice(staying.length - give)) {
      log.info({ worker: 'keep-node', node, processes }, 'node is given to another process');
      leaving.abort();
    }
    const others = nodes.filter((id) => !kept.has(id));
    if (take === 0 || others.length === 0) return;
    for (const post of await takeUp(client, others, take)) start(post, over);
  }

  function start(post: Post, over: AbortSignal): void {
    log.info({ worker: 'keep-node', ...post, epoch: Number(post.epoch) }, 'node is kept here');
    const leaving = new AbortController();
    const until = AbortSignal.any([over, leaving.signal]);
    const held = {
      keeper: startKeeper({ ...options, db, post, signal: until }),
      leaving,
      ended: false,
    };
    kept.set(post.node, held);
    void held.keeper.done.then(() => {
      held.ended = true;
      bell.ring();
    });
  }

  /** Nodes whose keeper ended: another process may have them, this one too if it has room. */
  async function letGo(client: pg.Client): Promise<void> {
    const over = [...kept].filter(([, { ended }]) => ended);
    if (over.length === 0) return;
    const given = over.some(([, { leaving }]) => leaving.signal.aborted);
    await giveUp(
      client,
      over.map(([node]) => node),
      given,
    );
    for (const [node] of over) kept.delete(node);
  }

  function said(error: unknown): void {
    const fault = faultOf(error);
    const level = fault.kind === 'transient' ? 'warn' : 'error';
    log[level]({ worker: 'keep-node', code: fault.code, err: fault }, `keepers: ${fault.message}`);
  }

  async function sessions(): Promise<void> {
    while (!signal.aborted) {
      await session().catch(said);
      await bell.wait(pollMs, signal);
    }
  }

  const ended = sessions();
  return {
    kept: () => [...kept.keys()],
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}
