import { sql } from 'kysely';
import type { Db } from '../db/connect.ts';
import { hourMs, type Instant, isoTime, later, minuteMs } from '../kernel/instant.ts';
import { parseMinor } from '../kernel/money.ts';
import { topUp } from '../subscription/balance.ts';
import { purchase } from '../subscription/buying.ts';
import { createCustomer } from '../subscription/customers.ts';
import { startTrial } from '../subscription/trial.ts';
import { generatedPrices } from './book.ts';
import { chance, type Random, someOf, whole } from './random.ts';

// The customers of a demo: somebody who is told that the balance is short tops up some hours
// later, or doesn't; now and then somebody new comes and buys, or tries it first and perhaps buys
// before the trial is over. They use the same commands as an operator's bot would.

interface Intention {
  readonly at: Instant;
  readonly telegramId: bigint;
  readonly amountMinor: bigint;
  /** And what is bought with it. */
  readonly wanted?: Price;
}

type Price = (typeof generatedPrices)[number];

interface ShortRow {
  readonly id: bigint;
  readonly telegramId: bigint;
  readonly currency: string;
  readonly missing: string;
}

const newcomersEveryMs = 40 * minuteMs;
const firstNewcomer = 900_000_000n;

export class People {
  readonly #db: Db;
  readonly #random: Random;
  #lastNotice = 0n;
  #newcomers = 0n;
  #nextNewcomerAt: Instant;
  #intentions: Intention[] = [];

  constructor(db: Db, random: Random, now: Instant) {
    this.#db = db;
    this.#random = random;
    this.#nextNewcomerAt = later(now, newcomersEveryMs);
  }

  /** Lets them do what they do until `now`. @returns whether a balance was raised */
  async live(now: Instant): Promise<boolean> {
    await this.#hear(now);
    const due = this.#intentions.filter((one) => one.at <= now);
    this.#intentions = this.#intentions.filter((one) => one.at > now);
    for (const { telegramId, amountMinor, wanted } of due) {
      const call = { db: this.#db, actor: 'demo' };
      await topUp(call, { telegramId, amountMinor });
      if (wanted !== undefined) await purchase(call, { telegramId, ...wanted });
    }
    while (this.#nextNewcomerAt <= now) {
      await this.#arrive(this.#nextNewcomerAt);
      this.#nextNewcomerAt = later(this.#nextNewcomerAt, newcomersEveryMs);
    }
    return due.length > 0;
  }

  /** Who is short hears of it; most of them will do something about it. */
  async #hear(now: Instant): Promise<void> {
    const { rows } = await sql<ShortRow>`
      SELECT n.id, c.telegram_id AS "telegramId", c.currency, n.params->>'missing' AS missing
      FROM perennial.notification n JOIN perennial.customer c ON c.id = n.customer_id
      WHERE n.kind = 'low_balance' AND n.id > ${this.#lastNotice}
        AND n.created_at > ${isoTime(later(now, -hourMs))}
      ORDER BY n.id LIMIT 1000`.execute(this.#db);
    for (const row of rows) {
      this.#lastNotice = row.id;
      if (!chance(this.#random, 60)) continue;
      const missingMinor = parseMinor(row.missing, row.currency, 'missing');
      this.#intentions.push({
        at: later(now, minuteMs * (20 + whole(this.#random, 10 * 60))),
        telegramId: row.telegramId,
        // To the next hundred, as people do.
        amountMinor: ((missingMinor + 99_99n) / 100_00n) * 100_00n,
      });
    }
  }

  async #arrive(now: Instant): Promise<void> {
    const telegramId = firstNewcomer + this.#newcomers;
    this.#newcomers += 1n;
    const call = { db: this.#db, actor: 'demo' };
    const locale = chance(this.#random, 60) ? 'ru' : 'en';
    const wanted = someOf<Price>(this.#random, generatedPrices);
    const amountMinor = wanted.amountMinor + 50_00n;
    await createCustomer(call, { telegramId, currency: 'RUB', locale });
    if (chance(this.#random, 50)) {
      await startTrial(call, { telegramId });
      const at = later(now, hourMs * (40 + whole(this.#random, 30)));
      if (chance(this.#random, 50)) this.#intentions.push({ at, telegramId, amountMinor, wanted });
      return;
    }
    await topUp(call, { telegramId, amountMinor });
    await purchase(call, { telegramId, ...wanted });
  }
}
