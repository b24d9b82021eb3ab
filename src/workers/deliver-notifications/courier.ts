import { readClock } from '../../db/clock.ts';
import { inTransaction } from '../../db/connect.ts';
import { toFault } from '../../db/faults.ts';
import { type Instant, minuteMs, secondMs } from '../../kernel/instant.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import { Fence } from '../../leases/fence.ts';
import { WakeableSleep } from '../../leases/wakeable-sleep.ts';
import type { SendOutcome } from '../../notifications/channels/channel.ts';
import { type Alarm, raiseAlarms } from '../../outbox/alarms.ts';
import { ForecastCache } from '../../subscription/store/forecast-cache.ts';
import { addressAlarms } from './alarm-fanout.ts';
import type { Backoff } from './backoff.ts';
import {
  type Claim,
  type ClaimedNotice,
  type CourierContext,
  deliveryWorkerName,
} from './claim.ts';
import { courierLeaseLost, readCourier, writeWalkTime } from './lease.ts';
import { claimOrQuarantine, logClaim } from './quarantine.ts';
import { SendRateLimiter } from './rate-limiter.ts';
import { recoverLost, revertUnsent } from './recovery.ts';
import { mustProbeFirst, toSettlement } from './rule.ts';
import type { RunCounts } from './run-counts.ts';
import { type DueKey, type DueNotice, findDueNotices, writeSettlement } from './store.ts';

// A courier: takes what is due, one at a time, as its pace allows, and hands it to the gateway while
// no transaction is open and no connection is held. Several answers may be awaited at once, else a
// gateway that answers slowly would set the pace.

export interface CourierLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface CourierOptions {
  readonly log: CourierLog;
  readonly signal: AbortSignal;
  /** What is known of the gateway: outlives the courier. */
  readonly backoff: Backoff;
}

/** What a walk over all that is due came to. */
export type WalkResult =
  | { readonly is: 'done' }
  /** Somebody asked to end, or the time is up. */
  | { readonly is: 'left' }
  | { readonly is: 'rests'; readonly ms: number; readonly error: string };

/** A page is some seconds' work at the usual pace; a wake-up ends it. */
const pageMax = 100;
/** Answers awaited at once: at 20 a second, gateways that take up to 0.8 s. */
const inFlightMax = 16;
/** Of the 6 s that a service gives its runs: then answers that are still out are given up. */
const answerGraceMs = 4 * secondMs;
/** How often what became of a send is tried to be written down, while the database is away. */
const storeTriesMax = 6;

export class Courier {
  readonly #context: CourierContext;
  readonly #log: CourierLog;
  readonly #signal: AbortSignal;
  readonly #fence: Fence;
  readonly #backoff: Backoff;
  readonly #elapsedMs = stopwatch();
  readonly #rateLimiter: SendRateLimiter;
  readonly #sleeper = new WakeableSleep();
  readonly #inFlight = new Map<bigint, Promise<void>>();
  /** Claims whose COMMIT nobody answered for: if they were made, nothing was sent. */
  readonly #unsent = new Set<bigint>();
  /** Ends the sends under way. */
  readonly #sendAbort = new AbortController();
  #isWoken = false;
  /** The last answer that is written down. */
  #storing: Promise<void> = Promise.resolve();

