import { sql } from 'kysely';
import type { Db } from '../db/connect.ts';
import type { JsonObject } from '../db/schema.ts';
import { anyOf } from '../db/unnest.ts';
import type { Instant } from '../kernel/instant.ts';
import { majorUnits } from '../kernel/money.ts';
import type { NoticeKind } from '../outbox/kinds.ts';
import { endRemindersMs, trialRemindersMs } from '../outbox/reminder-schedule.ts';

// The events of a demo since the last read, for its view. One process writes the database of a
// demo, so the order of ids is the order of commits.

export type ActivityKind =
  | 'renewed'
  | 'revived'
  | 'short'
  | 'topped_up'
  | 'purchased'
  | 'trial_started'
  | 'reminded'
  | 'expired';

export interface ActivityItem {
  readonly at: Instant;
  readonly kind: ActivityKind;
  readonly telegramId: bigint;
  readonly amountMinor: bigint;
  readonly sentence: string;
}

interface Row {
  readonly id: bigint;
  readonly at: Instant;
  readonly kind: ActivityKind;
  readonly telegramId: bigint;
  readonly detail: JsonObject;
}

const noticeKinds: readonly NoticeKind[] = [
  'low_balance',
  ...(Object.keys(trialRemindersMs) as (keyof typeof trialRemindersMs)[]),
  ...(Object.keys(endRemindersMs) as (keyof typeof endRemindersMs)[]),
];

export class ActivityReader {
  readonly #db: Db;
  #lastEvent = 0n;
  #lastNotice = 0n;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Skips the events of the import. */
  async skipExisting(): Promise<void> {
    const { rows } = await sql<{ event: bigint; notice: bigint }>`
      SELECT coalesce((SELECT max(id) FROM perennial.event), 0) AS event,
        coalesce((SELECT max(id) FROM perennial.notification), 0) AS notice`.execute(this.#db);
    this.#lastEvent = rows[0]?.event ?? 0n;
    this.#lastNotice = rows[0]?.notice ?? 0n;
  }

  /** In the order of the events. */
  async read(): Promise<ActivityItem[]> {
    const { rows: events } = await sql<Row>`
      SELECT e.id, e.at, e.action AS kind, c.telegram_id AS "telegramId", e.detail
      FROM perennial.event e JOIN perennial.customer c ON c.id = e.customer_id
      WHERE e.id > ${this.#lastEvent}
        AND e.action IN ('renewed', 'revived', 'topped_up', 'purchased', 'trial_started', 'expired')
      ORDER BY e.id LIMIT 1000`.execute(this.#db);
    const { rows: notices } = await sql<Row>`
      SELECT n.id, n.created_at AS at,
        CASE n.kind WHEN 'low_balance' THEN 'short' ELSE 'reminded' END AS kind,
        c.telegram_id AS "telegramId", n.params AS detail
      FROM perennial.notification n JOIN perennial.customer c ON c.id = n.customer_id
      WHERE n.id > ${this.#lastNotice} AND n.kind = ${anyOf('text', noticeKinds)}
      ORDER BY n.id LIMIT 1000`.execute(this.#db);
    this.#lastEvent = events.at(-1)?.id ?? this.#lastEvent;
    this.#lastNotice = notices.at(-1)?.id ?? this.#lastNotice;
    return [...events, ...notices].map(toActivityItem).sort((a, b) => a.at - b.at);
  }
}

function toActivityItem({ at, kind, telegramId, detail }: Row): ActivityItem {
  const amountMinor = BigInt((detail.amount_minor as string | undefined) ?? 0);
  const money = majorUnits(amountMinor, 'RUB');
  const endDate = String(detail.ends_at ?? detail.expires_at ?? '').slice(0, 10);
  const common = { at, kind, telegramId, amountMinor };
  switch (kind) {
    case 'renewed':
      return { ...common, sentence: `${detail.plan} for ${money} until ${endDate}` };
    case 'revived':
      return { ...common, sentence: `${detail.plan} is back for ${money} until ${endDate}` };
    case 'topped_up':
      return { ...common, sentence: money };
    case 'purchased':
      return { ...common, sentence: `${detail.plan} for ${money} until ${endDate}` };
    case 'trial_started':
      return { ...common, sentence: `${detail.plan} until ${endDate}` };
    case 'reminded':
      return { ...common, sentence: `${detail.plan} ends ${endDate}` };
    case 'expired':
      return { ...common, sentence: `${detail.plan}: access ends` };
    case 'short':
      return {
        ...common,
        sentence: `${detail.plan} costs ${detail.price}, ${detail.missing} missing`,
      };
  }
}
