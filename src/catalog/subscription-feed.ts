import { sql } from 'kysely';
import type { Db } from '../db/connect.ts';
import type { CredentialId } from '../kernel/ids.ts';
import { type Instant, secondMs } from '../kernel/instant.ts';
import { chooseTitle } from '../kernel/title.ts';
import { formatShareLink } from '../xray/link.ts';
import { parseLink } from '../xray/link-settings.ts';
import { readCustomerLinks } from './links.ts';

// The feed of a customer, which client programs fetch:
//
// 1. While a subscription runs: its links, and the latest end.
// 2. After the last end: this past end, and one entry that states the end and how to pay. A client
//    shows the entry as a server. It replaces the servers that the client had before.
// 3. Without a node or without any subscription: one entry that states that.

export interface SubscriptionFeed {
  /** Base64 of the links of all running subscriptions, a line each. */
  readonly body: string;
  /** When the last of them ends or ended, in seconds since 1970. */
  readonly expireS: number;
  readonly title: string;
  readonly announce: string | undefined;
  /** ASCII. */
  readonly supportUrl: string | undefined;
  /** ASCII. */
  readonly webPageUrl: string | undefined;
  readonly updateHours: number;
  /** ASCII. */
  readonly fileName: string;
}

/** Renders the entry that a client shows instead of servers. */
export interface FeedTexts {
  renderFeedLine(
    line: 'feed_no_servers' | 'feed_none' | 'feed_ended',
    facts: { readonly pay: string | undefined; readonly endedAt: Instant },
    reader: { readonly locale: string; readonly timeZone: string; readonly now: Instant },
  ): string;
}

type TextByLanguage = Readonly<Record<string, string>>;

/** The key `feed` of the configuration, as `apply` stores it. */
export interface FeedSettings {
  readonly title?: TextByLanguage;
  readonly announce?: TextByLanguage;
  /** How to pay, in the entry after the end. */
  readonly pay?: TextByLanguage;
  readonly support_url?: string;
  readonly web_page_url?: string;
  readonly update_hours?: number;
}

interface FeedRow {
  readonly telegramId: bigint | null;
  readonly locale: string | null;
  readonly timeZone: string | null;
  readonly createdAt: Instant | null;
  /** The latest end of the active ones. */
  readonly runsUntil: Instant | null;
  /** The latest end of all. */
  readonly endedAt: Instant | null;
  readonly now: Instant;
  readonly name: string;
  readonly settings: FeedSettings | null;
}

/** No customer has this Telegram id. */
const unusedTelegramId = 0n;
const defaultUpdateHours = 12;

/**
 * The feed behind a subscription URL; undefined if no customer has this token. A known and an
 * unknown token take the same statements, so that the time of an answer does not tell them apart.
 */
export async function readFeed(
  db: Db,
  texts: FeedTexts,
  subToken: string,
): Promise<SubscriptionFeed | undefined> {
  const row = await readFeedRow(db, subToken);
  const links = await readCustomerLinks(db, row.telegramId ?? unusedTelegramId);
  if (row.telegramId === null) return undefined;
  const settings = row.settings ?? {};
  const inLanguage = (text: TextByLanguage | undefined) =>
    text === undefined ? undefined : chooseTitle(text, row.locale ?? 'en');
  const lines = links.flatMap(({ link }) => (link === null ? [] : [link]));
  const body = lines.length > 0 ? lines : [formatEntry(texts, row, inLanguage(settings.pay))];
  return {
    body: Buffer.from(body.join('\n')).toString('base64'),
    expireS: Math.floor(computeEnd(row) / secondMs),
    title: inLanguage(settings.title) ?? row.name,
    announce: inLanguage(settings.announce),
    supportUrl: settings.support_url,
    webPageUrl: settings.web_page_url,
    updateHours: settings.update_hours ?? defaultUpdateHours,
    fileName: row.name,
  };
}

async function readFeedRow(db: Db, subToken: string): Promise<FeedRow> {
  const { rows } = await sql<FeedRow>`
    SELECT c.telegram_id AS "telegramId", c.locale, c.time_zone AS "timeZone",
      c.created_at AS "createdAt", e."runsUntil", e."endedAt", perennial.clock() AS now, i.name,
      (SELECT value FROM perennial.setting WHERE key = 'feed') AS settings
    FROM perennial.installation i
    LEFT JOIN perennial.customer c ON c.sub_token = ${subToken}
    LEFT JOIN LATERAL (
      SELECT max(s.expires_at) FILTER (WHERE s.state = 'active') AS "runsUntil",
        max(s.expires_at) AS "endedAt"
      FROM perennial.subscription s WHERE s.customer_id = c.id) e ON true`.execute(db);
  return rows[0] as FeedRow;
}

/** Without any subscription the end is the time at which the customer was created. */
function computeEnd({ runsUntil, endedAt, createdAt, now }: FeedRow): Instant {
  if (runsUntil !== null) return runsUntil;
  const past = endedAt ?? createdAt ?? now;
  return past < now ? past : now;
}

/** No client can connect by this entry: no server has this port, and no user this UUID. */
const emptyId = '00000000-0000-0000-0000-000000000000' as CredentialId;
const unusedAddress = { host: '127.0.0.1', port: 1 };

function formatEntry(texts: FeedTexts, row: FeedRow, pay: string | undefined): string {
  const reader = { locale: row.locale ?? 'en', timeZone: row.timeZone ?? 'UTC', now: row.now };
  const line =
    row.runsUntil !== null ? 'feed_no_servers' : row.endedAt === null ? 'feed_none' : 'feed_ended';
  const name = texts.renderFeedLine(line, { pay, endedAt: computeEnd(row) }, reader);
  return formatShareLink(parseLink('feed', unusedAddress), emptyId, name);
}
