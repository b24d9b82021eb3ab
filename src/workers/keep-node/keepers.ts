import pg from 'pg';
import { clientConfig, type Db, workLimits } from '../../db/connect.ts';
import { faultOf } from '../../db/faults.ts';
import { secondMs } from '../../kernel/instant.ts';
import { wakeChannel } from '../../subscription/wake.ts';
import { Bell } from './bell.ts';
import { type Keeper, type KeeperLog, startKeeper } from './keeper.ts';
import type { Connect } from './line.ts';

// Which nodes this process keeps: those whose advisory lock it got, on one connection of its own.
// The queue's long jobs would do as well, but a lock needs no heartbeats of a job: when a process
// dies the server frees what it held at once, and the next look of another one takes it. What
// doesn't die but stands still (a stopped process, a machine that is gone, a network that swallows
// packets) says nothing on that connection, and the server ends a session that is silent for 10 s.
//
// The lock is for peace, and for being quick; what is right is seen to by the epoch, which whoever
// takes a node raises (DESIGN.md 3.4).

export interface KeepersOptions {
  readonly url: string;
  readonly db: Db;
  readonly connect: Connect;
  readonly log: KeeperLog;
  readonly probeMs?: number;
  readonly pollMs?: number;
  /** A process that is silent for this long has lost its nodes. */
  readonly silentMs?: number;
}

export interface Keepers {
  /** The nodes that this process keeps now. */
  kept(): readonly string[];
  /** Ends the calls under way, writes down what came of them, and lets others have the nodes. */
  stop(): Promise<void>;
}

const lookMs = 2 * secondMs;

/** Seen through the whole line: between processes that stand still and machines that are gone. */
function guardConfig(url: string, silentMs: number): pg.ClientConfig {
  const config = clientConfig(url, workLimits);
  return {
    ...config,
    application_name: 'perennial keepers',
    // An answer that doesn't come is a connection that is lost, and sooner than the server says so.
    query_timeout: Math.ceil(silentMs * 0.8),
    options: `${config.options} -c idle_session_timeout=${silentMs} -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3`,
  };
}

export function startKeepers(options: KeepersOptions): Keepers {
  const { db, log, pollMs = lookMs, silentMs = 10 * secondMs } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const kept = new Map<string, Keeper>();
  const bell = new Bell();

  /** Keeps nodes for as long as one connection lives. */
  async function session(): Promise<void> {
    const client = new pg.Client(guardConfig(options.url, silentMs));
    const lost = new AbortController();
    const over = AbortSignal.any([signal, lost.signal]);
    client.on('error', () => lost.abort());
    client.on('end', () => lost.abort());
    client.on('notification', ({ payload }) => {
      if (payload === 'keep-node') for (const keeper of kept.values()) keeper.wake();
    });
    try {
      await client.connect();
      await client.query(`LISTEN ${wakeChannel}`);
      // What was said while nobody listened is seen by the keepers' first look.
      while (!over.aborted) {
        await takeFree(client, over);
        await bell.wait(Math.min(pollMs, silentMs / 4), over);
      }
    } finally {
      // The nodes' calls end before their locks go.
      lost.abort();
      await Promise.all([...kept.values()].map((keeper) => keeper.done));
      // A connection that hangs must not keep this process from the next one.
      await Promise.race([client.end(), bell.wait(secondMs, new AbortController().signal)]);
    }
  }

  async function takeFree(client: pg.Client, over: AbortSignal): Promise<void> {
    const { rows: free } = await client.query<{ id: string }>(
      'SELECT id FROM perennial.node WHERE id <> ALL($1) ORDER BY id',
      [[...kept.keys()]],
    );
    if (free.length === 0) return;
    const { rows: got } = await client.query<{ id: string; mine: boolean }>(
      `SELECT id, pg_try_advisory_lock(${lockOf('id')}) AS mine FROM unnest($1::text[]) AS id`,
      [free.map(({ id }) => id)],
    );
    const mine = got.filter((row) => row.mine).map(({ id }) => id);
    if (mine.length === 0) return;
    const { rows: posts } = await client.query<{ node: string; epoch: bigint }>(
      `UPDATE perennial.node SET keeper_epoch = keeper_epoch + 1 WHERE id = ANY($1)
       RETURNING id AS node, keeper_epoch AS epoch`,
      [mine],
    );
    for (const post of posts) {
      log.info({ worker: 'keep-node', ...post, epoch: Number(post.epoch) }, 'node is kept here');
      const keeper = startKeeper({ ...options, db, post, signal: over });
      kept.set(post.node, keeper);
      void keeper.done.then(() => letGo(client, post.node, over));
    }
  }

  /** The keeper of a node ended: another one may have it, this process too. */
  async function letGo(client: pg.Client, node: string, over: AbortSignal): Promise<void> {
    if (!over.aborted) {
      await client
        .query(`SELECT pg_advisory_unlock(${lockOf('$1::text')})`, [node])
        .catch((error: unknown) => said(error));
    }
    kept.delete(node);
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

/** Of a node: 64 bits of its id, so that two nodes don't meet. */
const lockOf = (id: string): string => `hashtextextended('perennial keeper ' || ${id}, 0)`;
