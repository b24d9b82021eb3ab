import { readClock } from '../../db/clock.ts';
import { inTransaction } from '../../db/connect.ts';
import { toFault } from '../../db/faults.ts';
import { minuteMs, secondMs } from '../../kernel/instant.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import { Fence } from '../../leases/fence.ts';
import { WakeableSleep } from '../../leases/wakeable-sleep.ts';
import type { TaskLog } from '../../logging/log.ts';
import type { SendOutcome } from '../../notifications/channels/channel.ts';
import { type Alarm, raiseAlarms } from '../../outbox/alarms.ts';
import type { Backoff } from './backoff.ts';
import {
  type Claim,
  type ClaimedNotice,
  type CourierContext,
  deliveryWorkerName,
} from './claim.ts';
import { courierLeaseLost, readCourier } from './lease.ts';
import { claimOrQuarantine, logClaim } from './quarantine.ts';
import { SendRateLimiter } from './rate-limiter.ts';
import { recoverLost, revertUnsent } from './recovery.ts';
import { toSettlement } from './rule.ts';
import type { RunCounts } from './run-counts.ts';
import { type DueNotice, writeSettlement } from './store.ts';

// The sends of a courier: claims a notification, sends it, and stores the outcome.
//
// A send happens outside a transaction and holds no connection (promise 8). Several answers are
// pending at once. Otherwise a gateway that answers slowly would determine the pace.

/** Pending answers: enough for 20 sends per second to a gateway that answers within 0.8 s. */
const inFlightMax = 16;
/** After this time pending answers are abandoned. The service gives its runs 6 s to end. */
const answerGraceMs = 4 * secondMs;
/** Attempts to store an outcome while the database is unreachable. */
const storeTriesMax = 6;

export interface SenderOptions {
  readonly log: TaskLog;
  readonly signal: AbortSignal;
  /** The state of the gateway; it outlives the courier. */
  readonly backoff: Backoff;
}

export class Sender {
  readonly #context: CourierContext;
  readonly #log: TaskLog;
  readonly #signal: AbortSignal;
  readonly #backoff: Backoff;
  readonly #fence: Fence;
  readonly #elapsedMs = stopwatch();
  readonly #rateLimiter: SendRateLimiter;
  readonly #inFlight = new Map<bigint, Promise<void>>();
  /** Claims whose commit had no answer. If they were committed, nothing was sent. */
  readonly #unsent = new Set<bigint>();
  /** Ends the pending sends. */
  readonly #sendAbort = new AbortController();
  /** Settles when the previous outcome is stored. */
  #storing: Promise<void> = Promise.resolve();