  constructor(
    context: Omit<CourierContext, 'forecasts'>,
    { log, signal, backoff }: CourierOptions,
  ) {
    const { db, lease, channel } = context;
    this.#context = { ...context, forecasts: new ForecastCache() };
    this.#log = log;
    this.#signal = signal;
    this.#backoff = backoff;
    this.#fence = new Fence({
      isHeld: async () => (await readCourier(db, lease)) !== undefined,
      createFault: () => courierLeaseLost(lease),
    });
    this.#rateLimiter = new SendRateLimiter(channel, this.#elapsedMs());
  }

  /** There may be something that can't wait. */
  wake(): void {
    this.#isWoken = true;
    this.#sleeper.wake();
  }

  /** Waits for a wake-up, at most so long. */
  async idle(ms: number): Promise<void> {
    if (!this.#isWoken) await this.#sleeper.sleep(ms, this.#signal);
    this.#isWoken = false;
  }

  /** Delivers what is due, until nothing is. @throws Fault `lease_lost`, or what the database did */
  async walk(runCounts: RunCounts, isOver: () => boolean): Promise<WalkResult> {
    const { db, lease, channel, channels } = this.#context;
    await this.#recoverLost();
    let after: DueKey | undefined;
    let nextFreeMs = Number.POSITIVE_INFINITY;
    let startedAt: Instant | undefined;
    for (;;) {
      if (this.#signal.aborted || isOver()) return { is: 'left' };
      await addressAlarms(db, channels, this.#log);
      await writeWalkTime(db, lease, undefined);
      if (after === undefined) startedAt = await readClock(db);
      const paused = await this.#readPause();
      if (paused !== undefined) return paused;
      this.#isWoken = false;
      const page = await findDueNotices(db, channel.servedChannel, { after, max: pageMax });
      for (const due of page) {
        const freeInMs = await this.#deliverOne(due, runCounts);
        nextFreeMs = Math.min(nextFreeMs, freeInMs);
        after = due.key;
        if (this.#signal.aborted || isOver() || this.#backoff.remainingMs() > 0 || this.#isWoken)
          break;
      }
      // What came meanwhile may go before what is left of the page.
      if (this.#isWoken) after = undefined;
      else if (page.length < pageMax && (page.length === 0 || after === page.at(-1)?.key)) {
        await this.awaitAnswers();
        if (this.#backoff.remainingMs() > 0) continue;
        if (this.#signal.aborted) return { is: 'left' };
        if (nextFreeMs === Number.POSITIVE_INFINITY) {
          return writeWalkTime(db, lease, startedAt).then(() => ({ is: 'done' }));
        }
        await this.#sleeper.sleep(nextFreeMs, this.#signal);
        after = undefined;
        nextFreeMs = Number.POSITIVE_INFINITY;
      }
    }
  }

  /** Whoever ends doesn't wait for answers here: `end` does, and not for ever. */
  async #waitUnlessStopping(answers: Promise<unknown>): Promise<void> {
    const waited = new AbortController();
    const until = AbortSignal.any([this.#signal, waited.signal]);
    await Promise.race([answers, new WakeableSleep().sleep(minuteMs, until)]);
    waited.abort();
  }

  /** What is under way is written down, unless this courier is to end. */
  async awaitAnswers(): Promise<void> {
    await this.#waitUnlessStopping(this.#awaitInFlight());
  }

  async #awaitInFlight(): Promise<void> {
    await Promise.all(this.#inFlight.values());
  }

  /** Ends: answers that are out get a while, then they are given up. */
  async end(): Promise<void> {
    const answers = this.#awaitInFlight();
    const grace = new WakeableSleep().sleep(answerGraceMs, new AbortController().signal);
    await Promise.race([answers, grace]);
    this.#sendAbort.abort();
    await answers;
    await this.#withRetries(() => this.#revertUnsent());
  }

  /** Whether nothing may be sent now, for how long and why; asks the gateway where that is in doubt. */
  async #readPause(): Promise<WalkResult | undefined> {
    const { db, lease, channel } = this.#context;
    const backoff = this.#backoff;
    await backoff.write(db, lease);
    const facts = await readCourier(db, lease);
    if (facts === undefined) throw courierLeaseLost(lease);
    backoff.restore(facts.failures);
    const storedMs = facts.restsUntil === null ? 0 : facts.restsUntil - facts.now;
    const ms = Math.max(storedMs, backoff.remainingMs());
    if (ms > 0) return { is: 'rests', ms, error: backoff.reason };
    if (!mustProbeFirst(backoff.failures)) return undefined;
    const down = await channel.checkHealth(this.#sendAbort.signal);
    if (down === undefined) return undefined;
    this.#observe(down, backoff.failures);
    await backoff.write(db, lease);
    return { is: 'rests', ms: backoff.remainingMs(), error: backoff.reason };
  }

  /** One notice: its turn in the pace, its judgement, its sending. @returns ms until its recipient is free */
  async #deliverOne(due: DueNotice, runCounts: RunCounts): Promise<number> {
    const { recipient, id } = due;
    if (this.#inFlight.has(id)) return Number.POSITIVE_INFINITY;
    const freeInMs = this.#rateLimiter.recipientWaitMs(recipient, this.#elapsedMs());
    if (freeInMs > 0) return freeInMs;
    while (this.#inFlight.size >= inFlightMax && !this.#signal.aborted) {
      await this.#waitUnlessStopping(Promise.race(this.#inFlight.values()));
    }
    const waitMs = this.#rateLimiter.waitMs(this.#elapsedMs());
    if (waitMs > 0) await new WakeableSleep().sleep(waitMs, this.#signal);
    if (this.#signal.aborted || this.#backoff.remainingMs() > 0) return Number.POSITIVE_INFINITY;
    const outcome = await this.#claim(due, runCounts);
    if (outcome.is === 'send') await this.#send(outcome.notice, runCounts);
    return Number.POSITIVE_INFINITY;
  }

  async #claim(due: DueNotice, runCounts: RunCounts): Promise<Claim> {
    this.#unsent.add(due.id);
    const outcome = await claimOrQuarantine(this.#context, due, runCounts);
    this.#unsent.delete(due.id);
    // The alarm of one that failed is due now.
    if (outcome.is === 'aside') this.#isWoken = true;
    logClaim(this.#log, due, outcome);
    return outcome;
  }

  /** Hands a notice that is marked to the gateway; the answer is awaited by nobody here. */
  async #send(notice: ClaimedNotice, runCounts: RunCounts): Promise<void> {
    this.#unsent.add(notice.id);
    await this.#fence.verify();
    // Told to wait since it was claimed.
    if (this.#signal.aborted || this.#backoff.remainingMs() > 0) return;
    this.#unsent.delete(notice.id);
    const { recipient, message, id } = notice;
    this.#rateLimiter.recordSend(recipient, this.#elapsedMs());
    const { failures } = this.#backoff;
    const sent = this.#context.channel
      .send(recipient, message, this.#sendAbort.signal)
      .then((outcome) => {
        // First what concerns everybody, and before anything is waited for.
        this.#observe(outcome, failures);
        return this.#storeOutcome(notice, outcome, runCounts);
      })
      .finally(() => this.#inFlight.delete(id));
    this.#inFlight.set(id, sent);
  }

  async #storeOutcome(
    notice: ClaimedNotice,
    outcome: SendOutcome,
    runCounts: RunCounts,
  ): Promise<void> {
    const { id, customerId, attempts } = notice;
    const messageId = outcome.is === 'sent' ? outcome.messageId : null;
    const { db, lease, channel } = this.#context;
    const { name } = channel;
    const sent = { id, customerId, attempts, channel: name, messageId };
    await this.#withRetries(() => this.#backoff.write(db, lease), 'a wait is not in its row yet');
    // One after the other: sixteen answers at once must not want sixteen connections.
    this.#storing = this.#storing.then(() =>
      this.#withRetries(() =>
        inTransaction(db, async (tx) => {
          const now = await readClock(tx);
          const settlement = toSettlement(notice, outcome, now);
          if (!(await writeSettlement(tx, sent, settlement, now))) return;
          await raiseAlarms(tx, toRefusalAlarms(notice, outcome));
          await runCounts.countSettlement(tx, settlement);
        }),
      ),
    );
    await this.#storing;
    if (outcome.is === 'sent') return;
    const level = outcome.is === 'refused' ? 'error' : 'info';
    this.#log[level](
      { worker: deliveryWorkerName, item: String(id), ...outcome },
      `notice: ${outcome.is}`,
    );
  }

  #observe(outcome: SendOutcome, failuresBefore: number): void {
    const pauseMs = this.#backoff.observe(outcome, failuresBefore);
    if (pauseMs === 0) return;
    const logFields = {
      worker: deliveryWorkerName,
      post: this.#context.lease.id,
      restMs: pauseMs,
      error: this.#backoff.reason,
    };
    this.#log.warn(logFields, 'nothing is sent for a while');
  }

  /** While the database is away what was learnt is kept for some seconds; then it is given up. */
  async #withRetries(
    work: () => Promise<void>,
    message = 'what became of a send is lost',
  ): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await work();
        return;
      } catch (error) {
        const fault = toFault(error);
        const logFields = { worker: deliveryWorkerName, code: fault.code, err: fault };
        if (fault.kind !== 'transient' || attempt === storeTriesMax) {
          this.#log.error(logFields, `${message}: ${fault.message}`);
          return;
        }
        await new WakeableSleep().sleep(100 * 2 ** attempt, new AbortController().signal);
      }
    }
  }

  /** Claims that were never sent. */
  async #revertUnsent(): Promise<void> {
    await revertUnsent(this.#context.db, this.#context.lease, [...this.#unsent]);
    this.#unsent.clear();
  }

  /** Claims of this courier's that were never sent, and sends of couriers that are gone. */
  async #recoverLost(): Promise<void> {
    const { db, channel } = this.#context;
    await this.#revertUnsent();
    const found = await recoverLost(db, channel.servedChannel, [...this.#inFlight.keys()]);
    if (found > 0)
      this.#log.warn({ worker: deliveryWorkerName, found }, 'sends were lost with their courier');
  }
}

/** A text that a gateway refuses needs the operator. An alarm about this alarm would not end. */
function toRefusalAlarms({ kind }: ClaimedNotice, outcome: SendOutcome): Alarm[] {
  if (outcome.is !== 'refused' || kind === 'alarm_notice') return [];
  return [{ kind: 'alarm_notice', params: { subject: kind, error: outcome.error } }];
}
