import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { dayMs, hourMs, type Instant, later, minuteMs } from '../../src/kernel/instant.ts';
import { endRemindersMs, trialRemindersMs } from '../../src/notify/reminder-times.ts';
import { revoke } from '../../src/subscription/granting.ts';
import { startTrial } from '../../src/subscription/trial.ts';
import { openReplica } from '../../src/workers/replica.ts';
import { at, buys, callOf, joins, paysIn, runOf, sells } from '../a-book.ts';
import { type Books, freshBooks } from '../books.ts';
import { type BotApi, startBotApi } from '../bot-api/bot-api.ts';
import { brisk, deliveryTo, runDelivery } from './stage.ts';

// 72 hours in virtual time in which nothing ran, or in which only Telegram was away while the workers
// planned on; before it and after it all workers tick every four hours, and what they owe is
// delivered. What is held against the books is what arrived in the chats.

const begins = at('2026-11-18T00:00:00Z');
const outageFrom = at('2026-11-20T12:00:00Z');
const outageUntil = later(outageFrom, 72 * hourMs);
const ends = later(outageUntil, dayMs);
const tickMs = 4 * hourMs;
const arrivesEveryMs = 11 * hourMs + 7 * minuteMs;
const zones = ['UTC', 'Europe/Moscow', 'Asia/Tokyo', 'America/New_York'];
const names = ['trial-notifications', 'expiry-reminders', 'auto-renewal', 'fast-expiry-cleanup'];
const people = ['trial', 'leaves', 'short', 'renews', 'revoked'] as const;
const week = { plan: 'mini', periodDays: 4 };

type Outage = 'of everything' | 'of Telegram';

/** A subscription as it stood when something arrived. */
interface Stood {
  readonly id: bigint;
  readonly chat: string;
  readonly state: string;
  readonly kind: string;
  readonly balance: bigint;
  readonly until: Instant;
}

/** Something that arrived. */
interface Heard {
  readonly at: Instant;
  readonly chat: string;
  readonly kind: string;
  readonly until: string | null;
  readonly stood: Stood;
}

interface Row {
  readonly messageId: bigint;
  readonly subscriptionId: bigint;
  readonly chat: string;
  readonly kind: string;
  readonly until: string | null;
}

class World {
  readonly books: Books;
  readonly api: BotApi;
  readonly #outage: Outage;
  readonly #replica;
  readonly #arrivals: { readonly at: Instant; readonly stood: readonly Stood[] }[] = [];
  #place = 0;
  /** Runs that found nobody to hand anything to. */
  degraded = 0;

  constructor(books: Books, api: BotApi, outage: Outage) {
    this.books = books;
    this.api = api;
    this.#outage = outage;
    this.#replica = openReplica(books.url);
  }