  constructor(context: CourierContext, { log, signal, backoff }: SenderOptions) {
    const { db, lease, channel } = context;
    this.#context = context;
    this.#log = log;
    this.#signal = signal;
    this.#backoff = backoff;
    this.#fence = new Fence({
      isHeld: async () => (await readCourier(db, lease)) !== undefined,
      createFault: () => courierLeaseLost(lease),
    });
    this.#rateLimiter = new SendRateLimiter(channel, this.#elapsedMs());
  }

  /** ms until this recipient may receive a message; infinite: this notification is being sent. */
  recipientWaitMs({ id, recipient }: DueNotice): number {
    if (this.#inFlight.has(id)) return Number.POSITIVE_INFINITY;
    return this.#rateLimiter.recipientWaitMs(recipient, this.#elapsedMs());
  }

  /**
   * Claims and sends one notification, at the pace of the channel. Returns before the answer.
   * @returns the claim; undefined: nothing may be sent now
   */
  async deliver(due: DueNotice, runCounts: RunCounts): Promise<Claim | undefined> {
    while (this.#inFlight.size >= inFlightMax && !this.#signal.aborted) {
      await this.#waitUnlessStopping(Promise.race(this.#inFlight.values()));
    }
    const waitMs = this.#rateLimiter.waitMs(this.#elapsedMs());
    if (waitMs > 0) await new WakeableSleep().sleep(waitMs, this.#signal);
    if (this.#mustNotSend()) return undefined;
    this.#unsent.add(due.id);
    const claim = await claimOrQuarantine(this.#context, due, runCounts);
    this.#unsent.delete(due.id);
    logClaim(this.#log, due, claim);
    if (claim.is === 'send') await this.#send(claim.notice, runCounts);
    return claim;
  }

  /** Resolves when all outcomes are stored, or at once if the courier stops. */
  async awaitAnswers(): Promise<void> {
    await this.#waitUnlessStopping(this.#awaitInFlight());
  }

  /** Waits for pending answers for a while, then abandons them. Never rejects. */
  async end(): Promise<void> {
    const answers = this.#awaitInFlight();
    const grace = new WakeableSleep().sleep(answerGraceMs, new AbortController().signal);
    await Promise.race([answers, grace]);
    this.#sendAbort.abort();
    await answers;
    await this.#withRetries(() => this.#revertUnsent());
  }

  /** Reverts own claims that were never sent, and settles the sends of couriers that ended. */
  async recoverLost(): Promise<void> {
    const { db, channel } = this.#context;
    await this.#revertUnsent();
    const found = await recoverLost(db, channel.servedChannel, [...this.#inFlight.keys()]);
    if (found > 0)
      this.#log.warn({ worker: deliveryWorkerName, found }, 'sends were lost with their courier');
  }

  /** Asks the gateway whether it is reachable. @returns whether it is */
  async probe(): Promise<boolean> {
    const failure = await this.#context.channel.checkHealth(this.#sendAbort.signal);
    if (failure === undefined) return true;
    this.#observe(failure, this.#backoff.failures);
    return false;
  }

  #mustNotSend(): boolean {
    return this.#signal.aborted || this.#backoff.remainingMs() > 0;
  }

  /** Returns early on shutdown. `end` waits for pending answers, at most 4 s. */
  async #waitUnlessStopping(answers: Promise<unknown>): Promise<void> {
    const waited = new AbortController();
    const until = AbortSignal.any([this.#signal, waited.signal]);
    await Promise.race([answers, new WakeableSleep().sleep(minuteMs, until)]);
    waited.abort();
  }

  async #awaitInFlight(): Promise<void> {
    await Promise.all(this.#inFlight.values());
  }

  async #send(notice: ClaimedNotice, runCounts: RunCounts): Promise<void> {
    this.#unsent.add(notice.id);
    await this.#fence.verify();
    // A pause may have begun after the claim.
    if (this.#mustNotSend()) return;
    this.#unsent.delete(notice.id);
    const { recipient, message, id } = notice;
    this.#rateLimiter.recordSend(recipient, this.#elapsedMs());
    const { failures } = this.#backoff;
    const sent = this.#context.channel
      .send(recipient, message, this.#sendAbort.signal)
      .then((outcome) => {
        // The pause concerns all sends, so it starts before anything else waits.
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
    const sent = { id, customerId, attempts, channel: channel.name, messageId };
    await this.#withRetries(() => this.#backoff.write(db, lease), 'pause not stored yet');
    // One after the other, so that 16 answers at once do not take 16 connections.
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
      courier: this.#context.lease.id,
      pauseMs,
      error: this.#backoff.reason,
    };
    this.#log.warn(logFields, 'sending paused');
  }

  /** Repeats for about 6 s while the database is unreachable, then abandons the work. */
  async #withRetries(work: () => Promise<void>, message = 'outcome of a send lost'): Promise<void> {
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

  async #revertUnsent(): Promise<void> {
    await revertUnsent(this.#context.db, this.#context.lease, [...this.#unsent]);
    this.#unsent.clear();
  }
}

/** The operator must correct a refused text. An alarm about an alarm would not end. */
function toRefusalAlarms({ kind }: ClaimedNotice, outcome: SendOutcome): Alarm[] {
  if (outcome.is !== 'refused' || kind === 'alarm_notice') return [];
  return [{ kind: 'alarm_notice', params: { subject: kind, error: outcome.error } }];
}
