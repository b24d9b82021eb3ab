import { type RawBuilder, sql } from 'kysely';
import { isEntitled } from '../../access/entitlement.ts';
import { buildMarkInsert, isRemoval, marksOfNode, removalSince } from '../../access/marks.ts';
import type { Db, Tx } from '../../db/connect.ts';
import { anyOf, unnest } from '../../db/unnest.ts';
import type { CredentialId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import type { Lease } from '../../leases/lease.ts';
import { computeRecheckAt, type MarkFacts } from './rule.ts';

// The SQL of a keeper for its marks (rule 4).
//
// No transaction is open during calls to the node. So a result is stored only if the mark, the
// epoch and the boot are still the ones that were read.

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
  /** The address that the marks are meant for. */
  readonly api: string;
  readonly bootAt: Instant | null;
  readonly inbounds: readonly string[];
  /** Inbounds that must have no user of ours. */
  readonly formerInbounds: readonly string[];
  readonly flow: string | null;
  readonly marks: readonly Mark[];
  /** Confirmed stray users are due (`stray-store.ts`). */
  readonly hasStrays: boolean;
  /** No mark of the selection is due, but suspects are. */
  readonly hasSuspects: boolean;
}

/**
 * `suspects`: suspected adds. `others`: all other marks. `removals`: credentials that are not
 * entitled. Removals that are not urgent require a read of every mark: 240,000 pages for 30,000
 * marks.
 */
export type MarkSelection = 'others' | 'suspects' | 'removals' | 'urgent_removals';

/** The name of the worker in `quarantine`. */
export const keepNodeName = 'keep-node';

/** The quarantine item names the subscription, because the UUID of a credential is a secret. */
export function toMarkItem(node: string, { subscriptionId }: Pick<Mark, 'subscriptionId'>): string {
  return `${node}/${subscriptionId}`;
}

/**
 * For a mark `m` on a node `n`; NULL if the credential is not entitled. Not EXISTS: the planner
 * would build a hash of all credentials for it.
 */
const mayConnect = sql`(SELECT true FROM perennial.credential c
    JOIN perennial.subscription s ON s.id = c.subscription_id
    JOIN perennial.plan p ON p.key = s.plan
    WHERE c.id = m.credential_id AND ${isEntitled()})`;

/**
 * `others` skips suspects one by one, with a look-up for each. There are as many suspects as calls
 * were pending when a connection broke, and none most of the time.
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
 * Reads the next due marks, urgent ones first, and the desired state of each. One statement reads
 * both, so a version stands for this desired state. Every change of the desired state writes a new
 * version in the same transaction. Credentials of `inProgress` are left out.
 * @returns undefined if the lease is lost
 */
export async function readMarkPage(
  db: Db,
  { id: node, epoch }: Lease,
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

/** The connection broke during an add: not at all, with other calls pending, or with none. */
export type ConnectionLoss = 'no' | 'among_others' | 'alone';

/** The result of a mark. */
export interface MarkResult {
  readonly mark: Mark;
  /** undefined: every inbound is as the database requires. */
  readonly failed?: {
    readonly error: string;
    readonly retryAt: Instant;
    readonly lost: ConnectionLoss;
  };
}

/**
 * Deletes confirmed marks and postpones failed ones, each only if version, epoch and `bootAt` are
 * unchanged. All others are marked again, because the node received a call and the database may
 * require another state. The new mark has a version that no keeper has read (S1). The marks are
 * locked in the order of their credentials before any change (rule 1).
 * @returns the number of confirmed marks
 */
export async function writeMarkResults(
  tx: Tx,
  { id: node, epoch }: Lease,
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
 * Clears the latest crash suspicion of these credentials. It needs its own transaction, as
 * `postponeHeld` does.
 */
export async function clearSuspicion(
  tx: Tx,
  { id: node }: Lease,
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
 * Postpones marks in quarantine, because a mark that is not due costs nothing. It needs its own
 * transaction, because of the order in which marks are locked.
 */
export async function postponeHeld(
  tx: Tx,
  { id: node }: Lease,
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

/** The oldest unconfirmed removal (promise 5); undefined: none. */
export async function readOldestUnconfirmed(db: Db | Tx): Promise<UnconfirmedRemoval | undefined> {
  const { rows } = await sql<UnconfirmedRemoval>`
    SELECT m.node_id AS node, s.id AS "subscriptionId", m.attempts, m.last_error AS "lastError",
      ${removalSince} AS since
    FROM ${marksOfNode} JOIN perennial.node n ON n.id = m.node_id
    WHERE ${isRemoval}
    ORDER BY since, m.node_id, s.id LIMIT 1`.execute(db);
  return rows[0];
}
