import pg from 'pg';
import { connectChecked, type Db } from '../../db/connect.ts';
import { faultOf } from '../../db/faults.ts';
import { wakeChannel } from '../../db/wake.ts';
import { minuteMs, secondMs } from '../../kernel/instant.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import type { Channel } from '../../notify/channels/channel.ts';
import { Bell } from '../bell.ts';
import { lockOf } from '../courier-lock.ts';
import { guardConfig } from '../guard.ts';
import type { Replica } from '../replica.ts';
import { pauseUnfit } from '../unfit-pause.ts';
import { isUnaddressed } from './addressing.ts';
import { type Delivery, worker } from './claim.ts';
import { Courier, type CourierLog } from './courier.ts';
import { enterPost, servedText } from './post.ts';
import { Rest } from './rest.ts';
import { type Ended, recorded } from './run.ts';
import { hasLost, readDue } from './store.ts';
import type { Tally } from './tally.ts';

// The couriers of this process: for each channel whose advisory lock it got, on one connection each.
// As with keepers of nodes the lock is for peace, and for being quick: the server frees it when a
// process dies, or says nothing for 10 s, and the next look of another one takes it. What is right is
// seen to by the epoch (`post.ts`) and by the number of each notice's attempt (`store.ts`).

export interface CouriersOptions extends Delivery {
  readonly url: string;
  readonly db: Db;
  readonly replica: Replica;
  readonly log: CourierLog;
  readonly pollMs?: number;
  /** A process that is silent for this long has lost its posts. */
  readonly silentMs?: number;
  /** Whether the clock of this machine is right. */
  readonly isClockRight?: () => boolean;
}

export interface Couriers {
  /** The channels that this process delivers for now. */
  held(): readonly string[];
  /** Awaits the answers that are out, writes down what came of them, and lets others go on. */
  stop(): Promise<void>;
}

const lookMs = secondMs;
/** How long a run stays open for what comes next: a receipt each second must not be a record each. */
const runMs = minuteMs;

