import { sql } from 'kysely';
import type { Db } from '../db/connect.ts';
import { hourMs, type Instant, isoTime, later, minuteMs } from '../kernel/instant.ts';
import { parseMinor } from '../kernel/money.ts';
import { createCustomer } from '../subscription/commands/customer.ts';
import { purchase } from '../subscription/commands/purchase.ts';
import { topUp } from '../subscription/commands/top-up.ts';
import { startTrial } from '../subscription/commands/trial.ts';
import { drawBoolean, drawInteger, drawOne, type Random } from './random.ts';
import { generatedPrices } from './test-data.ts';

// The simulated customers of a demo. Some top up a few hours after a notification of a low balance.
// New ones buy at once, or start a trial and perhaps buy before its end. They use the same commands
// as the bot of an operator.

interface PlannedAction {
  readonly at: Instant;
  readonly telegramId: bigint;
  readonly amountMinor: bigint;
  /** The plan that the customer buys with the money. */
  readonly price?: Price;
}

type Price = (typeof generatedPrices)[number];

interface ShortRow {
  readonly id: bigint;
  readonly telegramId: bigint;
  readonly currency: string;
  readonly missing: string;
}

const newcomerEveryMs = 40 * minuteMs;
const firstNewcomer = 900_000_000n;

export class DemoCustomers {
  readonly #db: Db;
  readonly #random: Random;
  #lastNotice = 0n;
  #newcomers = 0n;
  #nextNewcomerAt: Instant;
  #plannedActions: PlannedAction[] = [];

  constructor(db: Db, random: Random, now: Instant) {
    this.#db = db;
    this.#random = random;
    this.#nextNewcomerAt = later(now, newcomerEveryMs);
  }

  /** Runs all actions that are due until `now`. @returns true if a balance was raised */
  async act(now: Instant): Promise<boolean> {
    await this.#planTopUps(now);
    const due = this.#plannedActions.filter((action) => action.at <= now);
    this.#plannedActions = this.#plannedActions.filter((action) => action.at > now);
    for (const { telegramId, amountMinor, price } of due) {
      const call = { db: this.#db, actor: 'demo' };
      await topUp(call, { telegramId, amountMinor });
      if (price !== undefined) await purchase(call, { telegramId, ...price });
    }
    while (this.#nextNewcomerAt <= now) {
      await this.#createNewcomer(this.#nextNewcomerAt);
      this.#nextNewcomerAt = later(this.#nextNewcomerAt, newcomerEveryMs);
    }
    return due.length > 0;
  }

  /** Most customers with a low balance top up later. */
  async #planTopUps(now: Instant): Promise<void> {
    const { rows } = await sql<ShortRow>`
      SELECT n.id, c.telegram_id AS "telegramId", c.currency, n.params->>'missing' AS missing
      FROM perennial.notification n JOIN perennial.customer c ON c.id = n.customer_id
      WHERE n.kind = 'low_balance' AND n.id > ${this.#lastNotice}
        AND n.created_at > ${isoTime(later(now, -hourMs))}
      ORDER BY n.id LIMIT 1000`.execute(this.#db);
    for (const row of rows) {
      this.#lastNotice = row.id;
      if (!drawBoolean(this.#random, 60)) continue;
      const missingMinor = parseMinor(row.missing, row.currency, 'missing');
      this.#plannedActions.push({
        at: later(now, minuteMs * (20 + drawInteger(this.#random, 10 * 60))),
        telegramId: row.telegramId,
        // Rounded up to a full hundred, like real payments.
        amountMinor: ((missingMinor + 99_99n) / 100_00n) * 100_00n,
      });
    }
  }

  async #createNewcomer(now: Instant): Promise<void> {
    const telegramId = firstNewcomer + this.#newcomers;
    this.#newcomers += 1n;
    const call = { db: this.#db, actor: 'demo' };
    const locale = drawBoolean(this.#random, 60) ? 'ru' : 'en';
    const price = drawOne<Price>(this.#random, generatedPrices);
    const amountMinor = price.amountMinor + 50_00n;
    await createCustomer(call, { telegramId, currency: 'RUB', locale });
    if (drawBoolean(this.#random, 50)) {
      await startTrial(call, { telegramId });
      const at = later(now, hourMs * (40 + drawInteger(this.#random, 30)));
      if (drawBoolean(this.#random, 50))
        this.#plannedActions.push({ at, telegramId, amountMinor, price });
      return;
    }
    await topUp(call, { telegramId, amountMinor });
    await purchase(call, { telegramId, ...price });
  }
}
