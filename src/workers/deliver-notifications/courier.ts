import { readClock } from '../../db/clock.ts';
import { WakeableSleep } from '../../leases/wakeable-sleep.ts';
import { ForecastCache } from '../../subscription/store/forecast-cache.ts';
import { addressAlarms } from './alarm-fanout.ts';
import type { CourierContext } from './claim.ts';
import {
  afterAnswers,
  afterDelivery,
  afterPage,
  type CourierState,
  type DeliveryProgress,
  type DeliveryState,
  type DuePage,
  firstPage,
  type PageState,
  type WalkResult,
} from './courier-state.ts';
import { courierLeaseLost, readCourier, writeWalkTime } from './lease.ts';
import { mustProbeFirst } from './rule.ts';
import type { RunCounts } from './run-counts.ts';
import { Sender, type SenderOptions } from './sender.ts';
import { type DueNotice, findDueNotices } from './store.ts';

// A courier delivers the notifications of one bot, mailbox or log. `courier-state.ts` lists the
// states of a walk and their transitions. Here is the effect of each state.

/** Some seconds of work at the usual pace. A wake-up ends a page early. */
const pageMax = 100;

export class Courier {
  readonly #context: CourierContext;
  readonly #options: SenderOptions;
  readonly #sender: Sender;
  readonly #sleeper = new WakeableSleep();
  #isWoken = false;

  constructor(context: Omit<CourierContext, 'forecasts'>, options: SenderOptions) {
    this.#context = { ...context, forecasts: new ForecastCache() };
    this.#options = options;
    this.#sender = new Sender(this.#context, options);
  }

  /** Reports that an urgent notification may be due. */
  wake(): void {
    this.#isWoken = true;
    this.#sleeper.wake();
  }

  /** Waits for a wake-up, at most `ms`. */
  async idle(ms: number): Promise<void> {
    if (!this.#isWoken) await this.#sleeper.sleep(ms, this.#options.signal);
    this.#isWoken = false;
  }

  /** Resolves when all outcomes are stored, or at once if the courier stops. */
  awaitAnswers(): Promise<void> {
    return this.#sender.awaitAnswers();
  }

  /** Waits for pending answers for a while, then abandons them. Never rejects. */
  end(): Promise<void> {
    return this.#sender.end();
  }

  /**
   * Delivers until nothing is due.
   * @param isOver whether the time of the walk is over
   * @throws Fault `lease_lost`, or a fault of the database
   */
  async walk(runCounts: RunCounts, isOver: () => boolean): Promise<WalkResult> {
    const { db, lease } = this.#context;
    let state: CourierState = { kind: 'recovery' };
    while (state.kind !== 'end') state = await this.#step(state, runCounts, isOver);
    const { result } = state;
    if (result.is === 'done') await writeWalkTime(db, lease, result.startedAt);
    return result;
  }

  async #step(
    state: Exclude<CourierState, { kind: 'end' }>,
    runCounts: RunCounts,
    isOver: () => boolean,
  ): Promise<CourierState> {
    const { signal, backoff } = this.#options;
    switch (state.kind) {
      case 'recovery':
        await this.#sender.recoverLost();
        return firstPage;
      case 'page':
        if (signal.aborted || isOver()) return afterPage(state, { is: 'stopped' });
        return afterPage(state, await this.#readPage(state));
      case 'delivery':
        return afterDelivery(state, await this.#deliverPage(state, runCounts, isOver));
      case 'answers':
        await this.#sender.awaitAnswers();
        return afterAnswers(state, {
          isPaused: backoff.remainingMs() > 0,
          isStopping: signal.aborted,
        });
      case 'gap':
        await this.#sleeper.sleep(state.ms, signal);
        return firstPage;
    }
  }

  async #readPage({ after, startedAt }: PageState): Promise<DuePage | PauseResult> {
    const { db, lease, channel, channels } = this.#context;
    await addressAlarms(db, channels, this.#options.log);
    await writeWalkTime(db, lease, undefined);
    const pageStartedAt = after === undefined ? await readClock(db) : startedAt;
    const paused = await this.#readPause();
    if (paused !== undefined) return paused;
    this.#isWoken = false;
    const page = await findDueNotices(db, channel.servedChannel, { after, max: pageMax });
    return { page, isLast: page.length < pageMax, startedAt: pageStartedAt };
  }

  /** Checks whether the account pauses. Asks the gateway first after two failures in a row. */
  async #readPause(): Promise<PauseResult | undefined> {
    const { db, lease } = this.#context;
    const { backoff } = this.#options;
    await backoff.write(db, lease);
    const facts = await readCourier(db, lease);
    if (facts === undefined) throw courierLeaseLost(lease);
    backoff.restore(facts.failures);
    const storedMs = facts.restsUntil === null ? 0 : facts.restsUntil - facts.now;
    const ms = Math.max(storedMs, backoff.remainingMs());
    if (ms > 0) return { is: 'paused', ms, error: backoff.reason };
    if (!mustProbeFirst(backoff.failures) || (await this.#sender.probe())) return undefined;
    await backoff.write(db, lease);
    return { is: 'paused', ms: backoff.remainingMs(), error: backoff.reason };
  }

  async #deliverPage(
    { page }: DeliveryState,
    runCounts: RunCounts,
    isOver: () => boolean,
  ): Promise<DeliveryProgress> {
    const { signal, backoff } = this.#options;
    let visited = 0;
    let freeInMs = Number.POSITIVE_INFINITY;
    for (const due of page) {
      freeInMs = Math.min(freeInMs, await this.#deliverOne(due, runCounts));
      visited += 1;
      if (signal.aborted || isOver() || backoff.remainingMs() > 0 || this.#isWoken) break;
    }
    return { visited, freeInMs, isWoken: this.#isWoken };
  }

  /** @returns ms until the recipient is free; infinite: the notification was not skipped */
  async #deliverOne(due: DueNotice, runCounts: RunCounts): Promise<number> {
    const waitMs = this.#sender.recipientWaitMs(due);
    if (waitMs > 0) return waitMs;
    const claim = await this.#sender.deliver(due, runCounts);
    // A notification in quarantine raises an alarm, which is due now.
    if (claim?.is === 'quarantined') this.#isWoken = true;
    return Number.POSITIVE_INFINITY;
  }
}

type PauseResult = Extract<WalkResult, { is: 'paused' }>;
