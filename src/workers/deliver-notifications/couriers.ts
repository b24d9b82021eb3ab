import type { Db } from '../../db/connect.ts';
import { toFault } from '../../db/faults.ts';
import { minuteMs, secondMs } from '../../kernel/instant.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import { leaseLostCode } from '../../leases/fence.ts';
import { LeaseHolder } from '../../leases/lease.ts';
import type { Replica } from '../../leases/replica.ts';
import { WakeableSleep } from '../../leases/wakeable-sleep.ts';
import type { TaskLog } from '../../logging/log.ts';
import type { Channel } from '../../notifications/channels/channel.ts';
import { pauseUnfit } from '../../runs/unfit-pause.ts';
import { hasUnaddressedAlarms } from './alarm-fanout.ts';
import { Backoff } from './backoff.ts';
import { type Delivery, deliveryWorkerName } from './claim.ts';
import { Courier } from './courier.ts';
import { type DeliveryResult, recordDeliveryRun } from './delivery-run.ts';
import { acquireCourier, type CourierLease, describePrimary } from './lease.ts';
import type { RunCounts } from './run-counts.ts';
import { findDueNotices, hasSendingNotices } from './store.ts';

// The couriers of this replica: for each channel one lease on a separate connection.
//
// `leases/lease.ts` describes how leases are taken and lost. Two checks guarantee safety: the epoch
// of the courier (`lease.ts`) and the attempt number of each notification (`store.ts`).

export interface CouriersOptions extends Delivery {
  readonly url: string;
  readonly db: Db;
  readonly replica: Replica;
  readonly log: TaskLog;
  readonly pollMs?: number;
  /** A session that is silent for this long loses its lease. */
  readonly silentMs?: number;
  /** Whether the clock of this machine is right. */
  readonly isClockRight?: () => boolean;
}

export interface Couriers {
  /** The channels that this process delivers for now. */
  listChannelIds(): readonly string[];
  /** Waits for the pending answers, stores their outcomes, and releases the leases. */
  stop(): Promise<void>;
}

const defaultPollMs = secondMs;
/**
 * A run stays open for later notifications. One receipt per second must not cause one record each.
 */
const runMaxMs = minuteMs;

/** `lost`: another courier has the lease. `unfit`: this replica leaves the work to others. */
type SessionEnd = 'lost' | 'unfit' | 'ended';

