import { readClock } from '../../db/clock.ts';
import { inTransaction } from '../../db/connect.ts';
import { faultOf } from '../../db/faults.ts';
import { type Instant, minuteMs, secondMs } from '../../kernel/instant.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import { type Alarm, sound } from '../../notify/alarms.ts';
import type { Outcome } from '../../notify/channels/channel.ts';
import { OutlookCache } from '../../subscription/outlook-cache.ts';
import { Bell } from '../bell.ts';
import { Fence } from '../fence.ts';
import { addressAlarms } from './addressing.ts';
import { claimOrPutAside, tell } from './aside.ts';
import { type Claim, type Claimed, type Desk, worker } from './claim.ts';
import { takeBack, takeOver } from './lost.ts';
import { Pacer } from './pacer.ts';
import { postLost, readCourier, writeLook } from './post.ts';
import type { Rest } from './rest.ts';
import { asksFirst, settlingOf } from './rule.ts';
import { type DueKey, type DueNotice, readDue, settle } from './store.ts';
import type { Tally } from './tally.ts';

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
  readonly rest: Rest;
}

/** What a walk over all that is due came to. */
export type Walked =
  | { readonly is: 'done' }
  /** Somebody asked to end, or the time is up. */
  | { readonly is: 'left' }
  | { readonly is: 'rests'; readonly ms: number; readonly error: string };

/** A page is some seconds' work at the usual pace; a wake-up ends it. */
const pageMax = 100;
/** Answers awaited at once: at 20 a second, gateways that take up to 0.8 s. */
const underWayMax = 16;
/** Of the 6 s that a service gives its runs: then answers that are still out are given up. */
const graceMs = 4 * secondMs;
/** How often what became of a send is tried to be written down, while the database is away. */
const settleTries = 6;

export class Courier {
  readonly #desk: Desk;
  readonly #log: CourierLog;
  readonly #signal: AbortSignal;
  readonly #fence: Fence;
  readonly #rest: Rest;
  readonly #elapsedMs = stopwatch();
  readonly #pacer: Pacer;
  readonly #bell = new Bell();
  readonly #underWay = new Map<bigint, Promise<void>>();
  /** Claims whose COMMIT nobody answered for: if they were made, nothing was sent. */
  readonly #unsent = new Set<bigint>();
  /** Ends the sends under way. */
  readonly #cut = new AbortController();
  #woken = false;
  /** The last answer that is written down. */
  #settling: Promise<void> = Promise.resolve();

