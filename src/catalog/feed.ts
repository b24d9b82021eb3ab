import { sql } from 'kysely';
import type { Db } from '../db/connect.ts';
import { type Instant, secondMs } from '../kernel/instant.ts';
import { linksOf } from './links.ts';

/** What a customer's client fetches and pastes by itself. */
export interface Feed {
  /** Base64 of the links of all running subscriptions, a line each. */
  readonly body: string;
  /** When the last of them ends, in seconds since 1970; 0 where nothing runs. */
  readonly expireS: number;
  readonly title: string;
  /** ASCII. */
  readonly fileName: string;
}

interface Row {
  readonly telegramId: bigint;
  readonly endsAt: Instant | null;
  readonly name: string;
}

/** Nobody's Telegram id. */
const nobody = 0n;

/**
 * The feed behind a subscription URL; undefined where nobody has that token. Both ways ask the books
 * the same questions, so that how long an answer takes doesn't tell them apart.
 */
export async function feedOf(db: Db, subToken: string): Promise<Feed | undefined> {
  const { rows } = await sql<Row>`
    SELECT c.telegram_id AS "telegramId", i.name, (
      SELECT max(s.expires_at) FROM perennial.subscription s
      WHERE s.customer_id = c.id AND s.state = 'active'
        AND s.expires_at > perennial.clock()) AS "endsAt"
    FROM perennial.installation i LEFT JOIN perennial.customer c ON c.sub_token = ${subToken}`.execute(
    db,
  );
  const row = rows[0] as Row;
  const links = await linksOf(db, row.telegramId ?? nobody);
  const lines = links.flatMap(({ link }) => (link === null ? [] : [link]));
  const body = Buffer.from(lines.join('\n')).toString('base64');
  if (row.telegramId === null) return undefined;
  return {
    body,
    expireS: row.endsAt === null ? 0 : Math.floor(row.endsAt / secondMs),
    title: row.name,
    fileName: row.name,
  };
}