export function startCouriers(options: CouriersOptions): Couriers {
  const { log, pollMs = defaultPollMs, silentMs = 10 * secondMs } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const couriers = new Map<string, Courier>();
  const left = new Set<string>();
  const pause = (ms: number) => new WakeableSleep().sleep(ms, signal);

  /** Delivers for a channel during one database session. @returns why it ended */
  async function runSession(channel: Channel, backoff: Backoff): Promise<SessionEnd> {
    const { db, url } = options;
    const ended = new AbortController();
    let sessionEnd: SessionEnd = 'ended';
    const endSession = (reason: SessionEnd): void => {
      sessionEnd = reason;
      ended.abort();
    };
    await new LeaseHolder<CourierLease>({
      kind: 'courier',
      name: 'courier',
      url,
      signal: AbortSignal.any([signal, ended.signal]),
      silentMs,
      pollMs,
      onWake: (payload) => {
        if (payload === deliveryWorkerName) couriers.get(channel.id)?.wake();
      },
      plan: async (client, working) => {
        // Without a lease the holder tries the lock, so the session is not silent.
        if (working.length > 0) await client.query('SELECT true');
        return { candidates: [channel.id], max: 1, surplus: [] };
      },
      writeEpochs: async () => {
        const acquired = await acquireCourier(db, channel);
        if (acquired.is === 'acquired') return new Map([[channel.id, acquired.lease]]);
        logServed(channel, acquired.by);
        endSession('unfit');
        return new Map();
      },
      runTask: async (lease, stopSignal) =>
        endSession(await deliver(channel, lease, backoff, stopSignal)),
    }).run();
    return sessionEnd;
  }

  /** Never rejects. */
  async function deliver(
    channel: Channel,
    lease: CourierLease,
    backoff: Backoff,
    stopSignal: AbortSignal,
  ): Promise<SessionEnd> {
    const { db, channels, texts, admins } = options;
    log.info(
      { worker: deliveryWorkerName, courier: lease.id, epoch: Number(lease.epoch) },
      'delivers here',
    );
    const courier = new Courier(
      { db, channel, channels, texts, admins, lease },
      { log, signal: stopSignal, backoff },
    );
    couriers.set(channel.id, courier);
    let end: SessionEnd = 'ended';
    while (!stopSignal.aborted && end === 'ended') {
      try {
        const hasWork = await hasDueWork(channel);
        if (hasWork) end = await runOnce(courier, channel, stopSignal);
        else await courier.idle(pollMs);
      } catch (error) {
        logError(error);
        await new WakeableSleep().sleep(pollMs, stopSignal);
      }
    }
    await courier.end();
    couriers.delete(channel.id);
    return end;
  }

  const hasDueWork = async ({ servedChannel }: Channel): Promise<boolean> =>
    (await findDueNotices(options.db, servedChannel, { after: undefined, max: 1 })).length > 0 ||
    (await hasSendingNotices(options.db, servedChannel)) ||
    (await hasUnaddressedAlarms(options.db));

  async function runOnce(
    courier: Courier,
    channel: Channel,
    stopSignal: AbortSignal,
  ): Promise<SessionEnd> {
    const row = await recordDeliveryRun(options, (runCounts) =>
      walkRepeatedly(courier, channel, runCounts, stopSignal),
    );
    const { outcome, examined, changed, failed, detail } = row;
    const counts = { examined: Number(examined), changed: Number(changed), failed: Number(failed) };
    const level = outcome === 'success' && examined === 0n ? 'debug' : 'info';
    log[level](
      { worker: deliveryWorkerName, courier: channel.id, outcome, ...counts, detail },
      'run ended',
    );
    if (outcome === 'skipped') return 'unfit';
    if (outcome !== 'failed') return 'ended';
    if (detail.code === leaseLostCode) return 'lost';
    await new WakeableSleep().sleep(5 * secondMs, stopSignal);
    return 'ended';
  }

  /** Walks repeatedly for a minute, so that notifications of this minute belong to one run. */
  async function walkRepeatedly(
    courier: Courier,
    channel: Channel,
    runCounts: RunCounts,
    stopSignal: AbortSignal,
  ): Promise<DeliveryResult> {
    const elapsedMs = stopwatch();
    const isOver = () => elapsedMs() >= runMaxMs;
    let pauseReason: string | undefined;
    for (;;) {
      const result = await courier.walk(runCounts, isOver);
      if (result.is === 'paused') pauseReason = result.error;
      if (stopSignal.aborted || isOver()) {
        await (stopSignal.aborted ? courier.end() : courier.awaitAnswers());
        const left = result.is === 'done' ? {} : { work_left: true };
        if (pauseReason !== undefined) {
          return { outcome: 'degraded', detail: { [channel.id]: pauseReason, ...left } };
        }
        return { outcome: result.is === 'done' ? 'success' : 'partial', detail: left };
      }
      await courier.idle(result.is === 'paused' ? Math.min(result.ms, pollMs) : pollMs);
    }
  }

  /** Warns once per account. This state is not an error for the account that delivers. */
  function logServed(channel: Channel, primaryId: string): void {
    const level = left.has(primaryId) ? 'debug' : 'warn';
    left.add(primaryId);
    log[level](
      { worker: deliveryWorkerName, courier: channel.id, by: primaryId },
      `${channel.id}: ${describePrimary(primaryId)}`,
    );
  }

  function logError(error: unknown): void {
    const fault = toFault(error);
    const level = fault.kind === 'transient' ? 'warn' : 'error';
    log[level](
      { worker: deliveryWorkerName, code: fault.code, err: fault },
      `courier: ${fault.message}`,
    );
  }

  async function runSessions(channel: Channel): Promise<void> {
    const backoff = new Backoff();
    while (!signal.aborted) {
      const end = await runSession(channel, backoff).catch((error: unknown) => {
        logError(error);
        return 'failed' as const;
      });
      if (end === 'unfit') await pauseUnfit({ signal, isClockRight: options.isClockRight });
      else await pause(end === 'failed' ? pollMs : 10);
    }
  }

  const ended = Promise.all(options.channels.map(runSessions));
  return {
    listChannelIds: () => [...couriers.keys()],
    async stop() {
      stopping.abort();
      await ended;
      for (const channel of options.channels) channel.close();
    },
  };
}