  async play(): Promise<void> {
    const { books } = this;
    let arrivesAt = begins;
    for (let now = begins; now <= ends; now = later(now, tickMs)) {
      const isOut = now >= outageFrom && now < outageUntil;
      while (arrivesAt <= now && arrivesAt < outageUntil) {
        await books.setClock(arrivesAt);
        if (!isOut || this.#outage === 'of Telegram') await this.#arrive();
        arrivesAt = later(arrivesAt, arrivesEveryMs);
      }
      await books.setClock(now);
      // While a warning is owed that it makes untrue, or first thing after the outage.
      const actsAt = this.#outage === 'of Telegram' ? later(outageUntil, -tickMs) : outageUntil;
      if (now === actsAt) await this.#act();
      if (isOut && this.#outage === 'of everything') continue;
      for (const name of names) {
        // After the outage over five end within an hour: the operator confirms them.
        const confirmed = name === 'fast-expiry-cleanup';
        await runOf(books, name, { replica: this.#replica, confirmed });
      }
      await this.#deliver(now, isOut);
    }
    await this.#replica.close();
  }

  /** One of each. */
  async #arrive(): Promise<void> {
    const { books } = this;
    const timeZone = zones[this.#place % zones.length] as string;
    const first = BigInt(1 + this.#place * people.length);
    this.#place += 1;
    for (const [n, who] of people.entries()) {
      const id = first + BigInt(n);
      const balanceMinor = who === 'trial' ? 0n : who === 'renews' ? 60_00n : 10_00n;
      await joins(books, id, { timeZone, balanceMinor });
      if (who === 'trial') await startTrial(callOf(books), { telegramId: id });
      else await buys(books, id, { ...week, autoRenew: who === 'short' || who === 'renews' });
    }
  }

  /** Of those who are there, every other who was short pays in, and some are revoked. */
  async #act(): Promise<void> {
    const { books } = this;
    for (let place = 0; place < this.#place; place += 1) {
      const id = (who: (typeof people)[number]) =>
        BigInt(1 + place * people.length + people.indexOf(who));
      if (place % 2 === 0) await paysIn(books, id('short'), 60_00n);
      await revoke(callOf(books), { telegramId: id('revoked'), reason: 'test' });
    }
  }

  async #deliver(now: Instant, isOut: boolean): Promise<void> {
    const { books, api } = this;
    const stood = await standing(books);
    const before = api.log.length;
    // Nobody listens on port 1.
    const url = isOut ? 'http://127.0.0.1:1' : api.url;
    const row = await runDelivery(this, deliveryTo({ url }));
    if (row.outcome === 'degraded') this.degraded += 1;
    for (let n = before; n < api.log.length; n += 1) this.#arrivals.push({ at: now, stood });
  }

  /** What arrived, in its order. */
  async heard(): Promise<Heard[]> {
    const { rows } = await sql<Row>`
      SELECT n.message_id AS "messageId", n.subscription_id AS "subscriptionId", n.kind,
        c.telegram_id::text AS chat, n.params->>'expires_at' AS until
      FROM perennial.notification n JOIN perennial.customer c ON c.id = n.customer_id
      WHERE n.message_id IS NOT NULL`.execute(this.books.db);
    const byMessage = new Map(rows.map((row) => [row.messageId, row]));
    return this.api.log.map(({ chat, arrived }, n) => {
      const row = byMessage.get(BigInt(n + 1));
      const { at: moment, stood } = this.#arrivals[n] as { at: Instant; stood: Stood[] };
      const subscription = stood.find(({ id }) => id === row?.subscriptionId);
      // Each message in a chat is a row's, and that of its customer.
      expect({ arrived, chat }).toEqual({ arrived: true, chat: row?.chat });
      if (row === undefined || subscription === undefined) throw new Error(`call ${n + 1}`);
      return { at: moment, chat, kind: row.kind, until: row.until, stood: subscription };
    });
  }
}

async function standing({ db }: Books): Promise<Stood[]> {
  const { rows } = await sql<Stood>`
    SELECT s.id, c.telegram_id::text AS chat, s.state, s.kind, s.expires_at AS until,
      c.balance_minor AS balance
    FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id`.execute(db);
  return rows;
}

/** From when on before the end a reminder is overtaken, by the next one or by the end. */
const overtakenMs: Readonly<Record<string, number>> = {
  trial_6h: trialRemindersMs.trial_ending,
  trial_48h: trialRemindersMs.trial_ending,
  trial_ending: 0,
  ends_3d: endRemindersMs.ends_24h,
  ends_24h: endRemindersMs.ends_3h,
  ends_3h: 0,
  low_balance: 0,
};
const isWarning = ({ kind }: Heard) => kind in overtakenMs;

/** Why it was not so when it arrived. */
function whyStale({ at: moment, kind, until, stood }: Heard): string | undefined {
  if (kind === 'expired' || kind === 'trial_ended') {
    if (stood.state !== 'expired') return `it was ${stood.state}`;
    return stood.until === at(String(until)) ? undefined : 'it ended at another time';
  }
  const overtaken = overtakenMs[kind];
  if (overtaken === undefined) return undefined;
  if (stood.state !== 'active') return `it was ${stood.state}`;
  if (stood.until !== at(String(until))) return 'the end had moved';
  if (kind.startsWith('trial_') !== (stood.kind === 'trial')) return 'it was another kind';
  if (kind === 'low_balance' && stood.balance >= 10_00n) return 'the money was there';
  return moment < stood.until - overtaken ? undefined : 'it was too late for it';
}

const counted = (heard: readonly Heard[], kind: string): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const each of heard.filter((one) => one.kind === kind)) {
    counts[each.chat] = (counts[each.chat] ?? 0) + 1;
  }
  return counts;
};

/** How many of a kind each chat is to have, by what happened in the books. */
async function happened({ db }: Books, what: 'charges' | 'revocations' | 'ends') {
  const from = {
    charges: sql`perennial.period p JOIN perennial.subscription s ON s.id = p.subscription_id
      WHERE p.ledger_entry_id IS NOT NULL`,
    revocations: sql`perennial.subscription s WHERE s.state = 'revoked'`,
    ends: sql`perennial.subscription s WHERE s.state = 'expired'`,
  }[what];
  const { rows } = await sql<{ chat: string; n: number }>`
    SELECT (SELECT telegram_id::text FROM perennial.customer WHERE id = customer) AS chat,
      count(*)::int AS n
    FROM (SELECT s.customer_id AS customer FROM ${from}) happened GROUP BY customer`.execute(db);
  return Object.fromEntries(rows.map(({ chat, n }) => [chat, n]));
}

test.for(['of everything', 'of Telegram'] as const)(
  'T4 R7: after 72 hours %s nobody hears what is stale or two reminders at once, and no receipt is missing',
  { timeout: 120_000 },
  async (outage) => {
    await using books = await freshBooks({ now: begins });
    using api = await startBotApi({ limits: brisk });
    await sells(books);
    await sql`
    INSERT INTO perennial.plan_price (plan, period_days, currency, valid_from, amount_minor)
    VALUES ('mini', 4, 'RUB', '2020-01-01Z', 1000)`.execute(books.db);
    const world = new World(books, api, outage);
    await world.play();
    const heard = await world.heard();

    const stale = heard.flatMap((each) => {
      const why = whyStale(each);
      return why === undefined ? [] : [`${each.kind} to ${each.chat}: ${why}`];
    });
    expect(stale).toEqual([]);

    const moments = heard.filter(isWarning).map((each) => `${each.chat} at ${each.at}`);
    expect(moments.filter((each, n) => moments.indexOf(each) < n)).toEqual([]);

    expect(counted(heard, 'receipt')).toEqual(await happened(books, 'charges'));
    expect(counted(heard, 'revoke')).toEqual(await happened(books, 'revocations'));
    const ended = { ...counted(heard, 'expired'), ...counted(heard, 'trial_ended') };
    expect(ended).toEqual(await happened(books, 'ends'));
    expect(world.degraded > 0).toBe(outage === 'of Telegram');
    // Nothing was risked on a gateway that wasn't there.
    const { rows } = await sql`
    SELECT id FROM perennial.notification
    WHERE state IN ('uncertain', 'failed', 'sending') OR lost_answers > 0`.execute(books.db);
    expect(rows).toEqual([]);

    // And there was something to get wrong: it came back to all of that.
    const back = heard.filter(({ at: moment }) => moment === outageUntil);
    const kinds = new Set(back.map(({ kind }) => kind));
    for (const kind of ['receipt', 'expired', 'trial_ended', 'revoke'])
      expect(kinds).toContain(kind);
    expect(back.filter(isWarning).length).toBeGreaterThan(1);
    const { rows: suppressed } = await sql<{ reason: string }>`
    SELECT DISTINCT reason FROM perennial.notification WHERE state = 'suppressed'`.execute(
      books.db,
    );
    if (outage === 'of Telegram') {
      const reasons = suppressed.map(({ reason }) => reason);
      for (const reason of ['end_moved', 'revoked', 'ended']) expect(reasons).toContain(reason);
    }
  },
);