  constructor(desk: Omit<Desk, 'outlooks'>, { log, signal, rest }: CourierOptions) {
    const { db, post, channel } = desk;
    this.#desk = { ...desk, outlooks: new OutlookCache() };
    this.#log = log;
    this.#signal = signal;
    this.#rest = rest;
    this.#fence = new Fence({
      holds: async () => (await readCourier(db, post)) !== undefined,
      lost: () => postLost(post),
    });
    this.#pacer = new Pacer(channel, this.#elapsedMs());
  }

  /** There may be something that can't wait. */
  wake(): void {
    this.#woken = true;
    this.#bell.ring();
  }

  /** Waits for a wake-up, at most so long. */
  async idle(ms: number): Promise<void> {
    if (!this.#woken) await this.#bell.wait(ms, this.#signal);
    this.#woken = false;
  }

  /** Delivers what is due, until nothing is. @throws Fault `post_lost`, or what the database did */
  async walk(tally: Tally, isOver: () => boolean): Promise<Walked> {
    const { db, post, channel, channels } = this.#desk;
    await this.#takeUpLost();
    let after: DueKey | undefined;
    let busyMs = Number.POSITIVE_INFINITY;
    let began: Instant | undefined;
    for (;;) {
      if (this.#signal.aborted || isOver()) return { is: 'left' };
      await addressAlarms(db, channels, this.#log);
      await writeLook(db, post, undefined);
      if (after === undefined) began = await readClock(db);
      const rests = await this.#resting();
      if (rests !== undefined) return rests;
      this.#woken = false;
      const page = await readDue(db, channel.takes, { after, max: pageMax });
      for (const due of page) {
        const soonMs = await this.#turn(due, tally);
        busyMs = Math.min(busyMs, soonMs);
        after = due.key;
        if (this.#signal.aborted || isOver() || this.#rest.ms() > 0 || this.#woken) break;
      }
      // What came meanwhile may go before what is left of the page.
      if (this.#woken) after = undefined;
      else if (page.length < pageMax && (page.length === 0 || after === page.at(-1)?.key)) {
        await this.answers();
        if (this.#rest.ms() > 0) continue;
        if (this.#signal.aborted) return { is: 'left' };
        if (busyMs === Number.POSITIVE_INFINITY) {
          return writeLook(db, post, began).then(() => ({ is: 'done' }));
        }
        await this.#bell.wait(busyMs, this.#signal);
        after = undefined;
        busyMs = Number.POSITIVE_INFINITY;
      }
    }
  }

  /** Whoever ends doesn't wait for answers here: `end` does, and not for ever. */
  async #unlessEnding(answers: Promise<unknown>): Promise<void> {
    const ending = new AbortController();
    const until = AbortSignal.any([this.#signal, ending.signal]);
    await Promise.race([answers, new Bell().wait(minuteMs, until)]);
    ending.abort();
  }

  /** What is under way is written down, unless this courier is to end. */
  async answers(): Promise<void> {
    await this.#unlessEnding(this.#settled());
  }

  async #settled(): Promise<void> {
    await Promise.all(this.#underWay.values());
  }

  /** Ends: answers that are out get a while, then they are given up. */
  async end(): Promise<void> {
    const answers = this.#settled();
    const late = new Bell().wait(graceMs, new AbortController().signal);
    await Promise.race([answers, late]);
    this.#cut.abort();
    await answers;
    await this.#surely(() => this.#takeBack());
  }

  /** Whether nothing may be sent now, for how long and why; asks the gateway where that is in doubt. */
  async #resting(): Promise<Walked | undefined> {
    const { db, post, channel } = this.#desk;
    const rest = this.#rest;
    await rest.write(db, post);
    const facts = await readCourier(db, post);
    if (facts === undefined) throw postLost(post);
    rest.adopt(facts.failures);
    const storedMs = facts.restsUntil === null ? 0 : facts.restsUntil - facts.now;
    const ms = Math.max(storedMs, rest.ms());
    if (ms > 0) return { is: 'rests', ms, error: rest.reason };
    if (!asksFirst(rest.failures)) return undefined;
    const down = await channel.whyDown(this.#cut.signal);
    if (down === undefined) return undefined;
    this.#heed(down, rest.failures);
    await rest.write(db, post);
    return { is: 'rests', ms: rest.ms(), error: rest.reason };
  }

  /** One notice: its turn in the pace, its judgement, its sending. @returns ms until its recipient is free */
  async #turn(due: DueNotice, tally: Tally): Promise<number> {
    const { recipient, id } = due;
    if (this.#underWay.has(id)) return Number.POSITIVE_INFINITY;
    const soonMs = this.#pacer.busyMs(recipient, this.#elapsedMs());
    if (soonMs > 0) return soonMs;
    while (this.#underWay.size >= underWayMax && !this.#signal.aborted) {
      await this.#unlessEnding(Promise.race(this.#underWay.values()));
    }
    const waitMs = this.#pacer.waitMs(this.#elapsedMs());
    if (waitMs > 0) await new Bell().wait(waitMs, this.#signal);
    if (this.#signal.aborted || this.#rest.ms() > 0) return Number.POSITIVE_INFINITY;
    const claimed = await this.#claim(due, tally);
    if (claimed.is === 'send') await this.#hand(claimed.claimed, tally);
    return Number.POSITIVE_INFINITY;
  }

  async #claim(due: DueNotice, tally: Tally): Promise<Claim> {
    this.#unsent.add(due.id);
    const claimed = await claimOrPutAside(this.#desk, due, tally);
    this.#unsent.delete(due.id);
    // The alarm of one that failed is due now.
    if (claimed.is === 'aside') this.#woken = true;
    tell(this.#log, due, claimed);
    return claimed;
  }

  /** Hands a notice that is marked to the gateway; the answer is awaited by nobody here. */
  async #hand(claimed: Claimed, tally: Tally): Promise<void> {
    this.#unsent.add(claimed.id);
    await this.#fence.hold();
    // Told to wait since it was claimed.
    if (this.#signal.aborted || this.#rest.ms() > 0) return;
    this.#unsent.delete(claimed.id);
    const { recipient, message, id } = claimed;
    this.#pacer.took(recipient, this.#elapsedMs());
    const { failures } = this.#rest;
    const sent = this.#desk.channel
      .send(recipient, message, this.#cut.signal)
      .then((outcome) => {
        // First what concerns everybody, and before anything is waited for.
        this.#heed(outcome, failures);
        return this.#settle(claimed, outcome, tally);
      })
      .finally(() => this.#underWay.delete(id));
    this.#underWay.set(id, sent);
  }

  async #settle(claimed: Claimed, outcome: Outcome, tally: Tally): Promise<void> {
    const { id, customerId, attempts } = claimed;
    const messageId = outcome.is === 'sent' ? outcome.messageId : null;
    const { db, post, channel } = this.#desk;
    const { name } = channel;
    const sent = { id, customerId, attempts, channel: name, messageId };
    await this.#surely(() => this.#rest.write(db, post), 'a wait is not in its row yet');
    // One after the other: sixteen answers at once must not want sixteen connections.
    this.#settling = this.#settling.then(() =>
      this.#surely(() =>
        inTransaction(db, async (tx) => {
          const now = await readClock(tx);
          const settling = settlingOf(claimed, outcome, now);
          if (!(await settle(tx, sent, settling, now))) return;
          await sound(tx, refusalAlarms(claimed, outcome));
          await tally.settled(tx, settling);
        }),
      ),
    );
    await this.#settling;
    if (outcome.is === 'sent') return;
    const level = outcome.is === 'refused' ? 'error' : 'info';
    this.#log[level]({ worker, item: String(id), ...outcome }, `notice: ${outcome.is}`);
  }

  #heed(outcome: Outcome, failuresBefore: number): void {
    const restMs = this.#rest.heed(outcome, failuresBefore);
    if (restMs === 0) return;
    const about = { worker, post: this.#desk.post.id, restMs, error: this.#rest.reason };
    this.#log.warn(about, 'nothing is sent for a while');
  }

  /** While the database is away what was learnt is kept for some seconds; then it is given up. */
  async #surely(work: () => Promise<void>, lost = 'what became of a send is lost'): Promise<void> {
    for (let tried = 1; ; tried += 1) {
      try {
        await work();
        return;
      } catch (error) {
        const fault = faultOf(error);
        const about = { worker, code: fault.code, err: fault };
        if (fault.kind !== 'transient' || tried === settleTries) {
          this.#log.error(about, `${lost}: ${fault.message}`);
          return;
        }
        await new Bell().wait(100 * 2 ** tried, new AbortController().signal);
      }
    }
  }

  /** Claims that were never sent. */
  async #takeBack(): Promise<void> {
    await takeBack(this.#desk.db, this.#desk.post, [...this.#unsent]);
    this.#unsent.clear();
  }

  /** Claims of this courier's that were never sent, and sends of couriers that are gone. */
  async #takeUpLost(): Promise<void> {
    const { db, channel } = this.#desk;
    await this.#takeBack();
    const found = await takeOver(db, channel.takes, [...this.#underWay.keys()]);
    if (found > 0) this.#log.warn({ worker, found }, 'sends were lost with their courier');
  }
}

/** A text that a gateway refuses needs the operator. An alarm about this alarm would not end. */
function refusalAlarms({ kind }: Claimed, outcome: Outcome): Alarm[] {
  if (outcome.is !== 'refused' || kind === 'alarm_notice') return [];
  return [{ kind: 'alarm_notice', params: { subject: kind, error: outcome.error } }];
}
