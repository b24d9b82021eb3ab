import { sql } from 'kysely';
import { readServerTime, serverClock } from '../db/clock.ts';
import { type Db, inTransaction, type Tx } from '../db/connect.ts';
import type { OperatorRole } from '../db/schema-operators.ts';
import { refused } from '../kernel/faults.ts';
import { hourMs, type Instant, isoTime, later, minuteMs } from '../kernel/instant.ts';
import { generateToken, hashToken, isSameHash, parseTokenId } from '../tokens/token.ts';
import { recordOperatorEvent } from './sign-in-link.ts';

// Sessions of operators in the dashboard.
//
// 1. A link opens one session. A lock on the link and a unique column guarantee this.
// 2. A session counts for 12 h from its sign-in. Its scope and its name are those of the link.
// 3. All times are those of the server. The stored clock of a demo passes 12 h in seconds.
// 4. A time that a wrong clock wrote ahead does not count: the session must have begun.

export const sessionLifetimeMs = 12 * hourMs;

export interface OperatorSession {
  readonly id: string;
  readonly name: string;
  readonly scope: OperatorRole;
  readonly created_at: Instant;
  readonly expires_at: Instant;
  readonly last_used_at: Instant | null;
}

export type SignInRefusal = 'bad_link' | 'link_used' | 'link_expired';

export type SignInOutcome =
  | { readonly is: 'opened'; readonly cookie: string; readonly session: OperatorSession }
  | { readonly is: 'refused'; readonly code: SignInRefusal; readonly linkId: string | undefined };

/** The author of the events of a session. */
export const toSessionActor = ({ name, id }: Pick<OperatorSession, 'name' | 'id'>): string =>
  `ui:${name}/${id}`;

/** Within the lifetime of a row. A step back of the clock by up to a minute is tolerated. */
const inLifetime = sql`created_at <= ${serverClock} + ${minuteMs} * interval '1 ms'
  AND expires_at > ${serverClock}`;

const sessionColumns = sql`id, name, scope, created_at, expires_at, last_used_at`;

interface LinkRow {
  readonly name: string;
  readonly scope: OperatorRole;
  readonly hash: Buffer;
  readonly isUsed: boolean;
  readonly counts: boolean;
}

/**
 * Opens the session of a link. Only a caller with the secret learns whether a link is used.
 * @param before the session of the same browser, which ends
 */
export function signIn(
  db: Db,
  linkText: string,
  before: OperatorSession | undefined,
): Promise<SignInOutcome> {
  return inTransaction(db, async (tx) => {
    const linkId = parseTokenId(linkText, 'prl');
    if (linkId === undefined) return { is: 'refused', code: 'bad_link', linkId };
    const link = await lockLink(tx, linkId);
    if (link === undefined || !isSameHash(link.hash, hashToken(linkText)))
      return { is: 'refused', code: 'bad_link', linkId };
    if (link.isUsed) return { is: 'refused', code: 'link_used', linkId };
    if (!link.counts) return { is: 'refused', code: 'link_expired', linkId };
    if (before !== undefined) await endSessions(tx, [before], toSessionActor(before));
    const { text, id, hash } = generateToken('prs');
    const now = await readServerTime(tx);
    const expiresAt = isoTime(later(now, sessionLifetimeMs));
    const { rows } = await sql<OperatorSession>`
      INSERT INTO perennial.operator_session
        (id, link_id, name, scope, hash, created_at, expires_at)
      VALUES (${id}, ${linkId}, ${link.name}, ${link.scope}, ${hash}, ${isoTime(now)}, ${expiresAt})
      RETURNING ${sessionColumns}`.execute(tx);
    const session = rows[0] as OperatorSession;
    const detail = { link: linkId, scope: link.scope };
    await recordOperatorEvent(tx, link.name, 'signed_in', toSessionActor(session), detail);
    return { is: 'opened', cookie: text, session };
  });
}

/** A second sign-in by the same link waits here for the commit of the first one. */
async function lockLink(tx: Tx, id: string): Promise<LinkRow | undefined> {
  const { rows: locked } = await sql`
    SELECT id FROM perennial.operator_link WHERE id = ${id} FOR UPDATE`.execute(tx);
  if (locked.length === 0) return undefined;
  const { rows } = await sql<LinkRow>`
    SELECT name, scope, hash, revoked_at IS NULL AND ${inLifetime} AS counts,
      EXISTS (SELECT FROM perennial.operator_session s WHERE s.link_id = ${id}) AS "isUsed"
    FROM perennial.operator_link WHERE id = ${id}`.execute(tx);
  return rows[0];
}

