import { sql } from 'kysely';
import type { RunIntervals } from '../../../src/forecast/customer-state.ts';
import { type Instant, instant, isoTime } from '../../../src/kernel/instant.ts';
import { openReplica, type Replica } from '../../../src/leases/replica.ts';
import { openLogChannel } from '../../../src/notifications/channels/log/log.ts';
import { openTexts } from '../../../src/notifications/texts.ts';
import { createRunnableWorkers, type Worker } from '../../../src/workers/index.ts';
import type { TestDatabase } from '../../support/database.ts';

// Drives the real workers through virtual time, with runs at their slots and at each end.

/** The times at which rows are due. Null: there are none. */
interface DueTimes {
  readonly renewal: Instant | null;
  /** The first end, or change of terms, after a time. */
  readonly end: Instant | null;
  /** Such a time has passed, and the row waits. */
  readonly isEndOverdue: boolean;
  readonly reminder: Instant | null;
  readonly notice: Instant | null;
}

export class VirtualWorkers {
  readonly #database: TestDatabase;
  readonly #intervals: RunIntervals;
  readonly #replica: Replica;
  readonly #workers: readonly Worker[];

  constructor(database: TestDatabase, intervals: RunIntervals) {
    this.#database = database;
    this.#intervals = intervals;
    this.#replica = openReplica(database.url);
    const delivery = {
      channels: [openLogChannel({ info: () => undefined })],
      texts: openTexts(),
      admins: { locale: 'en', timeZone: 'UTC' },
    };
    this.#workers = createRunnableWorkers(() => delivery);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#replica.close();
  }

  /** Executes all runs from `from` on and before `until`, and sets the clock to `until`. */
  async drive(from: Instant, until: Instant): Promise<number> {
    let runs = 0;
    let after = instant(from - 1);
    for (;;) {
      const at = await this.#readNextAt(after);
      if (at === undefined || at >= until) break;
      await this.#database.setClock(at);
      runs += await this.#runAt(at);
      after = at;
    }
    await this.#database.setClock(until);
    return runs;
  }

  async #runAt(at: Instant): Promise<number> {
    const { renewalMs, expiryMs, remindersMs } = this.#intervals;
    const { end } = await this.#readDueTimes(instant(at - 1));
    const names = [
      ...(at % renewalMs === 0 ? ['auto-renewal'] : []),
      ...(at % expiryMs === 0 || end === at ? ['fast-expiry-cleanup'] : []),
      ...(at % remindersMs === 0 ? ['trial-notifications', 'expiry-reminders'] : []),
    ];
    for (const name of names) await this.#run(name);
    const { notice } = await this.#readDueTimes(at);
    if (notice === null || notice > at) return names.length;
    await this.#run('deliver-notifications');
    return names.length + 1;
  }

  async #run(name: string): Promise<void> {
    const worker = this.#workers.find((one) => one.name === name);
    const ignore = () => undefined;
    const row = await worker?.run({
      db: this.#database.db,
      replica: this.#replica,
      batchMax: 1_000,
      budgetMs: 60_000,
      signal: new AbortController().signal,
      elapsedMs: () => 0,
      // No guard holds anything in a forecast.
      confirmed: true,
      // Alarms about missing prices are expected. A fault fails the run.
      log: { warn: ignore, error: ignore },
    });
    const isGood = row?.outcome === 'success' || row?.outcome === 'degraded';
    if (!isGood) throw new Error(`${name}: ${row?.outcome}, ${JSON.stringify(row?.detail)}`);
  }

  /** The next run of a worker that may have something to do. */
  async #readNextAt(after: Instant): Promise<Instant | undefined> {
    const { renewalMs, expiryMs, remindersMs } = this.#intervals;
    const { renewal, end, isEndOverdue, reminder, notice } = await this.#readDueTimes(after);
    const toSlot = (at: Instant | null, everyMs: number) =>
      at === null ? [] : [Math.ceil(Math.max(at, after + 1) / everyMs) * everyMs];
    const times = [
      ...toSlot(renewal, renewalMs),
      ...(end === null ? [] : [end]),
      ...toSlot(isEndOverdue ? after : null, expiryMs),
      ...toSlot(reminder, remindersMs),
      ...(notice === null ? [] : [Math.max(notice, after + 1)]),
    ];
    return times.length === 0 ? undefined : instant(Math.min(...times));
  }

  async #readDueTimes(after: Instant): Promise<DueTimes> {
    const { rows } = await sql<DueTimes>`
      WITH ends AS (SELECT least(expires_at, changes_at) AS at FROM perennial.subscription
          WHERE state = 'active'),
        due AS (SELECT s.id, greatest(s.next_try_at, s.expires_at - (SELECT
            (value->>'window_ms')::float8 FROM perennial.setting WHERE key = 'renewal')
            * interval '1 ms') AS at
          FROM perennial.subscription s
          WHERE s.kind = 'paid' AND s.auto_renew AND (s.state = 'active'
            OR s.state = 'expired' AND s.next_try_at IS NULL))
      SELECT
        least((SELECT min(at) FROM due WHERE NOT EXISTS (SELECT FROM perennial.quarantine q
            WHERE q.worker = 'auto-renewal' AND q.item = due.id::text)),
          (SELECT min(retry_at) FROM perennial.quarantine WHERE worker = 'auto-renewal'))
          AS renewal,
        (SELECT min(at) FROM ends WHERE at > ${isoTime(after)}) AS end,
        EXISTS (SELECT FROM ends WHERE at <= ${isoTime(after)}) AS "isEndOverdue",
        CASE WHEN EXISTS (SELECT FROM perennial.price_review) THEN '2000-01-01Z'::timestamptz
          ELSE (SELECT min(remind_at) FROM perennial.subscription
            WHERE state = 'active' AND remind_at < expires_at) END AS reminder,
        (SELECT min(next_attempt_at) FROM perennial.notification
          WHERE state IN ('pending', 'uncertain') AND customer_id IS NOT NULL) AS notice`.execute(
      this.#database.db,
    );
    return rows[0] as DueTimes;
  }
}