export function startCouriers(options: CouriersOptions): Couriers {
  const { log, pollMs = lookMs, silentMs = 10 * secondMs } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const held = new Map<string, Courier>();
  const left = new Set<string>();
  const pause = (ms: number) => new Bell().wait(ms, signal);

  /** Delivers for a channel as long as one connection lasts. @returns why it ended */
  async function session(channel: Channel, rest: Rest): Promise<'lost' | 'unfit' | 'ended'> {
    const config = guardConfig(options.url, 'courier', silentMs);
    const client = new pg.Client(config);
    const lost = new AbortController();
    const over = AbortSignal.any([signal, lost.signal]);
    client.on('error', () => lost.abort());
    client.on('end', () => lost.abort());
    client.on('notification', ({ payload }) => {
      if (payload === worker) held.get(channel.id)?.wake();
    });
    let working: Promise<'lost' | 'unfit' | 'ended'> | undefined;
    const bell = new Bell();
    try {
      await connectChecked(client, options.url, config);
      await client.query(`LISTEN ${wakeChannel}`);
      while (!over.aborted) {
        // Also what says that this process lives.
        const { rows } = await client.query<{ mine: boolean }>(
          working === undefined
            ? { text: `SELECT pg_try_advisory_lock(${lockOf('$1')}) AS mine`, values: [channel.id] }
            : 'SELECT true AS mine',
        );
        if (working === undefined && rows[0]?.mine === true) {
          working = work(channel, rest, over).finally(() => bell.ring());
        }
        await bell.wait(Math.min(pollMs, silentMs / 4), over);
        const ended = await Promise.race([working, undefined]);
        if (ended !== undefined) return ended;
      }
      return 'ended';
    } finally {
      // The sends end before the lock goes.
      lost.abort();
      await working;
      // A connection that hangs must not keep this process from the next one.
      await Promise.race([client.end(), new Bell().wait(secondMs, new AbortController().signal)]);
    }
  }

  /** Never rejects. */
  async function work(
    channel: Channel,
    rest: Rest,
    over: AbortSignal,
  ): Promise<'lost' | 'unfit' | 'ended'> {
    const { db, channels, texts, admins } = options;
    let courier: Courier | undefined;
    let end: 'lost' | 'unfit' | 'ended' = 'ended';
    while (!over.aborted && end === 'ended') {
      try {
        if (courier === undefined) {
          const entered = await enterPost(db, channel);
          if (entered.is === 'served') {
            leftTo(channel, entered.by);
            return 'unfit';
          }
          const { post } = entered;
          log.info({ worker, post: post.id, epoch: Number(post.epoch) }, 'delivers here');
          courier = new Courier(
            { db, channel, channels, texts, admins, post },
            { log, signal: over, rest },
          );
          held.set(channel.id, courier);
        }
        const more = await isOwed(channel);
        if (more) end = await oneRun(courier, channel, over);
        else await courier.idle(pollMs);
      } catch (error) {
        said(error);
        await new Bell().wait(pollMs, over);
      }
    }
    await courier?.end();
    held.delete(channel.id);
    return end;
  }

  const isOwed = async ({ takes }: Channel): Promise<boolean> =>
    (await readDue(options.db, takes, { after: undefined, max: 1 })).length > 0 ||
    (await hasLost(options.db, takes)) ||
    (await isUnaddressed(options.db));

  async function oneRun(
    courier: Courier,
    channel: Channel,
    over: AbortSignal,
  ): Promise<'lost' | 'unfit' | 'ended'> {
    const row = await recorded(options, (tally) => stay(courier, channel, tally, over));
    const { outcome, examined, changed, failed, detail } = row;
    const counts = { examined: Number(examined), changed: Number(changed), failed: Number(failed) };
    const level = outcome === 'success' && examined === 0n ? 'debug' : 'info';
    log[level]({ worker, post: channel.id, outcome, ...counts, detail }, 'run ended');
    if (outcome === 'skipped') return 'unfit';
    if (outcome !== 'failed') return 'ended';
    if (detail.code === 'post_lost') return 'lost';
    await new Bell().wait(5 * secondMs, over);
    return 'ended';
  }

  /** Walks again and again for a minute, so that what comes meanwhile is of the same run. */
  async function stay(
    courier: Courier,
    channel: Channel,
    tally: Tally,
    over: AbortSignal,
  ): Promise<Ended> {
    const elapsedMs = stopwatch();
    const isOver = () => elapsedMs() >= runMs;
    let trouble: string | undefined;
    for (;;) {
      const walked = await courier.walk(tally, isOver);
      if (walked.is === 'rests') trouble = walked.error;
      if (over.aborted || isOver()) {
        await (over.aborted ? courier.end() : courier.answers());
        const left = walked.is === 'done' ? {} : { work_left: true };
        if (trouble !== undefined) {
          return { outcome: 'degraded', detail: { [channel.id]: trouble, ...left } };
        }
        return { outcome: walked.is === 'done' ? 'success' : 'partial', detail: left };
      }
      await courier.idle(walked.is === 'rests' ? Math.min(walked.ms, pollMs) : pollMs);
    }
  }

  /** Said once, and not with each look: nothing is wrong for who delivers. */
  function leftTo(channel: Channel, by: string): void {
    const level = left.has(by) ? 'debug' : 'warn';
    left.add(by);
    log[level]({ worker, post: channel.id, by }, `${channel.id}: ${servedText(by)}`);
  }

  function said(error: unknown): void {
    const fault = faultOf(error);
    const level = fault.kind === 'transient' ? 'warn' : 'error';
    log[level]({ worker, code: fault.code, err: fault }, `courier: ${fault.message}`);
  }

  async function sessions(channel: Channel): Promise<void> {
    const rest = new Rest();
    while (!signal.aborted) {
      const end = await session(channel, rest).catch((error: unknown) => {
        said(error);
        return 'failed' as const;
      });
      if (end === 'unfit') await pauseUnfit({ signal, isClockRight: options.isClockRight });
      else await pause(end === 'failed' ? pollMs : 10);
    }
  }

  const ended = Promise.all(options.channels.map(sessions));
  return {
    held: () => [...held.keys()],
    async stop() {
      stopping.abort();
      await ended;
      for (const channel of options.channels) channel.close();
    },
  };
}
