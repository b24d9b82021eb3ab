import { sql } from 'kysely';
import { type Db, inTransaction, type Tx } from '../db/connect.ts';
import { readWriteTime } from '../db/trusted-time.ts';
import { refused, UsageFault } from '../kernel/faults.ts';
import { type Instant, isoTime, lastInstant, later, minuteMs } from '../kernel/instant.ts';
import { recordEvents } from '../subscription/store/events.ts';
import {
  generateToken,
  hashToken,
  isSameHash,
  isTokenName,
  parseTokenId,
  type TokenScope,
} from './token.ts';

export interface TokenStatus {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly TokenScope[];
  readonly created_at: Instant;
  readonly expires_at: Instant | null;
  readonly revoked_at: Instant | null;
  readonly last_used_at: Instant | null;
}

export interface TokenRequest {
  readonly name: string;
  readonly scopes: readonly TokenScope[];
  readonly lastsMs: number | undefined;
}

/**
 * Creates a token. Its name must differ from the names of all valid tokens.
 * @returns the text of the token, which is stored nowhere
 * @throws Fault `bad_name`, `name_taken`, `end_too_late`
 */
export function createToken(
  db: Db,
  request: TokenRequest,
  actor: string,
): Promise<TokenStatus & { readonly token: string }> {
  return inTransaction(db, async (tx) => {
    const now = await readWriteTime(tx);
    const { text, id, hash } = generateToken();
    await requireFreeName(tx, request.name);
    const expiresAt =
      request.lastsMs === undefined ? null : isoTime(computeEnd(now, request.lastsMs));
    const { rows } = await sql<TokenStatus>`
      INSERT INTO perennial.token (id, name, scopes, hash, created_at, expires_at)
      VALUES (${id}, ${request.name}, ${request.scopes}, ${hash}, ${isoTime(now)}, ${expiresAt})
      RETURNING id, name, scopes, created_at, expires_at, revoked_at, last_used_at`.execute(tx);
    const { name, scopes } = request;
    const event = { customerId: null, subject: `token:${id}`, detail: { name, scopes } };
    await recordEvents(tx, [{ ...event, action: 'token_created' }], actor, now);
    return { ...(rows[0] as TokenStatus), token: text };
  });
}

function computeEnd(now: Instant, lastsMs: number): Instant {
  if (now + lastsMs <= lastInstant) return later(now, lastsMs);
  throw refused('end_too_late', 'the token would end after the year 9999');
}

/** With one name for two tokens, a timeline would not show which of them acted. */
async function requireFreeName(tx: Tx, name: string): Promise<void> {
  if (!isTokenName(name)) {
    throw new UsageFault(
      'bad_name',
      `name: ${JSON.stringify(name)} is not a name; expected 1 to 64 printable characters with single spaces between them`,
    );
  }
  // Two commands with one name: the second one waits here for the commit of the first one.
  await sql`SELECT pg_advisory_xact_lock(hashtextextended('token names', 0))`.execute(tx);
  const { rows } = await sql<{ id: string }>`
    SELECT id FROM perennial.token
    WHERE lower(name) = lower(${name}) AND revoked_at IS NULL
      AND (expires_at IS NULL OR expires_at > perennial.clock())`.execute(tx);
  const [taken] = rows;
  if (taken === undefined) return;
  throw refused(
    'name_taken',
    `token ${taken.id} has the name "${name}" already`,
    'take another name, or revoke that token first',
  );
}

export async function listTokens(db: Db): Promise<TokenStatus[]> {
  const { rows } = await sql<TokenStatus>`
    SELECT id, name, scopes, created_at, expires_at, revoked_at, last_used_at
    FROM perennial.token ORDER BY created_at, id`.execute(db);
  return rows;
}

/** Revokes a token at once. @throws Fault `no_token` */
export function revokeToken(db: Db, id: string, actor: string): Promise<void> {
  return inTransaction(db, async (tx) => {
    const now = await readWriteTime(tx);
    const { numAffectedRows } = await sql`
      UPDATE perennial.token SET revoked_at = coalesce(revoked_at, ${isoTime(now)}::timestamptz)
      WHERE id = ${id}`.execute(tx);
    if (numAffectedRows === 0n) {
      throw refused(
        'no_token',
        `ID: "${id}" is not a token; list the ids with "perennial token list"`,
      );
    }
    const event = { customerId: null, subject: `token:${id}`, action: 'token_revoked', detail: {} };
    await recordEvents(tx, [event], actor, now);
  });
}

/** The holder of a valid token. */
export interface TokenHolder {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly TokenScope[];
}

interface TokenRow extends TokenHolder {
  readonly hash: Buffer;
  readonly counts: boolean;
  readonly isStale: boolean;
}

/** Finds the holder of a token; undefined if the token is unknown, revoked or expired. */
export async function findTokenHolder(db: Db, text: string): Promise<TokenHolder | undefined> {
  const id = parseTokenId(text);
  if (id === undefined) return undefined;
  const { rows } = await sql<TokenRow>`
    SELECT id, name, scopes, hash,
      revoked_at IS NULL AND (expires_at IS NULL OR expires_at > perennial.clock()) AS counts,
      last_used_at IS NULL
        OR last_used_at < perennial.clock() - ${minuteMs} * interval '1 ms' AS "isStale"
    FROM perennial.token WHERE id = ${id}`.execute(db);
  const [row] = rows;
  if (row === undefined || !isSameHash(row.hash, hashToken(text)) || !row.counts) return undefined;
  // Written once a minute: a client with 500 requests per second must not write as often.
  if (row.isStale) {
    await sql`
      UPDATE perennial.token SET last_used_at = perennial.clock() WHERE id = ${id}`.execute(db);
  }
  return { id: row.id, name: row.name, scopes: row.scopes };
}
