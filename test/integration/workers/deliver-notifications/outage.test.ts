import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { dayMs, hourMs, type Instant, later, minuteMs } from '../../../../src/kernel/instant.ts';
import { openReplica } from '../../../../src/leases/replica.ts';
import { endRemindersMs, trialRemindersMs } from '../../../../src/outbox/reminder-schedule.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import { startTrial } from '../../../../src/subscription/commands/trial.ts';
import { type BotApi, startBotApi } from '../../../../testbed/bot-api/bot-api.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { createDelivery, fastLimits, runDelivery } from '../../../support/delivery.ts';
import {
  addBalance,
  addCustomer,
  buyPlan,
  createCaller,
  createShop,
  parseTime,
  runWorker,
} from '../../../support/shop.ts';

// An outage of 72 hours in virtual time.
//
// Either nothing ran, or only Telegram was unreachable while the workers planned on. Before and
// after the outage all workers tick every four hours, and their notifications are delivered. The
// test compares the messages in the chats with the database.

const begins = parseTime('2026-11-18T00:00:00Z');
const outageFrom = parseTime('2026-11-20T12:00:00Z');
const outageUntil = later(outageFrom, 72 * hourMs);
const ends = later(outageUntil, dayMs);
const tickMs = 4 * hourMs;
const arrivalIntervalMs = 11 * hourMs + 7 * minuteMs;
const zones = ['UTC', 'Europe/Moscow', 'Asia/Tokyo', 'America/New_York'];
const names = ['trial-notifications', 'expiry-reminders', 'auto-renewal', 'fast-expiry-cleanup'];
const customerKinds = ['trial', 'leaves', 'short', 'renews', 'revoked'] as const;
const week = { plan: 'mini', periodDays: 4 };

type Outage = 'of everything' | 'of Telegram';

/** A subscription at the time of a message. */
interface SubscriptionState {
  readonly id: bigint;
  readonly chat: string;
  readonly state: string;
  readonly kind: string;
  readonly balance: bigint;
  readonly until: Instant;
}

/** A message that arrived. */
interface ReceivedNotification {
  readonly at: Instant;
  readonly chat: string;
  readonly kind: string;
  readonly until: string | null;
  readonly subscription: SubscriptionState;
}

interface Row {
  readonly messageId: bigint;
  readonly subscriptionId: bigint;
  readonly chat: string;
  readonly kind: string;
  readonly until: string | null;
}

class OutageSimulation {
  readonly database: TestDatabase;
  readonly api: BotApi;
  readonly #outage: Outage;
  readonly #replica;
  readonly #arrivals: { readonly at: Instant; readonly stood: readonly SubscriptionState[] }[] = [];
  #groupCount = 0;
  /** Runs that reached no gateway. */
  degraded = 0;

  constructor(database: TestDatabase, api: BotApi, outage: Outage) {
    this.database = database;
    this.api = api;
    this.#outage = outage;
    this.#replica = openReplica(database.url);
  }

