import { type RawBuilder, sql } from 'kysely';
import { isEntitled } from '../../access/entitlement.ts';
import { buildMarkInsert, isRemoval, marksOfNode, removalSince } from '../../access/marks.ts';
import type { Db, Tx } from '../../db/connect.ts';
import { anyOf, unnest } from '../../db/unnest.ts';
import type { CredentialId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import type { Lease } from './node-store.ts';
import { computeRecheckAt, type MarkFacts } from './rule.ts';

// Marks, read and settled by the keeper of their node (rule 4). No transaction is open
// while the node is called: what was read is held against the books again when it is settled.

export interface Mark extends MarkFacts {
  readonly credentialId: CredentialId;
  readonly subscriptionId: SubscriptionId;
  readonly version: bigint;
  readonly replace: boolean;
  readonly attempts: number;
}

export interface MarkPage {
  readonly now: Instant;
  readonly installation: string;
  /** The node as the marks are meant for it. */
  readonly api: string;
  readonly bootAt: Instant | null;
  readonly inbounds: readonly string[];
  /** Nobody of ours is to be there any more. */
  readonly formerInbounds: readonly string[];
  readonly flow: string | null;
  readonly marks: readonly Mark[];
  /** Names that were confirmed for removal are due (`stray-store.ts`). */
  readonly hasStrays: boolean;
  /** Suspects are due, where no mark of those that were asked for is. */
  readonly hasSuspects: boolean;
}

/**
 * `suspects`: who may connect and is suspected; `others`: whoever isn't; `removals`: who may not
 * connect. To find those that aren't urgent every mark is looked at, which read
 * 240,000 pages for 30,000.
 */
export type MarkSelection = 'others' | 'suspects' | 'removals' | 'urgent_removals';

/** The worker's name in the quarantine. */
export const keepNodeName = 'keep-node';

/** An item of the quarantine: the subscription, since a credential's UUID is a secret. */
export function toMarkItem(node: string, { subscriptionId }: Pick<Mark, 'subscriptionId'>): string {
  return `${node}/${subscriptionId}`;
}

/**
 * Of a mark `m` on a node `n`; NULL where he may not. No EXISTS: of that the planner makes a hash of
 * the whole book.
 */
const mayConnect = sql`(SELECT true FROM perennial.credential c
    JOIN perennial.subscription s ON s.id = c.subscription_id
    JOIN perennial.plan p ON p.key = s.plan
    WHERE c.id = m.credential_id AND ${isEntitled()})`;

/**
 * Suspects are passed over one by one, with their rows in the books: there are as many as calls
 * were under way when a connection broke, and none most of the time.
 */
const selections: Readonly<
  Record<MarkSelection, { readonly are: RawBuilder<boolean>; readonly by: RawBuilder<unknown> }>
> = {
  others: { are: sql`(m.lost = 0 OR ${mayConnect} IS NULL)`, by: sql`m.next_attempt_at` },
  removals: { are: sql`${mayConnect} IS NULL`, by: sql`m.next_attempt_at` },
  urgent_removals: {
    are: sql`(m.urgent AND ${mayConnect} IS NULL)`,
    by: sql`m.next_attempt_at`,
  },
  suspects: { are: sql`m.lost > 0`, by: sql`m.lost, m.next_attempt_at` },
};

/**
 * The next marks that are due, urgent ones first, and what the books want of each: of one moment,
 * for the versions to stand for what was wanted. A mark is bumped by whatever changes what is
 * wanted, in the same transaction.
 * @param inHand left out
 * @returns undefined: the post was lost
 */
export async function readMarkPage(
  db: Db,
  { node, epoch }: Lease,
  max: number,
  {
    selection = 'others',
    inProgress = [],
  }: { selection?: MarkSelection; inProgress?: readonly CredentialId[] } = {},
): Promise<MarkPage | undefined> {
  const free =
    inProgress.length === 0 ? sql`true` : sql`NOT (m.credential_id = ${anyOf('uuid', inProgress)})`;
  const { are, by } = selections[selection];
  const due = (urgent: boolean) => sql`
    (SELECT m.credential_id, m.version, m.replace, m.attempts, m.lost FROM perennial.access_sync m
     WHERE m.node_id = n.id AND m.urgent = ${sql.lit(urgent)} AND m.next_attempt_at <= clock.now
       AND ${are} AND ${free}
     ORDER BY ${by} LIMIT ${max})`;
  type Row = Omit<MarkPage, 'marks'> & Mark;
  const { rows } = await sql<Row & { credentialId: CredentialId | null }>`
    SELECT clock.now, i.name AS installation, n.api, n.boot_at AS "bootAt", n.inbounds,
      n.former_inbounds AS "formerInbounds",
      n.link->>'flow' AS flow, EXISTS (SELECT FROM perennial.stray x WHERE x.node_id = n.id
        AND x.next_attempt_at <= clock.now) AS "hasStrays",
      m.credential_id IS NULL AND EXISTS (SELECT FROM perennial.access_sync d
        WHERE d.node_id = n.id AND d.next_attempt_at <= clock.now AND d.lost > 0) AS "hasSuspects",
      m.credential_id AS "credentialId", m.version, m.replace, m.attempts,
      m.lost, c.subscription_id AS "subscriptionId", q.retry_at AS "heldUntil",
      ${isEntitled({ subscription: 'c' })} AS wanted
    FROM (SELECT perennial.clock() AS now) clock
    CROSS JOIN perennial.installation i
    JOIN perennial.node n ON n.id = ${node} AND n.keeper_epoch = ${epoch}
    LEFT JOIN LATERAL (${due(true)} UNION ALL ${due(false)} LIMIT ${max}) m ON true
    -- LIMIT keeps it a look-up by index for each mark, also without statistics.
    LEFT JOIN LATERAL (SELECT k.retired_at, k.subscription_id, s.state, s.plan
      FROM perennial.credential k JOIN perennial.subscription s ON s.id = k.subscription_id
      WHERE k.id = m.credential_id LIMIT 1) c ON true
    LEFT JOIN perennial.plan p ON p.key = c.plan
    LEFT JOIN perennial.quarantine q
      ON q.worker = ${keepNodeName} AND q.item = n.id || '/' || c.subscription_id`.execute(db);
  const [first] = rows;
  if (first === undefined) return undefined;
  const { now, installation, api, bootAt, inbounds, formerInbounds, flow } = first;
  const { hasStrays, hasSuspects } = first;
  const pageFacts = { now, installation, api, bootAt, inbounds, formerInbounds, flow };
  const marks = rows.filter((row) => row.credentialId !== null);
  return { ...pageFacts, marks, hasStrays, hasSuspects };
}

/** Whether the connection broke under an add, and whether that was the only call under way. */
export type ConnectionLoss = 'no' | 'among_others' | 'alone';

/** A mark that was worked off, or not. */
export interface MarkResult {
  readonly mark: Mark;
  /** undefined: done on every inbound. */
  readonly failed?: {
    readonly error: string;
    readonly retryAt: Instant;
    readonly lost: ConnectionLoss;
  };
}

/**
 * Confirms what was done and writes down what failed, each only if its mark is the very version
 * that was worked with, by the keeper of this epoch, in the life of the node of this `bootAt`.
 * Whatever doesn't fit is marked again: the node was told something, and the books may want
 * something else. The version is that of a new mark, which nobody has worked with (S1).
 * The marks are locked in their order before any is changed, as all who write several do.
 * @returns how many were confirmed
 */
export async function writeMarkResults(
  tx: Tx,
  { node, epoch }: Lease,
  bootAt: Instant | null,
  settled: readonly MarkResult[],
  now: Instant,
): Promise<number> {
  if (settled.length === 0) return 0;
  const insertMarks = buildMarkInsert({
    from: sql`settled d JOIN perennial.node n ON n.id = ${node}
      WHERE NOT EXISTS (SELECT FROM confirmed WHERE credential_id = d.credential_id)
        AND NOT EXISTS (SELECT FROM put_off WHERE credential_id = d.credential_id)`,
    node: sql`n.id`,
    credential: sql`d.credential_id`,
    lost: sql`d.lost`,
    dueAt: now,
    onConflict: 'repeat',
  });
  const { rows } = await sql<{ confirmed: bigint }>`
    WITH settled AS (
      SELECT * FROM ${unnest('settled', settled, {
        credential_id: ['uuid', ({ mark }) => mark.credentialId],
        version: ['bigint', ({ mark }) => mark.version],
        error: ['text', ({ failed }) => failed?.error ?? null],
        retry_at: ['timestamptz', ({ failed }) => failed?.retryAt ?? null],
        lost: ['int', ({ failed }) => (failed === undefined || failed.lost === 'no' ? 0 : 1)],
      })}
    ), mine AS (
      SELECT id FROM perennial.node
      WHERE id = ${node} AND keeper_epoch = ${epoch}
        AND boot_at IS NOT DISTINCT FROM ${bootAt === null ? null : isoTime(bootAt)}::timestamptz
    ), held AS (
      SELECT m.credential_id FROM perennial.access_sync m
      JOIN settled d ON d.credential_id = m.credential_id
      WHERE m.node_id = ${node} ORDER BY m.credential_id FOR UPDATE OF m
    ), confirmed AS (
      DELETE FROM perennial.access_sync m USING settled d JOIN held USING (credential_id), mine
      WHERE d.retry_at IS NULL AND m.node_id = mine.id AND m.credential_id = d.credential_id
        AND m.version = d.version
      RETURNING m.credential_id
    ), put_off AS (
      UPDATE perennial.access_sync m SET attempts = m.attempts + 1, lost = m.lost + d.lost,
        next_attempt_at = d.retry_at, last_error = d.error
      FROM settled d JOIN held USING (credential_id), mine
      WHERE d.retry_at IS NOT NULL AND m.node_id = mine.id AND m.credential_id = d.credential_id
        AND m.version = d.version
      RETURNING m.credential_id
    ), again AS (
      ${insertMarks}
    )
    SELECT count(*) AS confirmed FROM confirmed`.execute(tx);
  return Number(rows[0]?.confirmed ?? 0n);
}

/**
 * Nobody of these is suspected any more of what he was suspected of last. In a transaction of its
 * own, as `putOff`.
 */
export async function clearSuspicion(
  tx: Tx,
  { node }: Lease,
  credentials: readonly CredentialId[],
): Promise<void> {
  if (credentials.length === 0) return;
  await sql`
    WITH held AS (
      SELECT credential_id FROM perennial.access_sync
      WHERE node_id = ${node} AND credential_id = ${anyOf('uuid', credentials)} AND lost > 0
      ORDER BY credential_id FOR UPDATE
    )
    UPDATE perennial.access_sync m SET lost = m.lost - 1 FROM held
    WHERE m.node_id = ${node} AND m.credential_id = held.credential_id`.execute(tx);
}

/**
 * Puts marks off whose credential is in quarantine: what isn't due costs nothing. In a transaction
 * of its own, for the order in which marks are locked.
 */
export async function postponeHeld(
  tx: Tx,
  { node }: Lease,
  held: readonly Mark[],
  now: Instant,
): Promise<void> {
  if (held.length === 0) return;
  await sql`
    WITH held AS (
      SELECT m.credential_id, h.version, h.until FROM perennial.access_sync m
      JOIN ${unnest('h', held, {
        credential_id: ['uuid', (mark) => mark.credentialId],
        version: ['bigint', (mark) => mark.version],
        until: ['timestamptz', (mark) => computeRecheckAt(mark.heldUntil, now)],
      })} ON h.credential_id = m.credential_id
      WHERE m.node_id = ${node} ORDER BY m.credential_id FOR UPDATE OF m
    )
    UPDATE perennial.access_sync m SET next_attempt_at = held.until FROM held
    WHERE m.node_id = ${node} AND m.credential_id = held.credential_id
      AND m.version = held.version`.execute(tx);
}

export interface UnconfirmedRemoval {
  readonly node: string;
  readonly subscriptionId: SubscriptionId;
  readonly since: Instant;
  readonly attempts: number;
  readonly lastError: string | null;
}

/** The removal that a node owes for the longest time (promise 5); undefined: none is owed. */
export async function readOldestUnconfirmed(db: Db | Tx): Promise<UnconfirmedRemoval | undefined> {
  const { rows } = await sql<UnconfirmedRemoval>`
    SELECT m.node_id AS node, s.id AS "subscriptionId", m.attempts, m.last_error AS "lastError",
      ${removalSince} AS since
    FROM ${marksOfNode} JOIN perennial.node n ON n.id = m.node_id
    WHERE ${isRemoval}
    ORDER BY since, m.node_id, s.id LIMIT 1`.execute(db);
  return rows[0];
}