/** Finds the session of a cookie; undefined if it is unknown, ended or expired. */
export async function findSession(db: Db, text: string): Promise<OperatorSession | undefined> {
  const id = parseTokenId(text, 'prs');
  if (id === undefined) return undefined;
  const { rows } = await sql<OperatorSession & { hash: Buffer; counts: boolean; isStale: boolean }>`
    SELECT ${sessionColumns}, hash, ended_at IS NULL AND ${inLifetime} AS counts,
      last_used_at IS NULL
        OR last_used_at < ${serverClock} - ${minuteMs} * interval '1 ms' AS "isStale"
    FROM perennial.operator_session WHERE id = ${id}`.execute(db);
  const [row] = rows;
  if (row === undefined || !isSameHash(row.hash, hashToken(text)) || !row.counts) return undefined;
  // Written once a minute, as for tokens.
  if (row.isStale) {
    await sql`
      UPDATE perennial.operator_session SET last_used_at = ${serverClock}
      WHERE id = ${id}`.execute(db);
  }
  const { hash: _, counts: __, isStale: ___, ...session } = row;
  return session;
}

/** The valid sessions, the newest first. */
export async function listSessions(db: Db): Promise<OperatorSession[]> {
  const { rows } = await sql<OperatorSession>`
    SELECT ${sessionColumns} FROM perennial.operator_session
    WHERE ended_at IS NULL AND ${inLifetime} ORDER BY created_at DESC, id`.execute(db);
  return rows;
}

export type SignOutTarget = { readonly id: string } | { readonly name: string };

export interface SignOutResult {
  readonly sessions: readonly string[];
  /** Links that were not used yet. */
  readonly links: readonly string[];
}

/**
 * Ends a session, or all sessions and unused links of a name.
 * @throws Fault `no_session`, `no_operator`
 */
export function signOut(db: Db, target: SignOutTarget, actor: string): Promise<SignOutResult> {
  return inTransaction(db, async (tx) => {
    // First, so that a sign-in by one of these links is either refused or ended below.
    const links = 'name' in target ? await revokeLinks(tx, target.name) : [];
    const isTarget = 'id' in target ? sql`id = ${target.id}` : sql`name = ${target.name}`;
    const { rows } = await sql<OperatorSession>`
      SELECT ${sessionColumns} FROM perennial.operator_session
      WHERE ${isTarget} AND ended_at IS NULL AND ${inLifetime}
      ORDER BY id FOR UPDATE`.execute(tx);
    if (rows.length === 0 && links.length === 0) throw createNoTargetFault(target);
    await endSessions(tx, rows, actor);
    return { sessions: rows.map(({ id }) => id), links };
  });
}

function createNoTargetFault(target: SignOutTarget) {
  const listCommand = 'list the sessions with "perennial ui sessions"';
  return 'id' in target
    ? refused('no_session', `ID: "${target.id}" is not a valid session; ${listCommand}`)
    : refused('no_operator', `--name: "${target.name}" has no valid session; ${listCommand}`);
}

async function revokeLinks(tx: Tx, name: string): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    UPDATE perennial.operator_link l SET revoked_at = ${serverClock}
    WHERE name = ${name} AND revoked_at IS NULL AND ${inLifetime}
      AND NOT EXISTS (SELECT FROM perennial.operator_session s WHERE s.link_id = l.id)
    RETURNING id`.execute(tx);
  return rows.map(({ id }) => id);
}

async function endSessions(
  tx: Tx,
  sessions: readonly OperatorSession[],
  actor: string,
): Promise<void> {
  for (const { id, name } of sessions) {
    const { numAffectedRows } = await sql`
      UPDATE perennial.operator_session SET ended_at = ${serverClock}
      WHERE id = ${id} AND ended_at IS NULL`.execute(tx);
    if (numAffectedRows === 1n)
      await recordOperatorEvent(tx, name, 'signed_out', actor, { session: id });
  }
}

/** Those of these sessions that still count, in one statement. */
export async function filterValidSessions(db: Db, ids: readonly string[]): Promise<Set<string>> {
  const { rows } = await sql<{ id: string }>`
    SELECT id FROM perennial.operator_session
    WHERE id = ANY(${ids}) AND ended_at IS NULL AND ${inLifetime}`.execute(db);
  return new Set(rows.map(({ id }) => id));
}