  async run(): Promise<void> {
    const { database } = this;
    let arrivesAt = begins;
    for (let now = begins; now <= ends; now = later(now, tickMs)) {
      const isOut = now >= outageFrom && now < outageUntil;
      while (arrivesAt <= now && arrivesAt < outageUntil) {
        await database.setClock(arrivesAt);
        if (!isOut || this.#outage === 'of Telegram') await this.#createArrivals();
        arrivesAt = later(arrivesAt, arrivalIntervalMs);
      }
      await database.setClock(now);
      // While a pending warning becomes outdated, or first after the outage.
      const actsAt = this.#outage === 'of Telegram' ? later(outageUntil, -tickMs) : outageUntil;
      if (now === actsAt) await this.#changeSubscriptions();
      if (isOut && this.#outage === 'of everything') continue;
      for (const name of names) {
        // After the outage over five subscriptions end within an hour, and the operator confirms
        // them.
        const confirmed = name === 'fast-expiry-cleanup';
        await runWorker(database, name, { replica: this.#replica, confirmed });
      }
      await this.#deliver(now, isOut);
    }
    await this.#replica.close();
  }

  /** One customer of each sort. */
  async #createArrivals(): Promise<void> {
    const { database } = this;
    const timeZone = zones[this.#groupCount % zones.length] as string;
    const first = BigInt(1 + this.#groupCount * customerKinds.length);
    this.#groupCount += 1;
    for (const [n, who] of customerKinds.entries()) {
      const id = first + BigInt(n);
      const balanceMinor = who === 'trial' ? 0n : who === 'renews' ? 60_00n : 10_00n;
      await addCustomer(database, id, { timeZone, balanceMinor });
      if (who === 'trial') await startTrial(createCaller(database), { telegramId: id });
      else await buyPlan(database, id, { ...week, autoRenew: who === 'short' || who === 'renews' });
    }
  }

  /** Every second customer without enough balance tops up, and some are revoked. */
  async #changeSubscriptions(): Promise<void> {
    const { database } = this;
    for (let place = 0; place < this.#groupCount; place += 1) {
      const id = (who: (typeof customerKinds)[number]) =>
        BigInt(1 + place * customerKinds.length + customerKinds.indexOf(who));
      if (place % 2 === 0) await addBalance(database, id('short'), 60_00n);
      await revoke(createCaller(database), { telegramId: id('revoked'), reason: 'test' });
    }
  }

  async #deliver(now: Instant, isOut: boolean): Promise<void> {
    const { database, api } = this;
    const states = await readSubscriptionStates(database);
    const before = api.log.length;
    // No server listens on port 1.
    const url = isOut ? 'http://127.0.0.1:1' : api.url;
    const row = await runDelivery(this, createDelivery({ url }));
    if (row.outcome === 'degraded') this.degraded += 1;
    for (let n = before; n < api.log.length; n += 1)
      this.#arrivals.push({ at: now, stood: states });
  }

  /** The messages that arrived, in their order. */
  async readReceived(): Promise<ReceivedNotification[]> {
    const rows = await this.database.query<Row>`
      SELECT n.message_id AS "messageId", n.subscription_id AS "subscriptionId", n.kind,
        c.telegram_id::text AS chat, n.params->>'expires_at' AS until
      FROM perennial.notification n JOIN perennial.customer c ON c.id = n.customer_id
      WHERE n.message_id IS NOT NULL`;
    const byMessage = new Map(rows.map((row) => [row.messageId, row]));
    return this.api.log.map(({ chat, arrived }, n) => {
      const row = byMessage.get(BigInt(n + 1));
      const { at: moment, stood: states } = this.#arrivals[n] as {
        at: Instant;
        stood: SubscriptionState[];
      };
      const subscription = states.find(({ id }) => id === row?.subscriptionId);
      // Each message in a chat has a row, and belongs to its customer.
      expect({ arrived, chat }).toEqual({ arrived: true, chat: row?.chat });
      if (row === undefined || subscription === undefined) throw new Error(`call ${n + 1}`);
      return { at: moment, chat, kind: row.kind, until: row.until, subscription };
    });
  }
}

async function readSubscriptionStates({ query }: TestDatabase): Promise<SubscriptionState[]> {
  const rows = await query<SubscriptionState>`
    SELECT s.id, c.telegram_id::text AS chat, s.state, s.kind, s.expires_at AS until,
      c.balance_minor AS balance
    FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id`;
  return rows;
}

/** The time before the end from which a reminder is obsolete: the next reminder, or the end. */
const obsoleteMs: Readonly<Record<string, number>> = {
  trial_6h: trialRemindersMs.trial_ending,
  trial_48h: trialRemindersMs.trial_ending,
  trial_ending: 0,
  ends_3d: endRemindersMs.ends_24h,
  ends_24h: endRemindersMs.ends_3h,
  ends_3h: 0,
  low_balance: 0,
};
const isWarning = ({ kind }: ReceivedNotification) => kind in obsoleteMs;

/** Why a message was outdated when it arrived. */
function findStaleReason({
  at: moment,
  kind,
  until,
  subscription,
}: ReceivedNotification): string | undefined {
  if (kind === 'expired' || kind === 'trial_ended') {
    if (subscription.state !== 'expired') return `it was ${subscription.state}`;
    return subscription.until === parseTime(String(until)) ? undefined : 'it ended at another time';
  }
  const obsolete = obsoleteMs[kind];
  if (obsolete === undefined) return undefined;
  if (subscription.state !== 'active') return `it was ${subscription.state}`;
  if (subscription.until !== parseTime(String(until))) return 'the end had moved';
  if (kind.startsWith('trial_') !== (subscription.kind === 'trial')) return 'it was another kind';
  if (kind === 'low_balance' && subscription.balance >= 10_00n) return 'the money was there';
  return moment < subscription.until - obsolete ? undefined : 'it was too late for it';
}

const countByChat = (
  received: readonly ReceivedNotification[],
  kind: string,
): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const each of received.filter((one) => one.kind === kind)) {
    counts[each.chat] = (counts[each.chat] ?? 0) + 1;
  }
  return counts;
};

/** The number of messages of a kind that each chat must have, by the events of the database. */
async function countExpected({ query }: TestDatabase, what: 'charges' | 'revocations' | 'ends') {
  const from = {
    charges: sql`perennial.period p JOIN perennial.subscription s ON s.id = p.subscription_id
      WHERE p.ledger_entry_id IS NOT NULL`,
    revocations: sql`perennial.subscription s WHERE s.state = 'revoked'`,
    ends: sql`perennial.subscription s WHERE s.state = 'expired'`,
  }[what];
  const rows = await query<{ chat: string; n: number }>`
    SELECT (SELECT telegram_id::text FROM perennial.customer WHERE id = customer) AS chat,
      count(*)::int AS n
    FROM (SELECT s.customer_id AS customer FROM ${from}) happened GROUP BY customer`;
  return Object.fromEntries(rows.map(({ chat, n }) => [chat, n]));
}

test.for(['of everything', 'of Telegram'] as const)(
  'T4 R7: after 72 hours %s no customer gets an outdated notification or two reminders at once, and no receipt is missing',
  { timeout: 120_000 },
  async (outage) => {
    await using database = await createDatabase({ now: begins });
    using api = await startBotApi({ limits: fastLimits });
    await createShop(database);
    await database.query`
    INSERT INTO perennial.plan_price (plan, period_days, currency, valid_from, amount_minor)
    VALUES ('mini', 4, 'RUB', '2020-01-01Z', 1000)`;
    const simulation = new OutageSimulation(database, api, outage);
    await simulation.run();
    const received = await simulation.readReceived();

    const stale = received.flatMap((each) => {
      const why = findStaleReason(each);
      return why === undefined ? [] : [`${each.kind} to ${each.chat}: ${why}`];
    });
    expect(stale).toEqual([]);

    const moments = received.filter(isWarning).map((each) => `${each.chat} at ${each.at}`);
    expect(moments.filter((each, n) => moments.indexOf(each) < n)).toEqual([]);

    expect(countByChat(received, 'receipt')).toEqual(await countExpected(database, 'charges'));
    expect(countByChat(received, 'revoke')).toEqual(await countExpected(database, 'revocations'));
    const ended = { ...countByChat(received, 'expired'), ...countByChat(received, 'trial_ended') };
    expect(ended).toEqual(await countExpected(database, 'ends'));
    expect(simulation.degraded > 0).toBe(outage === 'of Telegram');
    // No message was risked on the unreachable gateway.
    const rows = await database.query`
    SELECT id FROM perennial.notification
    WHERE state IN ('uncertain', 'failed', 'sending') OR lost_answers > 0`;
    expect(rows).toEqual([]);

    // The outage had consequences: all these states existed at its end.
    const back = received.filter(({ at: moment }) => moment === outageUntil);
    const kinds = new Set(back.map(({ kind }) => kind));
    for (const kind of ['receipt', 'expired', 'trial_ended', 'revoke'])
      expect(kinds).toContain(kind);
    expect(back.filter(isWarning).length).toBeGreaterThan(1);
    const suppressed = await database.query<{ reason: string }>`
    SELECT DISTINCT reason FROM perennial.notification WHERE state = 'suppressed'`;
    if (outage === 'of Telegram') {
      const reasons = suppressed.map(({ reason }) => reason);
      for (const reason of ['end_moved', 'revoked', 'ended']) expect(reasons).toContain(reason);
    }
  },
);
